// Package github speaks to github.com and GitHub Enterprise.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gh "github.com/google/go-github/v60/github"
	"golang.org/x/time/rate"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// What GitHub takes (its documentation, "About releases" and "Releases").
const (
	maxAssets    = 1000
	maxAssetSize = 2<<30 - 1
	maxNotes     = 125_000
)

// Options say which repository is meant, and who asks.
type Options struct {
	Server     string // "https://github.com", a GitHub Enterprise server, or "" for github.com
	Repository string // owner/name
	Token      string // empty for reading what is public
	App        *App   // asks in place of a token
	UserAgent  string // "slipway/1.2.3"
	Wire       wire.Options
}

// Forge is one repository on GitHub.
type Forge struct {
	*api
	owner, name string
	token       string
	app         *login // nil with a token or none
	self        known[string]
	repoID      known[int64]
}

var (
	_ forge.Forge       = (*Forge)(nil)
	_ forge.Talk        = (*Forge)(nil)
	_ forge.Commits     = (*Forge)(nil)
	_ forge.Workflows   = (*Forge)(nil)
	_ forge.Hooks       = (*Forge)(nil)
	_ forge.Missed      = (*Forge)(nil)
	_ forge.Deployments = (*Forge)(nil)
	_ forge.Credentials = (*Forge)(nil)
	_ forge.Rated       = (*Forge)(nil)
)

// New makes the adapter; it asks the server nothing yet.
func New(o Options) (*Forge, error) {
	server, err := o.server()
	if err != nil {
		return nil, err
	}
	f := &Forge{token: o.Token}
	if f.owner, f.name, err = forge.SplitRepository(o.Repository); err != nil {
		return nil, err
	}
	if o.App == nil {
		f.api = newAPI(o, server, tokenDialect(o.Token))
		return f, nil
	}
	if f.app, err = newLogin(o, server); err != nil {
		return nil, err
	}
	f.app.owner, f.app.name = f.owner, f.name
	f.api = newAPI(o, server, wire.Dialect{Authorize: f.app.authorize})
	return f, nil
}

// server checks what all calls need.
func (o Options) server() (*url.URL, error) {
	if o.App != nil && o.Token != "" {
		return nil, errors.New("GitHub is given a token and an app: take one of them out of the settings")
	}
	if o.Server == "" {
		o.Server = "https://github.com"
	}
	return forge.ParseServer(o.Server)
}

// api is GitHub's API with one login.
type api struct {
	client *gh.Client
	http   *http.Client
	host   string
	rate   atomic.Pointer[forge.Rate]
}

func tokenDialect(token string) wire.Dialect {
	d := wire.Dialect{Secret: token}
	if token != "" {
		d.Authorization = "Bearer " + token
	}
	return d
}

// newAPI makes the API's client; d says who asks.
func newAPI(o Options, server *url.URL, d wire.Dialect) *api {
	base, uploads := endpoints(server)
	a := &api{host: server.Host}
	d.Hosts = []string{wire.Origin(base), wire.Origin(uploads)}
	d.UserAgent, d.Pace, d.Heard = o.UserAgent, pace(), a.hear
	if d.Explain == nil {
		d.Explain = explain
	}
	a.http = wire.NewClient(o.Wire, d)
	a.client = gh.NewClient(a.http)
	a.client.BaseURL, a.client.UploadURL, a.client.UserAgent = base, uploads, o.UserAgent
	return a
}

// endpoints gives the addresses of the API and of uploads.
func endpoints(server *url.URL) (api, uploads *url.URL) {
	at := func(host, path string) *url.URL {
		return &url.URL{Scheme: server.Scheme, Host: host, Path: path}
	}
	host := strings.TrimPrefix(server.Host, "www.")
	switch {
	case host == "github.com", host == "api.github.com":
		return at("api.github.com", "/"), at("uploads.github.com", "/")
	case strings.HasSuffix(host, ".ghe.com"): // Enterprise Cloud with data residency
		host = strings.TrimPrefix(host, "api.")
		return at("api."+host, "/"), at("uploads."+host, "/")
	}
	base := strings.TrimSuffix(server.Path, "/api/v3")
	return at(server.Host, base+"/api/v3/"), at(server.Host, base+"/api/uploads/")
}

// pace keeps below 80 changes a minute and 500 an hour, and lets a usual
// release of some 40 assets through without a wait.
func pace() []*rate.Limiter {
	const perMinute, perHour = 30.0 / 60, 400.0 / 3600
	return []*rate.Limiter{rate.NewLimiter(perMinute, 48), rate.NewLimiter(perHour, 90)}
}

// path is a path below the repository.
func (f *Forge) path(format string, args ...any) string {
	return fmt.Sprintf("repos/%s/%s", f.owner, f.name) + fmt.Sprintf(format, args...)
}

// do sends one request and reads its JSON answer into out, which may be nil.
func (a *api) do(ctx context.Context, call *wire.Call, method, path string, in, out any) (*gh.Response, error) {
	req, err := a.client.NewRequest(method, path, in)
	if err != nil {
		return nil, call.Err(err)
	}
	resp, err := a.client.Do(ctx, req, out)
	if accepted := (*gh.AcceptedError)(nil); errors.As(err, &accepted) {
		err = nil // 202: GitHub does it soon
	}
	return resp, call.Err(err)
}

// mayWrite refuses a write without a token, before anything is sent.
func (f *Forge) mayWrite(call *wire.Call) error {
	if f.token == "" && f.app == nil {
		return call.Fail(forge.ErrUnauthorized,
			"there is no token: give one with the right to write contents, in SLIPWAY_TOKEN or GITHUB_TOKEN")
	}
	return nil
}

// number reads an id of ours, which is one of GitHub's in decimal digits.
func number(call *wire.Call, id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, call.Fail(forge.ErrNotFound, fmt.Sprintf("%q is not an id of GitHub's", id))
	}
	return n, nil
}

// known is something that GitHub is asked for once.
type known[T any] struct {
	mu    sync.Mutex
	value *T
}

func (k *known[T]) get(ask func() (T, error)) (T, error) {
	k.mu.Lock()
	value := k.value
	k.mu.Unlock()
	if value != nil {
		return *value, nil
	}
	v, err := ask()
	if err == nil {
		k.mu.Lock()
		k.value = &v
		k.mu.Unlock()
	}
	return v, err
}

// hear keeps what an answer says of the main rate limit.
func (a *api) hear(h http.Header) {
	if r := h.Get("X-RateLimit-Resource"); r != "" && r != "core" {
		return
	}
	limit, err1 := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	left, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if errors.Join(err1, err2, err3) == nil {
		a.rate.Store(&forge.Rate{Limit: limit, Remaining: left, Reset: time.Unix(reset, 0)})
	}
}

// RateLeft is what the last answer said of the main rate limit.
func (a *api) RateLeft() forge.Rate {
	if r := a.rate.Load(); r != nil {
		return *r
	}
	return forge.Rate{}
}
