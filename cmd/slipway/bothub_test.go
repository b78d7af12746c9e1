package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// botHub is a repository on GitHub's wire with a webhook to a bot, and a
// maintainer who may write.
type botHub struct {
	*botUnderTest
	server *simforge.Server
	repo   *memory.Repo
	dir    string // a local clone
}

const (
	hubName = "acme/hello"
	maria   = "maria"
)

// hubRig says how it differs from the usual one.
type hubRig struct {
	project string // .slipway.yaml
	bot     string // more keys of bot.yaml
	forge   string // more keys of the forge, instead of host-builds: allow
	app     bool   // an app instead of a token
}

func newBotHub(t *testing.T, r hubRig) *botHub {
	t.Helper()
	s := &botHub{dir: quickProject(t)}
	if r.project != "" {
		if err := os.WriteFile(filepath.Join(s.dir, ".slipway.yaml"), []byte(r.project), 0o644); err != nil {
			t.Fatal(err)
		}
		mustRun(t, s.dir, nil, "git", "commit", "--quiet", "--amend", "--all", "--no-edit")
	}
	bare := filepath.Join(t.TempDir(), "bare.git")
	mustRun(t, "", nil, "git", "clone", "--quiet", "--bare", s.dir, bare)
	var err error
	if s.server, err = simforge.Start(simforge.Options{Dialect: memory.GitHub, Rates: &simforge.Rates{}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.server.Close() })
	s.repo = s.server.AddGitRepo(memory.Options{FullName: hubName}, bare)
	s.repo.SetPermission(maria, forge.MayWrite)
	login := "token: " + simforge.WriteToken
	var app int64
	if r.app {
		app, login = s.addApp(t)
	}
	if r.forge == "" {
		r.forge = "host-builds: allow"
	}
	s.botUnderTest = newBot(t, fmt.Sprintf("  - {kind: github, server: %q, %s, secrets: [%q], repositories: [%s], %s}\n",
		s.server.URL, login, botSecret, hubName, r.forge), r.bot)
	hook := simforge.Hook{URL: s.hook(), Secret: botSecret}
	if r.app {
		err = s.server.HookApp(app, hook)
	} else {
		_, err = s.server.AddHook(hubName, hook)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addApp makes an app that is installed on the repository, and gives its number
// and its part of the bot's config.
func (s *botHub) addApp(t *testing.T) (id int64, config string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.server.AddApp(simforge.App{ID: 41, Slug: "slipway", Keys: []*rsa.PublicKey{&key.PublicKey},
		Installations: []simforge.Installation{{ID: 7, Account: "acme", Repositories: []string{hubName}}}})
	return 41, "app: {id: 41, key-file: " + file + "}"
}

func (s *botHub) begin(t *testing.T) {
	t.Helper()
	s.start(t)
	eventually(t, "the repository is known", func() bool { return strings.Contains(s.log.String(), "was compared with the ledger") })
}

func (s *botHub) git(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(mustRun(t, s.dir, nil, append([]string{"git"}, args...)...))
}

func (s *botHub) pushTags(t *testing.T, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		s.git(t, "tag", tag)
	}
	s.pushRefs(t, tags...)
}

func (s *botHub) pushRefs(t *testing.T, refs ...string) {
	t.Helper()
	s.git(t, append([]string{"push", "--quiet", strings.Replace(s.server.CloneURL(hubName), "http://", "http://x:"+simforge.WriteToken+"@", 1)}, refs...)...)
}

// tags are those of the public releases, sorted.
func (s *botHub) tags() string {
	tags := []string{}
	for _, r := range s.repo.PublicReleases() {
		tags = append(tags, r.Tag)
	}
	slices.Sort(tags)
	return fmt.Sprint(tags)
}

func (s *botHub) released(t *testing.T, want string) {
	t.Helper()
	eventually(t, "the releases are "+want, func() bool { return s.tags() == want })
}

// comment is one of the maintainer's on a commit.
func (s *botHub) comment(t *testing.T, commit, body string) memory.Comment {
	t.Helper()
	c, err := s.repo.AddComment(forge.Place{Commit: commit}, maria, body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answers are the bot's comments on a commit, the oldest first.
func (s *botHub) answers(t *testing.T, commit string) (out []string) {
	t.Helper()
	all, err := s.repo.CommentsAt(forge.Place{Commit: commit})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if strings.HasPrefix(c.Body, "<!-- slipway") {
			out = append(out, c.Body)
		}
	}
	return out
}

func (s *botHub) answer(t *testing.T, commit, want string) {
	t.Helper()
	eventually(t, "the answer says "+want, func() bool {
		all := s.answers(t, commit)
		return len(all) > 0 && strings.Contains(all[len(all)-1], want)
	})
}

// status is that of a commit's slipway/release.
func (s *botHub) status(commit string) string {
	for _, st := range s.repo.Statuses(commit) {
		if st.Context == "slipway/release" {
			return st.State
		}
	}
	return ""
}

// Promise: on GitHub, a comment on a commit promotes it when its statuses and
// check runs are green, and is refused with the failing check's name when not;
// the release is told of by reaction, comment, status and deployment. An edited
// comment is no command.
func TestBotPromotesCommitOnGitHub(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{})
	s.begin(t)
	head := s.git(t, "rev-parse", "HEAD")
	for name, conclusion := range map[string]string{"build": "success", "lint": "skipped", "unit (linux)": "timed_out"} {
		if _, err := s.repo.SetCheckRun(head, name, "completed", conclusion); err != nil {
			t.Fatal(err)
		}
	}
	old := s.comment(t, head, "Nice")
	if _, err := s.repo.EditComment(old.ID, maria, "/promote"); err != nil {
		t.Fatal(err)
	}
	red := s.comment(t, head, "/promote")
	s.answer(t, head, "unit (linux) did not pass")
	if _, err := s.repo.SetCheckRun(head, "unit (linux)", "completed", "success"); err != nil {
		t.Fatal(err)
	}
	green := s.comment(t, head, "/promote")
	s.released(t, "[v0.1.0]")
	s.answer(t, head, "v0.1.0 is published")
	eventually(t, "the reactions are right", func() bool { return s.reactions(t, red.ID) == "[confused]" && s.reactions(t, green.ID) == "[rocket]" })
	eventually(t, "the status is success", func() bool { return s.status(head) == "success" })
	if n := len(s.answers(t, head)); n != 2 {
		t.Errorf("%d answers", n)
	}
	var deployed []string
	for _, d := range s.repo.Deployments() {
		deployed = append(deployed, d.Environment, d.Commit)
		for _, st := range d.Statuses {
			deployed = append(deployed, st.State)
		}
	}
	if want := fmt.Sprint([]string{"stable", head, "in_progress", "success"}); fmt.Sprint(deployed) != want {
		t.Errorf("deployments are %v, want %s", deployed, want)
	}
	s.settled(t, "promote", "[promote v0.1.0 done]")
}

func (s *botHub) reactions(t *testing.T, comment int64) string {
	t.Helper()
	c, err := s.repo.Comment(comment)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range c.Reactions {
		out = append(out, r.Content)
	}
	return fmt.Sprint(out)
}

// A commit that is on no branch, such as a fork's, is not promoted, however green.
func TestBotPromotesNoStrayCommitOnGitHub(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{})
	s.begin(t)
	stray, err := s.repo.Refs().Fork(t.Context(), s.git(t, "rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.repo.SetCheckRun(stray, "build", "completed", "success"); err != nil {
		t.Fatal(err)
	}
	s.comment(t, stray, "/promote")
	s.answer(t, stray, "Refused")
	if got := s.tags(); got != "[]" {
		t.Errorf("released: %s", got)
	}
}

// One bot serves several forges, each with the repositories that its patterns
// take, and no others.
func TestBotServesSeveralForges(t *testing.T) {
	t.Parallel()
	hub := newBotHub(t, hubRig{})
	bare := filepath.Join(t.TempDir(), "bare.git")
	mustRun(t, "", nil, "git", "clone", "--quiet", "--bare", hub.dir, bare)
	other := hub.server.AddGitRepo(memory.Options{FullName: "acme/other"}, bare)
	tea := newBotGitea(t, rig{deaf: true})
	b := newBot(t, giteaForge(tea.repo.Server.URL, tea.repo.Server.Admin, ", host-builds: allow", tea.repo.FullName())+
		fmt.Sprintf("  - {name: hub, kind: github, server: %q, token: %q, secrets: [%q], repositories: ['acme/h*']}\n", hub.server.URL, simforge.WriteToken, botSecret),
		"repositories: [{match: '*/hello', host-builds: allow}]")
	tea.repo.AddHook(t, b.hook(), botSecret, hookEvents...)
	for _, name := range []string{hubName, "acme/other"} {
		if _, err := hub.server.AddHook(name, simforge.Hook{URL: b.hook(), Secret: botSecret}); err != nil {
			t.Fatal(err)
		}
	}
	b.start(t)
	eventually(t, "both are known", func() bool { return b.log.count("was compared with the ledger") >= 2 })
	tea.pushTags(t, "v1.0.0")
	hub.pushTags(t, "v2.0.0")
	if err := other.Refs().SetTag(t.Context(), "v3.0.0", hub.git(t, "rev-parse", "HEAD")); err != nil {
		t.Fatal(err)
	}
	if err := other.Pushed(t.Context(), maria, []memory.RefUpdate{{Ref: "refs/tags/v3.0.0", Before: strings.Repeat("0", 40), After: hub.git(t, "rev-parse", "HEAD")}}); err != nil {
		t.Fatal(err)
	}
	tea.released(t, "v1.0.0")
	hub.released(t, "[v2.0.0]")
	eventually(t, "the other repository is noticed", func() bool { return b.metric(t, "slipway_deliveries_total", `outcome="unserved"`, `forge="hub"`) > 0 })
	if n := len(other.PublicReleases()); n > 0 {
		t.Errorf("%d releases of a repository that is not served", n)
	}
}

// GitHub tells nothing of four tags in one push: they are found all the same.
func TestBotFindsManyTagsOnGitHub(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{bot: "catch-up: 2s"})
	s.begin(t)
	s.pushTags(t, "v1.0.0", "v1.0.1", "v1.0.2", "v1.0.3")
	s.released(t, "[v1.0.0 v1.0.1 v1.0.2 v1.0.3]")
	if got := s.operations(t, "release"); len(got) != 4 {
		t.Errorf("operations: %v", got)
	}
}

