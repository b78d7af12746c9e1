package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"
)

// tap stands between slipway and a forge: it counts the API requests, can kill
// the client once one has taken effect, and keeps what was uploaded.
type tap struct {
	*httptest.Server

	mu       sync.Mutex
	upstream *url.URL
	count    int
	killAt   int // 0: never
	kill     func()
	uploads  map[string]int // whole uploads by asset name
}

func newTap(t *testing.T) *tap {
	p := &tap{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			p.mu.Lock()
			defer p.mu.Unlock()
			r.SetURL(p.upstream)
			r.Out.Host = r.In.Host // links in answers lead back here
		},
		ModifyResponse: p.answered,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	p.Server = httptest.NewServer(proxy)
	t.Cleanup(p.Close)
	return p
}

// begin points the tap at a forge anew.
func (p *tap) begin(upstream string, killAt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream, _ = url.Parse(upstream)
	p.count, p.killAt, p.uploads = 0, killAt, map[string]int{}
}

var uploadPath = regexp.MustCompile(`/releases/\d+/assets$`)

// requests is how many API requests the last run made.
func (p *tap) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// answered sees each answer before the client does.
func (p *tap) answered(r *http.Response) error {
	if r.Request.Header.Get("Authorization") == "" {
		return nil
	}
	p.mu.Lock()
	p.count++
	if r.Request.Method == http.MethodPost && uploadPath.MatchString(r.Request.URL.Path) && r.StatusCode == http.StatusCreated {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var asset struct{ Name string }
		if json.Unmarshal(body, &asset) == nil {
			p.uploads[asset.Name]++
		}
	}
	kill := p.kill
	now := p.count == p.killAt
	p.mu.Unlock()
	if now {
		kill()
		return errors.New("the client is dead")
	}
	return nil
}

// doubled names the assets that arrived whole more than once.
func (p *tap) doubled() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name, n := range p.uploads {
		if n > 1 {
			names = append(names, name)
		}
	}
	return names
}
