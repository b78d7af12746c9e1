package project_test

import (
	"os"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// What was meant: what is asked for; else the best tag at HEAD; else HEAD on
// its branch.
func TestEventThatWasMeant(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	first := src.WriteCommit("a", "1", "feat: a")
	src.Tag("v0.9.0")
	second := src.WriteCommit("a", "2", "feat: b")
	for _, tag := range []string{"nightly", "v1.0.0-rc1", "v1.0.0", "v0.10.0"} {
		src.Tag(tag)
	}
	src.Branch("side")
	third := src.WriteCommit("s", "1", "feat: s")
	src.Switch("main")
	repo, err := git.Open(t.Context(), src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		selection project.Selection
		want      release.Event
		err       string
	}{
		{"nothing asked: the highest stable tag at HEAD", project.Selection{}, release.Event{Tag: "v1.0.0", Commit: second}, ""},
		{"a tag", project.Selection{Tag: "v0.9.0"}, release.Event{Tag: "v0.9.0", Commit: first}, ""},
		{"a tag as a ref", project.Selection{Tag: "refs/tags/v0.9.0"}, release.Event{Tag: "v0.9.0", Commit: first}, ""},
		{"a branch", project.Selection{Branch: "side"}, release.Event{Branch: "side", Commit: third}, ""},
		{"a commit on the default branch", project.Selection{Commit: first}, release.Event{Branch: "main", Commit: first}, ""},
		{"a commit elsewhere", project.Selection{Commit: third}, release.Event{Branch: "side", Commit: third}, ""},
		{"a commit and its branch", project.Selection{Commit: first, Branch: "side"}, release.Event{Branch: "side", Commit: first}, ""},
		{"a tag that was called a branch", project.Selection{Commit: second, Branch: "v1.0.0"}, release.Event{Tag: "v1.0.0", Commit: second}, ""},
		{"a commit that is not on the branch", project.Selection{Commit: third, Branch: "main"}, release.Event{}, "is not on branch main"},
		{"a tag that is elsewhere", project.Selection{Tag: "v1.0.0", Commit: first}, release.Event{}, "tag v1.0.0 is at"},
		{"a tag that is not there", project.Selection{Tag: "v1.0.1"}, release.Event{}, "there is no tag v1.0.1"},
	} {
		p, err := project.Load(t.Context(), repo, c.selection, "")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if got := p.Event; err != nil || got.Tag != c.want.Tag || got.Branch != c.want.Branch || got.Commit != c.want.Commit || got.Time.IsZero() {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// The config that counts is the commit's own; of the commit that is checked out
// it is the one that lies there, with a warning while it is not committed.
func TestConfigThatCounts(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.WriteCommit(".slipway.yaml", "project: one\n", "feat: one")
	src.Tag("v1.0.0")
	src.WriteCommit(".slipway.yaml", "project: two\n", "feat: two")
	src.Write(".slipway.yaml", "project: three\n")
	repo, err := git.Open(t.Context(), src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	old, err := project.Load(t.Context(), repo, project.Selection{Tag: "v1.0.0"}, "")
	if err != nil || old.Config.Project != "one" || len(old.Warnings) != 0 {
		t.Errorf("of an older tag: %q %v, %v", old.Config.Project, old.Warnings, err)
	}
	now, err := project.Load(t.Context(), repo, project.Selection{}, "")
	if err != nil || now.Config.Project != "three" || len(now.Warnings) != 1 {
		t.Errorf("of HEAD: %q %v, %v", now.Config.Project, now.Warnings, err)
	}
	_, err = project.Load(t.Context(), repo, project.Selection{}, "no-such.yaml")
	if release.KindOf(err) != release.Invalid {
		t.Errorf("of a file that is not there: %v", err)
	}
}

// A workflow's variables say what it runs for, on GitHub and on Gitea.
func TestFromRunner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want project.Selection
	}{
		{map[string]string{}, project.Selection{}},
		{map[string]string{"GITHUB_REF_NAME": "v1"}, project.Selection{}},
		{map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1", "GITHUB_SHA": "c"}, project.Selection{Tag: "v1"}},
		{map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "c"}, project.Selection{Branch: "main", Commit: "c"}},
		{map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_REF_NAME": "7/merge", "GITHUB_SHA": "c"}, project.Selection{Commit: "c"}},
	} {
		if got := project.FromRunner(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.env, got, c.want)
		}
	}
}
