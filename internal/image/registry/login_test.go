package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/release"
)

// auth is ada:swordfish as docker writes it.
const auth = `{"auth":"YWRhOnN3b3JkZmlzaA=="}`

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func auths(hosts ...string) string {
	var entries []string
	for _, h := range hosts {
		entries = append(entries, fmt.Sprintf("%q:%s", h, auth))
	}
	return `{"auths":{` + strings.Join(entries, ",") + `}}`
}

// The default repository's registry and user, from wherever a login may be.
func TestLogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, test := range map[string]struct {
		env                  []string
		ask, host, user, err string
	}{
		"nobody":                      {err: "not logged in to a registry and no repository is given"},
		"nobody there":                {env: []string{"DOCKER_AUTH_CONFIG", auths("ghcr.io")}, ask: "quay.io", err: "not logged in to quay.io"},
		"the only one":                {env: []string{"DOCKER_AUTH_CONFIG", auths("ghcr.io")}, host: "ghcr.io", user: "ada"},
		"Docker Hub":                  {env: []string{"DOCKER_AUTH_CONFIG", auths("https://index.docker.io/v1/")}, host: "docker.io", user: "ada"},
		"Docker Hub first":            {env: []string{"DOCKER_AUTH_CONFIG", auths("ghcr.io", "https://index.docker.io/v1/", "quay.io")}, host: "docker.io", user: "ada"},
		"asked for":                   {env: []string{"DOCKER_AUTH_CONFIG", auths("ghcr.io", "docker.io")}, ask: "ghcr.io", host: "ghcr.io", user: "ada"},
		"asked for by another name":   {env: []string{"DOCKER_AUTH_CONFIG", auths("docker.io")}, ask: "index.docker.io", host: "docker.io", user: "ada"},
		"several":                     {env: []string{"DOCKER_AUTH_CONFIG", auths("quay.io", "ghcr.io")}, err: "several registries: ghcr.io, quay.io"},
		"a URL as key":                {env: []string{"DOCKER_AUTH_CONFIG", auths("https://registry.example:5000/v2/")}, host: "registry.example:5000", user: "ada"},
		"an empty entry":              {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{}}}`}, err: "not logged in"},
		"Docker Desktop's tokens":     {env: []string{"DOCKER_AUTH_CONFIG", auths("https://index.docker.io/v1/", "https://index.docker.io/v1/refresh-token")}, host: "docker.io", user: "ada"},
		"an identity token":           {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"identitytoken":"swordfish"}}}`}, err: "a token without a name"},
		"a placeholder":               {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"username":"AWS","password":"swordfish"}}}`}, err: "a token without a name"},
		"a name that is no path":      {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"username":"robot$acme/../x","password":"swordfish"}}}`}, err: "a token without a name"},
		"upper case":                  {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"username":"Ada","password":"swordfish"}}}`}, host: "ghcr.io", user: "ada"},
		"GitLab's whole config":       {env: []string{"DOCKER_AUTH_CONFIG", strings.TrimSuffix(auths("ghcr.io"), "}") + `,"credHelpers":{},"HttpHeaders":{}}`}, host: "ghcr.io", user: "ada"},
		"variables":                   {env: []string{"SLIPWAY_REGISTRY_USER", "bob", "SLIPWAY_REGISTRY_PASSWORD", "swordfish", "SLIPWAY_REGISTRY", "https://quay.io/", "DOCKER_AUTH_CONFIG", auths("ghcr.io", "docker.io")}, host: "quay.io", user: "bob"},
		"variables for another":       {env: []string{"SLIPWAY_REGISTRY_USER", "bob", "SLIPWAY_REGISTRY_PASSWORD", "swordfish", "SLIPWAY_REGISTRY", "quay.io", "DOCKER_AUTH_CONFIG", auths("ghcr.io")}, ask: "ghcr.io", host: "ghcr.io", user: "ada"},
		"variables for every one":     {env: []string{"SLIPWAY_REGISTRY_USER", "bob", "SLIPWAY_REGISTRY_PASSWORD", "swordfish", "DOCKER_AUTH_CONFIG", auths("ghcr.io")}, host: "ghcr.io", user: "bob"},
		"variables for one asked for": {env: []string{"SLIPWAY_REGISTRY_USER", "bob", "SLIPWAY_REGISTRY_PASSWORD", "swordfish"}, ask: "ghcr.io", host: "ghcr.io", user: "bob"},
		"variables for no one":        {env: []string{"SLIPWAY_REGISTRY_USER", "bob", "SLIPWAY_REGISTRY_PASSWORD", "swordfish"}, err: "does not say for which registry"},
		"half of the variables":       {env: []string{"SLIPWAY_REGISTRY_USER", "bob"}, err: "only one is set"},
		"not JSON":                    {env: []string{"DOCKER_AUTH_CONFIG", `swordfish`}, err: "DOCKER_AUTH_CONFIG can't be understood"},
		"not base64":                  {env: []string{"DOCKER_AUTH_CONFIG", `{"auths":{"ghcr.io":{"auth":"swordfish!"}}}`}, err: "DOCKER_AUTH_CONFIG can't be understood"},
		"docker's file":               {env: []string{"HOME", filepath.Dir(filepath.Dir(write(t, dir+"/a/.docker/config.json", auths("ghcr.io"))))}, host: "ghcr.io", user: "ada"},
		"docker's folder":             {env: []string{"HOME", dir + "/a", "DOCKER_CONFIG", filepath.Dir(write(t, dir+"/b/config.json", auths("quay.io")))}, host: "quay.io", user: "ada"},
		"podman's file":               {env: []string{"HOME", dir, "REGISTRY_AUTH_FILE", write(t, dir+"/c/auth.json", auths("quay.io"))}, host: "quay.io", user: "ada"},
		"podman's folder":             {env: []string{"XDG_RUNTIME_DIR", filepath.Dir(filepath.Dir(write(t, dir+"/d/containers/auth.json", auths("quay.io"))))}, host: "quay.io", user: "ada"},
		"a broken file":               {env: []string{"DOCKER_CONFIG", filepath.Dir(write(t, dir+"/e/config.json", "{"))}, err: dir + "/e/config.json can't be understood"},
		"a helper that is a path":     {env: []string{"DOCKER_AUTH_CONFIG", `{"credHelpers":{"ghcr.io":"../../bin/sh"}}`}, err: "names the credential helper"},
		"a helper that is missing":    {env: []string{"DOCKER_AUTH_CONFIG", `{"credHelpers":{"ghcr.io":"no-such-helper"}}`}, err: "docker-credential-no-such-helper, which is not installed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, user, err := client(t, nil, test.env...).Login(t.Context(), test.ask)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || release.KindOf(err) != release.Invalid {
					t.Fatalf("got %v, want %q", err, test.err)
				}
				if shown := err.Error() + release.HintOf(err); strings.Contains(shown, "swordfish") {
					t.Errorf("the password is in %q", shown)
				}
				return
			}
			if err != nil || host != test.host || user != test.user {
				t.Errorf("got %s %s, %v, want %s %s", host, user, err, test.host, test.user)
			}
		})
	}
}

// Podman's keys may be parts of a repository's name; the longest counts.
func TestCredentialByRepository(t *testing.T) {
	t.Parallel()
	s := server(t)
	var seen string
	p := newBasic(t, s.Host, &seen)
	config := fmt.Sprintf(`{"auths":{%q:{"username":"host","password":"x"},%q:{"username":"acme","password":"x"},%q:{"username":"hello","password":"x"}}}`,
		p, p+"/acme", p+"/acme/hello")
	for at, want := range map[string]string{"/acme/hello": "hello", "/acme/other": "acme", "/acme/hello/deep": "hello", "/else/hello": "host"} {
		if err := client(t, nil, "DOCKER_AUTH_CONFIG", config).CheckPush(t.Context(), p+at); err != nil {
			t.Fatal(err)
		}
		if seen != want {
			t.Errorf("%s: logged in as %s, want %s", at, seen, want)
		}
	}
}

const helper = `#!/bin/sh
read -r server
echo "$1 $server" >> "$(dirname "$0")/log"
case "$1 $server" in
	"get https://index.docker.io/v1/") echo '{"ServerURL":"x","Username":"ada","Secret":"swordfish"}';;
	"get token.example") echo '{"ServerURL":"x","Username":"<token>","Secret":"swordfish"}';;
	"get slow.example") exec sleep 60;;
	"get leak.example") echo '{"Secret":"swordfish"}'; exit 1;;
	"get broken.example") echo 'the keyring is locked'; exit 1;;
	"get odd.example") echo 'swordfish';;
	"list "*) echo '{"https://index.docker.io/v1/":"ada","gone.example":"x"}';;
	*) echo 'credentials not found in native keychain'; exit 1;;
