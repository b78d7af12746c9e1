package registry

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"

	"github.com/slipway-dev/slipway/internal/release"
)

// authFile is a file of logins in docker's format, with its keys in one form:
// host, or host/path as podman has them.
type authFile struct {
	source  string
	auths   map[string]types.AuthConfig
	helpers map[string]string // by host
	store   string            // the helper of all other hosts
}

// readFiles reads every file of logins that is there, the first to be asked
// first. DOCKER_AUTH_CONFIG holds such a file in the variable itself.
func (k *keychain) readFiles() ([]*authFile, error) {
	var files []*authFile
	if text := k.getenv("DOCKER_AUTH_CONFIG"); text != "" {
		f, err := parseAuthFile("DOCKER_AUTH_CONFIG", strings.NewReader(text))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for _, path := range k.paths() {
		f, err := readAuthFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (k *keychain) paths() []string {
	var paths []string
	dir := k.configDir
	if dir == "" {
		dir = k.getenv("DOCKER_CONFIG")
	}
	if home := k.getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".docker")
	}
	if dir != "" {
		paths = append(paths, filepath.Join(dir, "config.json"))
	}
	if p := k.getenv("REGISTRY_AUTH_FILE"); p != "" {
		paths = append(paths, p)
	} else if run := k.getenv("XDG_RUNTIME_DIR"); run != "" {
		paths = append(paths, filepath.Join(run, "containers", "auth.json"))
	}
	return paths
}

func readAuthFile(path string) (*authFile, error) {
	r, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, release.Invalidf("", "the logins of registries can't be read: %v", err)
	}
	defer r.Close()
	return parseAuthFile(path, r)
}

func parseAuthFile(source string, r io.Reader) (*authFile, error) {
	// What the parser says may quote the text, and so a password.
	cf, err := config.LoadFromReader(io.LimitReader(r, 4<<20))
	if err != nil {
		return nil, release.Invalidf("it must be JSON as `docker login` writes it: {\"auths\": {\"registry.example\": {\"auth\": \"…\"}}}",
			"%s can't be understood", source)
	}
	f := &authFile{source: source, auths: map[string]types.AuthConfig{}, helpers: map[string]string{}, store: cf.CredentialsStore}
	for key, auth := range cf.AuthConfigs {
		auth.ServerAddress = ""
		f.auths[authKey(key)] = auth
	}
	for key, helper := range cf.CredentialHelpers {
		host, _ := splitKey(key)
		f.helpers[host] = helper
	}
	return f, nil
}

// authKey is a key of a file of logins in the form host or host/path. Docker
// Hub has been written in several ways: https://index.docker.io/v1/.
func authKey(key string) string {
	host, path := splitKey(key)
	if path == "" {
		return host
	}
	return host + "/" + path
}

func splitKey(key string) (host, path string) {
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}
	host, path, _ = strings.Cut(key, "/")
	host, path = canonicalHost(host), strings.Trim(path, "/")
	if path == "v1" || path == "v2" {
		path = ""
	}
	return host, path
}

// lookup finds a login in a file: through its helper for the host, else under
// the longest part of the repository's name.
func (k *keychain) lookup(ctx context.Context, f *authFile, host, path string) (Credential, error) {
	helper := f.store
	if h, ok := f.helpers[host]; ok {
		helper = h
	}
	if helper != "" {
		cred, err := k.ask(ctx, f, helper, host)
		if err != nil || !cred.None() {
			return cred, err
		}
	}
	for key := strings.TrimSuffix(host+"/"+path, "/"); ; {
		if cred := f.credential(key); !cred.None() {
			return cred, nil
		}
		slash := strings.LastIndexByte(key, '/')
		if slash < 0 {
			return Credential{}, nil
		}
		key = key[:slash]
	}
}

func (f *authFile) credential(key string) Credential {
	a, ok := f.auths[key]
	if !ok {
		return Credential{}
	}
	return Credential{User: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken, Source: f.source}
}
