// Package publishtest is the conformance suite of publish.Store, and a proxy that
// breaks the way to a real S3 server.
package publishtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/publish"
)

// Conformance holds a kind of Store to its contract. open gives a Store of an empty
// place with each call. Content is up to 12 MiB: a store that splits content should
// have parts of 5 MiB here.
func Conformance(t *testing.T, open func(t *testing.T) publish.Store) {
	for name, check := range map[string]func(*testing.T, publish.Store){
		"what is put is there":                   roundTrip,
		"content of any size":                    sizes,
		"what is not there":                      missing,
		"conditions":                             conditions,
		"a race has one winner each round":       func(t *testing.T, s publish.Store) { Race(t, s) },
		"a list is in order and whole":           lists,
		"a copy is equal":                        copies,
		"content that is not what was announced": mismatches,
		"a reader never sees a part":             wholeObjects,
		"a context that ended":                   cancelled,
		"keys that no place has":                 badKeys,
		"looking leaves no trace":                noTrace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

// Random is n bytes that are the same for the same seed, and differ everywhere for
// another.
func Random(seed uint64, n int64) []byte {
	block := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(block) // it never fails
	b := make([]byte, n)
	for at := range (n + int64(len(block)) - 1) / int64(len(block)) {
		binary.BigEndian.PutUint64(block, seed<<32|uint64(at))
		copy(b[at*int64(len(block)):], block)
	}
	return b
}

// putAll puts each of some keys; in one step where single ones are dear.
func putAll(t *testing.T, s publish.Store, keys []string, data func(i int) []byte) []publish.Object {
	t.Helper()
	put := make([]publish.Object, len(keys))
	all := func(s publish.Store) error {
		for i, key := range keys {
			var err error
			if put[i], err = s.Put(t.Context(), key, publish.Bytes(data(i)), publish.PutOptions{Cache: "no-cache"}); err != nil {
				return fmt.Errorf("put %q: %w", key, err)
			}
		}
		return nil
	}
	var err error
	if b, ok := s.(publish.Batcher); ok {
		err = b.Batch(t.Context(), "put all", all)
	} else {
		err = all(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return put
}

func put(t *testing.T, s publish.Store, key string, data []byte, o publish.PutOptions) publish.Object {
	t.Helper()
	got, err := s.Put(t.Context(), key, publish.Bytes(data), o)
	if err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
	return got
}

// holds fails the test unless the object at a key is exactly that.
func holds(t *testing.T, s publish.Store, key string, want []byte) publish.Object {
	t.Helper()
	r, o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open %s: %v", key, err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %s, %d bytes; want %s, %d bytes", key, publish.DigestOf(got), len(got), publish.DigestOf(want), len(want))
	}
	return o
}

func absent(t *testing.T, s publish.Store, key string) {
	t.Helper()
	if o, err := s.Stat(t.Context(), key); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("Stat %s: %+v, %v; want ErrNotFound", key, o, err)
	}
}

func keys(t *testing.T, s publish.Store, prefix string) []string {
	t.Helper()
	list := []string{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List %q: %v", prefix, err)
		}
		list = append(list, o.Key)
	}
	return list
}

// oddKeys are valid, and what a careless store gets wrong.
var oddKeys = []string{
	"plain", "deep/er/and/deeper/file.tar.gz", "with space/and  two", "ünïcödé/日本語/🚢.txt", "plus+plus", "100%", "a%2Fb", "%41",
	"question?mark=1&b=2", "hash#tag", "equals=sign", "semi;colon,comma:at@", "quote'and\"more", "(paren)[bracket]{brace}", "star*tilde~!$", "<angle>|pipe^`",
	"-dash", "--option", ".hidden/.file", "..two", "two..", "...", " leading", "trailing ", "v1.2.3+build.7/x86_64-unknown-linux-musl/hello",
	"e\u0301 decomposed", "é composed",
}

// What is put is there for every reader, by any valid key, with size, digest and a
// version that Stat, Open and List agree on; deleted, it is gone.
func roundTrip(t *testing.T, s publish.Store) {
	data := func(i int) []byte { return Random(uint64(i), int64(i*10)) } // the first is empty
	put := putAll(t, s, oddKeys, data)
	for i, key := range oddKeys {
		data, was := data(i), put[i]
		if was.Key != key || was.Size != int64(len(data)) || was.Digest != publish.DigestOf(data) || was.Version == "" {
			t.Errorf("Put %q gives %+v", key, was)
		}
		opened := holds(t, s, key, data)
		stat, err := s.Stat(t.Context(), key)
		if err != nil {
			t.Fatalf("Stat %q: %v", key, err)
		}
		if diff := cmp.Diff(stat, opened); diff != "" {
			t.Errorf("Stat and Open of %q differ:\n%s", key, diff)
		}
		was.Modified = stat.Modified // Put may know it roughly only
		if diff := cmp.Diff(was, stat); diff != "" || stat.Modified.IsZero() {
			t.Errorf("Put and Stat of %q differ, at %s:\n%s", key, stat.Modified, diff)
		}
		for o, err := range s.List(t.Context(), key) {
			stat.Digest = ""
			if diff := cmp.Diff(stat, o); err != nil || diff != "" {
				t.Errorf("List of %q: %v\n%s", key, err, diff)
			}
			break
		}
	}
	if want := slices.Sorted(slices.Values(oddKeys)); !slices.Equal(keys(t, s, ""), want) {
		t.Errorf("keys:\n%s", cmp.Diff(want, keys(t, s, "")))
	}
	if err := s.Delete(t.Context(), oddKeys...); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if left := keys(t, s, ""); len(left) > 0 {
		t.Errorf("left after Delete: %q", left)
	}
	absent(t, s, oddKeys[0])
}

