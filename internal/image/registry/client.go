package registry

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/slipway-dev/slipway/internal/image"
)

// Options tune a Client.
type Options struct {
	// Getenv reads the environment: the credentials of SLIPWAY_REGISTRY_USER,
	// SLIPWAY_REGISTRY_PASSWORD and SLIPWAY_REGISTRY, DOCKER_AUTH_CONFIG, where
	// the files of docker and podman are, and SLIPWAY_INSECURE_REGISTRIES.
	// Nil is an empty environment.
	Getenv func(string) string
	// ConfigDir is docker's folder with config.json; empty means DOCKER_CONFIG,
	// or .docker in the home folder.
	ConfigDir string
	// Note hears one line for each wait before a further try; nil means nobody.
	Note func(line string)
	// Transport sends the requests; nil means one that suits several uploads
	// at once.
	Transport http.RoundTripper
	// Backoff is the wait before the second try, doubled with each further
	// one; 0 means one second.
	Backoff time.Duration
	// Idle is how long nothing may move on a connection; 0 means a minute.
	Idle time.Duration
}

// Client talks to registries. Its methods may be called from several
// goroutines.
type Client struct {
	keys     *keychain
	wire     *retrying
	insecure []string // host:port that speak plain HTTP

	mu       sync.Mutex
	sessions map[string]*session
}

var _ image.Registry = (*Client)(nil)

// New makes a client. Credentials are read when they are first needed.
func New(o Options) *Client {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	c := &Client{
		keys:     newKeychain(o.Getenv, o.ConfigDir),
		sessions: map[string]*session{},
	}
	for _, host := range strings.Split(o.Getenv("SLIPWAY_INSECURE_REGISTRIES"), ",") {
		if host = strings.TrimSpace(host); host != "" {
			c.insecure = append(c.insecure, host)
		}
	}
	c.wire = newRetrying(o, c.PlainHTTP)
	return c
}

// PlainHTTP says whether a registry (host or host:port) may be spoken to
// without TLS: those of this machine, and those that
// SLIPWAY_INSECURE_REGISTRIES names.
func (c *Client) PlainHTTP(host string) bool {
	return isLoopback(host) || slices.Contains(c.insecure, host)
}

// WillPush tells the client repositories that are going to be pushed to, so
// that the login of SLIPWAY_REGISTRY_USER, given without SLIPWAY_REGISTRY,
// also serves to read base images from their registries. The methods of
// image.Registry, Push and Copy do so themselves.
func (c *Client) WillPush(repositories ...string) {
	for _, r := range repositories {
		if repo, err := c.repository(r); err == nil { // whoever pushes there hears of it
			c.keys.willPush(hostOf(repo))
		}
	}
}

// Actions on a repository, as token servers name them.
const (
	pull     = transport.PullScope
	push     = transport.PushScope
	pushGone = transport.DeleteScope
)

// session is what talks to one repository: its requests carry the login.
type session struct {
	repo name.Repository
	host string // as people write it: docker.io, not index.docker.io
	rt   http.RoundTripper
	http *http.Client
}

// session logs in to a repository for the given actions, and for pulling from
// further ones of the same registry, whose blobs are to be mounted.
func (c *Client) session(ctx context.Context, repo name.Repository, actions string, mounts ...name.Repository) (*session, error) {
	host := hostOf(repo)
	if actions != pull {
		c.keys.willPush(host)
	}
	scopes := []string{repo.Scope(actions)}
	for _, m := range mounts {
		scopes = append(scopes, m.Scope(pull))
	}
	slices.Sort(scopes[1:])
	scopes = slices.Compact(scopes)
	key := host + " " + strings.Join(scopes, " ")
	c.mu.Lock()
	s := c.sessions[key]
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	// Two goroutines may both get here: then both log in, and no harm is done.
	auth := authenticator{keys: c.keys, host: host, path: repo.RepositoryStr()}
	if _, err := c.keys.find(ctx, auth.host, auth.path); err != nil {
		return nil, err
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, transport.NewUserAgent(c.wire, "slipway"), scopes)
	if err != nil {
		return nil, err
	}
	s = &session{repo: repo, host: host, rt: rt, http: &http.Client{Transport: rt, CheckRedirect: checkRedirect}}
	c.mu.Lock()
	c.sessions[key] = s
	c.mu.Unlock()
	return s, nil
}