esac
`

// Credential helpers are run as docker runs them.
func TestCredentialHelpers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/docker-credential-slipway-test", helper)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	env := environment("DOCKER_AUTH_CONFIG", `{"credsStore":"slipway-test","auths":{"file.example":`+auth+`}}`)
	c := registry.New(registry.Options{Getenv: env})
	for range 3 {
		// file.example has a login too, but docker.io comes first.
		if host, user, err := c.Login(t.Context(), ""); err != nil || host != "docker.io" || user != "ada" {
			t.Fatalf("got %s %s, %v", host, user, err)
		}
	}
	log, err := os.ReadFile(dir + "/log")
	if err != nil || strings.Count(string(log), "get https://index.docker.io/v1/\n") != 1 {
		t.Errorf("the helper was asked for the same again:\n%s%v", log, err)
	}
	if cred, err := c.Credential(t.Context(), "token.example"); err != nil || cred.IdentityToken != "swordfish" || cred.User != "" {
		t.Errorf("%+v, %v", cred, err)
	}
	if cred, err := c.Credential(t.Context(), "file.example"); err != nil || cred.User != "ada" {
		t.Errorf("%+v, %v", cred, err)
	}
	if cred, err := c.Credential(t.Context(), "none.example"); err != nil || !cred.None() {
		t.Errorf("%+v, %v", cred, err)
	}
	for host, want := range map[string]string{"leak.example": "fails", "broken.example": "the keyring is locked", "odd.example": "fails"} {
		_, err := c.Credential(t.Context(), host)
		if err == nil || !strings.Contains(err.Error(), want) || release.KindOf(err) != release.Invalid || strings.Contains(err.Error()+release.HintOf(err), "swordfish") {
			t.Errorf("%s: %v", host, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := c.Credential(ctx, "slow.example"); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
