package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
)

// through opens a new bucket through a proxy, with waits that take no time.
func through(t *testing.T, o Options) (*Store, *publishtest.Proxy) {
	t.Helper()
	p := publishtest.NewProxy(t, o.Endpoint, nil)
	o.Endpoint = p.URL
	s := open(t, o)
	s.pause = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	return s, p
}

// parts are the bytes that requests sent, by the number of the part.
func parts(requests []publishtest.Request) (numbers []int, bytes int64) {
	for _, r := range requests {
		if n := r.Part(); n > 0 {
			numbers, bytes = append(numbers, n), bytes+r.Sent
		}
	}
	slices.Sort(numbers)
	return numbers, bytes
}

// A Put that ended in the middle of its third part goes on, in another process, with
// the parts that are not there: no byte of the others is sent again.
func TestResume(t *testing.T) {
	t.Parallel()
	o := options(t)
	s, p := through(t, o)
	data := publishtest.Random(1, 40<<20)
	c := publish.Bytes(data)
	ctx, kill := context.WithCancel(t.Context())
	first := make(chan struct{}, 2)
	p.Break(func(r publishtest.Request) publishtest.Fault {
		switch r.Part() {
		case 1, 2:
			return publishtest.Fault{After: true, Do: func() { first <- struct{}{} }}
		case 3:
			return publishtest.Fault{Do: func() { <-first; <-first }, CutBody: 1 << 20}
		}
		return publishtest.Fault{}
	})
	s.pause = func(context.Context, time.Duration) error { kill(); return context.Cause(ctx) }
	if _, err := s.Put(ctx, "dir/big", c, publish.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first Put: %v", err)
	}
	if _, err := s.Stat(t.Context(), "dir/big"); !errors.Is(err, publish.ErrNotFound) {
		t.Fatalf("the interrupted Put left an object: %v", err)
	}

	u := &upload{store: s, key: "dir/big", c: c}
	u.size, u.n = s.partsOf(u.key, c, u.o)
	if err := u.find(t.Context()); err != nil || len(u.have) < 2 || len(u.have) == u.n {
		t.Fatalf("of %d parts the server has %d, %v", u.n, len(u.have), err)
	}
	p.Requests()
	p.Break(nil)
	o.Endpoint = p.URL
	var sent int64
	c.Progress = func(n int64) { sent = n }
	put, err := open(t, o).Put(t.Context(), "dir/big", c, publish.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The server may have come to the end of another part meanwhile.
	numbers, bytes := parts(p.Requests())
	for _, number := range numbers {
		if bytes -= u.sizeOf(number); u.have[number] != "" {
			t.Errorf("part %d is sent again", number)
		}
	}
	if bytes != 0 || !slices.Contains(numbers, 3) {
		t.Errorf("sent the parts %v, and %d bytes more", numbers, bytes)
	}
	if stat, err := s.Stat(t.Context(), "dir/big"); err != nil || stat.Digest != c.Digest || stat.Version != put.Version || sent != c.Size {
		t.Errorf("Stat gives %+v, %v; Put gave %+v, and a progress of %d", stat, err, put, sent)
	}
	if left, err := s.uploads(t.Context(), "dir/big"); err != nil || len(left) > 0 {
		t.Errorf("uploads are left: %v, %v", left, err)
	}
}

// begin leaves an upload of a content with its first parts.
func begin(t *testing.T, s *Store, key string, c publish.Content, data []byte, n int) *upload {
	t.Helper()
	u := &upload{store: s, key: key, c: c, meter: &meter{}}
	u.size, u.n = s.partsOf(key, c, u.o)
	u.parts = make([]minio.CompletePart, u.n)
	id, err := s.client.NewMultipartUpload(t.Context(), s.bucket, key, s.putOptions(key, c, u.o, false))
	if err != nil {
		t.Fatal(err)
	}
	u.id = id
	for number := 1; number <= n; number++ {
		at := int64(number-1) * u.size
		if err := u.send(t.Context(), number, data[at:at+u.sizeOf(number)]); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// An upload of another content is not taken for this one's, though both begin with
// the same bytes. It is dropped when it is old, and not when it may still be on its way.
func TestOtherUploads(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	data := publishtest.Random(1, 14<<20)
	other := slices.Clone(data)
	other[len(other)-1]++
	begin(t, s, "x", publish.Bytes(other), other, 1)
	for _, stale := range []time.Duration{time.Hour, -time.Hour} {
		s.stale = stale
		if _, err := s.Put(t.Context(), "x", publish.Bytes(data), publish.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if o, err := s.Stat(t.Context(), "x"); err != nil || o.Digest != publish.DigestOf(data) {
			t.Errorf("Stat gives %+v, %v", o, err)
		}
		left, err := s.uploads(t.Context(), "x")
		if want := map[bool]int{true: 1, false: 0}[stale > 0]; err != nil || len(left) != want {
			t.Errorf("stale after %s: %d uploads are left, %v; want %d", stale, len(left), err, want)
		}
	}
}

// A part that lies there broken is sent again.
func TestBrokenPart(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	data := publishtest.Random(1, 14<<20)
	c := publish.Bytes(data)
	broken := slices.Clone(data)
	broken[7]++
	begin(t, s, "x", c, broken, 2)
	if _, err := s.Put(t.Context(), "x", c, publish.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, _, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if digest := digestOf(t, r); digest != c.Digest {
		t.Errorf("the object is %s, want %s", digest, c.Digest)
	}
}

// Two processes that put the same content at once both succeed.
func TestSameContentTwice(t *testing.T) {
	t.Parallel()
	o := options(t)
	c := publish.Bytes(publishtest.Random(1, 14<<20))
	ended := make(chan error)
	for range 3 {
		s := open(t, o)
		go func() {
			_, err := s.Put(t.Context(), "x", c, publish.PutOptions{})
			ended <- err
		}()
	}
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if stat, err := open(t, o).Stat(t.Context(), "x"); err != nil || stat.Digest != c.Digest {
		t.Errorf("Stat gives %+v, %v", stat, err)
	}
}

// Killed before or after any request, a Put leaves the object whole or not at all,
// and the next one ends well.
func TestKilledAtAnyRequest(t *testing.T) {
	t.Parallel()
	c := publish.Bytes(publishtest.Random(1, 11<<20))
	condition := publish.PutOptions{If: publish.IfAbsent}
	s, p := through(t, options(t))
	if _, err := s.Put(t.Context(), "x", c, condition); err != nil {
		t.Fatal(err)
	}
	for n := range len(p.Requests()) {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d, done: %t", n+1, after), func(t *testing.T) {
				t.Parallel()
				s, p := through(t, options(t))
				ctx, kill := context.WithCancel(t.Context())
				p.Break(func(r publishtest.Request) publishtest.Fault {
					if r.N != n+1 {
						return publishtest.Fault{}
					}
					return publishtest.Fault{After: after, Cut: true, Do: kill}
				})
				if _, err := s.Put(ctx, "x", c, condition); !errors.Is(err, context.Canceled) {
					t.Errorf("the Put that was killed: %v", err)
				}
				p.Break(nil)
				if o, err := s.Stat(t.Context(), "x"); err == nil && o.Digest != c.Digest || err != nil && !errors.Is(err, publish.ErrNotFound) {
					t.Errorf("there is %+v, %v", o, err)
				}
				if _, err := s.Put(t.Context(), "x", c, publish.PutOptions{}); err != nil {
					t.Errorf("the next Put: %v", err)
				}
			})
		}
	}
}

// Content that turns out to be another leaves nothing behind, not even parts.
func TestMismatchLeavesNoUpload(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	c := publish.Bytes(publishtest.Random(1, 14<<20))
	c.Digest = publish.DigestOf([]byte("other"))
	if _, err := s.Put(t.Context(), "x", c, publish.PutOptions{}); !errors.Is(err, publish.ErrMismatch) {
		t.Fatal(err)
	}
	if left, err := s.uploads(t.Context(), "x"); err != nil || len(left) > 0 {
		t.Errorf("uploads are left: %v, %v", left, err)
	}
}

// What is too big for one request is copied in parts, and is equal.
func TestCopyInParts(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	s.copyLimit, s.copyPart = 6<<20, leastPart
	c := publish.Bytes(publishtest.Random(1, 12<<20))
	c.Type = "application/x-odd"
	if _, err := s.Put(t.Context(), "from &", c, publish.PutOptions{Cache: "max-age=60"}); err != nil {
		t.Fatal(err)
	}
	p.Requests()
	o, err := s.Copy(t.Context(), "from &", "to")
	if err != nil {
		t.Fatal(err)
	}
	requests := p.Requests()
	if numbers, bytes := parts(requests); len(numbers) != 3 || bytes != 0 {
		t.Errorf("copied in parts %v with %d bytes sent: %q", numbers, bytes, publishtest.Methods(requests))
	}
	info, err := s.stat(t.Context(), "to")
	if err != nil || info.ContentType != c.Type || info.Metadata.Get("Cache-Control") != "max-age=60" || object("to", info).Digest != c.Digest || info.ETag != o.Version {
		t.Errorf("the copy is %+v, %v", info, err)
	}
}

// The server's metadata are those that the contract asks for.
func TestServed(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	for key, want := range map[string]string{
		"a.html": "text/html; charset=utf-8", "x/b.tar.gz": "application/gzip", "hello": "application/octet-stream",
	} {
		for _, size := range []int64{10, 6 << 20} {
			if _, err := s.Put(t.Context(), key, publish.Bytes(publishtest.Random(1, size)), publish.PutOptions{Cache: "no-cache"}); err != nil {
				t.Fatal(err)
			}
			info, err := s.stat(t.Context(), key)
			if err != nil || info.ContentType != want || info.Metadata.Get("Cache-Control") != "no-cache" || len(info.Metadata.Get("X-Amz-Meta-Slipway-Sha256")) != 64 {
				t.Errorf("%s of %d bytes is served as %q, %v, %v", key, size, info.ContentType, info.Metadata, err)
			}
		}
	}
}

func methods(requests []publishtest.Request, method string) (n int) {
	for _, r := range requests {
		if r.Method == method && !strings.Contains(r.Path, "probe") {
			n++
		}
	}
	return n
}
