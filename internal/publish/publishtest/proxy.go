package publishtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Proxy stands before a real S3 server, counts what goes through, and breaks it
// where a test says so. It keeps the Host header, which is part of the signature.
type Proxy struct {
	URL string // http://127.0.0.1:PORT, no slash at the end

	forward *httputil.ReverseProxy

	mu       sync.Mutex
	fault    func(Request) Fault
	requests []*Request
}

// Request is one that came to the proxy.
type Request struct {
	N      int // counted from 1
	Method string
	Path   string // with its escapes undone
	Query  url.Values
	Header http.Header
	Sent   int64 // bytes of its body that were passed on
	Status int   // of the server's answer; 0 when there was none
}

// Fault is what goes wrong with a request. The zero value is nothing.
type Fault struct {
	// Do is called before the request is passed on, or with After once the server
	// has done what it asks for. It may kill a process, or wait.
	Do    func()
	After bool
	// Cut closes the connection at that moment, without an answer.
	Cut bool
	// Status and Code, if set, are answered at that moment in place of the server.
	Status     int
	Code       string // such as SlowDown
	RetryAfter int    // seconds; 0: the answer has none
	// CutBody closes the connections both ways after so many bytes of the request's
	// body, CutAnswer after so many of the answer's.
	CutBody, CutAnswer int64
}

// NewProxy starts a proxy before a server's URL. It ends with the test.
func NewProxy(t testing.TB, server string, fault func(Request) Fault) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p, quiet := &Proxy{fault: fault}, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	p.forward = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: p.answered,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:       quiet,
	}
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = quiet
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		transport.CloseIdleConnections()
	})
	p.URL = s.URL
	return p
}

// Break has later requests go wrong in another way; nil is not at all.
func (p *Proxy) Break(fault func(Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// Requests gives what came since the last call, in order.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Request, len(p.requests))
	for i, r := range p.requests {
		all[i] = *r
	}
	p.requests = nil
	return all
}

// Part is the number of the part that a request puts, or 0.
func (r Request) Part() int {
	n, err := strconv.Atoi(r.Query.Get("partNumber"))
	if err != nil || r.Method != http.MethodPut {
		return 0
	}
	return n
}

// passage is a request on its way.
type passage struct {
	*Request
	fault Fault
}

type passageKey struct{}

func withPassage(ctx context.Context, g *passage) context.Context {
	return context.WithValue(ctx, passageKey{}, g)
}

func passageOf(ctx context.Context) *passage {
	g, ok := ctx.Value(passageKey{}).(*passage)
	if !ok {
		return &passage{Request: &Request{}}
	}
	return g
}

// ServeHTTP implements http.Handler, for a server with TLS.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	g := p.enter(in)
	if !g.fault.After {
		if g.fault.Do != nil {
			g.fault.Do()
		}
		if g.fault.Cut {
			panic(http.ErrAbortHandler)
		}
		if g.fault.Status != 0 {
			_, _ = io.Copy(io.Discard, in.Body) // so that the client sees the answer
			header, text := g.fault.answer()
			for name := range header {
				w.Header().Set(name, header.Get(name))
			}
			w.WriteHeader(g.fault.Status)
			_, _ = io.WriteString(w, text) // the client may be gone
			return
		}
	}
	if in.Body != nil && in.ContentLength != 0 {
		in.Body = &body{ReadCloser: in.Body, cut: g.fault.CutBody, count: func(n int) {
			p.mu.Lock()
			defer p.mu.Unlock()
			g.Sent += int64(n)
		}}
	}
	p.forward.ServeHTTP(w, in.WithContext(withPassage(in.Context(), g)))
}

func (p *Proxy) enter(in *http.Request) *passage {
	p.mu.Lock()
	r := &Request{N: 1, Method: in.Method, Path: in.URL.Path, Query: in.URL.Query(), Header: in.Header.Clone()}
	if n := len(p.requests); n > 0 {
		r.N = p.requests[n-1].N + 1
	}
	p.requests = append(p.requests, r)
	fault, seen := p.fault, *r
	p.mu.Unlock()
	g := &passage{Request: r}
	if fault != nil {
		g.fault = fault(seen)
	}
	return g
}

var errCut = errors.New("the proxy cuts the connection")

// answered is called with the server's answer.
func (p *Proxy) answered(resp *http.Response) error {
	g := passageOf(resp.Request.Context())
	p.mu.Lock()
	g.Status = resp.StatusCode
	p.mu.Unlock()
	if g.fault.After {
		if g.fault.Do != nil {
			g.fault.Do()
		}
		if g.fault.Cut {
			return errCut
		}
		if g.fault.Status != 0 {
			_ = resp.Body.Close() // it is not wanted
			header, text := g.fault.answer()
			resp.StatusCode, resp.Header, resp.ContentLength, resp.Body = g.fault.Status, header, int64(len(text)), io.NopCloser(strings.NewReader(text))
		}
	}
	if g.fault.CutAnswer > 0 {
		resp.Body = &body{ReadCloser: resp.Body, cut: g.fault.CutAnswer}
	}
	return nil
}

// answer is what is answered in place of the server.
func (f Fault) answer() (http.Header, string) {
	text := fmt.Sprintf("<Error><Code>%s</Code><Message>so says the proxy</Message></Error>", f.Code)
	h := http.Header{"Content-Type": {"application/xml"}, "Content-Length": {strconv.Itoa(len(text))}}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	return h, text
}

// body is a body that may end before its time.
type body struct {
	io.ReadCloser
	cut   int64 // 0: not at all
	n     int64
	count func(int)
}

func (b *body) Read(p []byte) (int, error) {
	if b.cut > 0 {
		if b.n >= b.cut {
			return 0, errCut
		}
		p = p[:min(int64(len(p)), b.cut-b.n)]
	}
	n, err := b.ReadCloser.Read(p)
	if b.n += int64(n); b.count != nil {
		b.count(n)
	}
	return n, err
}

// Methods are the requests' methods and what they are about, for a test's messages.
func Methods(requests []Request) []string {
	all := make([]string, len(requests))
	for i, r := range requests {
		keys := []string{}
		for name := range r.Query {
			keys = append(keys, name)
		}
		slices.Sort(keys)
		all[i] = strings.TrimSpace(r.Method + " " + r.Path + " " + strings.Join(keys, "&"))
	}
	return all
}
