package registry_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// proxy stands before a registry and disturbs what goes through it.
type proxy struct {
	host string
	// disturb answers a request itself and says true, or lets it through. n
	// counts the requests of this method and kind (blobs, uploads, manifests)
	// from 1.
	disturb func(w http.ResponseWriter, r *http.Request, n int) bool

	backend string
	mu      sync.Mutex
	counts  map[string]int
	patched int64 // bytes of blobs that went through
}

func newProxy(t *testing.T, backend string, disturb func(p *proxy, w http.ResponseWriter, r *http.Request, n int) bool) *proxy {
	t.Helper()
	p := &proxy{backend: backend, counts: map[string]int{}}
	p.disturb = func(w http.ResponseWriter, r *http.Request, n int) bool { return disturb(p, w, r, n) }
	through := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend})
	through.ErrorLog = quiet
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Method + " " + kind(r)
		p.mu.Lock()
		p.counts[key]++
		n := p.counts[key]
		p.mu.Unlock()
		if p.disturb(w, r, n) {
			return
		}
		if r.Method == http.MethodPatch {
			r.Body = &countedBody{r.Body, p}
		}
		through.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = quiet
	s.Start()
	t.Cleanup(s.Close)
	p.host = strings.TrimPrefix(s.URL, "http://")
	return p
}

func kind(r *http.Request) string {
	for _, k := range []string{"/blobs/uploads/", "/blobs/", "/manifests/"} {
		if strings.Contains(r.URL.Path, k) {
			return k[1 : len(k)-1]
		}
	}
	return "ping"
}

func (p *proxy) count(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[key]
}

func (p *proxy) bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.patched
}

type countedBody struct {
	io.ReadCloser
	p *proxy
}

func (b *countedBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	b.p.mu.Lock()
	b.p.patched += int64(n)
	b.p.mu.Unlock()
	return n, err
}

// cutAfter sends the registry k bytes of an upload and then cuts both
// connections.
func (p *proxy) cutAfter(r *http.Request, k int64) {
	conn, err := net.Dial("tcp", p.backend)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n", r.URL.RequestURI(), r.Host, r.ContentLength)
	if cr := r.Header.Get("Content-Range"); cr != "" {
		fmt.Fprintf(conn, "Content-Range: %s\r\n", cr)
	}
	fmt.Fprint(conn, "\r\n")
	_, _ = io.CopyN(conn, &countedBody{r.Body, p}, k)
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

// refuse answers as a registry does.
func refuse(w http.ResponseWriter, status int, code, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
	return true
}

// newBasic stands before a registry, wants a login and tells the user.
func newBasic(t *testing.T, backend string, user *string) (host string) {
	t.Helper()
	p := newProxy(t, backend, func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		u, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="harbour"`)
			return refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		}
		*user = u
		return false
	})
	return p.host
}
