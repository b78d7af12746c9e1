package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// PostgreSQL returns the address of a new, empty database on a server that all
// tests of the package share: postgres://…, without a password. The server
// ends with the test process, however that ends.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	s, err := sharedPostgres(needPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.newDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

var sharedPostgres = once(startPostgres)

// PostgreSQLServer returns a server of the test's own, which it may stop and
// start. It ends with the test.
func PostgreSQLServer(t testing.TB) *PostgresServer {
	t.Helper()
	s, err := startPostgres(needPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

// StartPostgreSQL is for programs that are no tests: it returns the address of
// a database on a server of their own, which stop ends, as does the end of the
// process.
func StartPostgreSQL(ctx context.Context, log io.Writer) (url string, stop func(), err error) {
	programs, err := postgresPrograms()
	if err != nil {
		return "", nil, err
	}
	s, err := startPostgres(programs)
	if err != nil {
		return "", nil, err
	}
	if url, err = s.newDatabase(ctx); err != nil {
		s.end()
		return "", nil, err
	}
	_, _ = fmt.Fprintln(log, "PostgreSQL at", url)
	return url, s.end, nil
}

func needPostgres(t testing.TB) string {
	t.Helper()
	programs, err := postgresPrograms()
	if err != nil {
		missing(t, "PostgreSQL", err)
	}
	return programs
}

// postgresPrograms is the folder of the server's programs, where it can be run:
// they are there, and root need not run it.
func postgresPrograms() (string, error) {
	programs := ""
	if postgres, err := exec.LookPath("postgres"); err == nil {
		programs = filepath.Dir(postgres)
	}
	// Where Debian's packages have them, a folder a version.
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		programs = filepath.Dir(found[len(found)-1])
	}
	if programs == "" {
		return "", errors.New("there is no server; apt-get install postgresql")
	}
	if os.Geteuid() == 0 {
		if _, err := user.Lookup("postgres"); err != nil {
			return "", fmt.Errorf("it does not run as root: %w", err)
		}
		for _, program := range []string{"setpriv", "unshare"} {
			if _, err := exec.LookPath(program); err != nil {
				return "", fmt.Errorf("%w; apt-get install util-linux", err)
			}
		}
	}
	return programs, nil
}

// PostgresServer is a real PostgreSQL on a loopback port, with its state in a
// temporary directory and fsync on.
type PostgresServer struct {
	srv      *server
	programs string
	dir      string
	port     string
	n        atomic.Int64
}

func startPostgres(programs string) (*PostgresServer, error) {
	s := &PostgresServer{programs: programs}
	srv, err := launch{
		name: "postgres",
		prepare: func(dir string) (args, env []string, err error) {
			if s.port, err = freePort(); err != nil {
				return nil, nil, err
			}
			s.dir = dir
			if err := s.init(); err != nil {
				return nil, nil, err
			}
			// pg_ctl stops and starts it: what is supervised here is only its life.
			return []string{"sh", "-c", supervise, "supervise", s.programs, s.data(), strconv.Itoa(os.Geteuid())}, nil, nil
		},
		ready: s.answers,
	}.start()
	if err != nil {
		return nil, err
	}
	s.srv = srv
	return s, nil
}

// supervise runs the server in the foreground whenever the file "up" lies
// beside its data. Its shared memory, of which the system has few pieces, is
// its own, so that none stays when it is killed.
const supervise = `
as() { if [ "$3" = 0 ]; then exec unshare --ipc -- setpriv --reuid=postgres --regid=postgres --init-groups "$1/postgres" -D "$2"; else exec "$1/postgres" -D "$2"; fi; }
while :; do
	if [ -e "$2.up" ]; then (as "$@"); fi
	sleep 0.05
done`

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

// as makes a command run as somebody whom PostgreSQL takes.
func (s *PostgresServer) as(args ...string) proc.Cmd {
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"}, args...)
	}
	return proc.Cmd{Args: args, Dir: s.dir}
}

func (s *PostgresServer) init() error {
	if os.Geteuid() == 0 {
		if err := giveTo(s.dir, "postgres"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, err := proc.Output(ctx, s.as(filepath.Join(s.programs, "initdb"), "--pgdata", s.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"))
	if err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\nlisten_addresses = '127.0.0.1'\nport = %s\nunix_socket_directories = ''\nmax_connections = 200\n", s.port)
	return errors.Join(err, f.Close(), os.WriteFile(s.data()+".up", nil, 0o600))
}

// giveTo makes a directory another user's.
func giveTo(dir, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

func (s *PostgresServer) answers(ctx context.Context) error {
	_, err := proc.Output(ctx, s.as(filepath.Join(s.programs, "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", s.port))
	return err
}

func (s *PostgresServer) newDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprintf("slipway%d", s.n.Add(1))
	_, err := proc.Output(ctx, s.as(filepath.Join(s.programs, "createdb"), "--host", "127.0.0.1", "--port", s.port,
		"--username", "postgres", name))
	if err != nil {
		return "", fmt.Errorf("create a database: %w", err)
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", s.port), Path: name, RawQuery: "sslmode=disable"}
	return u.String(), nil
}

// Database returns the address of a new, empty database.
func (s *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	url, err := s.newDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// Stop ends the server at once, as a crash does; Start brings it back with what
// was committed.
func (s *PostgresServer) Stop(t testing.TB) {
	t.Helper()
	if err := os.Remove(s.data() + ".up"); err != nil {
		t.Fatal(err)
	}
	pid, err := s.pid()
	if err != nil {
		t.Fatal(err)
	}
	// SIGQUIT is PostgreSQL's immediate shutdown.
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	s.await(t, func() bool { return s.answers(t.Context()) != nil && syscall.Kill(pid, 0) != nil })
}

// Start starts a stopped server and waits until it answers.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(s.data()+".up", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.await(t, func() bool { return s.answers(t.Context()) == nil })
}

func (s *PostgresServer) await(t testing.TB, until func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !until(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("PostgreSQL neither stops nor starts")
		}
	}
}

func (s *PostgresServer) pid() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	var pid int
	_, err = fmt.Sscan(string(b), &pid)
	return pid, err
}

func (s *PostgresServer) end() { s.srv.stop() }
