package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
)

func digestOf(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Error(err)
	}
	return publish.DigestOf(data)
}

// times gives a fault to the first n requests of a method.
func times(n int32, method string, f publishtest.Fault) func(publishtest.Request) publishtest.Fault {
	var left atomic.Int32
	left.Store(n)
	return func(r publishtest.Request) publishtest.Fault {
		if r.Method == method && left.Add(-1) >= 0 {
			return f
		}
		return publishtest.Fault{}
	}
}

// What is over the next time is tried again, and told.
func TestRetries(t *testing.T) {
	t.Parallel()
	data := []byte("hello")
	for name, tt := range map[string]struct {
		fault publishtest.Fault
		want  string
	}{
		"slow down":          {publishtest.Fault{Status: 503, Code: "SlowDown"}, "SlowDown"},
		"too many requests":  {publishtest.Fault{Status: 429, Code: "TooManyRequests"}, "429"},
		"an internal error":  {publishtest.Fault{Status: 500, Code: "InternalError"}, "InternalError"},
		"a bad gateway":      {publishtest.Fault{Status: 502, Code: "<html>"}, "502"},
		"a cut before":       {publishtest.Fault{Cut: true}, "the connection was cut"},
		"a cut half-way":     {publishtest.Fault{CutBody: 2}, "the connection was cut"},
		"a cut after":        {publishtest.Fault{Cut: true, After: true}, "the connection was cut"},
		"an error once done": {publishtest.Fault{Status: 500, Code: "InternalError", After: true}, "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			var told []string
			o.OnRetry = func(op string, _ time.Duration, reason string) { told = append(told, op+": "+reason) }
			s, p := through(t, o)
			if _, err := s.Conditional(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, condition := range []string{publish.IfAny, publish.IfAbsent} {
				told = nil
				key := "x" + condition
				p.Break(times(2, http.MethodPut, tt.fault))
				put, err := s.Put(t.Context(), key, publish.Bytes(data), publish.PutOptions{If: condition})
				if err != nil {
					t.Fatalf("Put if %q: %v", condition, err)
				}
				// Done at the first try, a condition is not met at the second.
				most := 2
				if tt.fault.After && condition == publish.IfAbsent {
					most = 3
				}
				if len(told) < 1 || len(told) > most || !strings.Contains(told[0], "put "+key+": ") || !strings.Contains(told[0], tt.want) {
					t.Errorf("told %q", told)
				}
				if stat, err := s.Stat(t.Context(), key); err != nil || stat.Version != put.Version {
					t.Errorf("Stat gives %+v, %v; Put gave %+v", stat, err, put)
				}
			}
		})
	}
}

// A server that asks for time gets it; one that is never well again is given up,
// with what it said last.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	o := options(t)
	var waits []time.Duration
	o.OnRetry = func(_ string, wait time.Duration, _ string) { waits = append(waits, wait) }
	s, p := through(t, o)
	p.Break(times(1, http.MethodHead, publishtest.Fault{Status: 503, RetryAfter: 17}))
	if _, err := s.Stat(t.Context(), "x"); !errors.Is(err, publish.ErrNotFound) {
		t.Error(err)
	}
	if len(waits) != 1 || waits[0] != 17*time.Second {
		t.Errorf("waited %v, the server asked for 17 s", waits)
	}
	p.Requests()
	p.Break(times(1000, http.MethodPut, publishtest.Fault{Status: 503, Code: "SlowDown"}))
	_, err := s.Put(t.Context(), "x", publish.Bytes([]byte("x")), publish.PutOptions{})
	if !errors.Is(err, publish.ErrUnavailable) || !strings.Contains(err.Error(), "SlowDown: so says the proxy (status 503), 8 times") {
		t.Errorf("got %v", err)
	}
	if n := methods(p.Requests(), http.MethodPut); n != tries {
		t.Errorf("tried %d times, want %d", n, tries)
	}
	var all time.Duration
	for _, w := range waits[1:] {
		all += w
	}
	if all > 30*time.Second {
		t.Errorf("waited %s in all", all)
	}
}

// Nothing of an answer that was lost is lost: the parts were put together, the
// object is there, the upload is gone.
func TestLostAnswerOfCompletion(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	c := publish.Bytes(publishtest.Random(1, 14<<20))
	for _, condition := range []string{publish.IfAny, publish.IfAbsent} {
		done := false
		p.Break(func(r publishtest.Request) publishtest.Fault {
			if r.Method != http.MethodPost || !r.Query.Has("uploadId") || done {
				return publishtest.Fault{}
			}
			done = true
			return publishtest.Fault{After: true, Cut: true}
		})
		put, err := s.Put(t.Context(), "x"+condition, c, publish.PutOptions{If: condition})
		if err != nil || !done {
			t.Fatalf("Put if %q: %v (cut: %t)", condition, err, done)
		}
		if stat, err := s.Stat(t.Context(), "x"+condition); err != nil || stat.Version != put.Version || stat.Digest != c.Digest {
			t.Errorf("Stat gives %+v, %v; Put gave %+v", stat, err, put)
		}
	}
}

