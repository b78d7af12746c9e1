package gittest_test

import (
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
)

// The same spec gives the same history, of the size asked for, on any machine.
func TestGenerateIsStable(t *testing.T) {
	t.Parallel()
	spec := gittest.Spec{Commits: 250, Tags: 10, Authors: 7, Files: map[string]string{"go.mod": "module example.org/x\n"}}
	var heads []string
	for _, name := range []string{"a", "b"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := gittest.Generate(t.Context(), dir, spec); err != nil {
			t.Fatal(err)
		}
		r := gittest.At(t, dir)
		for args, want := range map[[3]string]string{
			{"rev-list", "--count", "HEAD"}:             "250",
			{"describe", "--tags", "HEAD"}:              gittest.TagName(10),
			{"status", "--porcelain", "--"}:             "",
			{"for-each-ref", "--count=9", "refs/heads"}: r.Git("rev-parse", "HEAD") + " commit\trefs/heads/main",
			{"show", "HEAD:go.mod", "--"}:               "module example.org/x",
		} {
			if got := r.Git(args[:]...); got != want {
				t.Errorf("git %v gave %q, want %q", args, got, want)
			}
		}
		heads = append(heads, r.Git("rev-parse", "HEAD"))
	}
	if heads[0] != heads[1] {
		t.Errorf("two histories of one spec end in %v", heads)
	}
}

// Commits made step by step have hashes that depend on nothing of this machine.
func TestHashesAreStable(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	if got, want := r.WriteCommit("a.txt", "a\n", "feat: a"), "73f507743bf3a0b225dab03892cc27fdd8a716eb"; got != want {
		t.Errorf("first commit is %s, want %s", got, want)
	}
}
