// Package detect finds out which forge answers at an address.
package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The kinds of forges that Slipway speaks to.
const (
	GitHub  = "github"
	Gitea   = "gitea"
	Forgejo = "forgejo"
)

// Detect says which kind of forge is at a server: GitHub, Gitea or Forgejo. It
// asks without a token. github.com and its like are known without asking. The
// error of a server that is none of them, or does not answer, is a
// *forge.Error and says how to name the forge instead.
//
// A nil client is one that tries twice and waits at most ten seconds each
// time for something to move.
func Detect(ctx context.Context, client *http.Client, server string) (string, error) {
	base, err := forge.ParseServer(server)
	if err != nil {
		return "", err
	}
	switch host := base.Hostname(); {
	case host == "github.com", host == "api.github.com", strings.HasSuffix(host, ".ghe.com"):
		return GitHub, nil
	case host == "codeberg.org":
		return Forgejo, nil
	}
	if client == nil {
		client = NewClient(wire.Options{}, "slipway")
	}
	kind, gitea := askGitea(ctx, client, base)
	if kind != "" || !answered(gitea) {
		return kind, unclear(base, gitea)
	}
	var meta struct {
		Verifiable *bool `json:"verifiable_password_authentication"`
	}
	github := ask(ctx, client, base, "api/v3/meta", &meta)
	switch {
	case github == nil && meta.Verifiable != nil, errors.Is(github, forge.ErrUnauthorized):
		// A GitHub Enterprise server in private mode answers 401.
		return GitHub, nil
	case github != nil && !answered(github):
		return "", unclear(base, github)
	}
	return "", unclear(base, gitea)
}

// NewClient is a client for Detect that tries less long than an adapter.
func NewClient(o wire.Options, userAgent string) *http.Client {
	if o.Tries == 0 {
		o.Tries = 2
	}
	if o.Idle == 0 {
		o.Idle = 10 * time.Second
	}
	return wire.NewClient(o, wire.Dialect{UserAgent: userAgent})
}

// askGitea reads the version, which Gitea and Forgejo give to everybody who
// may look at the server at all, and tells the two apart.
func askGitea(ctx context.Context, client *http.Client, base *url.URL) (string, error) {
	var version struct {
		Version string `json:"version"`
	}
	err := ask(ctx, client, base, "api/v1/version", &version)
	switch {
	case errors.Is(err, forge.ErrForbidden), errors.Is(err, forge.ErrUnauthorized):
		// Closed to strangers, but JSON below /api/v1: the family is clear.
	case err != nil:
		return "", err
	case version.Version == "":
		return "", &forge.Error{Op: operation(base), Kind: forge.ErrNotForge, Message: "the answer to /api/v1/version has no version in it"}
	case strings.Contains(version.Version, "+gitea-"), strings.Contains(version.Version, "forgejo"):
		// Forgejo calls itself "9.0.3+gitea-1.22.0".
		return Forgejo, nil
	}
	if ask(ctx, client, base, "api/forgejo/v1/version", &version) == nil && version.Version != "" {
		return Forgejo, nil
	}
	return Gitea, nil
}

func operation(base *url.URL) string { return "look for a forge at " + base.Host }

func ask(ctx context.Context, client *http.Client, base *url.URL, path string, out any) error {
	ctx, call := wire.Begin(ctx, operation(base))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
	if err != nil {
		return call.Err(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return call.Err(err)
	}
	defer resp.Body.Close()
	return call.Err(json.NewDecoder(resp.Body).Decode(out))
}

// answered says whether a server is there at all, whatever it said.
func answered(err error) bool {
	var e *forge.Error
	return errors.As(err, &e) && e.Kind != nil && !errors.Is(err, forge.ErrUnavailable)
}

// unclear keeps what the server said and adds what to do about it.
func unclear(base *url.URL, err error) error {
	var e *forge.Error
	if !errors.As(err, &e) || e.Kind == nil {
		return err // nil, or stopped
	}
	out := *e
	if e.Kind != forge.ErrUnavailable {
		out.Kind = forge.ErrNotForge
	}
	if out.Message == "" {
		out.Message = "the server answers neither like Gitea or Forgejo nor like GitHub"
	}
	out.Message += fmt.Sprintf("; is %s://%s the forge's address? If it is, name its kind with --forge github, gitea or forgejo",
		base.Scheme, base.Host)
	return &out
}
