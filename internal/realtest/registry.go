package realtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// RegistryOptions say how a registry differs from one that anybody may push to
// and pull from, and nobody delete from.
type RegistryOptions struct {
	User, Password string // the login that all requests need; none when User is empty
	Deletes        bool   // manifests and blobs may be deleted
	Data           string // folder of everything that it keeps; empty: one of its own
}

// Registry returns the address, 127.0.0.1:PORT, of a real registry without
// login that all tests of the package share; it allows deletes. It speaks HTTP
// and ends with the test process, however that ends. Tests give each other room
// by working in repositories of their own.
func Registry(t testing.TB) string {
	t.Helper()
	r, err := sharedRegistry(needProgram(t, "docker-registry", "docker-registry"))
	if err != nil {
		t.Fatal(err)
	}
	return r.address
}

var sharedRegistry = once(func(bin string) (endpoint, error) {
	return startRegistry(bin, RegistryOptions{Deletes: true})
})

// RegistryWith returns the address, 127.0.0.1:PORT, of a registry of the test's
// own. It ends with the test.
func RegistryWith(t testing.TB, o RegistryOptions) string {
	t.Helper()
	r, err := startRegistry(needProgram(t, "docker-registry", "docker-registry"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.srv.stop)
	return r.address
}

func startRegistry(bin string, o RegistryOptions) (endpoint, error) {
	var address string
	srv, err := launch{
		name: "registry",
		prepare: func(dir string) (args, env []string, err error) {
			port, err := freePort()
			if err != nil {
				return nil, nil, err
			}
			address = net.JoinHostPort("127.0.0.1", port)
			config := filepath.Join(dir, "config.yml")
			if err := os.WriteFile(config, []byte(o.config(dir, address)), 0o600); err != nil {
				return nil, nil, err
			}
			return []string{bin, "serve", config}, nil, o.writeLogin(dir)
		},
		// Without a login, what it serves says only that one is needed.
		ready: func(ctx context.Context) error { return answers(ctx, "http://"+address+"/") },
	}.start()
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{srv, address}, nil
}

func (o RegistryOptions) config(dir, address string) string {
	config := fmt.Sprintf(`version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: %t}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: %q, secret: %q}
`, cmp.Or(o.Data, filepath.Join(dir, "data")), o.Deletes, address, rand.Text())
	if o.User != "" {
		config += fmt.Sprintf("auth: {htpasswd: {realm: harbour, path: %q}}\n", loginFile(dir))
	}
	return config
}

func loginFile(dir string) string { return filepath.Join(dir, "htpasswd") }

func (o RegistryOptions) writeLogin(dir string) error {
	if o.User == "" {
		return nil
	}
	// The least cost: it is paid with every request.
	hash, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	return os.WriteFile(loginFile(dir), fmt.Appendf(nil, "%s:%s\n", o.User, hash), 0o600)
}
