package gitstate_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	isChild, err := statetest.Child(func(ctx context.Context, where string) (state.Store, error) {
		repo, remote, _ := strings.Cut(where, "|")
		return gitstate.Open(ctx, gitstate.Options{Repo: repo, Remote: remote})
	})
	if isChild {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A process that is killed at any moment leaves each batch in whole or not at
// all.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, remote := range []string{"", "origin"} {
		t.Run("remote "+remote, func(t *testing.T) {
			t.Parallel()
			r := gittest.New(t)
			r.WriteCommit("README", "text", "feat: begin")
			r.Remote()
			statetest.Kill(t, r.Dir+"|"+remote, 5*time.Second, func(t *testing.T) state.Store {
				return open(t, gitstate.Options{Repo: r.Dir, Remote: remote})
			})
			r.Git("fsck", "--strict")
		})
	}
}

func open(t *testing.T, o gitstate.Options) *gitstate.Store {
	t.Helper()
	s, err := gitstate.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// bare makes a bare repository.
func bare(t *testing.T, options ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "remote.git")
	gittest.At(t, t.TempDir()).Git(append([]string{"init", "--quiet", "--bare", dir}, options...)...)
	return dir
}

// The contract of all stores, on a branch of a repository here, at a remote of a
// clone, and of an address alone.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(t *testing.T) func() gitstate.Options{
		"local branch": func(t *testing.T) func() gitstate.Options {
			dir := gittest.New(t).Dir
			return func() gitstate.Options { return gitstate.Options{Repo: dir} }
		},
		"local branch of a bare repository, in a folder": func(t *testing.T) func() gitstate.Options {
			dir := bare(t)
			return func() gitstate.Options { return gitstate.Options{Repo: dir, Branch: "ops/state", Prefix: "a/b"} }
		},
		"remote of one clone": func(t *testing.T) func() gitstate.Options {
			r := gittest.New(t)
			r.WriteCommit("README", "text", "feat: begin")
			r.Remote()
			return func() gitstate.Options {
				return gitstate.Options{Repo: r.Dir, Remote: "origin", MaxAge: -1}
			}
		},
		"remote, a clone each": func(t *testing.T) func() gitstate.Options {
			remote := bare(t)
			return func() gitstate.Options {
				return gitstate.Options{Remote: "file://" + remote, Cache: filepath.Join(t.TempDir(), "cache"), MaxAge: -1}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statetest.Run(t, func(t *testing.T) func() state.Store {
				o := options(t)
				return func() state.Store { return open(t, o()) }
			})
		})
	}
}
