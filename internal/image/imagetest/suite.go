// Package imagetest holds the conformance suite of image.Registry: each
// sentence of the interface's contract, checked on whatever implements it.
package imagetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// Subject is one registry under test, with an empty repository of its own.
type Subject struct {
	Registry   image.Registry
	Repository string
	// Push stores a manifest or an index by its digest, without a tag, and
	// returns what Find must say of it. Each name gives another document, with
	// the annotation "name".
	Push func(t *testing.T, name string) image.Found
	// Writes counts what Registry has changed, or asked to be changed.
	Writes func() int64
	// NoLogin and BadLogin see a repository that wants a login, with none and
	// with a wrong password. Nil where there are no logins.
	NoLogin, BadLogin func(t *testing.T) (image.Registry, string)
	// NoDeletes is such a subject whose registry deletes nothing. Nil where
	// there is none.
	NoDeletes func(t *testing.T) Subject
}

// absent is a digest that no registry has.
const absent = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Run holds an implementation against the contract. The factory is called for
// each subtest, from several goroutines.
func Run(t *testing.T, factory func(t *testing.T) Subject) {
	tests := []struct {
		promise string
		run     func(*testing.T, Subject)
	}{
		{"CheckPush leaves nothing behind", testCheckPush},
		{"CheckPush without a login", testNoLogin},
		{"CheckPush with a wrong password", testBadLogin},
		{"Find of what is not there", testAbsent},
		{"Find by digest", testFindDigest},
		{"a tag is found", testTag},
		{"a tag moves", testMove},
		{"a tag that points there already sends nothing", testTagTwice},
		{"a tag of a digest that is not there", testTagAbsent},
		{"names that can't be are refused", testBadNames},
		{"Untag leaves the digest and the other tags", testUntag},
		{"Untag of a tag that is not there", testUntagAbsent},
		{"an untagged tag can be set again", testUntagTag},
		{"Untag where nothing is deleted", testNoDeletes},
		{"several goroutines", testParallel},
		{"a context that has ended", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			test.run(t, factory(t))
		})
	}
}

func (s Subject) mustFind(t *testing.T, reference string, want image.Found) {
	t.Helper()
	got, err := s.Registry.Find(t.Context(), s.Repository, reference)
	if err != nil {
		t.Fatalf("Find %s: %v", reference, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Find %s (-want +got):\n%s", reference, d)
	}
}

func (s Subject) mustMiss(t *testing.T, reference string) {
	t.Helper()
	if _, err := s.Registry.Find(t.Context(), s.Repository, reference); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("Find %s: %v, want ErrNotFound", reference, err)
	}
}

func (s Subject) mustTag(t *testing.T, digest, tag string) {
	t.Helper()
	if err := s.Registry.Tag(t.Context(), s.Repository, digest, tag); err != nil {
		t.Fatalf("Tag %s: %v", tag, err)
	}
}

func testCheckPush(t *testing.T, s Subject) {
	if err := s.Registry.CheckPush(t.Context(), s.Repository); err != nil {
		t.Fatal(err)
	}
	s.mustMiss(t, "latest")
}

func testNoLogin(t *testing.T, s Subject) {
	if s.NoLogin == nil {
		t.Skip("this registry has no logins")
	}
	r, repository := s.NoLogin(t)
	wantUnauthorized(t, r.CheckPush(t.Context(), repository), repository)
}

func testBadLogin(t *testing.T, s Subject) {
	if s.BadLogin == nil {
		t.Skip("this registry has no logins")
	}
	r, repository := s.BadLogin(t)
	wantUnauthorized(t, r.CheckPush(t.Context(), repository), repository)
}

func wantUnauthorized(t *testing.T, err error, repository string) {
	t.Helper()
	if !errors.Is(err, image.ErrUnauthorized) {
		t.Fatalf("got %v, want ErrUnauthorized", err)
	}
	if release.KindOf(err) != release.Refused {
		t.Errorf("kind %v, want Refused", release.KindOf(err))
	}
	if !strings.Contains(err.Error(), repository) {
		t.Errorf("%q does not name %s", err, repository)
	}
}

func testAbsent(t *testing.T, s Subject) {
	s.mustMiss(t, "1.0.0")
	s.mustMiss(t, absent)
	s.Push(t, "a")
	s.mustMiss(t, "1.0.0")
	s.mustMiss(t, absent)
}

func testFindDigest(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	if a.Annotations["name"] != "a" {
		t.Fatalf("the subject's Push gives %+v, want the annotation name", a)
	}
	s.mustFind(t, a.Digest, a)
}

func testTag(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	s.mustMiss(t, "1.0.0")
	s.mustTag(t, a.Digest, "1.0.0")
	s.mustTag(t, a.Digest, "latest")
	s.mustFind(t, "1.0.0", a)
	s.mustFind(t, "latest", a)
	s.mustFind(t, a.Digest, a)
}

func testMove(t *testing.T, s Subject) {
	a, b := s.Push(t, "a"), s.Push(t, "b")
	s.mustTag(t, a.Digest, "1")
	s.mustTag(t, a.Digest, "1.0")
	s.mustTag(t, b.Digest, "1")
	s.mustFind(t, "1", b)
	s.mustFind(t, "1.0", a)
	s.mustTag(t, a.Digest, "1")
	s.mustFind(t, "1", a)
	s.mustFind(t, b.Digest, b)
}

