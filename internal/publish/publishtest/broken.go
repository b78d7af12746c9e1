package publishtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/publish"
)

var errOpen = errors.New("the file is gone")

// Content that is not what was announced is refused, and what was there stays.
func mismatches(t *testing.T, s publish.Store) {
	for _, size := range []int64{100, 11 << 20} {
		good := publish.Bytes(Random(1, size))
		put(t, s, "over", []byte("old"), publish.PutOptions{})
		for what, change := range map[string]func(*publish.Content){
			"other bytes": func(c *publish.Content) { c.Open = publish.Bytes(Random(2, size)).Open },
			"shorter":     func(c *publish.Content) { c.Size++ },
			"longer":      func(c *publish.Content) { c.Size-- },
			"no digest":   func(c *publish.Content) { c.Digest = "" },
			"odd digest":  func(c *publish.Content) { c.Digest = "sha256:../../x" },
		} {
			bad := good
			change(&bad)
			for _, key := range []string{"new", "over"} {
				if _, err := s.Put(t.Context(), key, bad, publish.PutOptions{}); !errors.Is(err, publish.ErrMismatch) {
					t.Errorf("%s, %d bytes: %v, want ErrMismatch", what, size, err)
				}
			}
		}
		bad := good
		bad.Open = func(context.Context) (io.ReadCloser, error) { return nil, errOpen }
		if _, err := s.Put(t.Context(), "new", bad, publish.PutOptions{}); !errors.Is(err, errOpen) {
			t.Errorf("a content that does not open: %v", err)
		}
		absent(t, s, "new")
		holds(t, s, "over", []byte("old"))
		// And the right one goes through after all.
		if _, err := s.Put(t.Context(), "over", good, publish.PutOptions{}); err != nil {
			t.Errorf("the right content: %v", err)
		}
	}
}

// A reader sees what was or what is, whole, while others write.
func wholeObjects(t *testing.T, s publish.Store) {
	contents := [][]byte{Random(1, 200_000), Random(2, 300_000)}
	put(t, s, "x", contents[0], publish.PutOptions{})
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		var err error
		for i := 1; ctx.Err() == nil && err == nil; i++ {
			_, err = s.Put(t.Context(), "x", publish.Bytes(contents[i%2]), publish.PutOptions{})
		}
		written <- err
	}()
	for range 20 {
		r, o, err := s.Open(t.Context(), "x")
		if err != nil {
			t.Errorf("Open: %v", err)
			break
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Errorf("read: %v", err)
		}
		if got := publish.DigestOf(data); got != o.Digest || int64(len(data)) != o.Size {
			t.Errorf("%d bytes of %s, announced as %+v", len(data), got, o)
		}
	}
	stop()
	if err := <-written; err != nil {
		t.Errorf("Put: %v", err)
	}
}

func cancelled(t *testing.T, s publish.Store) {
	put(t, s, "a", []byte("one"), publish.PutOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", what, err)
		}
	}
	_, err := s.Stat(ctx, "a")
	failed("Stat", err)
	if r, _, err := s.Open(ctx, "a"); err == nil {
		_, err = io.ReadAll(r)
		failed("Open and read", errors.Join(err, r.Close()))
	} else {
		failed("Open", err)
	}
	_, err = s.Put(ctx, "b", publish.Bytes([]byte("x")), publish.PutOptions{})
	failed("Put", err)
	_, err = s.Put(ctx, "b", publish.Bytes(Random(1, 11<<20)), publish.PutOptions{})
	failed("Put of big content", err)
	_, err = s.Copy(ctx, "a", "b")
	failed("Copy", err)
	failed("Delete", s.Delete(ctx, "a", "b"))
	failed("CheckWrite", s.CheckWrite(ctx))
	err = nil
	for _, e := range s.List(ctx, "") {
		err = e
	}
	failed("List", err)

	// And one that ends while the content is read.
	ctx, cancel = context.WithCancel(t.Context())
	c := publish.Bytes(Random(3, 11<<20))
	whole := c.Open
	c.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := whole(ctx)
		return &cancelling{ReadCloser: r, left: 7 << 20, cancel: cancel}, err
	}
	_, err = s.Put(ctx, "b", c, publish.PutOptions{})
	failed("Put of content whose context ends half-way", err)
	absent(t, s, "b")
	holds(t, s, "a", []byte("one"))
}

type cancelling struct {
	io.ReadCloser
	left   int
	cancel context.CancelFunc
}

func (r *cancelling) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.left -= n; r.left < 0 {
		r.cancel()
	}
	return n, err
}

func badKeys(t *testing.T, s publish.Store) {
	for _, key := range []string{
		"", "/", "/abs", "end/", "a//b", ".", "..", "../up", "a/../b", "a/./b", "a/..", "nul\x00", "new\nline", "bad\xffutf8", `back\slash`, strings.Repeat("k", 1025),
	} {
		if _, err := s.Put(t.Context(), key, publish.Bytes(nil), publish.PutOptions{}); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Put %q: %v", key, err)
		}
		if _, err := s.Stat(t.Context(), key); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Stat %q: %v", key, err)
		}
		if r, _, err := s.Open(t.Context(), key); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Open %q: %v, %v", key, r, err)
		}
		if err := s.Delete(t.Context(), key); err == nil {
			t.Errorf("Delete %q goes through", key)
		}
		if _, err := s.Copy(t.Context(), key, "to"); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Copy from %q: %v", key, err)
		}
		if _, err := s.Copy(t.Context(), "from", key); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Copy to %q: %v", key, err)
		}
	}
}

func noTrace(t *testing.T, s publish.Store) {
	if err := s.CheckWrite(t.Context()); err != nil {
		t.Errorf("CheckWrite: %v", err)
	}
	first, err1 := s.Conditional(t.Context())
	again, err2 := s.Conditional(t.Context())
	if err := errors.Join(err1, err2); err != nil || first != again {
		t.Errorf("Conditional: %t, %t, %v", first, again, err)
	}
	if left := keys(t, s, ""); len(left) > 0 {
		t.Errorf("these stay: %q", left)
	}
	if s.String() == "" {
		t.Error("the place has no name")
	}
}
