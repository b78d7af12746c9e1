package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A release that failed is tried again by /retry, and its status follows.
func TestBotRetries(t *testing.T) {
	t.Parallel()
	mended := filepath.Join(t.TempDir(), "mended")
	s := newBotGitea(t, rig{project: newWork(t).project("test: [{name: unit, run: 'echo looking; test -e " + mended + "'}]")})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/retry", "no release to do that with")
	s.pushTags(t, "v1.0.0")
	s.status(t, s.head(t), "failure")
	s.ask(t, issue, "/retry v9", "no release of v9")
	s.ask(t, issue, "/retry", "v1.0.0 is tried again")
	eventually(t, "it has failed again", func() bool { return s.log.count(`"state":"failed"`) == 2 })
	if got := s.tags(t); got != "[]" {
		t.Fatalf("released: %s", got)
	}
	if err := os.WriteFile(mended, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.ask(t, issue, "/retry v1.0.0", "v1.0.0 is tried again")
	s.released(t, "v1.0.0")
	s.status(t, s.head(t), "success")
	s.ask(t, issue, "/retry", "the last one, v1.0.0, is done")
	found := 0
	for _, row := range s.list(t, "audit") {
		if row["action"] == "retry" && row["actor"] == s.login && row["commit"] == s.head(t) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("the audit trail has %d retries of %s: %v", found, s.login, s.list(t, "audit"))
	}
}

// A release that runs is ended by /cancel: nothing is public, the build's
// process is gone, the status says so, and /retry goes on.
func TestBotCancels(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}")})
	s.begin(t)
	w.shut(t)
	issue := s.repo.OpenIssue(t, "release")
	s.repo.Comment(t, s.maintainer, issue, "/promote v1.0.0")
	w.begun(t, 1)
	s.ask(t, issue, "/promote v1.0.0", "v1.0.0 is under way already")
	s.ask(t, issue, "/cancel", "v1.0.0 is cancelled")
	s.status(t, s.head(t), "error")
	eventually(t, "the promotion's answer says so", func() bool { return strings.Contains(s.answers(t, issue)[0], "Cancelled") })
	s.ask(t, issue, "/cancel", "the last one, v1.0.0, is cancelled")
	if got := s.tags(t); got != "[]" {
		t.Errorf("released: %s", got)
	}
	w.open(t)
	s.ask(t, issue, "/retry", "v1.0.0 is tried again")
	s.released(t, "v1.0.0")
	s.status(t, s.head(t), "success")
	s.settled(t, "promote", "[promote v1.0.0 done]")
}

// While a repository is held nothing new is released; /unhold lets it go on.
// /status says how things stand.
func TestBotHolds(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/status", "Nothing was released here yet")
	s.ask(t, issue, "/unhold", "Nothing is held")
	s.ask(t, issue, "/hold the harbour is *frozen* <b>", `the harbour is \*frozen\* &lt;b&gt;`)
	s.pushTags(t, "v1.0.0")
	s.settled(t, "release", "[release v1.0.0 queued]")
	s.ask(t, issue, "/status", "v1.0.0` | ") // by now it would have begun
	if got := s.answers(t, issue); !strings.Contains(got[len(got)-1], "held by "+s.login) || !strings.Contains(got[len(got)-1], "queued") {
		t.Errorf("the status is\n%s", got[len(got)-1])
	}
	s.settled(t, "release", "[release v1.0.0 queued]")
	s.ask(t, issue, "/unhold", "Releases go on")
	s.released(t, "v1.0.0")
	s.status(t, s.head(t), "success")
	if got := s.ask(t, issue, "/status v1.0.0", "done"); strings.Contains(got, "held") {
		t.Errorf("the status is\n%s", got)
	}
	if got := s.ask(t, issue, "/help", "`/promote v1.4.0`"); !strings.Contains(got, "`stable`") {
		t.Errorf("the help knows no classes:\n%s", got)
	}
}

