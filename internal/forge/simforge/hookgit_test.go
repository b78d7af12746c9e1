package simforge_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// What a real git pushes is told as each forge does: GitHub tells nothing of
// tags when one push brings more than three.
func TestHooksOfPushes(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		bare, work := filepath.Join(t.TempDir(), "hello.git"), t.TempDir()
		mustGit(t, "", "init", "-q", "--bare", "-b", "main", bare)
		mustGit(t, work, "init", "-q", "-b", "main")
		s, err := simforge.Start(simforge.Options{Dialect: d})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		repo := s.AddGitRepo(memory.Options{}, bare)
		r := newReceiver(t, d)
		r.hook(s)
		remote := strings.Replace(s.CloneURL("acme/hello"), "http://", "http://x:"+simforge.WriteToken+"@", 1)
		push := func(refs ...string) []received {
			t.Helper()
			mustGit(t, work, append([]string{"push", "-q", remote}, refs...)...)
			return r.take(s)
		}
		commit := func(file string) string {
			t.Helper()
			if err := os.WriteFile(filepath.Join(work, file), []byte(file), 0o644); err != nil {
				t.Fatal(err)
			}
			mustGit(t, work, "add", ".")
			mustGit(t, work, "commit", "-qm", "feat: "+file)
			return mustGit(t, work, "rev-parse", "HEAD")
		}
		want := func(got []received, w ...string) {
			t.Helper()
			if diff := cmp.Diff(append([]string{}, w...), words(got)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		}

		head := commit("one")
		want(push("main"), "create", "push")
		mustGit(t, work, "tag", "-a", "v1.0.0", "-m", "annotated")
		got := push("v1.0.0")
		want(got, "create", "push")
		for _, one := range got {
			if ev := one.event; ev.Tag != "v1.0.0" || ev.Sender != d.Self() || ev.Name == "push" && ev.Commit != head {
				t.Errorf("%s %+v, want v1.0.0 at %s", ev.Name, ev, head)
			}
		}
		for _, tag := range []string{"a", "b", "c", "d"} {
			mustGit(t, work, "tag", tag)
		}
		if got := push("a", "b", "c", "d"); d == memory.GitHub {
			want(got)
		} else {
			want(got, "create", "create", "create", "create", "push", "push", "push", "push")
		}
		got = push(":a", ":b", ":c")
		want(got, "delete", "delete", "delete", "push", "push", "push")
		if ev := got[0].event; !ev.Deleted || ev.Tag == "" || ev.Commit != "" {
			t.Errorf("a deletion is %+v", ev)
		}
		checkPullByGit(t, repo, push, commit, work)
	})
}

// A pull request follows its branch, and its merge is a real one.
func checkPullByGit(t *testing.T, repo *memory.Repo, push func(...string) []received, commit func(string) string, work string) {
	t.Helper()
	mustGit(t, work, "checkout", "-q", "-b", "more")
	commit("two")
	push("more")
	pull, err := repo.OpenPull(t.Context(), memory.NewPull{Author: "alice", Title: "more", HeadBranch: "more"})
	if err != nil {
		t.Fatal(err)
	}
	head := commit("three")
	var seen []string
	for _, one := range push("more") {
		if p := one.event.PullRequest; p != nil {
			seen = append(seen, one.event.Action)
			if one.event.Action == "synchronize" && p.HeadCommit != head {
				t.Errorf("the head is %s, want %s", p.HeadCommit, head)
			}
		}
	}
	if len(seen) != 2 || seen[0] != "opened" && seen[1] != "opened" {
		t.Errorf("told of the pull request: %q", seen)
	}
	merged, err := repo.MergePull(t.Context(), pull.Number, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if at, err := repo.Forge(memory.Writer).(forge.Commits).Head(t.Context(), "main"); err != nil || at != merged.Pull.MergeCommit {
		t.Errorf("main is at %s, %v; want %s", at, err, merged.Pull.MergeCommit)
	}
	mustGit(t, work, "pull", "-q", "--no-rebase", repo.Page()+".git", "main")
	if parents := mustGit(t, work, "rev-parse", merged.Pull.MergeCommit+"^2"); parents != head {
		t.Errorf("the merge's second parent is %s, want %s", parents, head)
	}
}