func testTagTwice(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	s.mustTag(t, a.Digest, "1")
	before := s.Writes()
	s.mustTag(t, a.Digest, "1")
	if n := s.Writes() - before; n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	s.mustTag(t, s.Push(t, "b").Digest, "1")
	if s.Writes() == before {
		t.Error("Writes does not count a tag that moves")
	}
}

func testTagAbsent(t *testing.T, s Subject) {
	s.Push(t, "a")
	if err := s.Registry.Tag(t.Context(), s.Repository, absent, "1"); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	s.mustMiss(t, "1")
}

func testBadNames(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	ctx, r := t.Context(), s.Registry
	for what, err := range map[string]error{
		"an upper-case repository": r.CheckPush(ctx, s.Repository+"/Hello"),
		"a repository with a tag":  r.CheckPush(ctx, s.Repository+":1"),
		"an empty repository":      r.CheckPush(ctx, ""),
		"a tag with a slash":       r.Tag(ctx, s.Repository, a.Digest, "a/b"),
		"a tag that is a way out":  r.Tag(ctx, s.Repository, a.Digest, "../blobs/uploads"),
		"an empty tag":             r.Tag(ctx, s.Repository, a.Digest, ""),
		"a tag with a query":       r.Untag(ctx, s.Repository, "a?b"),
	} {
		if release.KindOf(err) != release.Invalid || err == nil {
			t.Errorf("%s: %v, want release.Invalid", what, err)
		}
	}
}

func testUntag(t *testing.T, s Subject) {
	a, b := s.Push(t, "a"), s.Push(t, "b")
	s.mustTag(t, a.Digest, "1.0.0")
	s.mustTag(t, a.Digest, "latest")
	s.mustTag(t, b.Digest, "other")
	if err := s.Registry.Untag(t.Context(), s.Repository, "latest"); err != nil {
		t.Fatal(err)
	}
	s.mustMiss(t, "latest")
	s.mustFind(t, "1.0.0", a)
	s.mustFind(t, a.Digest, a)
	s.mustFind(t, "other", b)
	if err := s.Registry.Untag(t.Context(), s.Repository, "1.0.0"); err != nil {
		t.Fatal(err)
	}
	s.mustMiss(t, "1.0.0")
	s.mustFind(t, a.Digest, a)
}

func testUntagAbsent(t *testing.T, s Subject) {
	if err := s.Registry.Untag(t.Context(), s.Repository, "1"); err != nil {
		t.Errorf("in an empty repository: %v", err)
	}
	a := s.Push(t, "a")
	s.mustTag(t, a.Digest, "1")
	before := s.Writes()
	if err := s.Registry.Untag(t.Context(), s.Repository, "2"); err != nil {
		t.Error(err)
	}
	if n := s.Writes() - before; n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	s.mustFind(t, "1", a)
}

func testUntagTag(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	for range 2 {
		s.mustTag(t, a.Digest, "1")
		s.mustFind(t, "1", a)
		if err := s.Registry.Untag(t.Context(), s.Repository, "1"); err != nil {
			t.Fatal(err)
		}
		s.mustMiss(t, "1")
	}
}

func testNoDeletes(t *testing.T, s Subject) {
	if s.NoDeletes == nil {
		t.Skip("this registry always deletes")
	}
	s = s.NoDeletes(t)
	a := s.Push(t, "a")
	s.mustTag(t, a.Digest, "1")
	if err := s.Registry.Untag(t.Context(), s.Repository, "1"); !errors.Is(err, image.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	s.mustFind(t, "1", a)
	if err := s.Registry.Untag(t.Context(), s.Repository, "2"); err != nil {
		t.Errorf("Untag of a tag that is not there: %v", err)
	}
}

func testParallel(t *testing.T, s Subject) {
	a, b := s.Push(t, "a"), s.Push(t, "b")
	s.mustTag(t, a.Digest, "shared")
	var wg sync.WaitGroup
	for _, tag := range []string{"1", "2", "3", "4"} {
		wg.Go(func() {
			if err := s.Registry.CheckPush(t.Context(), s.Repository); err != nil {
				t.Error(err)
			}
			if err := s.Registry.Tag(t.Context(), s.Repository, b.Digest, tag); err != nil {
				t.Error(err)
			}
			if got, err := s.Registry.Find(t.Context(), s.Repository, tag); err != nil || got.Digest != b.Digest {
				t.Errorf("Find %s: %+v, %v", tag, got, err)
			}
		})
	}
	wg.Wait()
	s.mustFind(t, "shared", a)
}

func testCancelled(t *testing.T, s Subject) {
	a := s.Push(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Registry.Tag(ctx, s.Repository, a.Digest, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("Tag: %v, want context.Canceled", err)
	}
	if _, err := s.Registry.Find(ctx, s.Repository, a.Digest); !errors.Is(err, context.Canceled) {
		t.Errorf("Find: %v, want context.Canceled", err)
	}
	s.mustMiss(t, "1")
}
