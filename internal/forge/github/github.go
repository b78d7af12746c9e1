// Package github speaks to github.com and GitHub Enterprise.
package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	UserAgent  string // "slipway/1.2.3"
	Wire       wire.Options
}

// Forge is one repository on GitHub.
type Forge struct {
	client      *gh.Client
	http        *http.Client
	owner, name string
	host        string
	token       string
}

var _ forge.Forge = (*Forge)(nil)

// New makes the adapter; it asks the server nothing yet.
func New(o Options) (*Forge, error) {
	if o.Server == "" {
		o.Server = "https://github.com"
	}
	server, err := forge.ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	owner, name, err := forge.SplitRepository(o.Repository)
	if err != nil {
		return nil, err
	}
	api, uploads := endpoints(server)
	dialect := wire.Dialect{
		Hosts:     []string{wire.Origin(api), wire.Origin(uploads)},
		Secret:    o.Token,
		UserAgent: o.UserAgent,
		Explain:   explain,
		Pace:      pace(),
	}
	if o.Token != "" {
		dialect.Authorization = "Bearer " + o.Token
	}
	httpClient := wire.NewClient(o.Wire, dialect)
	client := gh.NewClient(httpClient)
	client.BaseURL, client.UploadURL, client.UserAgent = api, uploads, o.UserAgent
	return &Forge{client: client, http: httpClient, owner: owner, name: name, host: server.Host, token: o.Token}, nil
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
func (f *Forge) do(ctx context.Context, call *wire.Call, method, path string, in, out any) (*gh.Response, error) {
	req, err := f.client.NewRequest(method, path, in)
	if err != nil {
		return nil, call.Err(err)
	}
	resp, err := f.client.Do(ctx, req, out)
	return resp, call.Err(err)
}

// mayWrite refuses a write without a token, before anything is sent.
func (f *Forge) mayWrite(call *wire.Call) error {
	if f.token == "" {
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
