package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/slipway-dev/slipway/internal/release"
)

// Credential is a login to a registry. Formatted in any way it shows where it
// is from, and no more.
type Credential struct {
	User, Password string
	IdentityToken  string // a refresh token; User is then empty or a placeholder
	RegistryToken  string // a bearer token, sent as it is
	Source         string // where it is from: a variable, a file or a helper
}

// None says that there is no login.
func (c Credential) None() bool {
	return c.User == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

func (c Credential) String() string {
	if c.None() {
		return "no login"
	}
	return "the login of " + c.Source
}

// GoString and LogValue keep what String keeps.
func (c Credential) GoString() string     { return c.String() }
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Credential finds the login to a registry (host or host:port). With none it
// is the zero value. An error says what is wrong with the places where logins
// are kept.
func (c *Client) Credential(ctx context.Context, host string) (Credential, error) {
	return c.keys.find(ctx, canonicalHost(host), "")
}

// keychain finds logins: first in the environment, then in docker's
// config.json, then in podman's auth.json.
type keychain struct {
	getenv    func(string) string
	configDir string

	files func() ([]*authFile, error) // read once

	mu     sync.Mutex
	pushes map[string]bool   // registries that are pushed to
	helped map[string]helped // what helpers said, by helper and registry
}

func newKeychain(getenv func(string) string, configDir string) *keychain {
	k := &keychain{getenv: getenv, configDir: configDir, pushes: map[string]bool{}, helped: map[string]helped{}}
	k.files = sync.OnceValues(k.readFiles)
	return k
}

func (k *keychain) willPush(host string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pushes[host] = true
}

func (k *keychain) isPushed(host string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pushes[host]
}

// find looks the login to a repository up; path may be empty.
func (k *keychain) find(ctx context.Context, host, path string) (Credential, error) {
	env, only, err := k.environment()
	if err != nil {
		return Credential{}, err
	}
	// Without SLIPWAY_REGISTRY it is for what is pushed, and must not reach
	// the registry of some base image.
	if !env.None() && (only == host || only == "" && k.isPushed(host)) {
		return env, nil
	}
	files, err := k.files()
	if err != nil {
		return Credential{}, err
	}
	for _, f := range files {
		cred, err := k.lookup(ctx, f, host, path)
		if err != nil || !cred.None() {
			return cred, err
		}
	}
	return Credential{}, nil
}

// environment is the login of Slipway's own variables, and the registry that
// it is for; empty means those that are pushed to.
func (k *keychain) environment() (cred Credential, host string, err error) {
	user, password := k.getenv("SLIPWAY_REGISTRY_USER"), k.getenv("SLIPWAY_REGISTRY_PASSWORD")
	if user == "" && password == "" {
		return Credential{}, "", nil
	}
	if user == "" || password == "" {
		return Credential{}, "", release.Invalidf("set both, or none",
			"of SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_PASSWORD only one is set")
	}
	if r := k.getenv("SLIPWAY_REGISTRY"); r != "" {
		host, _ = splitKey(r)
	}
	return Credential{User: user, Password: password, Source: "SLIPWAY_REGISTRY_USER"}, host, nil
}

// authenticator gives go-containerregistry a repository's login whenever it
// needs it: helpers' passwords may live for minutes only.
type authenticator struct {
	keys       *keychain
	host, path string
}

var _ authn.ContextAuthenticator = authenticator{}

func (a authenticator) Authorization() (*authn.AuthConfig, error) {
	return a.AuthorizationContext(context.Background())
}

func (a authenticator) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	cred, err := a.keys.find(ctx, a.host, a.path)
	if err != nil {
		return nil, err
	}
	return &authn.AuthConfig{
		Username:      cred.User,
		Password:      cred.Password,
		IdentityToken: cred.IdentityToken,
		RegistryToken: cred.RegistryToken,
	}, nil
}

// helpedFor is how long a helper's answer is used: shorter than the passwords
// live that helpers of clouds give.
const helpedFor = 5 * time.Minute

type helped struct {
	cred  Credential
	until time.Time
}
