package git_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/release"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if largeDir != "" {
		os.RemoveAll(largeDir)
	}
	os.Exit(code)
}

func open(t testing.TB, dir string) *git.Repo {
	t.Helper()
	r, err := git.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantInvalid checks that err is the user's to mend and that message and hint
// together say each of the words.
func wantInvalid(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if k := release.KindOf(err); k != release.Invalid {
		t.Errorf("kind %d, want Invalid: %v", k, err)
	}
	text := err.Error() + "\n" + release.HintOf(err)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("the error does not say %q:\n%s", w, text)
		}
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// The top level is found from any folder within.
func TestOpenFindsTheTop(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.WriteCommit("a/b/c.txt", "", "feat: c")
	real := must[string](t)(filepath.EvalSymlinks(src.Dir))
	r := open(t, filepath.Join(src.Dir, "a", "b"))
	if r.Dir != real || r.CommonDir() != filepath.Join(real, ".git") || r.Bare {
		t.Errorf("Dir %s, CommonDir %s, Bare %v; want %s", r.Dir, r.CommonDir(), r.Bare, real)
	}
}

// A linked worktree has a top of its own and shares the common directory.
func TestOpenLinkedWorktree(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.Commit("feat: a")
	linked := filepath.Join(t.TempDir(), "linked")
	src.Git("worktree", "add", "-q", "-b", "side", linked)
	r := open(t, linked)
	if got := r.CommonDir(); got != open(t, src.Dir).CommonDir() {
		t.Errorf("CommonDir %s", got)
	}
	_, branch, err := r.Head(t.Context())
	if err != nil || branch != "side" {
		t.Errorf("branch %q, %v; want side", branch, err)
	}
}

func TestOpenBare(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	want := src.Commit("feat: a")
	r := open(t, src.Remote())
	c, branch, err := r.Head(t.Context())
	if err != nil || !r.Bare || c.Hash != want || branch != "main" {
		t.Errorf("Bare %v, head %s on %q, %v", r.Bare, c.Hash, branch, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := git.Open(t.Context(), t.TempDir())
	wantInvalid(t, err, "not in a git repository")
	_, err = git.Open(t.Context(), filepath.Join(t.TempDir(), "gone"))
	wantInvalid(t, err, "there is no folder")
	src := gittest.New(t)
	_, err = git.Open(t.Context(), filepath.Join(src.Dir, ".git", "refs"))
	wantInvalid(t, err, "inside a git directory")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = git.Open(ctx, src.Dir); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
}

// Without git in PATH the error says so. Not parallel: it sets the environment.
func TestOpenWithoutGit(t *testing.T) {
	src := gittest.New(t)
	t.Setenv("PATH", t.TempDir())
	_, err := git.Open(t.Context(), src.Dir)
	wantInvalid(t, err, "git is not installed")
}

// A repository of another user is refused with the command that allows it.
func TestOpenDubiousOwnership(t *testing.T) {
	src := gittest.New(t)
	src.Commit("feat: a")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	_, err := git.Open(t.Context(), src.Dir)
	wantInvalid(t, err, "dubious ownership", "git config --global --add safe.directory "+src.Dir)
}

// GIT_DIR and GIT_WORK_TREE of the caller decide, as they do for git, and the
// user's settings don't change what is read.
func TestUsersEnvironment(t *testing.T) {
	src := gittest.New(t)
	want := src.WriteCommit("ü.txt", "", "feat: ü")
	config := filepath.Join(t.TempDir(), "config")
	err := os.WriteFile(config, []byte("[log]\nshowSignature=true\ndecorate=full\n[color]\nui=always\n[core]\nquotePath=true\n"+
		"[i18n]\nlogOutputEncoding=latin1\n[status]\nbranch=true\nshowUntrackedFiles=no\n[log]\nfollow=true\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("GIT_DIR", filepath.Join(src.Dir, ".git"))
	t.Setenv("GIT_WORK_TREE", src.Dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "no-index"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "remote.env.url")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://host.example/a/b")
	r := open(t, t.TempDir())
	if got := must[map[string]string](t)(r.Remotes(t.Context())); got["env"] == "" {
		t.Errorf("settings from the environment are lost: %v", got)
	}
	log := logOf(t, r, "", "HEAD")
	if len(log) != 1 || log[0].Hash != want || log[0].Subject != "feat: ü" {
		t.Errorf("log is %+v", log)
	}
	src2 := gittest.At(t, src.Dir)
	src2.Write("ö.txt", "")
	if got := must[[]string](t)(r.Status(t.Context())); !cmp.Equal(got, []string{"ö.txt"}) {
		t.Errorf("status is %q", got)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	r := open(t, src.Dir)
	if _, branch, err := r.Head(t.Context()); !errors.Is(err, git.ErrEmpty) || branch != "main" {
		t.Errorf("empty repository: %q, %v", branch, err)
	}
	first := src.Commit("feat: one\n\nbody")
	second := src.Commit("fix: two")
	c, branch, err := r.Head(t.Context())
	want := git.Commit{Hash: second, Parents: []string{first}, Time: time.Date(2024, 1, 1, 0, 2, 0, 0, time.UTC), Subject: "fix: two"}
	if d := cmp.Diff(want, c); d != "" || err != nil || branch != "main" {
		t.Errorf("%s %v on %q", d, err, branch)
	}
	src.Git("checkout", "-q", "--detach", first)
	if c, branch, err := r.Head(t.Context()); err != nil || branch != "" || c.Hash != first || c.Subject != "feat: one" {
		t.Errorf("detached: %+v on %q, %v", c, branch, err)
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	first := src.Commit("feat: one")
	src.Annotate("v1.2.3", "one")
	head := src.Commit("fix: two")
	r := open(t, src.Dir)
	for rev, want := range map[string]string{
		"HEAD": head, "main": head, head[:10]: head, head: head,
		"v1.2.3": first, "refs/tags/v1.2.3": first, "HEAD~1": first,
	} {
		if c, err := r.Commit(t.Context(), rev); err != nil || c.Hash != want {
			t.Errorf("%s is %s, %v; want %s", rev, c.Hash, err, want)
		}
	}
	tree := src.Git("rev-parse", "HEAD^{tree}")
	for rev, word := range map[string]string{
		"v1.2.4":                   "did you mean v1.2.3?",
		"nothing-like-it":          "there is no commit",
		"":                         "empty",
		"--output=/tmp/x":          "starts with -",
		"v1.2.3..main":             "range",
		"^main":                    "range",
		":/feat":                   "search",
		"main\nv1.2.3":             "control character",
		"main; rm -rf ~":           "there is no commit",
		tree:                       "there is no commit",
		strings.Repeat("0123", 10): "there is no commit",
	} {
		_, err := r.Commit(t.Context(), rev)
		wantInvalid(t, err, word)
	}
}

func TestIsAncestor(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	a := src.WriteCommit("a", "", "feat: a")
	src.WriteCommit("b", "", "feat: b")
	src.Branch("side")
	s := src.WriteCommit("s", "", "feat: s")
	src.Switch("main")
	src.WriteCommit("c", "", "feat: c")
	m := src.Merge("side", "Merge side")
	r := open(t, src.Dir)
	for pair, want := range map[[2]string]bool{{a, m}: true, {s, m}: true, {m, a}: false, {a, a}: true, {m, "side"}: false} {
		if got, err := r.IsAncestor(t.Context(), pair[0], pair[1]); err != nil || got != want {
			t.Errorf("IsAncestor(%v) = %v, %v", pair, got, err)
		}
	}
	if _, err := r.IsAncestor(t.Context(), a, strings.Repeat("1", 40)); err == nil {
		t.Error("a commit that isn't there has an ancestor")
	}
}