// What GitHub could not deliver is fetched from it: also what nothing else tells
// of, and each once.
func TestBotFetchesFailedDeliveriesOnGitHub(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]bool{"token": false, "app": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBotHub(t, hubRig{app: app, bot: "catch-up: 2s"})
			s.begin(t)
			head := s.git(t, "rev-parse", "HEAD")
			s.stop(t)
			s.pushTags(t, "v1.0.0")
			s.comment(t, head, "/status")
			if err := s.server.AwaitHooks(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.start(t)
			s.released(t, "[v1.0.0]")
			s.answer(t, head, "v1.0.0")
			eventually(t, "the failed deliveries are there", func() bool { return s.metric(t, "slipway_deliveries_total", `outcome="caught-up"`, `event="push"`) > 0 })
			time.Sleep(5 * time.Second) // two more looks
			s.settled(t, "release", "[release v1.0.0 done]")
			pushes := 0
			for _, d := range s.list(t, "deliveries") {
				if d["event"] == "push" && strings.Contains(fmt.Sprint(d["reason"]), "v1.0.0 was pushed") {
					pushes++
				}
			}
			if pushes != 1 || len(s.answers(t, head)) != 1 {
				t.Errorf("%d pushes were taken, %d answers", pushes, len(s.answers(t, head)))
			}
		})
	}
}

