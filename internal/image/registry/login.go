package registry

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Login says who is logged in, for the default repository <host>/<user>/<project>.
// registryHost is the registry asked for; empty means the only one with a
// login, or docker.io if it is among several. user is in the form that a
// repository's name needs: lower case. An error is release.Invalid.
func (c *Client) Login(ctx context.Context, registryHost string) (host, user string, err error) {
	if registryHost != "" {
		host = canonicalHost(registryHost)
	} else if host, err = c.keys.defaultHost(ctx); err != nil {
		return "", "", err
	}
	c.keys.willPush(host) // the login is wanted for a push
	cred, err := c.keys.find(ctx, host, "")
	if err != nil {
		return "", "", err
	}
	if cred.None() {
		return "", "", notLoggedIn("to " + host)
	}
	user, err = repositoryUser(host, cred)
	return host, user, err
}

func notLoggedIn(to string) error {
	return release.Invalidf("log in with `docker login`, or give the repository: `repository:` of the image, or --tag",
		"not logged in %s and no repository is given", to)
}

// defaultHost picks the registry of the default repository.
func (k *keychain) defaultHost(ctx context.Context) (string, error) {
	env, only, err := k.environment()
	if err != nil {
		return "", err
	}
	if !env.None() && only != "" {
		return only, nil
	}
	hosts, err := k.hosts(ctx)
	switch {
	case err != nil:
		return "", err
	case len(hosts) == 1:
		return hosts[0], nil
	case slices.Contains(hosts, dockerHub):
		return dockerHub, nil
	case len(hosts) > 1:
		return "", release.Invalidf("set `repository:` of the image, or SLIPWAY_REGISTRY",
			"no repository is given, and there are logins to several registries: %s", strings.Join(hosts, ", "))
	case !env.None():
		return "", release.Invalidf("set SLIPWAY_REGISTRY to the registry, or `repository:` of the image",
			"SLIPWAY_REGISTRY_USER does not say for which registry it is, and no repository is given")
	}
	return "", notLoggedIn("to a registry")
}

// hosts lists the registries with a login in one of the files, sorted.
func (k *keychain) hosts(ctx context.Context) ([]string, error) {
	files, err := k.files()
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, f := range files {
		keys, err := f.keys(ctx)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			host, path, _ := strings.Cut(key, "/")
			if host == "" || host == dockerHub && path != "" { // Docker Desktop keeps tokens under such
				continue
			}
			cred, err := k.lookup(ctx, f, host, path)
			if err != nil {
				return nil, err
			}
			if !cred.None() {
				hosts = append(hosts, host)
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// keys are those of a file and of its helper for all hosts.
func (f *authFile) keys(ctx context.Context) ([]string, error) {
	var keys []string
	for key := range f.auths {
		keys = append(keys, key)
	}
	for host := range f.helpers {
		keys = append(keys, host)
	}
	if f.store != "" {
		list, err := listHelper(ctx, f, f.store)
		if err != nil {
			return nil, err
		}
		for key := range list {
			keys = append(keys, authKey(key))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// A part of a repository's name, by the OCI distribution specification.
var namePart = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)

// placeholders are users that registries want beside a token; they name nobody.
var placeholders = []string{
	"aws", "oauth2", "oauth2accesstoken", "_json_key", "_json_key_base64", "_token", "x-access-token", "gitlab-ci-token",
	"00000000-0000-0000-0000-000000000000", "unused", "token", "iam", "iamapikey",
}

func repositoryUser(host string, cred Credential) (string, error) {
	user := strings.ToLower(cred.User)
	if cred.IdentityToken != "" || cred.RegistryToken != "" || slices.Contains(placeholders, user) || !namePart.MatchString(user) {
		return "", release.Invalidf("set `repository:` of the image",
			"%s to %s is a token without a name, so the default repository has none either", cred, host)
	}
	return user, nil
}
