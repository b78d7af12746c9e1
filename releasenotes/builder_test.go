package releasenotes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-dev/slipway/releasenotes"
)

// commit makes a commit by Ada; parents are separated by spaces. Hashes are
// padded to 40 digits by full.
func commit(hash, parents, subject string, body ...string) releasenotes.Commit {
	c := releasenotes.Commit{Hash: full(hash), Name: "Ada", Email: "ada@example.org", Subject: subject, Body: strings.Join(body, "\n")}
	for _, p := range strings.Fields(parents) {
		c.Parents = append(c.Parents, full(p))
	}
	return c
}

func full(hash string) string {
	return fmt.Sprintf("%x", hash) + strings.Repeat("0", 40-2*len(hash))
}

func by(c releasenotes.Commit, name string) releasenotes.Commit {
	c.Name, c.Email = name, strings.ToLower(name)+"@example.org"
	return c
}

func build(t *testing.T, o releasenotes.Options, commits ...releasenotes.Commit) releasenotes.Notes {
	t.Helper()
	b, err := releasenotes.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commits {
		b.Add(c)
	}
	return b.Notes(nil)
}

// outline is the notes in a few words: "title: [scope] text #pulls".
func outline(n releasenotes.Notes) []string {
	lines := []string{}
	add := func(title string, entries []releasenotes.Entry) {
		for _, e := range entries {
			line := title + ": "
			if e.Scope != "" {
				line += "[" + e.Scope + "] "
			}
			line += e.Text
			for _, p := range e.Pulls {
				line += fmt.Sprintf(" #%d", p)
			}
			lines = append(lines, line)
		}
	}
	add("Breaking", n.Breaking)
	for _, g := range n.Groups {
		add(g.Title, g.Entries)
	}
	return lines
}

