package releasenotes_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/releasenotes"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }

// A history with a maintenance branch: v1.0.1 was made after v1.1.0, from v1.0.0.
//
//	u ─ m ─ n ─ v1.1.0 ─ c ─ v1.0.0 ─ a
//	     └──── v1.0.1 ─ f ────┘
var branched = []releasenotes.Commit{
	by(commit("u", "m", "feat: unreleased"), "Eve"),
	commit("m", "n x", "Merge branch 'v1.0.x'"),
	commit("n", "v", "fix: squashed (#9)"),
	by(commit("x", "f", "chore: release 1.0.1"), "Eve"),
	commit("f", "o", "fix: backport"),
	by(commit("v", "c", "docs: 1.1"), "Bob"),
	commit("c", "o", `Revert "feat: a"`, "This reverts commit "+full("a")),
	commit("o", "a", "fix: b"),
	by(commit("a", "", "feat: a"), "Carl"),
}

var branchedTags = map[string][]releasenotes.Tag{
	full("v"): {{Name: "v1.1.0", Version: "1.1.0", Date: day(3)}, {Name: "stable", Date: day(3)}},
	full("x"): {{Name: "v1.0.1", Date: day(4)}},
	full("o"): {{Name: "v1.0.0", Date: day(1)}},
	full("q"): {{Name: "nowhere", Date: day(9)}},
}

func changelog(t *testing.T, o releasenotes.ChangelogOptions, commits []releasenotes.Commit) string {
	t.Helper()
	var b bytes.Buffer
	o.TempDir = t.TempDir()
	writeChangelog(t, commits, o, &b)
	return b.String()
}