// A GitHub App serves as well as a token, also after its tokens have ended.
func TestBotAsGitHubApp(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{app: true, project: newWork(t).project("promote: {require: []}")})
	s.begin(t)
	s.pushTags(t, "v1.0.0-rc1")
	s.released(t, "[v1.0.0-rc1]")
	s.server.RevokeTokens()
	head := s.git(t, "rev-parse", "HEAD")
	s.comment(t, head, "/promote v1.0.0-rc1 to stable")
	s.answer(t, head, "v1.0.0 is published")
	s.released(t, "[v1.0.0 v1.0.0-rc1]")
	all, err := s.repo.CommentsAt(forge.Place{Commit: head})
	if err != nil || all[len(all)-1].Author.Login != "slipway[bot]" {
		t.Errorf("comments: %+v, %v", all, err)
	}
	if out, code := s.run(t, "doctor"); code != 0 {
		t.Errorf("doctor: %d\n%s", code, out)
	}
}

// release does what a workflow of the repository does: it releases a tag by the
// action's own way.
func (s *botHub) release(t *testing.T, tag string) {
	t.Helper()
	sub := subject{kind: "github", repo: hubName, token: simforge.WriteToken}
	mustRun(t, clone(t, s.dir), tokenEnv(cleanEnv(t, t.TempDir()), sub), releaseArgs(s.server.URL, sub, "--tag", tag)...)
}