// Content of any size goes through, and the progress ends at it. An object may be
// written again, and its version changes with its content.
func sizes(t *testing.T, s publish.Store) {
	for i, size := range []int64{0, 1, 5<<20 - 1, 5 << 20, 5<<20 + 1, 12 << 20} {
		data := Random(uint64(i), size)
		c, last := publish.Bytes(data), int64(-1)
		c.Progress = func(sent int64) { last = sent }
		if _, err := s.Put(t.Context(), "big", c, publish.PutOptions{}); err != nil {
			t.Fatalf("Put of %d bytes: %v", size, err)
		}
		if o := holds(t, s, "big", data); o.Digest != c.Digest || o.Size != size {
			t.Errorf("Open gives %+v, want %d bytes of %s", o, size, c.Digest)
		}
		if last != size && size > 0 {
			t.Errorf("the progress ends at %d of %d", last, size)
		}
	}
	a := put(t, s, "a", []byte("one"), publish.PutOptions{})
	b := put(t, s, "a", []byte("two"), publish.PutOptions{})
	if a.Version == b.Version {
		t.Errorf("the version %q stays though the content changed", a.Version)
	}
}

func missing(t *testing.T, s publish.Store) {
	absent(t, s, "no/such")
	if r, _, err := s.Open(t.Context(), "no/such"); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("Open: %v, %v; want ErrNotFound", r, err)
	}
	if _, err := s.Copy(t.Context(), "no/such", "to"); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("Copy: %v, want ErrNotFound", err)
	}
	absent(t, s, "to")
	if err := s.Delete(t.Context(), "no/such"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	put(t, s, "there", []byte("x"), publish.PutOptions{})
	if err := s.Delete(t.Context(), "no/such", "there", "nor/this"); err != nil {
		t.Errorf("Delete of some that are there and some that are not: %v", err)
	}
	absent(t, s, "there")
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	if got := keys(t, s, ""); len(got) > 0 {
		t.Errorf("an empty place lists %q", got)
	}
}

// A Put whose condition is not met says so and changes nothing.
func conditions(t *testing.T, s publish.Store) {
	conflict := func(what, key, condition string) {
		t.Helper()
		for _, data := range [][]byte{[]byte("other"), Random(9, 6<<20)} {
			if _, err := s.Put(t.Context(), key, publish.Bytes(data), publish.PutOptions{If: condition}); !errors.Is(err, publish.ErrConflict) {
				t.Errorf("%s, %d bytes: %v, want ErrConflict", what, len(data), err)
			}
		}
	}
	first := put(t, s, "dir/a", []byte("one"), publish.PutOptions{If: publish.IfAbsent})
	conflict("absent, but it is there", "dir/a", publish.IfAbsent)
	holds(t, s, "dir/a", []byte("one"))
	second := put(t, s, "dir/a", []byte("two"), publish.PutOptions{If: first.Version})
	conflict("the version before", "dir/a", first.Version)
	holds(t, s, "dir/a", []byte("two"))
	third := put(t, s, "dir/a", Random(1, 6<<20), publish.PutOptions{If: second.Version})
	if stat, err := s.Stat(t.Context(), "dir/a"); err != nil || stat.Version != third.Version {
		t.Errorf("Stat gives version %q, %v; Put gave %q", stat.Version, err, third.Version)
	}
	conflict("a version of what is gone", "dir/b", first.Version)
	absent(t, s, "dir/b")
	put(t, s, "dir/a", []byte("four"), publish.PutOptions{})
	if err := s.Delete(t.Context(), "dir/a"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "dir/a", []byte("again"), publish.PutOptions{If: publish.IfAbsent})
}

// Race has writers add to one object, each round all of them from the same version:
// exactly one wins each round, and nothing that was won is lost. All stores are of
// one place, and each has writers. A place without conditions is let be.
func Race(t *testing.T, stores ...publish.Store) {
	t.Helper()
	if ok, err := stores[0].Conditional(t.Context()); err != nil || !ok {
		if err != nil {
			t.Errorf("Conditional: %v", err)
		}
		return
	}
	const rounds, writers = 4, 4
	condition, lines := publish.IfAbsent, ""
	for round := range rounds {
		type result struct {
			o    publish.Object
			line string
			err  error
		}
		results := make(chan result)
		for w := range writers * len(stores) {
			before, o := lines, publish.PutOptions{If: condition}
			go func() {
				line := fmt.Sprintf("round %d writer %d\n", round, w)
				o, err := stores[w%len(stores)].Put(t.Context(), "race", publish.Bytes([]byte(before+line)), o)
				results <- result{o, line, err}
			}()
		}
		won := 0
		for range writers * len(stores) {
			r := <-results
			switch {
			case r.err == nil:
				won++
				condition, lines = r.o.Version, lines+r.line
			case !errors.Is(r.err, publish.ErrConflict):
				t.Errorf("round %d: %v", round, r.err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d has %d winners", round, won)
		}
		holds(t, stores[0], "race", []byte(lines))
	}
}
