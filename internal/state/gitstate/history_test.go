package gitstate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// The branch reads as a history: a line a change, by whom the settings say, and
// files that a person can read. Nothing else of the repository is touched.
func TestHistory(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	head := r.WriteCommit("README", "text", "feat: begin")
	r.Write("README", "changed")
	r.Write("staged", "new")
	r.Git("add", "staged")
	r.Git("config", "user.name", "Grace Hopper")
	r.Git("config", "user.email", "grace@example.org")
	index := read(t, filepath.Join(r.Dir, ".git", "index"))
	status := r.Git("status", "--porcelain")

	s := open(t, gitstate.Options{Repo: r.Dir})
	versions := apply(t, s, "r1: build is complete", write("app/-/a.ocu.star/@r1/call/build", "{}", ""), write("@/environment/production", "1", ""))
	apply(t, s, "", state.Change{Ref: "@/environment/production", Version: versions[1]})
	apply(t, s, "nothing new", write("app/-/a.ocu.star/@r1/call/build", "{}", versions[0]))
	apply(t, s, "two\nlines --and\x00odd", write("n", "1", ""))

	want := "two lines --and odd\nchange @/environment/production\nr1: build is complete"
	if got := r.Git("log", "--format=%s", gitstate.DefaultBranch); got != want {
		t.Errorf("history:\n%s\nwant\n%s", got, want)
	}
	if got := r.Git("log", "-1", "--format=%an <%ae>, %cn", gitstate.DefaultBranch); got != "Grace Hopper <grace@example.org>, Grace Hopper" {
		t.Errorf("author %s", got)
	}
	if got := r.Git("ls-tree", "-r", "--name-only", gitstate.DefaultBranch); got != "app/-/a.ocu.star/@r1/call/build.json\nn.json" {
		t.Errorf("files:\n%s", got)
	}
	if r.Git("rev-parse", "HEAD") != head || r.Git("symbolic-ref", "HEAD") != "refs/heads/main" || r.Git("status", "--porcelain") != status ||
		read(t, filepath.Join(r.Dir, ".git", "index")) != index {
		t.Error("the work tree, index or HEAD was touched")
	}
	if got := r.Git("for-each-ref", "--format=%(refname)"); got != "refs/heads/main\nrefs/heads/"+gitstate.DefaultBranch {
		t.Errorf("refs:\n%s", got)
	}
	r.Git("fsck", "--strict")
}

// Callers that wait at the same time share a commit, which has all their lines.
func TestHistoryOfManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := bare(t)
	s := open(t, gitstate.Options{Repo: dir, Author: gitstate.Person{Name: "A <b>\n", Email: "c@d"}})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { apply(t, s, fmt.Sprintf("item %02d", i), write(fmt.Sprint("item/", i), "{}", "")) })
	}
	wg.Wait()
	r := gittest.At(t, dir)
	lines := map[string]bool{}
	for line := range strings.Lines(r.Git("log", "--format=%B", gitstate.DefaultBranch)) {
		if line := strings.TrimSpace(line); line != "" {
			lines[line] = true
		}
	}
	commits := r.Git("rev-list", "--count", gitstate.DefaultBranch)
	if len(lines) != 40 || len(commits) > 1 && commits > "20" {
		t.Errorf("%s commits with %d lines, want few with 40", commits, len(lines))
	}
	if got := r.Git("log", "-1", "--format=%an <%ae>", gitstate.DefaultBranch); got != "A b <c@d>" {
		t.Errorf("author %s", got)
	}
}

// Other files on the branch are none of ours, and stay.
func TestOtherFiles(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Write("README.md", "for people")
	r.Write("state/x.json/y.json", "no document's")
	r.Write("state/.hidden.json", "no document's")
	r.Write("state/a.json", "1")
	r.Write("other/b.json", "1")
	r.Commit("feat: by hand")
	r.Git("branch", "ops")
	s := open(t, gitstate.Options{Repo: r.Dir, Branch: "ops", Prefix: "state"})
	for _, prefix := range []string{"", "a"} {
		if got, err := s.List(t.Context(), prefix); err != nil || cmp.Diff([]string{"a"}, got) != "" {
			t.Errorf("List(%q) = %q, %v", prefix, got, err)
		}
	}
	apply(t, s, "ours", write("x.json/y", "1", ""), write("a/b", "1", ""))
	want := "README.md\nother/b.json\nstate/.hidden.json\nstate/a.json\nstate/a/b.json\nstate/x%2Ejson/y.json\nstate/x.json/y.json"
	if got := r.Git("ls-tree", "-r", "--name-only", "ops"); got != want {
		t.Errorf("files:\n%s", got)
	}
}

