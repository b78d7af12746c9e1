package gitstate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// two opens two handles on one remote, which trust what they know for an hour.
func two(t *testing.T) (remote string, a, b *gitstate.Store) {
	t.Helper()
	remote = bare(t)
	handle := func() *gitstate.Store {
		return open(t, gitstate.Options{Remote: remote, Cache: t.TempDir(), MaxAge: time.Hour, Author: gitstate.Person{Name: "Ada", Email: "ada@example.org"}})
	}
	return remote, handle(), handle()
}

// What is known of the remote may be old: Apply goes by the newest.
func TestApplyGoesByTheNewest(t *testing.T) {
	t.Parallel()
	remote, a, b := two(t)
	if _, err := b.Get(t.Context(), "x"); !errors.Is(err, state.ErrNotFound) { // b has looked
		t.Fatal(err)
	}
	v1 := apply(t, a, "a: x", write("x", "1", ""))
	apply(t, b, "b: y", write("y", "1", "")) // the branch was made meanwhile
	var conflict *state.ConflictError
	if _, err := a.Apply(t.Context(), "a: y", write("y", "2", "")); !errors.As(err, &conflict) || conflict.Ref != "y" {
		t.Errorf("a document that another has made: %v", err)
	}
	v2 := apply(t, b, "b: x", write("x", "2", v1[0]))
	if d, err := a.Get(t.Context(), "x"); err != nil || string(d.Value) != "1" {
		t.Errorf("within MaxAge, Get = %q, %v", d.Value, err)
	}
	apply(t, a, "a: x again", write("x", "3", v2[0])) // which a has not seen
	conflicts(t, b, state.Change{Ref: "x", Version: v2[0]}, write("z", "1", ""))
	want := "a: x again\nb: x\nb: y\na: x"
	if got := gittest.At(t, remote).Git("log", "--format=%s", gitstate.DefaultBranch); got != want {
		t.Errorf("history:\n%s\nwant\n%s", got, want)
	}
}

