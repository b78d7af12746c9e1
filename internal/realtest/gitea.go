package realtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// GiteaServer is a real Gitea on a loopback port, with its state in a
// temporary directory. Its methods may be called by parallel tests.
type GiteaServer struct {
	URL      string // http://127.0.0.1:PORT, no slash at the end
	User     string // an administrator
	Password string // the administrator's
	Admin    string // the administrator's token with all scopes

	srv *server
	bin string
	dir string
}

// Gitea returns the Gitea that all tests of the package share. It starts with
// the first call and ends with the test process, however that ends. Tests give
// each other room by working in repositories of their own (CreateRepo).
func Gitea(t testing.TB) *GiteaServer {
	t.Helper()
	part := need(t, giteaPart())
	s, err := sharedGitea(part)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sharedGitea = once(func(part string) (*GiteaServer, error) { return startGitea(part, nil) })

// GiteaWith returns a Gitea of the test's own whose app.ini differs from the
// shared one's in the given settings: section, key, value. It ends with the
// test. For example, {"repository.release": {"FILE_MAX_SIZE": "1"}}.
func GiteaWith(t testing.TB, settings map[string]map[string]string) *GiteaServer {
	t.Helper()
	part := need(t, giteaPart())
	s, err := startGitea(part, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.srv.stop)
	return s
}

// StartGitea is for programs that are no tests: it returns a Gitea of their
// own, which stop ends, as does the end of the process. What making the part
// prints goes to log.
func StartGitea(ctx context.Context, log io.Writer) (s *GiteaServer, stop func(), err error) {
	made, err := giteaPart().Make(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	if s, err = startGitea(made.Dir, nil); err != nil {
		return nil, nil, err
	}
	return s, s.srv.stop, nil
}

func startGitea(part string, settings map[string]map[string]string) (*GiteaServer, error) {
	s := &GiteaServer{
		User: "harbour", Password: "harbour-master-1",
		bin: filepath.Join(part, "gitea"),
	}
	srv, err := launch{
		name: "gitea",
		prepare: func(dir string) (args, env []string, err error) {
			port, err := freePort()
			if err != nil {
				return nil, nil, err
			}
			s.dir, s.URL = dir, "http://"+net.JoinHostPort("127.0.0.1", port)
			ini := appINI(dir, filepath.Join(part, "static"), port, settings)
			return []string{s.bin, "web", "--config", s.config()}, s.env(), os.WriteFile(s.config(), []byte(ini), 0o600)
		},
		ready: func(ctx context.Context) error { return answers(ctx, s.URL+"/api/healthz") },
	}.start()
	if err != nil {
		return nil, err
	}
	s.srv = srv
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.createAdmin(ctx); err != nil {
		s.srv.stop()
		return nil, fmt.Errorf("create Gitea's administrator: %w", err)
	}
	return s, nil
}

func (s *GiteaServer) config() string { return filepath.Join(s.dir, "app.ini") }

func (s *GiteaServer) env() []string {
	return []string{"HOME=" + s.dir, "GITEA_WORK_DIR=" + s.dir,
		// Gitea writes git's global config: not to where a test that hides the
		// user's has it, which is os.DevNull.
		"GIT_CONFIG_GLOBAL=" + filepath.Join(s.dir, "gitconfig")}
}

func (s *GiteaServer) createAdmin(ctx context.Context) error {
	out, err := proc.Output(ctx, proc.Cmd{
		Dir: s.dir, Env: s.env(),
		Args: []string{s.bin, "admin", "user", "create", "--config", s.config(), "--admin",
			"--username", s.User, "--password", s.Password, "--email", s.User + "@example.org",
			"--must-change-password=false",
			"--access-token", "--access-token-name", "first", "--access-token-scopes", "all"},
	})
	if err != nil {
		return err
	}
	// "Access token was successfully created... 0123…" is among the lines.
	for _, word := range slices.Backward(strings.Fields(string(out))) {
		if len(word) == 40 && strings.Trim(word, "0123456789abcdef") == "" {
			s.Admin = word
			return nil
		}
	}
	return fmt.Errorf("no access token in what `gitea admin user create` printed:\n%s", out)
}

// appINI returns a configuration that differs from Gitea's defaults only in
// what a server on loopback, without mail and the wide network, needs.
func appINI(dir, static, port string, settings map[string]map[string]string) string {
	ini := map[string]map[string]string{
		"server": {
			"HTTP_ADDR": "127.0.0.1", "HTTP_PORT": port, "ROOT_URL": "http://127.0.0.1:" + port + "/",
			"STATIC_ROOT_PATH": static, "APP_DATA_PATH": filepath.Join(dir, "data"),
			"DISABLE_SSH": "true", "SSH_CREATE_AUTHORIZED_KEYS_FILE": "false", "OFFLINE_MODE": "true",
		},
		"security":            {"INSTALL_LOCK": "true", "ALLOWED_HOST_LIST": "loopback"},
		"database":            {"DB_TYPE": "sqlite3"},
		"actions":             {"ENABLED": "true", "DEFAULT_ACTIONS_URL": "self"},
		"queue":               {"TYPE": "channel"},
		"indexer":             {"ISSUE_INDEXER_TYPE": "db"},
		"mailer":              {"ENABLED": "false"},
		"cron.update_checker": {"ENABLED": "false"},
		"log":                 {"LEVEL": "warn"},
	}
	for section, keys := range settings {
		if ini[section] == nil {
			ini[section] = map[string]string{}
		}
		maps.Copy(ini[section], keys)
	}
	var b strings.Builder
	b.WriteString("I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n")
	for _, section := range slices.Sorted(maps.Keys(ini)) {
		fmt.Fprintf(&b, "\n[%s]\n", section)
		for _, key := range slices.Sorted(maps.Keys(ini[section])) {
			fmt.Fprintf(&b, "%s = %s\n", key, ini[section][key])
		}
	}
	return b.String()
}