// Linked worktrees, shallow clones and repositories with SHA-256 are all the same
// to it.
func TestKindsOfRepository(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.WriteCommit("README", "text", "feat: begin")
	worktree := filepath.Join(t.TempDir(), "linked")
	r.Git("worktree", "add", "--quiet", worktree, "-b", "other")
	for _, dir := range []string{bare(t, "--object-format=sha256"), worktree, r.Clone("--depth=1").Dir} {
		s := open(t, gitstate.Options{Repo: dir})
		v := apply(t, s, "one", write("a", "1", ""))
		if d, err := s.Get(t.Context(), "a"); err != nil || d.Version != v[0] {
			t.Errorf("%s: Get has version %q, %v; Apply gave %q", dir, d.Version, err, v)
		}
		apply(t, s, "two", state.Change{Ref: "a", Version: v[0]})
		gittest.At(t, dir).Git("fsck", "--strict")
	}
	if got := r.Git("log", "--format=%s", gitstate.DefaultBranch); got != "two\none" {
		t.Errorf("a linked worktree's state is not its repository's: %s", got)
	}
}

// A disk that is full is an error that names the repository; nothing is lost,
// and with room it goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=300k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("only root can mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	r := gittest.At(t, root)
	r.Git("init", "--quiet", "--bare", "--template=", ".")
	s := open(t, gitstate.Options{Repo: root})
	value := make([]byte, 20_000)
	var failed error
	n := 0
	for ; failed == nil && n < 100; n++ {
		_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(value)
		_, failed = s.Apply(t.Context(), "", state.Change{Ref: fmt.Sprint("a/", n), Value: value}, write(fmt.Sprint("b/", n), "1", ""))
	}
	if failed == nil || n < 2 || !strings.Contains(failed.Error(), root) || !strings.Contains(failed.Error(), "No space left") {
		t.Fatalf("after %d commits: %v", n, failed)
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if refs, err := s.List(t.Context(), ""); err != nil || len(refs) != 2*(n-1) {
		t.Errorf("%d documents are there, want %d: %v", len(refs), 2*(n-1), err)
	}
	apply(t, s, "", write("c", "1", ""))
	r.Git("fsck", "--strict")
}

// A branch that is checked out, and names that git could take for something
// else, are refused, and nothing is run.
func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.WriteCommit("README", "text", "feat: begin")
	mark := filepath.Join(t.TempDir(), "mark")
	for _, o := range []gitstate.Options{
		{Repo: r.Dir, Branch: "main"},
		{Repo: r.Dir, Branch: "--output=" + mark},
		{Repo: r.Dir, Branch: "a..b"},
		{Repo: r.Dir, Branch: "refs/heads/x"},
		{Repo: r.Dir, Branch: "a b:refs/heads/main"},
		{Repo: r.Dir, Prefix: "../x"},
		{Repo: r.Dir, Prefix: "a//b"},
		{Repo: r.Dir, Prefix: "a\nD README"},
		{Repo: r.Dir, Remote: "nowhere"},
		{Repo: r.Dir, Remote: "--upload-pack=touch " + mark},
		{Repo: t.TempDir()},
		{Repo: filepath.Join(t.TempDir(), "none")},
		{Remote: "https://example.org/x"},
		{},
	} {
		if s, err := gitstate.Open(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
			s.Close()
		}
	}
	for _, remote := range []string{"ext::sh -c touch% " + mark + "://", "-oProxyCommand=touch " + mark + "@host:x"} {
		s, err := gitstate.Open(t.Context(), gitstate.Options{Repo: r.Dir, Remote: remote})
		if err == nil {
			_, err = s.Get(t.Context(), "a")
			s.Close()
		}
		if err == nil {
			t.Errorf("%s was taken", remote)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program was run")
	}
	if _, err := gitstate.Open(t.Context(), gitstate.Options{Repo: r.Dir, Branch: "main"}); release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
		t.Errorf("a branch that is checked out: %v", err)
	}
}

func write(ref, value, version string) state.Change {
	return state.Change{Ref: ref, Value: []byte(value), Version: version}
}

func apply(t *testing.T, s state.Store, message string, changes ...state.Change) []string {
	t.Helper()
	versions, err := s.Apply(t.Context(), message, changes...)
	if err != nil {
		t.Error(err)
		return make([]string, len(changes))
	}
	return versions
}

// conflicts has a change come too late.
func conflicts(t *testing.T, s state.Store, changes ...state.Change) {
	t.Helper()
	if _, err := s.Apply(t.Context(), "too late", changes...); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Apply = %v, want a conflict", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
