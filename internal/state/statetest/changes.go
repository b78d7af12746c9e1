package statetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/state"
)

func changes(t *testing.T, open func(t *testing.T) func() state.Store) {
	t.Run("changes are made together, and their versions given in order", func(t *testing.T) {
		again := open(t)
		s := again()
		gone, old := put(t, s, "gone", "1", ""), put(t, s, "old", "1", "")
		got, err := s.Apply(t.Context(), "three at once",
			state.Change{Ref: "old", Value: []byte("2"), Version: old}, state.Change{Ref: "gone", Version: gone},
			state.Change{Ref: "new/empty", Value: []byte{}}, state.Change{Ref: "was never", Version: "x"})
		if err != nil || len(got) != 4 || got[1] != "" || got[3] != "" {
			t.Fatalf("Apply = %q, %v", got, err)
		}
		want := map[string]string{"old": "2", "new/empty": ""}
		for range 2 {
			if diff := cmp.Diff(want, all(t, s)); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
			for i, ref := range []string{"old", "", "new/empty"} {
				if d, err := s.Get(t.Context(), ref); ref != "" && (err != nil || d.Version != got[i]) {
					t.Errorf("Get(%q) has version %q, %v; Apply gave %q", ref, d.Version, err, got[i])
				}
			}
			s = again() // as another process sees it
		}
	})
	t.Run("one conflict and nothing is changed, and the error names the document", func(t *testing.T) {
		s := open(t)()
		v := put(t, s, "b", "1", "")
		for _, c := range []state.Change{
			{Ref: "b", Value: []byte("2"), Version: "no such version"}, {Ref: "b", Value: []byte("2")}, {Ref: "b"},
			{Ref: "b", Version: "no such version"}, {Ref: "c", Value: []byte("2"), Version: v},
		} {
			_, err := s.Apply(t.Context(), "", state.Change{Ref: "a", Value: []byte("1")}, c, state.Change{Ref: "z", Value: []byte("1")})
			var conflict *state.ConflictError
			if !errors.As(err, &conflict) || !errors.Is(err, state.ErrConflict) || conflict.Ref != c.Ref {
				t.Errorf("%+v: %v, want a conflict of %s", c, err, c.Ref)
			}
		}
		if diff := cmp.Diff(map[string]string{"b": "1"}, all(t, s)); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
	})
	t.Run("what can't be applied is refused", func(t *testing.T) {
		s := open(t)()
		for _, bad := range [][]state.Change{
			{{Ref: "a", Value: []byte("1")}, {Ref: "a", Value: []byte("2")}},
			{{Ref: "a", Value: []byte("1")}, {Ref: "a"}},
			{{Ref: "a", Value: []byte("1")}, {Ref: "b//c", Value: []byte("1")}},
		} {
			if _, err := s.Apply(t.Context(), "", bad...); err == nil || errors.Is(err, state.ErrConflict) {
				t.Errorf("Apply(%v) = %v", bad, err)
			}
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Apply(over, "", state.Change{Ref: "a", Value: []byte("1")}); !errors.Is(err, context.Canceled) {
			t.Errorf("Apply with a context that is over = %v", err)
		}
		if got, err := s.Apply(t.Context(), "nothing"); err != nil || len(got) != 0 {
			t.Errorf("Apply of nothing = %v, %v", got, err)
		}
		if got := all(t, s); len(got) > 0 {
			t.Errorf("documents: %v", got)
		}
	})
	t.Run("a document may be written as it is", func(t *testing.T) {
		s := open(t)()
		v := put(t, s, "x", "1", "")
		if again := put(t, s, "x", "1", v); again != v {
			t.Errorf("equal values have versions %q and %q", v, again)
		}
	})
	t.Run("a batch may be large, and odd", func(t *testing.T) {
		s := open(t)()
		var batch []state.Change
		want := map[string]string{}
		for i := range 300 {
			c := state.Change{Ref: fmt.Sprintf("many/%d/%d", i%7, i), Value: fmt.Appendf(nil, "%d\n\x00\xff\r\n", i)}
			batch, want[c.Ref] = append(batch, c), string(c.Value)
		}
		big := make([]byte, 1<<20)
		batch, want["big"] = append(batch, state.Change{Ref: "big", Value: big}), string(big)
		if _, err := s.Apply(t.Context(), "a line\nand another\x1b[31m", batch...); err != nil {
			t.Fatal(err)
		}
		if got := all(t, s); !maps.Equal(got, want) {
			t.Errorf("%d documents, want %d as they were written", len(got), len(want))
		}
	})
}

func scans(t *testing.T, open func(t *testing.T) func() state.Store) {
	t.Run("a scan gives what a list names, in order of refs", func(t *testing.T) {
		s := open(t)()
		var batch []state.Change
		for _, ref := range []string{"a", "a/b", "a/b/c", "a/b-c", "a/b.c", "a/b0", "a/b/c/d", "b", "a-b", "a b", "a/@1/x", "a/@r2/x", "a/B"} {
			batch = append(batch, state.Change{Ref: ref, Value: []byte("of " + ref)})
		}
		versions, err := s.Apply(t.Context(), "", batch...)
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"", "a", "a/b", "a/b/c", "a/b/c/d", "b", "a/", "/", "nothing", "a/@1", "\x00"} {
			var want []state.Entry
			refs, err := s.List(t.Context(), prefix)
			if err != nil || refs == nil || !slices.IsSorted(refs) {
				t.Errorf("List(%q) = %q, %v", prefix, refs, err)
			}
			for i, c := range batch {
				if state.Below(c.Ref, prefix) {
					want = append(want, state.Entry{Ref: c.Ref, Document: state.Document{Value: c.Value, Version: versions[i]}})
				}
			}
			slices.SortFunc(want, func(a, b state.Entry) int { return strings.Compare(a.Ref, b.Ref) })
			var got []state.Entry
			var named []string
			for e, err := range s.Scan(t.Context(), prefix) {
				if err != nil {
					t.Fatal(err)
				}
				got, named = append(got, e), append(named, e.Ref)
			}
			if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(named, refs) {
				t.Errorf("Scan(%q), list %q (-want +got):\n%s", prefix, refs, diff)
			}
		}
	})
	t.Run("a scan may end early, and what it reads be changed meanwhile", func(t *testing.T) {
		s := open(t)()
		for i := range 3 {
			put(t, s, fmt.Sprint("a/", i), "1", "")
		}
		n := 0
		for e, err := range s.Scan(t.Context(), "a") {
			if err != nil {
				t.Fatal(err)
			}
			if err := state.Delete(t.Context(), s, e.Ref, e.Version); err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 {
				break
			}
		}
		if refs, err := s.List(t.Context(), ""); err != nil || !slices.Equal(refs, []string{"a/2"}) {
			t.Errorf("List = %q, %v", refs, err)
		}
	})
}

// all reads everything.
func all(t *testing.T, s state.Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	for e, err := range s.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Ref] = string(e.Value)
	}
	return got
}