// An object whose connection is cut is read on, from where it was cut.
func TestReadOn(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	data := publishtest.Random(1, 3<<20)
	put, err := s.Put(t.Context(), "x", publish.Bytes(data), publish.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Requests()
	p.Break(times(3, http.MethodGet, publishtest.Fault{CutAnswer: 800_000}))
	r, o, err := s.Open(t.Context(), "x")
	if err != nil || o.Version != put.Version {
		t.Fatalf("Open: %+v, %v", o, err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if n := methods(p.Requests(), http.MethodGet); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}

	// One that was replaced meanwhile is not put together of both.
	p.Break(times(1, http.MethodGet, publishtest.Fault{CutAnswer: 800_000}))
	if r, _, err = s.Open(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "x", publish.Bytes(publishtest.Random(2, 3<<20)), publish.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("an object that was replaced while it was read came through")
	}
	_ = r.Close()
}

// A list that is cut between its pages has every key once.
func TestListOn(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	for i := range 20 {
		if _, err := s.Put(t.Context(), fmt.Sprintf("dir/%02d", i), publish.Bytes(nil), publish.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var n atomic.Int32
	p.Break(func(r publishtest.Request) publishtest.Fault {
		if r.Method == http.MethodGet && n.Add(1)%2 == 0 {
			return publishtest.Fault{Cut: true}
		}
		return publishtest.Fault{}
	})
	i := 0
	for o, err := range s.List(t.Context(), "dir/") {
		if want := fmt.Sprintf("dir/%02d", i); err != nil || o.Key != want {
			t.Fatalf("got %+v, %v; want %s", o, err, want)
		}
		i++
	}
	if i != 20 || n.Load() < 4 {
		t.Errorf("%d keys by %d requests", i, n.Load())
	}
}

// Deletes go in batches, and one by one where there are none.
func TestDeleteBatches(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	keys := []string{"a", "b <&>", "c/d"}
	for _, supported := range []bool{true, false} {
		for _, key := range keys {
			if _, err := s.Put(t.Context(), key, publish.Bytes(nil), publish.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if !supported {
			p.Break(times(1, http.MethodPost, publishtest.Fault{Status: 501, Code: "NotImplemented"}))
		}
		p.Requests()
		if err := s.Delete(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		requests := p.Requests()
		if posts, deletes := methods(requests, http.MethodPost), methods(requests, http.MethodDelete); posts != 1 || (deletes == 0) != supported {
			t.Errorf("batches: %t; the requests are %q", supported, publishtest.Methods(requests))
		}
		for o, err := range s.List(t.Context(), "") {
			t.Errorf("left: %+v, %v", o, err)
		}
	}
}

// A context ends what hangs, at once.
func TestHangs(t *testing.T) {
	t.Parallel()
	s, p := through(t, options(t))
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithCancel(t.Context())
	p.Break(func(publishtest.Request) publishtest.Fault {
		return publishtest.Fault{Do: func() { cancel(); <-hang }, Cut: true}
	})
	for what, do := range map[string]func() error{
		"Put":  func() error { _, err := s.Put(ctx, "x", publish.Bytes([]byte("x")), publish.PutOptions{}); return err },
		"Stat": func() error { _, err := s.Stat(ctx, "x"); return err },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A server that takes no more bytes, and one that gives no more, are given up.
func TestStalls(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	o := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", "10")
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_, _ = w.Write([]byte("four"))
			_ = http.NewResponseController(w).Flush()
		}
		<-hang
	})
	t.Cleanup(func() { close(hang) })
	var told atomic.Int32
	o.OnRetry = func(_ string, _ time.Duration, reason string) {
		if strings.Contains(reason, errStalled.Error()) {
			told.Add(1)
		}
	}
	s := open(t, o)
	s.wire.stall = 50 * time.Millisecond
	s.pause = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	if _, err := s.Put(t.Context(), "x", publish.Bytes(make([]byte, 16<<20)), publish.PutOptions{}); !errors.Is(err, publish.ErrUnavailable) || told.Load() != tries-1 {
		t.Errorf("Put: %v, told %d times", err, told.Load())
	}
	r, _, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err == nil {
		t.Errorf("read %q", data)
	}
	_ = r.Close()
}
