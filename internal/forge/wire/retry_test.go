package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Which faults are met with another try, for reads and for requests that make
// something, and whether an error then leaves it open what happened.
func TestRepeats(t *testing.T) {
	t.Parallel()
	type want struct {
		requests  int
		kind      error // nil: it succeeded
		uncertain bool
	}
	done := want{requests: 2}
	tests := []struct {
		name       string
		fault      func(w http.ResponseWriter)
		read, post want
	}{
		{"500", func(w http.ResponseWriter) { refuse(w, 500, `{"message":"x"}`) }, done, want{1, forge.ErrUnavailable, true}},
		{"502 page", func(w http.ResponseWriter) { refuse(w, 502, `<html><title>502 Bad Gateway</title>`) }, done, want{1, forge.ErrUnavailable, true}},
		{"503 with Retry-After", func(w http.ResponseWriter) { refuse(w, 503, ``, "Retry-After", "3") }, done, want{1, forge.ErrUnavailable, true}},
		{"429", func(w http.ResponseWriter) { refuse(w, 429, `{}`) }, done, done},
		{"429 with Retry-After", func(w http.ResponseWriter) { refuse(w, 429, `{}`, "Retry-After", "3") }, done, done},
		{"403 with Retry-After", func(w http.ResponseWriter) { refuse(w, 403, `{}`, "Retry-After", "3") }, done, done},
		{"secondary limit in words", func(w http.ResponseWriter) {
			refuse(w, 403, `{"message":"You have exceeded a secondary rate limit."}`)
		}, done, done},
		{"primary limit", func(w http.ResponseWriter) {
			refuse(w, 403, `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining", "0",
				"X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
		}, done, done},
		{"cut before the answer", func(http.ResponseWriter) { cut() }, done, want{1, forge.ErrUnavailable, true}},
		{"cut within the answer", func(w http.ResponseWriter) {
			refuse(w, 200, `{"ok":`, "Content-Length", "11")
			cut()
		}, done, want{1, forge.ErrUnavailable, true}},
		{"broken JSON", func(w http.ResponseWriter) { refuse(w, 200, `{"ok":`) }, done, want{1, forge.ErrNotForge, true}},
		{"page instead of JSON", func(w http.ResponseWriter) { refuse(w, 200, `<!DOCTYPE html><title>Log in</title>`) },
			want{1, forge.ErrNotForge, false}, want{1, forge.ErrNotForge, true}},
		{"nothing instead of JSON", func(w http.ResponseWriter) { w.WriteHeader(200) }, want{1, forge.ErrNotForge, false}, want{1, forge.ErrNotForge, true}},
		{"400", func(w http.ResponseWriter) { refuse(w, 400, `{"message":"no"}`) }, want{1, forge.ErrRejected, false}, want{1, forge.ErrRejected, false}},
		{"401", func(w http.ResponseWriter) { refuse(w, 401, `{"message":"no"}`) }, want{1, forge.ErrUnauthorized, false}, want{1, forge.ErrUnauthorized, false}},
		{"403", func(w http.ResponseWriter) { refuse(w, 403, `{"message":"no"}`) }, want{1, forge.ErrForbidden, false}, want{1, forge.ErrForbidden, false}},
		{"404", func(w http.ResponseWriter) { refuse(w, 404, `{"message":"no"}`) }, want{1, forge.ErrNotFound, false}, want{1, forge.ErrNotFound, false}},
		{"404 page", func(w http.ResponseWriter) { refuse(w, 404, `<html><title>Not here</title>`) }, want{1, forge.ErrNotForge, false}, want{1, forge.ErrNotForge, false}},
		{"409", func(w http.ResponseWriter) { refuse(w, 409, `{"message":"no"}`) }, want{1, forge.ErrConflict, false}, want{1, forge.ErrConflict, false}},
		{"413 page of a proxy", func(w http.ResponseWriter) { refuse(w, 413, `<html><title>413</title>`) }, want{1, forge.ErrTooLarge, false}, want{1, forge.ErrTooLarge, false}},
	}
	for _, tt := range tests {
		for method, want := range map[string]want{"GET": tt.read, "PATCH": tt.read, "DELETE": tt.read, "POST": tt.post} {
			if method != "GET" && method != "POST" && want.kind == forge.ErrNotForge && tt.post.uncertain {
				want.uncertain = true // an answer 200 that can't be read
			}
			if method == "DELETE" && tt.name == "nothing instead of JSON" {
				want = done
				want.requests = 1
			}
			t.Run(tt.name+" "+method, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
					if n == 1 {
						tt.fault(w)
						return
					}
					ok(w)
				})
				_, err := do(t.Context(), client(s, &sleeper{}), method, s.URL, `{"a":1}`)
				if !errors.Is(err, want.kind) || (err != nil) != (want.kind != nil) {
					t.Errorf("error %v, want kind %v", err, want.kind)
				}
				if got := forge.Uncertain(err); got != want.uncertain {
					t.Errorf("Uncertain is %v for %v", got, err)
				}
				got := s.requests()
				if len(got) != want.requests {
					t.Fatalf("%d requests, want %d", len(got), want.requests)
				}
				for _, r := range got {
					if r.body != `{"a":1}` {
						t.Errorf("a try sent the body %q", r.body)
					}
				}
			})
		}
	}
}

// Tries end; the waits grow and stay near 30 seconds in all; a person hears why.
func TestTriesEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		refuse(w, 502, "<html><head><title>502 Bad\n Gateway</title>")
	})
	sl := &sleeper{}
	_, err := do(t.Context(), client(s, sl), "PATCH", s.URL, "{}")
	want := `try it: the server answers with a web page "502 Bad Gateway", after 5 tries (HTTP 502)`
	if err == nil || err.Error() != want || !errors.Is(err, forge.ErrUnavailable) || !forge.Uncertain(err) {
		t.Errorf("error %v (uncertain %v), want %s", err, forge.Uncertain(err), want)
	}
	var all time.Duration
	for i, d := range sl.waits {
		all += d
		if i > 0 && d <= sl.waits[i-1] {
			t.Errorf("the waits do not grow: %v", sl.waits)
		}
	}
	if len(s.requests()) != 5 || len(sl.waits) != 4 || all < 15*time.Second || all > 35*time.Second {
		t.Errorf("%d requests, waits %v of %v in all; want 5, about 30s", len(s.requests()), sl.waits, all)
	}
	if len(sl.reasons) != 4 || !strings.Contains(sl.reasons[0], "try it: HTTP 502") {
		t.Errorf("the person hears %q", sl.reasons)
	}
}

// The wait that a forge asks for is kept, against the server's own clock.
func TestAskedWaits(t *testing.T) {
	t.Parallel()
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // a server whose clock is wrong
	reset := strconv.FormatInt(past.Add(5*time.Minute).Unix(), 10)
	tests := []struct {
		name    string
		status  int
		headers []string
		body    string
		wait    time.Duration
	}{
		{"seconds", 429, []string{"Retry-After", "42"}, `{}`, 42 * time.Second},
		{"date", 503, []string{"Retry-After", past.Add(90 * time.Second).Format(http.TimeFormat), "Date", past.Format(http.TimeFormat)}, `{}`, 90 * time.Second},
		{"reset", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset, "Date", past.Format(http.TimeFormat)}, `{}`, 5 * time.Minute},
		{"documented minute", 403, nil, `{"message":"You have exceeded a secondary rate limit"}`, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					refuse(w, tt.status, tt.body, tt.headers...)
					return
				}
				ok(w)
			})
			sl := &sleeper{}
			if _, err := do(t.Context(), client(s, sl), "GET", s.URL, ""); err != nil {
				t.Fatal(err)
			}
			if len(sl.waits) != 1 || sl.waits[0] < tt.wait || sl.waits[0] > tt.wait+3*time.Second {
				t.Errorf("waited %v, want %v", sl.waits, tt.wait)
			}
		})
	}
}

// A wait beyond all patience is an error at once that says until when.
func TestWaitTooLong(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(2 * time.Hour).Truncate(time.Minute).Add(30 * time.Second) // a second more or less is the same minute
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		refuse(w, 403, `{"message":"API rate limit exceeded for user ID 1."}`,
			"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(at.Unix(), 10))
	})
	sl := &sleeper{}
	_, err := do(t.Context(), client(s, sl), "POST", s.URL, "{}")
	if !errors.Is(err, forge.ErrUnavailable) || forge.Uncertain(err) || len(sl.waits) != 0 {
		t.Errorf("error %v, uncertain %v, waits %v", err, forge.Uncertain(err), sl.waits)
	}
	if hour := at.UTC().Format("15:04"); err == nil || !strings.Contains(err.Error(), hour) {
		t.Errorf("error %v does not say %s", err, hour)
	}
}

// A limit that never ends ends the call.
func TestLimitForEver(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"0", "1", "600"} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 429, `{}`, "Retry-After", after) })
		_, err := do(t.Context(), client(s, &sleeper{}), "GET", s.URL, "")
		if n := len(s.requests()); !errors.Is(err, forge.ErrUnavailable) || n > 25 {
			t.Errorf("Retry-After %s: error %v after %d requests", after, err, n)
		}
	}
}

// Nothing was sent, so that even a POST is tried again, and its end is certain.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	sl := &sleeper{}
	c := wire.NewClient(wire.Options{Sleep: sl.sleep}, wire.Dialect{})
	_, err = do(t.Context(), c, "POST", address, "{}")
	if !errors.Is(err, forge.ErrUnavailable) || forge.Uncertain(err) || len(sl.waits) != 4 {
		t.Errorf("error %v, uncertain %v, %d waits; want a certain one after 4", err, forge.Uncertain(err), len(sl.waits))
	}
}

// A context that ends while a forge is waited for ends the call at once, and
// what an earlier try may have done stays open.
func TestContextEndsWait(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 502, "") })
	ctx, cancel := context.WithCancel(t.Context())
	c := client(s, &sleeper{}, func(o *wire.Options) {
		o.Sleep = nil
		o.Backoff = time.Hour
		o.OnRetry = func(string, time.Duration, string) { cancel() }
	})
	begun := time.Now()
	_, err := do(ctx, c, "PATCH", s.URL, "{}")
	if !errors.Is(err, context.Canceled) || !forge.Uncertain(err) || time.Since(begun) > 5*time.Second {
		t.Errorf("error %v, uncertain %v, after %v", err, forge.Uncertain(err), time.Since(begun))
	}
}

// A connection on which nothing moves is given up.
func TestIdle(t *testing.T) {
	t.Parallel()
	still := make(chan struct{})
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 1:
			<-still
		case 2:
			refuse(w, 200, `{"ok"`, "Content-Length", "11")
			_ = http.NewResponseController(w).Flush()
			<-still
		default:
			ok(w)
		}
	})
	t.Cleanup(func() { close(still) })
	sl := &sleeper{}
	c := client(s, sl, func(o *wire.Options) { o.Idle = 100 * time.Millisecond })
	if _, err := do(t.Context(), c, "GET", s.URL, ""); err != nil || len(s.requests()) != 3 {
		t.Errorf("error %v after %d requests", err, len(s.requests()))
	}
	if len(sl.reasons) != 2 || !strings.Contains(sl.reasons[0], "nothing moved") || !strings.Contains(sl.reasons[1], "nothing moved") {
		t.Errorf("the person hears %q", sl.reasons)
	}
}

// A limit that one request meets holds back the others.
func TestLimitHoldsAll(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			refuse(w, 429, `{}`, "Retry-After", "1")
			return
		}
		ok(w)
	})
	var c *http.Client
	waiting, both := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sl := &sleeper{}
	c = client(s, sl, func(o *wire.Options) {
		o.Sleep = func(ctx context.Context, d time.Duration) error {
			first := false
			once.Do(func() { first = true })
			if first {
				close(waiting)
				<-both
			} else {
				close(both)
			}
			return sl.sleep(ctx, d)
		}
	})
	errs := make(chan error, 2)
	go func() { _, err := do(t.Context(), c, "GET", s.URL+"/first", ""); errs <- err }()
	<-waiting
	go func() { _, err := do(t.Context(), c, "GET", s.URL+"/second", ""); errs <- err }()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(sl.waits) != 2 || len(s.requests()) != 3 {
		t.Errorf("waits %v, %d requests; want both to wait", sl.waits, len(s.requests()))
	}
}

// Writes are paced, reads are not.
func TestPace(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { ok(w) })
	sl := &sleeper{}
	c := wire.NewClient(wire.Options{Sleep: sl.sleep}, wire.Dialect{Pace: []*rate.Limiter{rate.NewLimiter(rate.Every(time.Hour), 2)}})
	for _, method := range []string{"GET", "GET", "GET", "POST", "PATCH"} {
		if _, err := do(t.Context(), c, method, s.URL, "{}"); err != nil {
			t.Fatal(err)
		}
	}
	if len(sl.waits) != 0 {
		t.Errorf("waits within the burst: %v", sl.waits)
	}
	if _, err := do(t.Context(), c, "DELETE", s.URL, "{}"); err != nil || len(sl.waits) != 1 || sl.waits[0] < 50*time.Minute {
		t.Errorf("error %v, waits %v beyond the burst", err, sl.waits)
	}
}

// The answer's length is bounded.
func TestMaxAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "[%s1]", strings.Repeat("1,", 1000))
	})
	c := client(s, &sleeper{}, func(o *wire.Options) { o.MaxAnswer = 500 })
	_, err := do(t.Context(), c, "GET", s.URL, "")
	if !errors.Is(err, forge.ErrNotForge) || !strings.Contains(err.Error(), "longer than 500 bytes") {
		t.Errorf("error %v", err)
	}
}

// What a server that speaks no HTTP or TLS is told as.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	plain := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { ok(w) })
	c := wire.NewClient(wire.Options{}, wire.Dialect{})
	for address, says := range map[string]string{
		"http://" + l.Addr().String():                        "does not speak HTTP",
		strings.Replace(plain.URL, "http://", "https://", 1): "use http://",
	} {
		_, err := do(t.Context(), c, "GET", address, "")
		if !errors.Is(err, forge.ErrNotForge) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q in it", address, err, says)
		}
	}
}