// Promise: every commit stands under the earliest release that contains it,
// newest release first, with the release before it, and everyone is new once.
func TestChangelogMarkdown(t *testing.T) {
	t.Parallel()
	got := changelog(t, releasenotes.ChangelogOptions{Tags: branchedTags, Options: releasenotes.Options{Links: releasenotes.Links{Compare: "https://x.example/{from}...{to}"}}}, branched)
	want := `# Changelog

## [Unreleased](https://x.example/v1.1.0...` + full("u") + `)

### Features

- unreleased by Eve (7500000)

### Fixes

- squashed by Ada (#9)

## [v1.0.1](https://x.example/v1.0.0...v1.0.1) - 2026-01-04

### Fixes

- backport by Ada (6600000)

### New contributors

- Eve made their first contribution in 7800000

## [v1.1.0](https://x.example/v1.0.0...v1.1.0) - 2026-01-03

Also tagged stable.

### Reverts

- Revert "feat: a" by Ada (6300000)

### Documentation

- 1.1 by Bob (7600000)

### New contributors

- Bob made their first contribution in 7600000

## v1.0.0 - 2026-01-01

### Features

- a by Carl (6100000)

### Fixes

- b by Ada (6f00000)

### New contributors

- Carl made their first contribution in 6100000
- Ada made their first contribution in 6f00000
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Promise: the JSON says the same, as one array of Notes.
func TestChangelogJSON(t *testing.T) {
	t.Parallel()
	var list []releasenotes.Notes
	if err := json.Unmarshal([]byte(changelog(t, releasenotes.ChangelogOptions{Tags: branchedTags, Format: releasenotes.FormatJSON}, branched)), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range list {
		line := fmt.Sprintf("%s after %s:", n.Tag, n.Previous)
		for _, l := range outline(n) {
			line += " " + l + ";"
		}
		for _, c := range n.NewContributors {
			line += " new " + c.Name
		}
		got = append(got, line)
	}
	want := []string{
		" after v1.1.0: Features: unreleased; Fixes: squashed #9;",
		"v1.0.1 after v1.0.0: Fixes: backport; new Eve",
		`v1.1.0 after v1.0.0: Reverts: Revert "feat: a"; Documentation: 1.1; new Bob`,
		"v1.0.0 after : Features: a; Fixes: b; new Carl new Ada",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestChangelogTemplate(t *testing.T) {
	t.Parallel()
	o := releasenotes.ChangelogOptions{Tags: branchedTags, Options: releasenotes.Options{
		Template: "{{range .Groups}}{{heading .Title}}\n{{range .Entries}}{{entry .}}\n{{end}}{{end}}{{range .NewContributors}}new: {{escape .Name}}\n{{end}}"}}
	got := changelog(t, o, branched[len(branched)-2:])
	want := "# Changelog\n\n## v1.0.0 - 2026-01-01\n\n### Features\n- a by Carl (6100000)\n### Fixes\n- b by Ada (6f00000)\nnew: Carl\nnew: Ada\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Promise: a history without commits, without tags, or cut off (a shallow
// clone, a range) is no error.
func TestChangelogOddHistories(t *testing.T) {
	t.Parallel()
	for want, commits := range map[string][]releasenotes.Commit{
		"# Changelog\n": nil,
		"# Changelog\n\n## Unreleased\n\n### Fixes\n\n- a (3200000)\n\n### New contributors\n\n- Ada made their first contribution in 3200000\n":                                              {commit("2", "1", "fix: a")},
		"# Changelog\n\n## Unreleased\n\n### Fixes\n\n- a (3200000)\n- b (3400000)\n\n### New contributors\n\n- Ada made their first contribution in 3400000\n":                               {commit("2", "", "fix: a"), commit("4", "3", "fix: b")},
		"# Changelog\n\n## v1.0.0 - 2026-01-01\n\n_No changes for users; 1 commit of maintenance._\n\n### New contributors\n\n- Ada made their first contribution in " + full("o")[:7] + "\n": {commit("o", "a", "ci: a")},
	} {
		if diff := cmp.Diff(want, changelog(t, releasenotes.ChangelogOptions{Tags: branchedTags}, commits)); diff != "" {
			t.Error(diff)
		}
	}
	if got := changelog(t, releasenotes.ChangelogOptions{Format: releasenotes.FormatJSON}, nil); got != "[]\n" {
		t.Errorf("%q", got)
	}
}

// Promise: on any history, with any dates, each commit stands under one
// release that contains it, and under no release that came after another which
// contains it; where dates follow the history, under the earliest of all.
func TestChangelogPlacesCommits(t *testing.T) {
	t.Parallel()
	for seed := range 300 {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		skewed := seed%2 == 1
		g := randomHistory(random, 40, skewed)
		var list []releasenotes.Notes
		out := changelog(t, releasenotes.ChangelogOptions{Tags: g.tags, Format: releasenotes.FormatJSON}, g.commits)
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		placed := map[string]string{}
		for _, n := range list {
			for _, e := range n.Groups[0].Entries {
				if _, twice := placed[e.Hash]; twice {
					t.Fatalf("seed %d: %s is listed twice", seed, e.Text)
				}
				placed[e.Hash] = n.Tag
			}
		}
		for _, c := range g.commits {
			got, ok := placed[c.Hash]
			if !ok {
				t.Fatalf("seed %d: %s is not listed", seed, c.Subject)
			}
			g.check(t, seed, c, got, skewed)
		}
	}
}

type graph struct {
	commits   []releasenotes.Commit
	tags      map[string][]releasenotes.Tag
	ancestors map[string]map[string]bool // with themselves
	byTag     map[string]releasenotes.Tag
	hashOf    map[string]string
}

// check compares a commit's release with all that contain it.
func (g *graph) check(t *testing.T, seed int, c releasenotes.Commit, got string, skewed bool) {
	t.Helper()
	for name, tag := range g.byTag {
		if !g.ancestors[g.hashOf[name]][c.Hash] {
			if name == got {
				t.Fatalf("seed %d: %s stands under %s, which does not contain it", seed, c.Subject, got)
			}
			continue
		}
		switch {
		case got == "":
			t.Fatalf("seed %d: %s is unreleased, but in %s", seed, c.Subject, name)
		case name != got && g.ancestors[g.hashOf[got]][g.hashOf[name]]:
			t.Fatalf("seed %d: %s stands under %s, but was in %s before", seed, c.Subject, got, name)
		case !skewed && tag.Date.Before(g.byTag[got].Date):
			t.Fatalf("seed %d: %s stands under %s, but %s was earlier", seed, c.Subject, got, name)
		}
	}
}

// randomHistory has n commits of one to three parents and a tag on every
// fourth or so.
func randomHistory(random *rand.Rand, n int, skewed bool) *graph {
	g := &graph{tags: map[string][]releasenotes.Tag{}, ancestors: map[string]map[string]bool{}, byTag: map[string]releasenotes.Tag{}, hashOf: map[string]string{}}
	for i := range n {
		c := releasenotes.Commit{Hash: fmt.Sprintf("%040x", i+1), Name: "Ada", Email: "a@b", Subject: fmt.Sprintf("commit %d", i), Time: day(i)}
		all := map[string]bool{c.Hash: true}
		for range min(i, 1+random.IntN(3)/2*random.IntN(3)) {
			parent := g.commits[max(0, i-1-random.IntN(6))].Hash
			if !slices.Contains(c.Parents, parent) {
				c.Parents = append(c.Parents, parent)
			}
			for h := range g.ancestors[parent] {
				all[h] = true
			}
		}
		g.ancestors[c.Hash] = all
		g.commits = append(g.commits, c)
		if random.IntN(4) == 0 {
			tag := releasenotes.Tag{Name: fmt.Sprintf("v%d", i), Date: day(i)}
			if skewed {
				tag.Date = day(random.IntN(5))
			}
			g.tags[c.Hash] = []releasenotes.Tag{tag}
			g.byTag[tag.Name], g.hashOf[tag.Name] = tag, c.Hash
		}
	}
	slices.Reverse(g.commits)
	return g
}

// Promise: a large changelog goes through a temporary file, comes out whole in
// the right order, can be written twice, and leaves no file behind.
func TestChangelogSpool(t *testing.T) {
	t.Parallel()
	commits, tags := history(30_000, 150)
	dir := t.TempDir()
	c, err := releasenotes.NewChangelog(releasenotes.ChangelogOptions{Tags: tags, Format: releasenotes.FormatJSON, TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range commits {
		if err := c.Add(commits[i]); err != nil {
			t.Fatal(err)
		}
	}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if n, err := c.WriteTo(b); err != nil || n != int64(b.Len()) {
			t.Fatal(n, b.Len(), err)
		}
	}
	if err := c.Add(commits[0]); err == nil {
		t.Error("Add after WriteTo is no error")
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) || first.Len() < 2<<20 {
		t.Errorf("%d and %d bytes", first.Len(), second.Len())
	}
	var list []releasenotes.Notes
	if err := json.Unmarshal(first.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	total := 0
	for i, n := range list {
		total += n.Counts.Commits
		if want := fmt.Sprintf("v0.%d.0", len(list)-i); n.Tag != want {
			t.Errorf("release %d is %s, want %s", i, n.Tag, want)
		}
	}
	if total != len(commits) || len(list) != 150 {
		t.Errorf("%d releases with %d commits", len(list), total)
	}
}

// Promise: what can't be written is an error that says what was tried.
func TestChangelogWriteErrors(t *testing.T) {
	t.Parallel()
	commits, tags := history(20_000, 10)
	c, err := releasenotes.NewChangelog(releasenotes.ChangelogOptions{Tags: tags, TempDir: filepath.Join(t.TempDir(), "missing")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var failure error
	for i := 0; i < len(commits) && failure == nil; i++ {
		failure = c.Add(commits[i])
	}
	if failure == nil || !errors.Is(failure, os.ErrNotExist) || !strings.HasPrefix(failure.Error(), "spool changelog: ") {
		t.Errorf("%v", failure)
	}
	c, err = releasenotes.NewChangelog(releasenotes.ChangelogOptions{Tags: branchedTags})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, commit := range branched {
		if err := c.Add(commit); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.WriteTo(fullDisk{}); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

var errFull = errors.New("no space left on device")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
