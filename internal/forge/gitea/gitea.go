// Package gitea speaks to Gitea and Forgejo, whose API is one family; what
// differs between the two is a Dialect.
package gitea

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Dialect is the member of the family.
type Dialect string

// The family.
const (
	Gitea   Dialect = "Gitea"
	Forgejo Dialect = "Forgejo"
)

// Options say which repository is meant, and who asks.
type Options struct {
	Dialect    Dialect // "" is Gitea
	Server     string  // "https://git.example", with the path if it lives below one
	Repository string  // owner/name
	Token      string  // empty for reading what is public
	UserAgent  string  // "slipway/1.2.3"
	Wire       wire.Options
}

// Forge is one repository on a Gitea or Forgejo server.
type Forge struct {
	dialect     Dialect
	server      *url.URL
	owner, name string
	token       string
	userAgent   string
	http        *http.Client
}

var _ forge.Forge = (*Forge)(nil)

// New makes the adapter; it asks the server nothing yet.
func New(o Options) (*Forge, error) {
	server, err := forge.ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	owner, name, err := forge.SplitRepository(o.Repository)
	if err != nil {
		return nil, err
	}
	if o.Dialect == "" {
		o.Dialect = Gitea
	}
	f := &Forge{dialect: o.Dialect, server: server, owner: owner, name: name, token: o.Token, userAgent: o.UserAgent}
	dialect := wire.Dialect{
		Hosts:     []string{wire.Origin(server)},
		Secret:    o.Token,
		UserAgent: o.UserAgent,
		Explain:   f.explain,
	}
	if o.Token != "" {
		dialect.Authorization = "token " + o.Token
	}
	f.http = wire.NewClient(o.Wire, dialect)
	return f, nil
}

// api is the SDK for one call: it takes its context when it is made. Making
// one is cheap, as it is told not to ask the server for its version.
func (f *Forge) api(ctx context.Context) (*sdk.Client, error) {
	return sdk.NewClient(f.server.String(), sdk.SetHTTPClient(f.http), sdk.SetContext(ctx),
		sdk.SetGiteaVersion(""), sdk.SetUserAgent(f.userAgent))
}

// begin starts a call.
func (f *Forge) begin(ctx context.Context, op string) (*sdk.Client, *wire.Call, error) {
	ctx, call := wire.Begin(ctx, op)
	client, err := f.api(ctx)
	return client, call, call.Err(err)
}

// beginWrite starts a call that writes.
func (f *Forge) beginWrite(ctx context.Context, op string) (*sdk.Client, *wire.Call, error) {
	client, call, err := f.begin(ctx, op)
	if err == nil {
		err = f.mayWrite(call)
	}
	return client, call, err
}

// mayWrite refuses a write without a token, before anything is sent.
func (f *Forge) mayWrite(call *wire.Call) error {
	if f.token == "" {
		return call.Fail(forge.ErrUnauthorized,
			"there is no token: give one with the scope write:repository, in SLIPWAY_TOKEN or GITEA_TOKEN")
	}
	return nil
}

// number reads an id of ours, which is one of the server's in decimal digits.
func (f *Forge) number(call *wire.Call, id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, call.Fail(forge.ErrNotFound, fmt.Sprintf("%q is not an id of %s's", id, f.dialect))
	}
	return n, nil
}