// Promise: a merged pull request and its commits are listed once, by the rule
// of the package comment; reverts cancel what they revert.
func TestBuilderLists(t *testing.T) {
	t.Parallel()
	type commits = []releasenotes.Commit
	reverts := func(hash string) string { return "This reverts commit " + full(hash) + "." }
	for name, test := range map[string]struct {
		commits commits
		want    []string
	}{
		"groups": {commits{
			commit("6", "5", "feat(cli): a"), commit("5", "4", "chore: b"), commit("4", "3", "http: c"),
			commit("3", "2", "just text"), commit("2", "1", "docs: d"), commit("1", "", "bugfix: e"),
		}, []string{"Features: [cli] a", "Fixes: e", "Documentation: d", "Other changes: [http] c", "Other changes: just text"}},
		"breaking is listed once, whatever its type": {commits{
			commit("2", "1", "chore!: a"), commit("1", "", "feat: b", "BREAKING CHANGE: c"),
		}, []string{"Breaking: a", "Breaking: b"}},

		"a conventional title speaks for its commits": {commits{
			commit("4", "1 3", "Merge pull request #7 from a/b", "feat: all of it"),
			commit("3", "2", "feat: part two"), commit("2", "1", "wip"), commit("1", "", "fix: before"),
		}, []string{"Features: all of it #7", "Fixes: before"}},
		"but not for what breaks": {commits{
			commit("3", "1 2", "Merge pull request #7 from a/b", "chore: all of it"),
			commit("2", "1", "refactor!: part"), commit("1", "", "fix: before"),
		}, []string{"Breaking: part #7", "Fixes: before"}},
		"conventional commits say more than a plain title": {commits{
			commit("4", "1 3", "Merge pull request 'All of it' (#7) from a/b into main"),
			commit("3", "2", "feat: part two"), commit("2", "1", "wip"), commit("1", "", "fix: before"),
		}, []string{"Features: part two #7", "Fixes: before", "Other changes: wip #7"}},
		"a plain title speaks for plain commits": {commits{
			commit("4", "1 3", "Merge pull request #7 from a/b", "All of it"),
			commit("3", "2", "chore: tidy"), commit("2", "1", "wip"), commit("1", "", "fix: before"),
		}, []string{"Fixes: before", "Other changes: All of it #7"}},
		"a plain title over maintenance alone": {commits{
			commit("3", "1 2", "Merge pull request #7 from a/b", "Run it faster"),
			commit("2", "1", "ci: cache"), commit("1", "", "fix: before"),
		}, []string{"Fixes: before"}},
		"no title": {commits{
			commit("3", "1 2", "Merge pull request #7 from a/b"), commit("2", "1", "the change"), commit("1", "", "fix: before"),
		}, []string{"Fixes: before", "Other changes: the change #7"}},
		"no title and no commits": {commits{
			commit("3", "1 2", "Merge pull request #7 from a/b"),
		}, []string{"Other changes: Pull request #7"}},
		"title with a number as the merge's subject": {commits{
			commit("3", "1 2", "feat: all of it (#7)"), commit("2", "1", "feat: part"), commit("1", "", "fix: before"),
		}, []string{"Features: all of it #7", "Fixes: before"}},
		"develop merged into main": {commits{
			commit("8", "1 7", "Merge pull request #9 from acme/develop", "Release 2"),
			commit("7", "4 6", "Merge pull request #8 from a/c", "fix: second"), commit("6", "4", "wip"),
			commit("4", "3", "squashed (#6)"),
			commit("3", "1 2", "Merge pull request #7 from a/b", "feat: first"), commit("2", "1", "wip"), commit("1", "", "fix: before"),
		}, []string{"Features: first #7", "Fixes: second #8", "Fixes: before", "Other changes: squashed #6"}},
		"main merged into the pull request's branch": {commits{
			commit("6", "4 5", "Merge pull request #7 from a/b", "Topic"),
			commit("5", "2 4", "Merge branch 'main' into b"), commit("4", "3", "on main"),
			commit("2", "3", "wip"), commit("3", "", "feat: before"),
		}, []string{"Features: before", "Other changes: Topic #7", "Other changes: on main"}},
		"branch merges carry their commits": {commits{
			commit("3", "1 2", "Merge branch 'topic'"), commit("2", "1", "feat: a"), commit("1", "", "fix: b"),
		}, []string{"Features: a", "Fixes: b"}},
		"merges with a message of their own": {commits{
			commit("3", "1 2", "feat: bring topic"), commit("2", "1", "fix: a"), commit("1", "", "fix: b"),
		}, []string{"Features: bring topic", "Fixes: a", "Fixes: b"}},

		"revert": {commits{
			commit("3", "2", `Revert "feat: a"`, reverts("1")), commit("2", "1", "fix: b"), commit("1", "", "feat: a"),
		}, []string{"Fixes: b"}},
		"revert of a revert": {commits{
			commit("3", "2", `Reapply "feat: a"`, reverts("2")), commit("2", "1", `Revert "feat: a"`, reverts("1")), commit("1", "", "feat: a"),
		}, []string{"Features: a"}},
		"three times": {commits{
			commit("4", "3", `Revert "Reapply "feat: a""`, reverts("3")), commit("3", "2", `Reapply "feat: a"`, reverts("2")),
			commit("2", "1", `Revert "feat: a"`, reverts("1")), commit("1", "", "feat: a"),
		}, []string{}},
		"revert of something older": {commits{
			commit("2", "1", `Revert "feat: a"`, reverts("0")), commit("1", "", "fix: b"),
		}, []string{`Fixes: b`, `Reverts: Revert "feat: a"`}},
		"conventional revert of two, one of them older": {commits{
			commit("3", "2", "revert: both", "Refs: "+full("1")[:9]+", "+full("0")[:9]), commit("2", "1", "fix: b"), commit("1", "", "feat: a"),
		}, []string{"Fixes: b", "Reverts: both"}},
		"conventional revert of two": {commits{
			commit("3", "2", "revert: both", "Refs: "+full("1")[:9]+", "+full("2")[:9]), commit("2", "1", "fix: b"), commit("1", "", "feat: a"),
		}, []string{}},
		"by the subject": {commits{
			commit("3", "2", `Revert "feat: a (#4)"`), commit("2", "1", "feat: a (#4)"), commit("1", "", "feat: a (#3)"),
		}, []string{"Features: a #3"}},
		"by the number, as GitHub's button does": {commits{
			commit("3", "2", `Revert "feat: a" (#8)`, "Reverts acme/hello#7"), commit("2", "1", "feat: a (#7)"), commit("1", "", "fix: b"),
		}, []string{"Fixes: b"}},
		"revert of a merge takes its commits back": {commits{
			commit("5", "4", `Revert "Merge pull request #7 from a/b"`, "This reverts commit "+full("4")+", reversing"),
			commit("4", "1 3", "Merge pull request #7 from a/b", "Topic"), commit("3", "2", "feat: two"), commit("2", "1", "feat: one"), commit("1", "", "fix: b"),
		}, []string{"Fixes: b"}},
		"revert of a branch merge": {commits{
			commit("5", "4", `Revert "Merge branch 'topic'"`, reverts("4")),
			commit("4", "1 3", "Merge branch 'topic'"), commit("3", "2", "feat: two"), commit("2", "1", "feat: one"), commit("1", "", "fix: b"),
		}, []string{"Fixes: b"}},
		"revert by a pull request of a pull request": {commits{
			commit("6", "4 5", "Merge pull request #8 from a/revert-7", `Revert "feat: topic"`), commit("5", "4", `Revert "feat: topic"`, reverts("3")),
			commit("4", "1 3", "Merge pull request #7 from a/b", "feat: topic"), commit("3", "1", "feat: topic"), commit("1", "", "fix: b"),
		}, []string{"Features: topic #7", "Fixes: b"}},
		"revert by a pull request of a merge": {commits{
			commit("6", "4 5", "Merge pull request #8 from a/revert-7", `Revert "feat: topic"`), commit("5", "4", `Revert "feat: topic"`, reverts("4")),
			commit("4", "1 3", "Merge pull request #7 from a/b", "feat: topic"), commit("3", "1", "feat: topic"), commit("1", "", "fix: b"),
		}, []string{"Fixes: b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, outline(build(t, releasenotes.Options{}, test.commits...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Promise: groups and exclusions are the user's.
func TestBuilderOptions(t *testing.T) {
	t.Parallel()
	commits := []releasenotes.Commit{
		commit("5", "4", "chore: a"), commit("4", "3", "feat: b"), commit("3", "2", "fix: c"), commit("2", "1", `Revert "x"`), commit("1", "", "release v1"),
	}
	n := build(t, releasenotes.Options{
		Groups:  []releasenotes.Group{{Title: "All", Types: []string{"*"}}, {Title: "New", Types: []string{"FEAT"}}, {Types: []string{"fix"}}},
		Exclude: []string{`^release `},
	}, commits...)
	want := []string{"All: a", `All: Revert "x"`, "New: b"}
	if diff := cmp.Diff(want, outline(n)); diff != "" {
		t.Error(diff)
	}
	if n.Counts != (releasenotes.Counts{Commits: 5, Listed: 3}) {
		t.Errorf("counts %+v", n.Counts)
	}
	n = build(t, releasenotes.Options{Exclude: []string{"secret"}},
		commit("6", "4 5", "Merge pull request #9 from a/c", "A secret"), commit("5", "4", "wip"),
		commit("4", "2 3", "Merge pull request #8 from a/b", "feat: a secret"), commit("3", "2", "fix: part of it"), commit("2", "", "feat!: secret"))
	if diff := cmp.Diff([]string{}, outline(n)); diff != "" {
		t.Errorf("an excluded pull request or its commits are listed: %s", diff)
	}
	n = build(t, releasenotes.Options{Groups: []releasenotes.Group{{Title: "New", Types: []string{"feat"}}}}, commits...)
	if diff := cmp.Diff([]string{"New: b"}, outline(n)); diff != "" {
		t.Error(diff)
	}
}

// Promise: people are counted once under all their addresses, programs never,
// and the first-time contributors are those that nobody knows.
func TestContributors(t *testing.T) {
	t.Parallel()
	b, err := releasenotes.New(releasenotes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []releasenotes.Commit{
		by(commit("7", "3 6", "Merge pull request #4 from eve/x", "feat: x"), "Merger"),
		by(commit("6", "5", "wip", "Co-authored-by: ADA <ADA@example.org>", "Co-authored-by: Zoe <zoe@example.org>"), "Eve"),
		by(commit("5", "3", "wip"), "Eve"),
		by(commit("3", "2", "fix: bump"), "renovate[bot]"),
		by(commit("2", "1", "ci: hidden"), "Carl"),
		commit("1", "", "fix: y", "Co-authored-by: Eve <eve@elsewhere.example>", "Co-authored-by: Claude <noreply@anthropic.com>"),
	} {
		b.Add(c)
	}
	wantAuthors := []string{"ada@example.org", "carl@example.org", "eve@elsewhere.example", "eve@example.org", "zoe@example.org"}
	if diff := cmp.Diff(wantAuthors, b.Authors()); diff != "" {
		t.Error(diff)
	}
	n := b.Notes(func(email string) bool { return email == "ada@example.org" })
	eve := releasenotes.Contributor{Name: "Eve", Commits: 3, Hash: full("1")}
	carl := releasenotes.Contributor{Name: "Carl", Commits: 1, Hash: full("2")}
	zoe := releasenotes.Contributor{Name: "Zoe", Commits: 1, Hash: full("6"), Pull: 4}
	ignore := cmpopts.IgnoreUnexported(eve)
	if diff := cmp.Diff([]releasenotes.Contributor{eve, {Name: "ADA", Commits: 2, Hash: full("1")}, carl, zoe}, n.Contributors, ignore); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]releasenotes.Contributor{eve, carl, zoe}, n.NewContributors, ignore); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Eve", "ADA", "Zoe"}, n.Groups[0].Entries[0].Authors); diff != "" {
		t.Error(diff)
	}
	if got := n.Groups[1].Entries[0].Authors; got != nil {
		t.Errorf("a program is named as author: %v", got)
	}
}

// Promise: a revert that is cancelled leaves nobody credited.
func TestCancelledAuthors(t *testing.T) {
	t.Parallel()
	n := build(t, releasenotes.Options{},
		by(commit("3", "2", `Revert "feat: a"`, "This reverts commit "+full("2")), "Bob"),
		by(commit("2", "1", "feat: a"), "Carl"), commit("1", "", "feat: b"))
	if len(n.Contributors) != 1 || n.Contributors[0].Name != "Ada" || n.Counts.Cancelled != 2 {
		t.Errorf("contributors %+v, counts %+v", n.Contributors, n.Counts)
	}
}

// Promise: every wrong option is told at once, with its place.
func TestOptionErrors(t *testing.T) {
	t.Parallel()
	_, err := releasenotes.New(releasenotes.Options{
		Groups:   []releasenotes.Group{{Title: "A", Types: []string{"feat", "*"}}, {Title: "B", Types: []string{"feat", "a b", "*"}}},
		Exclude:  []string{"fine", "("},
		Template: "{{range .Groups}}\n  {{.Titel}}\n{{end}}",
	})
	want := []string{
		`groups[1].types[0]: type "feat" belongs to group "A" already`,
		`groups[1].types[1]: "a b" can't be a commit type: a type is one word, such as feat, or *`,
		`groups[1].types[2]: type "*" belongs to group "A" already`,
		"exclude[1]: error parsing regexp: missing closing ): `(`",
		`template:2:5: <.Titel>: can't evaluate field Titel in type releasenotes.Section; see the fields of releasenotes.Notes`,
	}
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
	var first *releasenotes.OptionError
	if !errors.As(err, &first) || first.Field != "groups[1].types[0]" {
		t.Errorf("%#v", first)
	}
	for source, want := range map[string]string{
		"{{if}}":                            "template:1: missing value for if",
		"{{nothing 1}}":                     `template:1: function "nothing" not defined`,
		"x\n{{range .Groups}}":              "template:2: unexpected EOF",
		`{{range .Groups}}{{end}}{{.Nope}}`: "template:1:27: <.Nope>: can't evaluate field Nope in type releasenotes.Notes; see the fields of releasenotes.Notes",
	} {
		if _, err := releasenotes.New(releasenotes.Options{Template: source}); err == nil || err.Error() != want {
			t.Errorf("template %q: %v, want %s", source, err, want)
		}
	}
}

// Promise: a template has all of the notes and renders them in place of the
// built-in Markdown.
func TestTemplate(t *testing.T) {
	t.Parallel()
	b, err := releasenotes.New(releasenotes.Options{
		Version: "1.2.0", Links: releasenotes.GiteaLinks("https://git.example/a/b"),
		Template: "{{.Version}}\n{{range .Groups}}{{heading .Title}}\n{{range .Entries}}{{entry .}}\n* {{escape .Text}} {{commit .Hash}}{{range .Pulls}} {{pull .}}{{end}}\n{{end}}{{end}}",
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Add(commit("1", "", "feat: <b> (#2)"))
	got, err := b.Render(b.Notes(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := "1.2.0\n## Features\n- &lt;b&gt; ([#2](https://git.example/a/b/pulls/2))\n* &lt;b&gt; [3100000](https://git.example/a/b/commit/" + full("1") + ") [#2](https://git.example/a/b/pulls/2)\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Promise: notes go through JSON unchanged, and email addresses stay out of it.
func TestNotesJSON(t *testing.T) {
	t.Parallel()
	n := build(t, releasenotes.Options{Tag: "v2", Previous: "v1", Project: "hello", Date: time.Unix(1e9, 0).UTC(), Links: releasenotes.GitHubLinks("https://github.com/a/b/")},
		commit("2", "1", "feat(x)!: y (#3)", "BREAKING CHANGE: z"), commit("1", "", "fix: w"))
	encoded, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(encoded), "@") {
		t.Errorf("an address in %s", encoded)
	}
	var back releasenotes.Notes
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, back, cmpopts.IgnoreUnexported(releasenotes.Contributor{})); diff != "" {
		t.Error(diff)
	}
	if n.CompareURL != "https://github.com/a/b/compare/v1...v2" {
		t.Error(n.CompareURL)
	}
}

// Promise: one giant release takes little memory besides its texts.
func TestBuilderIsCompact(t *testing.T) {
	commits, _ := history(100_000, 0)
	before := liveHeap()
	b, err := releasenotes.New(releasenotes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range commits {
		b.Add(commits[i])
	}
	grown := int64(liveHeap()) - int64(before)
	runtime.KeepAlive(commits)
	t.Logf("%d KiB live after 100,000 commits", grown>>10)
	if grown > 25<<20 {
		t.Errorf("%d bytes", grown)
	}
	if n := b.Notes(nil); n.Counts.Commits != 100_000 {
		t.Error(n.Counts)
	}
}
