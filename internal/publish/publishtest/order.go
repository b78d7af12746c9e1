package publishtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/publish"
)

// A list is in the order of the keys' bytes, has every key with the prefix, and may
// be left early.
func lists(t *testing.T, s publish.Store) {
	all := []string{"a", "a-b", "a.b", "a0", "aa/b", "aa/b0", "aa/c/d", "b/1", "b/10", "b/2", "B", "c d/e", "z", "é"}
	for i := range 6 {
		all = append(all, fmt.Sprintf("page/%03d", i))
	}
	putAll(t, s, all, func(i int) []byte { return []byte(all[i]) })
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "aa/", "aa/b", "b/1", "page/", "page/00", "c ", "é", "none", "aa/c/d", "z/"} {
		want := []string{}
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if diff := cmp.Diff(want, keys(t, s, prefix)); diff != "" {
			t.Errorf("List %q:\n%s", prefix, diff)
		}
	}
	n := 0
	for _, err := range s.List(t.Context(), "") {
		if n++; err != nil || n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("a list that is left after the third key gave %d", n)
	}
}

// served is of stores that can say how an object is served.
type served interface {
	Served(key string) (mediaType, cacheControl string, err error)
}

// A copy is an equal object, also over one that is there, and to its own key.
func copies(t *testing.T, s publish.Store) {
	data := Random(1, 6<<20)
	c := publish.Bytes(data)
	c.Type = "application/x-odd"
	for _, of := range []struct {
		key string
		c   publish.Content
	}{{"dir/from & more+", c}, {"small", publish.Bytes([]byte("small"))}} {
		key, c := of.key, of.c
		from, err := s.Put(t.Context(), key, c, publish.PutOptions{Cache: "max-age=60"})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "there", []byte("old"), publish.PutOptions{})
		for _, to := range []string{"new/to %", "there", key} {
			o, err := s.Copy(t.Context(), key, to)
			if err != nil {
				t.Fatalf("Copy to %s: %v", to, err)
			}
			stat, err := s.Stat(t.Context(), to)
			if err != nil || stat.Digest != from.Digest || stat.Size != from.Size || stat.Version != o.Version || o.Digest != from.Digest || o.Key != to {
				t.Errorf("Copy gives %+v, Stat %+v, %v; the original is %+v", o, stat, err, from)
			}
			if s, ok := s.(served); ok {
				if typ, cached, err := s.Served(to); err != nil || typ != c.MediaType(key) || cached != "max-age=60" {
					t.Errorf("the copy is served as %q, %q, %v", typ, cached, err)
				}
			}
		}
	}
	holds(t, s, "there", []byte("small"))
	if err := s.Delete(t.Context(), "dir/from & more+"); err != nil {
		t.Fatal(err)
	}
}