// Work can be given to a workflow: it is dispatched once, also when the bot is
// killed meanwhile, and followed to its end, good or bad.
func TestBotDispatchesWorkflows(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{forge: "work: workflow"})
	w := s.repo.AddWorkflow("slipway-release.yml", "release")
	s.begin(t)
	head := s.git(t, "rev-parse", "HEAD")
	s.pushTags(t, "v1.0.0")
	run := s.dispatched(t, w, 1)
	if run.Ref != "refs/tags/v1.0.0" || run.Event != "workflow_dispatch" {
		t.Errorf("dispatched was %+v", run)
	}
	s.kill()
	s.start(t)
	if err := s.repo.StartRun(run.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the status is pending", func() bool { return s.status(head) == "pending" })
	s.release(t, "v1.0.0")
	if err := s.repo.EndRun(run.ID, "success"); err != nil {
		t.Fatal(err)
	}
	s.settled(t, "release", "[release v1.0.0 done]")
	eventually(t, "the status is success", func() bool { return s.status(head) == "success" })

	s.pushTags(t, "v1.0.1")
	second := s.dispatched(t, w, 2)
	if err := s.repo.EndRun(second.ID, "failure"); err != nil {
		t.Fatal(err)
	}
	s.settled(t, "release", "[release v1.0.0 done release v1.0.1 failed]")
	if got := fmt.Sprint(s.list(t, "operations", "--state", "failed")); !strings.Contains(got, `the workflow slipway-release.yml ended with`) {
		t.Errorf("it says %s", got)
	}
	// Asked for again, it is dispatched again.
	s.comment(t, head, "/retry v1.0.1")
	third := s.dispatched(t, w, 3)
	s.comment(t, head, "/cancel v1.0.1")
	eventually(t, "the run is cancelled", func() bool { r, err := s.repo.Run(third.ID); return err == nil && r.Conclusion == "cancelled" })
	s.settled(t, "release", "[release v1.0.0 done release v1.0.1 cancelled]")
	if got := len(s.repo.Runs("slipway-release.yml")); got != 3 {
		t.Errorf("%d runs", got)
	}
}

// dispatched waits until a workflow has so many runs, and gives the newest.
func (s *botHub) dispatched(t *testing.T, w memory.Workflow, n int) memory.Run {
	t.Helper()
	eventually(t, fmt.Sprintf("%d runs are there", n), func() bool { return len(s.repo.Runs(w.File)) >= n })
	return s.repo.Runs(w.File)[0]
}

// A promotion by a workflow is given what to promote, and to what; one that is
// not there is named.
func TestBotDispatchesPromotions(t *testing.T) {
	t.Parallel()
	s := newBotHub(t, hubRig{forge: "work: workflow", project: newWork(t).project("promote: {require: []}")})
	s.begin(t)
	head := s.git(t, "rev-parse", "HEAD")
	s.comment(t, head, "/promote v1.0.0")
	s.answer(t, head, "no workflow slipway-promote.yml")
	w := s.repo.AddWorkflow("slipway-promote.yml", "promote")
	s.comment(t, head, "/promote v1.0.0")
	run := s.dispatched(t, w, 1)
	if run.Ref != "refs/heads/main" || fmt.Sprint(run.Inputs) != fmt.Sprint(map[string]string{"from": head, "tag": "v1.0.0"}) {
		t.Errorf("dispatched was %+v", run)
	}
	s.git(t, "tag", "v1.0.0")
	if err := s.repo.Refs().SetTag(context.Background(), "v1.0.0", head); err != nil {
		t.Fatal(err)
	}
	s.release(t, "v1.0.0")
	if err := s.repo.EndRun(run.ID, "success"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the promotion is told of", func() bool { return strings.Contains(strings.Join(s.answers(t, head), "\n"), "v1.0.0 is published") })
}
