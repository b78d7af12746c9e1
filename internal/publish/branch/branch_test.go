package branch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/branch"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/release"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bare makes a bare repository.
func bare(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "remote.git")
	gittest.At(t, t.TempDir()).Git("init", "--quiet", "--bare", dir)
	return dir
}

func open(t *testing.T, o branch.Options) *branch.Store {
	t.Helper()
	if o.Branch == "" {
		o.Branch = "pages"
	}
	s, err := branch.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s publish.Store, key, text string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, publish.Bytes([]byte(text)), publish.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The contract of all stores: on a remote's branch, and on one of the repository's own.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("remote", func(t *testing.T) {
		t.Parallel()
		publishtest.Conformance(t, func(t *testing.T) publish.Store {
			return open(t, branch.Options{Repo: gittest.New(t).Dir, Remote: bare(t)})
		})
	})
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		publishtest.Conformance(t, func(t *testing.T) publish.Store { return open(t, branch.Options{Repo: bare(t)}) })
	})
}

// Two clones that publish to one remote lose nothing.
func TestRace(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	publishtest.Race(t,
		open(t, branch.Options{Repo: gittest.New(t).Dir, Remote: remote}),
		open(t, branch.Options{Repo: gittest.New(t).Dir, Remote: remote}))
}

// A batch is one commit, by the author and with the message; it sees what it wrote,
// and the clone's own files stay as they are.
func TestBatch(t *testing.T) {
	t.Parallel()
	remote, repo := bare(t), gittest.New(t)
	repo.WriteCommit("README", "text", "feat: begin")
	s := open(t, branch.Options{Repo: repo.Dir, Remote: remote, Author: branch.Person{Name: "Ada", Email: "ada@example.org"}})
	at := gittest.At(t, remote)

	var left []string
	err := s.Batch(t.Context(), "publish v1.0.0\nof hello", func(b publish.Store) error {
		put(t, b, "v1.0.0/index.html", "one")
		put(t, b, "old.html", "old")
		if _, err := b.Copy(t.Context(), "v1.0.0/index.html", "latest/index.html"); err != nil {
			return err
		}
		if err := b.Delete(t.Context(), "old.html"); err != nil {
			return err
		}
		if _, err := s.Stat(t.Context(), "latest/index.html"); !errors.Is(err, publish.ErrNotFound) {
			t.Errorf("others see the batch before its end: %v", err)
		}
		for o, err := range b.List(t.Context(), "") {
			if err != nil {
				return err
			}
			left = append(left, o.Key)
		}
		return nil
	})
	if err != nil || strings.Join(left, " ") != "latest/index.html v1.0.0/index.html" {
		t.Fatalf("Batch: %v, and lists %q", err, left)
	}
	if got := at.Git("log", "--format=%an <%ae> %s", "pages"); got != "Ada <ada@example.org> publish v1.0.0 of hello" {
		t.Errorf("the branch's log is\n%s", got)
	}
	if got := at.Git("ls-tree", "-r", "--name-only", "pages"); got != "latest/index.html\nv1.0.0/index.html" {
		t.Errorf("the branch has\n%s", got)
	}

	// What fails, or changes nothing, is no commit.
	broken := errors.New("broken")
	if err := s.Batch(t.Context(), "x", func(b publish.Store) error { put(t, b, "a", "b"); return broken }); !errors.Is(err, broken) {
		t.Errorf("a batch that fails: %v", err)
	}
	if err := s.Batch(t.Context(), "x", func(b publish.Store) error { put(t, b, "v1.0.0/index.html", "one"); return nil }); err != nil {
		t.Error(err)
	}
	if got := at.Git("rev-list", "--count", "pages"); got != "1" {
		t.Errorf("the branch has %s commits, want 1", got)
	}
	if got := repo.Git("status", "--porcelain"); got != "" {
		t.Errorf("the clone has changed:\n%s", got)
	}
	at.Git("fsck", "--strict")
}

// A batch goes on top of what others wrote meanwhile; its conditions hold to the end.
func TestBatchBesideOthers(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	mine := open(t, branch.Options{Repo: gittest.New(t).Dir, Remote: remote})
	other := open(t, branch.Options{Repo: gittest.New(t).Dir, Remote: remote})
	err := mine.Batch(t.Context(), "mine", func(b publish.Store) error {
		put(t, b, "mine", "1")
		put(t, other, "other", "1")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"mine", "other"} {
		if _, err := mine.Stat(t.Context(), key); err != nil {
			t.Errorf("%s is lost: %v", key, err)
		}
	}
	err = mine.Batch(t.Context(), "mine", func(b publish.Store) error {
		put(t, b, "unrelated", "2")
		if _, err := b.Put(t.Context(), "list", publish.Bytes([]byte("mine")), publish.PutOptions{If: publish.IfAbsent}); err != nil {
			return err
		}
		put(t, other, "list", "other")
		return nil
	})
	if !errors.Is(err, publish.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if _, err := mine.Stat(t.Context(), "unrelated"); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("a part of the batch is there: %v", err)
	}
}

// A branch that had files of others keeps them, and their modes and links.
func TestOtherFiles(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	repo.Write("run.sh", "#!/bin/sh")
	if err := os.Chmod(filepath.Join(repo.Dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	repo.Commit("begin")
	repo.Git("branch", "pages")
	s := open(t, branch.Options{Repo: repo.Dir})
	put(t, s, "new", "x")
	if got := repo.Git("ls-tree", "--format=%(objectmode) %(path)", "pages"); got != "100644 new\n100755 run.sh" {
		t.Errorf("the branch has\n%s", got)
	}
	if _, err := s.Put(t.Context(), "new/below", publish.Bytes(nil), publish.PutOptions{}); release.KindOf(err) != release.Invalid {
		t.Errorf("a file below a file: %v", err)
	}
	if _, err := s.Put(t.Context(), "a/.git/hooks/x", publish.Bytes(nil), publish.PutOptions{}); err == nil {
		t.Error("a key in .git goes through")
	}
}

// What is wrong is found before anything is done, and no login is shown.
func TestNoWay(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	repo.WriteCommit("README", "text", "feat: begin")
	for name, o := range map[string]branch.Options{
		"checked out":   {Repo: repo.Dir, Branch: "main"},
		"bad branch":    {Repo: repo.Dir, Branch: "a..b", Remote: "origin"},
		"no remote":     {Repo: repo.Dir, Branch: "pages", Remote: "nowhere"},
		"no repository": {Repo: t.TempDir(), Branch: "pages"},
	} {
		if s, err := branch.New(t.Context(), o); err == nil {
			t.Errorf("%s: %s", name, s)
		}
	}
	s := open(t, branch.Options{Repo: repo.Dir, Remote: "file://user:secret-1@localhost" + filepath.Join(t.TempDir(), "none.git")})
	err := s.CheckWrite(t.Context())
	if !errors.Is(err, publish.ErrNotFound) || release.KindOf(err) != release.Invalid || strings.Contains(err.Error()+s.String(), "secret-1") {
		t.Errorf("CheckWrite: %v", err)
	}

	// A remote that takes no push.
	remote := bare(t)
	s = open(t, branch.Options{Repo: repo.Dir, Remote: remote})
	put(t, s, "a", "1")
	hook := "#!/bin/sh\necho no >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(remote, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "b", publish.Bytes(nil), publish.PutOptions{}); !errors.Is(err, publish.ErrForbidden) || release.KindOf(err) != release.Refused {
		t.Errorf("a push that is refused: %v", err)
	}
}
