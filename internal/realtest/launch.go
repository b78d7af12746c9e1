package realtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// launch says how a server starts.
type launch struct {
	name string // for errors and for its directory's name

	// prepare writes what the server needs into its new directory, and returns
	// its command line and the variables added to its environment. It is called
	// once a try, as each needs a free port of its own.
	prepare func(dir string) (args, env []string, err error)
	// ready is nil once the server answers.
	ready func(ctx context.Context) error
}

var errExited = errors.New("it ended before it answered")

// start returns the server when it answers.
func (l launch) start() (*server, error) {
	var err error
	for range 3 { // another process may take the port between the look and the start
		var s *server
		if s, err = l.try(); err == nil {
			return s, nil
		}
		if !errors.Is(err, errExited) {
			break
		}
	}
	return nil, fmt.Errorf("start %s: %w", l.name, err)
}

func (l launch) try() (*server, error) {
	dir, err := os.MkdirTemp("", "slipway-"+l.name+"-")
	if err != nil {
		return nil, err
	}
	args, env, err := l.prepare(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	s, err := serve(dir, log, append(os.Environ(), env...), args...)
	if err != nil {
		return nil, err
	}
	if err := l.await(s); err != nil {
		tail, _ := os.ReadFile(log.Name())
		s.stop()
		return nil, fmt.Errorf("%w; the end of its log:\n%s", err, tail[max(0, len(tail)-2000):])
	}
	return s, nil
}

// await waits until the server answers, and fails at once when it has ended.
func (l launch) await(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		select {
		case <-s.exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", last)
		case <-tick.C:
		}
		if last = l.ready(ctx); last == nil {
			return nil
		}
	}
}

// answers is nil when a GET of the address gives status 200.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// once returns a function that starts a server with its first call, and gives
// the same one to all later ones.
func once[A, T any](start func(of A) (T, error)) func(of A) (T, error) {
	var (
		first sync.Once
		s     T
		err   error
	)
	return func(of A) (T, error) {
		first.Do(func() { s, err = start(of) })
		return s, err
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// needProgram returns the path of a program that a Debian package brings.
func needProgram(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name, fmt.Errorf("%w; apt-get install %s", err, pkg))
	}
	return path
}

// needRoot is for what mounts.
func needRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, what, errors.New("it runs as root only"))
	}
}
