package wire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/wire"
)

const secret = "tok-5ecret"

// seen is what a server was asked.
type seen struct {
	method, path, auth, agent, body string
	header                          http.Header
}

// server answers the n-th request (from 1) with its handler and remembers all.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

func serve(t *testing.T, handle func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen = append(s.seen, seen{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.UserAgent(), string(body), r.Header})
		n := len(s.seen)
		s.mu.Unlock()
		handle(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// sleeper is a clock that does not wait but notes for how long it should.
type sleeper struct {
	mu      sync.Mutex
	waits   []time.Duration
	reasons []string
}

func (s *sleeper) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, d)
	return ctx.Err()
}

func (s *sleeper) told(op string, wait time.Duration, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons = append(s.reasons, op+": "+reason)
}

// client trusts one server with the token.
func client(s *server, sl *sleeper, change ...func(*wire.Options)) *http.Client {
	o := wire.Options{Sleep: sl.sleep, OnRetry: sl.told}
	for _, f := range change {
		f(&o)
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		panic(err) // httptest's own address
	}
	return wire.NewClient(o, wire.Dialect{
		Hosts: []string{wire.Origin(u)}, Authorization: "token " + secret, Secret: secret, UserAgent: "slipway/test",
	})
}

// do sends a request as an adapter does, and gives the answer's text.
func do(ctx context.Context, c *http.Client, method, address, body string) (string, error) {
	ctx, call := wire.Begin(ctx, "try it")
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", call.Err(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), call.Err(err)
}

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

func refuse(w http.ResponseWriter, status int, body string, headers ...string) {
	for i := 0; i+1 < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// cut breaks the connection.
func cut() { panic(http.ErrAbortHandler) }

// bareServer answers without reading the body.
func bareServer(t *testing.T, answer func(w http.ResponseWriter)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	t.Cleanup(s.Close)
	return s.URL
}
