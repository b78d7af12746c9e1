package git_test

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/release"
)

// In a shallow clone, a range that is all there is complete, and one that was
// cut is noticed; Deepen gets the rest, with the tags.
func TestShallow(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	for _, s := range strings.Fields("a b c d e f") {
		src.WriteCommit(s, s, s)
		src.Tag("v-" + s)
	}
	full := open(t, src.Dir)
	if ok, err := full.Complete(t.Context(), "", "HEAD"); full.IsShallow() || !ok || err != nil {
		t.Errorf("full clone: shallow %v, complete %v, %v", full.IsShallow(), ok, err)
	}
	if err := full.Deepen(t.Context(), "no-such-remote"); err != nil {
		t.Errorf("a full clone needs nothing: %v", err)
	}
	clone := src.Clone("--depth=3") // d, e and f; the tags v-d, v-e and v-f
	r := open(t, clone.Dir)
	if !r.IsShallow() {
		t.Error("not shallow")
	}
	for rng, want := range map[[2]string]bool{{"v-e", "HEAD"}: true, {"v-d", "HEAD"}: true, {"", "HEAD"}: false, {"", "v-d"}: false, {"v-f", "v-d"}: true} {
		if got, err := r.Complete(t.Context(), rng[0], rng[1]); err != nil || got != want {
			t.Errorf("%q: complete %v, %v; want %v", rng, got, err, want)
		}
	}
	_, err := r.Tag(t.Context(), "x")
	wantInvalid(t, err, "shallow", "fetch-depth: 0")
	if err := r.Deepen(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := subjects(logOf(t, r, "v-a", "HEAD")); r.IsShallow() || len(got) != 5 {
		t.Errorf("after Deepen: shallow %v, %q", r.IsShallow(), got)
	}
}

// Boundaries inside a merged line of history are noticed too.
func TestShallowMerge(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.WriteCommit("a", "", "a")
	src.Branch("side")
	for _, s := range strings.Fields("s1 s2 s3 s4") {
		src.WriteCommit(s, "", s)
	}
	src.Switch("main")
	src.WriteCommit("b", "", "b")
	src.Tag("v1")
	src.Merge("side", "m")
	r := open(t, src.Clone("--depth=3").Dir)
	if ok, err := r.Complete(t.Context(), "v1", "HEAD"); ok || err != nil {
		t.Errorf("s1 is missing, but the range is complete (%v)", err)
	}
}

// A clone that can't be deepened says what to write into the workflow, and
// shows no password.
func TestDeepenFails(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.Commit("a")
	src.Commit("b")
	clone := src.Clone("--depth=1")
	clone.Git("remote", "set-url", "origin", "http://user:s3cr3t@127.0.0.1:1/acme/hello.git")
	err := open(t, clone.Dir).Deepen(t.Context(), "")
	if err == nil || release.KindOf(err) != release.Failed || !strings.Contains(release.HintOf(err), "fetch-depth: 0") {
		t.Errorf("%v\n%s", err, release.HintOf(err))
	}
	if err != nil && strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows a password: %v", err)
	}
	if err := open(t, clone.Dir).Deepen(t.Context(), "--upload-pack=touch x"); err == nil {
		t.Error("an option passes for a remote")
	}
}
