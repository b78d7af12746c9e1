package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// tap stands between slipway and a forge, and registries if need be: it counts
// the requests, can kill the client once one has taken effect, can refuse them,
// and keeps what was uploaded.
type tap struct {
	*httptest.Server

	mu       sync.Mutex
	upstream *url.URL
	space    string                  // of the run in the registries: a first part of every repository
	refuse   func(*http.Request) int // a status to answer with instead; 0: let it pass
	count    int
	killAt   int // 0: never
	kill     func()
	uploads  map[string]int // whole uploads by asset name
}

// spaces numbers the runs of all taps: registries are shared.
var (
	spaces   int
	spacesMu sync.Mutex
)

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
	p.Server = httptest.NewServer(p.guard(proxy))
	t.Cleanup(p.Close)
	return p
}

// registry puts the tap in front of a registry too and returns its host. Each
// run has repositories of its own there, under names that are always the same.
func (p *tap) registry(t *testing.T, upstream string) (host string) {
	to := &url.URL{Scheme: "http", Host: upstream}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			p.mu.Lock()
			defer p.mu.Unlock()
			if rest, ok := strings.CutPrefix(r.In.URL.Path, "/v2/"); ok && rest != "" && !strings.HasPrefix(rest, "run") {
				r.Out.URL.Path = "/v2/" + p.space + "/" + rest
			}
			// A blob of the same run may be mounted.
			if q := r.Out.URL.Query(); q.Get("from") != "" && !strings.HasPrefix(q.Get("from"), "run") {
				q.Set("from", p.space+"/"+q.Get("from"))
				r.Out.URL.RawQuery = q.Encode()
			}
		},
		ModifyResponse: p.counted,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(p.guard(proxy))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// guard answers what is to be refused.
func (p *tap) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		if refuse != nil {
			if status := refuse(r); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// refusing lets some requests fail for good.
func (p *tap) refusing(refuse func(*http.Request) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// begin points the tap at a forge anew.
func (p *tap) begin(upstream string, killAt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream, _ = url.Parse(upstream)
	p.count, p.killAt, p.uploads = 0, killAt, map[string]int{}
	p.refuse = nil
	spacesMu.Lock()
	defer spacesMu.Unlock()
	spaces++
	p.space = fmt.Sprintf("run%d", spaces)
}

// arm counts anew, for another command of the same run.
func (p *tap) arm(killAt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	if r.Request.Method == http.MethodPost && uploadPath.MatchString(r.Request.URL.Path) && r.StatusCode == http.StatusCreated {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var asset struct{ Name string }
		if json.Unmarshal(body, &asset) == nil {
			p.uploads[asset.Name]++
		}
	}
	p.mu.Unlock()
	return p.counted(r)
}

// counted counts an answer, and kills the client instead of giving it.
func (p *tap) counted(*http.Response) error {
	p.mu.Lock()
	p.count++
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
