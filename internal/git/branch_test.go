package git_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git/gittest"
)

func defaultBranch(t *testing.T, dir string) string {
	t.Helper()
	return must[string](t)(open(t, dir).DefaultBranch(t.Context(), ""))
}

// The default branch is found by what the repository says, never by the name
// main alone.
func TestDefaultBranch(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	if got := defaultBranch(t, src.Dir); got != "" {
		t.Errorf("an empty repository's is %q", got)
	}
	src.Commit("a")
	src.Git("branch", "-m", "develop")
	if got := defaultBranch(t, src.Dir); got != "develop" {
		t.Errorf("the only branch is not taken, but %q", got)
	}
	src.Branch("trunk")
	if got := defaultBranch(t, src.Dir); got != "trunk" {
		t.Errorf("the only one with a usual name is not taken, but %q", got)
	}
	src.Branch("main")
	if got := defaultBranch(t, src.Dir); got != "" {
		t.Errorf("of two with usual names, %q is taken", got)
	}
	src.Git("config", "init.defaultBranch", "develop")
	if got := defaultBranch(t, src.Dir); got != "develop" {
		t.Errorf("init.defaultBranch is not taken, but %q", got)
	}
	src.Git("config", "init.defaultBranch", "gone")
	if got := defaultBranch(t, src.Dir); got != "" {
		t.Errorf("init.defaultBranch without such a branch gives %q", got)
	}
	src.Switch("develop")
	if got := defaultBranch(t, src.Clone().Dir); got != "develop" {
		t.Errorf("the remote's HEAD is not followed, but %q", got)
	}
}

// After the default branch was renamed on the server, a clone finds the new
// name, whether its notion of the remote's HEAD was brought up to date or not.
func TestDefaultBranchRenamed(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.Commit("a")
	clone := src.Clone()
	src.Git("branch", "-m", "main", "trunk")
	clone.Git("fetch", "-q", "--prune")
	if got := defaultBranch(t, clone.Dir); got != "trunk" {
		t.Errorf("with a dangling origin/HEAD: %q", got)
	}
	clone.Git("remote", "set-head", "origin", "--auto")
	if got := defaultBranch(t, clone.Dir); got != "trunk" {
		t.Errorf("after set-head: %q", got)
	}
}

// A workflow's clone of one branch does not make that branch the default.
func TestDefaultBranchOfSingleBranchClone(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.Commit("a")
	src.Branch("feature")
	clone := gittest.New(t)
	clone.Git("remote", "add", "origin", src.Dir)
	clone.Git("fetch", "-q", "--depth=1", "origin", "+refs/heads/feature:refs/remotes/origin/feature")
	clone.Git("checkout", "-q", "-B", "feature", "refs/remotes/origin/feature")
	if got := defaultBranch(t, clone.Dir); got != "" {
		t.Errorf("the default branch is %q", got)
	}
}

func TestBranchesContaining(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	first := src.WriteCommit("a", "", "a")
	src.Branch("feature/x")
	second := src.WriteCommit("b", "", "b")
	src.Remote()
	src.Git("remote", "rename", "origin", "up/stream")
	src.Git("switch", "-q", "main")
	src.Git("branch", "-q", "-D", "feature/x")
	r := open(t, src.Dir)
	for hash, want := range map[string][]string{first: {"feature/x", "main"}, second: {"feature/x"}} {
		if got := must[[]string](t)(r.BranchesContaining(t.Context(), hash)); !cmp.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
