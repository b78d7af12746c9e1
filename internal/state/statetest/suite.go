// Package statetest is the conformance suite of state.Store: every store runs it.
package statetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/state"
)

// Run checks each sentence of the contract. open gives a handle on one and the
// same store each time it is called within a test, as another process would.
func Run(t *testing.T, open func(t *testing.T) func() state.Store) {
	t.Run("a document is read as it was written", func(t *testing.T) {
		s := open(t)()
		v := put(t, s, "releases/v1.2.3/journal", `{"a":1}`, "")
		got, err := s.Get(t.Context(), "releases/v1.2.3/journal")
		if err != nil || string(got.Value) != `{"a":1}` || got.Version != v {
			t.Fatalf("Get = %q version %q, %v; want what was put, version %q", got.Value, got.Version, err, v)
		}
	})
	t.Run("no document is ErrNotFound", func(t *testing.T) {
		if _, err := open(t)().Get(t.Context(), "a/b"); !errors.Is(err, state.ErrNotFound) {
			t.Fatalf("Get = %v, want ErrNotFound", err)
		}
	})
	t.Run("a write against an old version is a conflict and changes nothing", func(t *testing.T) {
		s := open(t)()
		v1 := put(t, s, "x", "1", "")
		put(t, s, "x", "2", v1)
		for _, old := range []string{"", v1, "no such version"} {
			if _, err := state.Put(t.Context(), s, "x", []byte("3"), old); !errors.Is(err, state.ErrConflict) {
				t.Errorf("Put with version %q = %v, want ErrConflict", old, err)
			}
			if err := state.Delete(t.Context(), s, "x", old); !errors.Is(err, state.ErrConflict) {
				t.Errorf("Delete with version %q = %v, want ErrConflict", old, err)
			}
		}
		if d, _ := s.Get(t.Context(), "x"); string(d.Value) != "2" {
			t.Errorf("the document is %q, want 2", d.Value)
		}
	})
	t.Run("a deleted document is gone and may be made again", func(t *testing.T) {
		s := open(t)()
		v := put(t, s, "x", "1", "")
		for range 2 { // the second time it is gone already
			if err := state.Delete(t.Context(), s, "x", v); err != nil {
				t.Fatal(err)
			}
		}
		put(t, s, "x", "1", "")
	})
	t.Run("a list names what lies below, sorted, and nothing beside", func(t *testing.T) {
		s := open(t)()
		for _, ref := range []string{"a/b/2", "a/b/1", "a/bc", "a/b", "z"} {
			put(t, s, ref, ref, "")
		}
		for prefix, want := range map[string][]string{
			"a/b": {"a/b", "a/b/1", "a/b/2"}, "": {"a/b", "a/b/1", "a/b/2", "a/bc", "z"}, "q": {},
		} {
			got, err := s.List(t.Context(), prefix)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("List(%q): %v\n%s", prefix, err, diff)
			}
		}
	})
	t.Run("odd refs stay apart and stay inside", func(t *testing.T) {
		s := open(t)()
		refs := []string{"../../etc/passwd", "..", ".", "a b", "a%20b", "tag/v1;rm -rf $HOME", "ü", "a.json", "a", "a.json/b", ".lock", ".git", "git~1", "%2E", "@/environment/e+1", "-/a.ocu.star/@r1/call/x#y", ":(top)", "\"q\"", "\\\\", "a\nb"}
		for _, ref := range refs {
			put(t, s, ref, ref, "")
		}
		for _, ref := range refs {
			if d, err := s.Get(t.Context(), ref); err != nil || string(d.Value) != ref {
				t.Errorf("Get(%q) = %q, %v", ref, d.Value, err)
			}
		}
		if all, err := s.List(t.Context(), ""); err != nil || len(all) != len(refs) {
			t.Errorf("List gives %q, %v; want %d refs", all, err, len(refs))
		}
		for _, bad := range []string{"", "/", "a//b", "a/", "a\x00b", "/a", "\xff"} {
			if _, err := state.Put(t.Context(), s, bad, []byte("x"), ""); err == nil {
				t.Errorf("Put(%q) was taken", bad)
			}
		}
	})
	changes(t, open)
	scans(t, open)
	atOnce(t, open)
}

func put(t *testing.T, s state.Store, ref, value, version string) string {
	t.Helper()
	v, err := state.Put(t.Context(), s, ref, []byte(value), version)
	if err != nil {
		t.Fatalf("Put(%q): %v", ref, err)
	}
	return v
}