// What another process has pushed is seen as soon as MaxAge is over, and at once
// by who has not looked.
func TestReadersSeeWhatIsPushed(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	a := open(t, gitstate.Options{Remote: remote, Cache: t.TempDir()})
	b := open(t, gitstate.Options{Remote: remote, Cache: t.TempDir(), MaxAge: -1})
	for i := range 3 {
		apply(t, a, "", write(fmt.Sprint(i), "1", ""))
		if d, err := b.Get(t.Context(), fmt.Sprint(i)); err != nil || string(d.Value) != "1" {
			t.Errorf("Get = %q, %v", d.Value, err)
		}
		if refs, err := a.List(t.Context(), ""); err != nil || len(refs) != i+1 {
			t.Errorf("List of its own = %q, %v", refs, err)
		}
	}
	apply(t, b, "", write("9", "1", ""))
	for end := time.Now().Add(5 * time.Second); ; {
		if _, err := a.Get(t.Context(), "9"); err == nil {
			return
		} else if !errors.Is(err, state.ErrNotFound) || time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A branch that is set back or deleted is taken as it is: what was known of it
// is a conflict.
func TestBranchSetBack(t *testing.T) {
	t.Parallel()
	remote, a, b := two(t)
	r := gittest.At(t, remote)
	v1 := apply(t, a, "", write("x", "1", ""))
	first := r.Git("rev-parse", gitstate.DefaultBranch)
	v2 := apply(t, a, "", write("x", "2", v1[0]))
	r.Git("update-ref", "refs/heads/"+gitstate.DefaultBranch, first)
	conflicts(t, a, write("x", "3", v2[0]))
	apply(t, a, "", write("x", "3", v1[0]))
	for _, back := range []string{"delete", "replace"} {
		if back == "delete" {
			r.Git("update-ref", "-d", "refs/heads/"+gitstate.DefaultBranch)
		} else {
			tree := r.Git("mktree", "--missing")
			r.Git("update-ref", "refs/heads/"+gitstate.DefaultBranch, r.Git("commit-tree", "-m", "anew", tree))
		}
		conflicts(t, a, write("x", "4", v1[0]))
		if refs, err := a.List(t.Context(), ""); err != nil || len(refs) > 0 {
			t.Errorf("%s: List = %q, %v", back, refs, err)
		}
		apply(t, a, "", write("x", "5", ""))
		apply(t, b, "", write("y", "5", ""))
	}
}

// History is fetched no further than it is needed, and a full clone stays one.
func TestShallow(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.WriteCommit("README", "text", "feat: begin")
	remote := r.Remote()
	s := open(t, gitstate.Options{Repo: r.Dir, Remote: "origin", MaxAge: -1})
	for i := range 5 {
		apply(t, s, "", write(fmt.Sprint(i), "1", ""))
	}
	cache := filepath.Join(t.TempDir(), "cache")
	cached := open(t, gitstate.Options{Remote: "file://" + remote, Cache: cache, MaxAge: -1})
	clone := gittest.At(t, t.TempDir())
	clone.Git("clone", "--quiet", "--depth=1", "file://"+remote, ".")
	shallow := open(t, gitstate.Options{Repo: clone.Dir, Remote: "origin", MaxAge: -1})
	for i, s := range []*gitstate.Store{cached, shallow, s} {
		if refs, err := s.List(t.Context(), ""); err != nil || len(refs) != 5+i {
			t.Errorf("List = %q, %v", refs, err)
		}
		apply(t, s, "", write(fmt.Sprint("more/", i), "1", ""))
	}
	for dir, want := range map[string]string{cache: "1", clone.Dir: "1"} {
		g := gittest.At(t, dir)
		if got := g.Git("rev-list", "--count", "--glob=refs/slipway/state/*"); got != want {
			t.Errorf("%s has %s commits of the state, want %s", dir, got, want)
		}
		g.Git("fsck", "--strict")
	}
	if _, err := os.Stat(filepath.Join(r.Dir, ".git", "shallow")); err == nil {
		t.Error("a full clone became a shallow one")
	}
	if got := r.Git("for-each-ref", "--format=%(refname)", "refs/remotes", "refs/heads", "refs/tags"); got != "refs/heads/main" && strings.Contains(got, "slipway-state\n") {
		t.Errorf("refs: %s", got)
	}
}

// A push that got there, though its answer was an error, is not made twice.
func TestPushWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.WriteCommit("README", "text", "feat: begin")
	remote := r.Remote()
	once := filepath.Join(t.TempDir(), "once")
	hook := fmt.Sprintf("#!/bin/sh\nif mkdir '%s' 2>/dev/null; then kill -9 $PPID; fi\n", once) // the ref is written by then
	if err := os.MkdirAll(filepath.Join(remote, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(remote, "hooks", "post-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, gitstate.Options{Repo: r.Dir, Remote: "origin"})
	v := apply(t, s, "the first", write("x", "1", ""))
	apply(t, s, "the second", write("x", "2", v[0]))
	if got := gittest.At(t, remote).Git("log", "--format=%s", gitstate.DefaultBranch); got != "the second\nthe first" {
		t.Errorf("history:\n%s", got)
	}
	if _, err := os.Stat(once); err != nil {
		t.Error("no answer was lost")
	}
}

// What the remote refuses is said, with what to do, and is final.
func TestRefusals(t *testing.T) {
	t.Parallel()
	protected := bare(t)
	if err := os.MkdirAll(filepath.Join(protected, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	hook := "#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(protected, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	answer := func(code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }))
		t.Cleanup(s.Close)
		return strings.Replace(s.URL, "http://", "http://ada:sekret@", 1) + "/acme/app.git"
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		remote string
		kind   release.Kind
		hint   string
	}{
		"protected branch": {protected, release.Refused, "branch protection"},
		"no right":         {answer(http.StatusForbidden), release.Refused, "contents: write"},
		"no login":         {answer(http.StatusUnauthorized), release.Refused, "contents: write"},
		"no repository":    {answer(http.StatusNotFound), release.Invalid, "address"},
		"server fails":     {answer(http.StatusInternalServerError), release.Failed, "network"},
		"no network":       {"http://ada:sekret@" + closed.Addr().String() + "/x", release.Failed, "network"},
		"a path that went": {"file:///no/such/repository", release.Invalid, "address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, gitstate.Options{Remote: test.remote, Cache: t.TempDir()})
			_, err := s.Apply(t.Context(), "", write("x", "1", ""))
			if release.KindOf(err) != test.kind || !strings.Contains(release.HintOf(err), test.hint) || errors.Is(err, state.ErrConflict) {
				t.Errorf("kind %v, hint %q: %v", release.KindOf(err), release.HintOf(err), err)
			}
			if err == nil || strings.Contains(err.Error(), "sekret") {
				t.Errorf("the error tells the password: %v", err)
			}
			if _, err := s.Get(t.Context(), "x"); err == nil || strings.Contains(err.Error(), "sekret") {
				t.Errorf("Get = %v", err)
			}
		})
	}
}

// Who is always too late, or has no more time, gives up.
func TestPatience(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	lock := filepath.Join(remote, "refs", "heads", gitstate.DefaultBranch+".lock")
	if err := os.WriteFile(lock, nil, 0o644); err != nil { // as one who writes for ever
		t.Fatal(err)
	}
	s := open(t, gitstate.Options{Remote: remote, Cache: t.TempDir(), Patience: 300 * time.Millisecond})
	_, err := s.Apply(t.Context(), "", write("x", "1", ""))
	if err == nil || release.HintOf(err) == "" || errors.Is(err, state.ErrConflict) {
		t.Errorf("who is always too late: %v", err)
	}
	s = open(t, gitstate.Options{Remote: remote, Cache: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Apply(ctx, "", write("x", "1", "")); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Errorf("whose time is over: %v", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "", write("x", "1", ""))
}
