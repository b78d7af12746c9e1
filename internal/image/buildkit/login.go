package buildkit

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/buildx/util/dockerutil/dockerconfig"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// Login is what a registry is shown. The zero value is nobody.
type Login struct {
	User, Password string
	IdentityToken  string // to be changed for an access token
	RegistryToken  string // an access token
}

// login gives BuildKit the logins that it needs, when it needs them.
func (b *Builder) login() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: b.auth()})
}

// auth asks our own credentials first, then docker's config.
func (b *Builder) auth() authprovider.AuthConfigProvider {
	docker := dockerconfig.LoadAuthConfig(b.cli)
	return func(ctx context.Context, host string, scopes []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		if b.options.Credentials != nil {
			l, err := b.options.Credentials(ctx, canonical(host))
			if err != nil {
				return types.AuthConfig{}, err
			}
			if l != (Login{}) {
				return types.AuthConfig{Username: l.User, Password: l.Password, IdentityToken: l.IdentityToken, RegistryToken: l.RegistryToken}, nil
			}
		}
		return docker(ctx, host, scopes, expired)
	}
}

// canonical is a registry's host as references name it.
func canonical(host string) string {
	switch host {
	case "registry-1.docker.io", "index.docker.io":
		return "docker.io"
	}
	return host
}

// keychain is the builder's logins as go-containerregistry asks for them.
type keychain struct {
	auth authprovider.AuthConfigProvider
}

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

func (k keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	host := r.RegistryStr()
	if canonical(host) == "docker.io" {
		host = authprovider.DockerHubRegistryHost
	}
	c, err := k.auth(ctx, host, nil, nil)
	if err != nil {
		return nil, err
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: c.Username, Password: c.Password, Auth: c.Auth, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	}), nil
}

func (b *Builder) remote(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(keychain{b.auth()}), remote.WithUserAgent("slipway")}
}

// remoteErr gives a registry's answer its kind.
func (b *Builder) remoteErr(repository string, err error) error {
	var answer *transport.Error
	if err == nil || !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return refusal(repository, image.ErrUnauthorized)
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		return refusal(repository, image.ErrForbidden)
	}
	return err
}

// refusal is a registry that does not let us in.
func refusal(repository string, kind error) error {
	hint := "log in with docker login " + hostOf(repository)
	if errors.Is(kind, image.ErrForbidden) {
		hint = "use a login that may push to " + repository
	}
	return &release.Error{Kind: release.Refused, Message: repository, Hint: hint, Err: kind}
}

// insecure says whether a repository's registry is one that
// SLIPWAY_INSECURE_REGISTRIES lists. Those on this machine need no word:
// BuildKit itself speaks HTTP to them.
func (b *Builder) insecure(repository string) bool {
	host := hostOf(repository)
	for _, listed := range strings.Split(b.options.Getenv("SLIPWAY_INSECURE_REGISTRIES"), ",") {
		if strings.TrimSpace(listed) == host {
			return true
		}
	}
	return false
}

func hostOf(repository string) string {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil {
		return repository
	}
	return reference.Domain(named)
}
