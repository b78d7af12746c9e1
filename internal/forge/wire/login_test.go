package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// logins gives "Bearer token-1", and another one for each that is refused.
type logins struct {
	mu      sync.Mutex
	n       int
	refused []string
	fails   error
}

func (l *logins) authorize(_ context.Context, refused string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if refused != "" {
		l.refused = append(l.refused, refused)
		l.n++
		if l.fails != nil {
			return "", l.fails
		}
	}
	return "Bearer token-number-" + strconv.Itoa(l.n), nil
}

func loginClient(t *testing.T, s *server, l *logins, heard func(http.Header)) *http.Client {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	sl := &sleeper{}
	return wire.NewClient(wire.Options{Sleep: sl.sleep}, wire.Dialect{Hosts: []string{wire.Origin(u)}, Authorize: l.authorize, Heard: heard})
}

// A token that is not accepted is replaced once, and the request is sent again
// with its body, a POST too; a second refusal is final.
func TestTokenRenewed(t *testing.T) {
	t.Parallel()
	for ends, want := range map[int]string{1: `{"ok":true}`, 9: "401"} {
		s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n <= ends {
				refuse(w, 401, `{"message":"Bad `+r.Header.Get("Authorization")+`"}`)
				return
			}
			ok(w)
		})
		l := &logins{}
		text, err := do(t.Context(), loginClient(t, s, l, nil), http.MethodPost, s.URL, "body")
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, want) || strings.Contains(text, "token-number") || forge.Uncertain(err) {
			t.Errorf("refused %d times: %s", ends, text)
		}
		got := s.requests()
		if len(got) != 2 || got[0].auth != "Bearer token-number-0" || got[1].auth != "Bearer token-number-1" || got[1].body != "body" {
			t.Errorf("refused %d times: the server saw %+v", ends, got)
		}
		if len(l.refused) != 1 || l.refused[0] != "Bearer token-number-0" {
			t.Errorf("asked anew for %q", l.refused)
		}
	}
}

// The error of a login is the request's; a try before it that may have taken
// effect stays uncertain. Other hosts are not logged in to.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	storage := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "content") })
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/file":
			http.Redirect(w, r, storage.URL, http.StatusFound)
		case r.URL.Path == "/patch" && r.Method == http.MethodPatch && n == 1:
			refuse(w, 502, "")
		default:
			refuse(w, 401, `{"message":"Bad credentials"}`)
		}
	})
	broken := &forge.Error{Op: "log in", Kind: forge.ErrUnavailable, Message: "no key"}
	_, err := do(t.Context(), loginClient(t, s, &logins{fails: broken}, nil), http.MethodPatch, s.URL+"/patch", "x")
	if !errors.Is(err, forge.ErrUnavailable) || !strings.Contains(err.Error(), "no key") || !forge.Uncertain(err) {
		t.Errorf("after a 502: %v (uncertain %v)", err, forge.Uncertain(err))
	}
	_, err = do(t.Context(), loginClient(t, s, &logins{fails: broken}, nil), http.MethodPost, s.URL, "x")
	if !errors.Is(err, forge.ErrUnavailable) || forge.Uncertain(err) {
		t.Errorf("at once: %v (uncertain %v)", err, forge.Uncertain(err))
	}
	f, err := wire.Open(t.Context(), loginClient(t, s, &logins{}, nil), "download it", get(s.URL+"/file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := storage.requests()[0]; got.auth != "" {
		t.Errorf("the other host saw %q", got.auth)
	}
}

// A POST that was said to be repeatable is sent again after a fault.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	for repeatable, want := range map[bool]int{true: 3, false: 1} {
		s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				refuse(w, 502, "")
				return
			}
			ok(w)
		})
		ctx, call := wire.Begin(t.Context(), "set it")
		if repeatable {
			call.Repeatable()
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(s, &sleeper{}).Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if n := len(s.requests()); n != want || (err == nil) != repeatable {
			t.Errorf("repeatable %v: %d requests, %v; want %d", repeatable, n, err, want)
		}
	}
}

// The headers of each answer are heard, of refusals too.
func TestHeard(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(10-n))
		if n == 1 {
			refuse(w, 500, "")
			return
		}
		ok(w)
	})
	var heard []string
	c := loginClient(t, s, &logins{}, func(h http.Header) { heard = append(heard, h.Get("X-RateLimit-Remaining")) })
	if _, err := do(t.Context(), c, http.MethodGet, s.URL, ""); err != nil || strings.Join(heard, " ") != "9 8" {
		t.Errorf("heard %q, %v", heard, err)
	}
}