// Promise: what only looks like a command is none. Quotes, code, edited comments
// and the bot's own are passed over; a near miss gets a hint, but only for one
// who may command; the rest is silence.
func TestBotHearsOnlyCommands(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	_, stranger := s.repo.Server.Stranger(t)
	for _, text := range []string{
		"> /promote v9.9.9", "```\n/promote v9.9.9\n```", "    /promote v9.9.9", "Try `/promote v9.9.9`", "see /promote v9.9.9", "- /promote v9.9.9",
		"<!--\n/promote v9.9.9\n-->", "/destroy", "/etc/passwd", "promote v9.9.9",
	} {
		s.repo.Comment(t, s.maintainer, issue, text)
	}
	s.repo.Comment(t, "", issue, "/promote v9.9.9") // by the bot's own account
	s.repo.Comment(t, stranger, issue, "/promte v9.9.9")
	edited := s.repo.Comment(t, s.maintainer, issue, "Looks good")
	s.repo.EditComment(t, s.maintainer, edited, "/promote v9.9.9")
	s.ask(t, issue, "/promte v9.9.9", "did you mean /promote?")
	s.ask(t, issue, "/help", "These are the commands")
	if got := s.answers(t, issue); len(got) != 2 {
		t.Errorf("%d answers:\n%s", len(got), strings.Join(got, "\n"))
	}
	if got := s.tags(t); got != "[]" {
		t.Errorf("released: %s", got)
	}
}

// Promise: only people who may, do. The config says for each command what the
// forge must let one do, and in which teams one must be.
func TestBotAsksWhoMay(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	captain, captains := s.repo.AddUser(t, "captain", "admin")
	team := s.repo.Server.AddTeam(t, captain)
	reader, readers := s.repo.AddUser(t, "reader", "read")
	s.push(t, map[string]string{".slipway.yaml": newWork(t).project("promote: {require: []}\ncommands:\n" +
		"  promote: {permission: admin}\n  hold: {teams: [" + team + "]}\n  status: {permission: write}\n")}, "ci: who may")
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	said := func(token, text, want string) {
		t.Helper()
		before := len(s.answers(t, issue))
		s.repo.Comment(t, token, issue, text)
		eventually(t, text+" is answered", func() bool { return len(s.answers(t, issue)) > before })
		s.answer(t, issue, want)
	}
	said(s.maintainer, "/promote", s.login+" has write on this repository, and it needs admin")
	said(s.maintainer, "/hold", s.login+" is in none of the teams")
	said(readers, "/status", reader+" has read on this repository, and it needs write")
	said(readers, "/help", "These are the commands")
	said(s.maintainer, "/status\n/unhold", "Nothing is held")
	said(captains, "/hold", "are held")
	said(s.maintainer, "/unhold", "Releases go on")
	said(captains, "/promote", "v0.1.0 is published")
	refused := 0
	for _, row := range s.list(t, "audit") {
		if row["outcome"] == "refused" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("the audit trail has %d refusals: %v", refused, s.list(t, "audit"))
	}
}

// A config with mistakes is told of with their place; /help is there all the same.
func TestBotTellsOfMistakes(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{project: "project: hello\nbuild: []\n"})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/promote", ".slipway.yaml:2:1")
	s.ask(t, issue, "/help", "These are the commands")
	s.pushTags(t, "v1.0.0")
	s.status(t, s.head(t), "failure")
	s.ask(t, issue, "/retry", ".slipway.yaml:2:1") // who may is not known
}

// A comment of 64 KB with 500 commands has a bounded answer: ten count.
func TestBotAnswersBounded(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	line := "/promote " + strings.Repeat("x", 121) + "\n"
	s.repo.Comment(t, s.maintainer, issue, strings.Repeat(line, 500))
	got := s.answer(t, issue, "further commands were left out")
	if len(got) > 16<<10 || strings.Count(got, "neither a tag") > 10 {
		t.Errorf("an answer of %d bytes:\n%.2000s", len(got), got)
	}
	s.ask(t, issue, "/help", "These are the commands")
	if n := len(s.answers(t, issue)); n != 2 || s.tags(t) != "[]" {
		t.Errorf("%d answers, releases %s", n, s.tags(t))
	}
}
