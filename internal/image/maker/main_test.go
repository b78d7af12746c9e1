package maker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// childVar turns the test binary into a program that makes the image that the
// variable describes: a umask, a folder for temporary files and a cache belong
// to a whole process.
const childVar = "SLIPWAY_MAKER_CHILD"

// child is what such a process is told: an order, and how it is made.
type child struct {
	Image    release.PlanImage
	Project  string
	Time     time.Time
	Source   string
	Binaries []release.Binary
	Paths    []string // of the binaries
	NoCache  bool
	Builder  string // empty: none
	Umask    int
}

func TestMain(m *testing.M) {
	if given := os.Getenv(childVar); given != "" {
		os.Exit(runChild(given))
	}
	os.Exit(runTests(m))
}

// runTests runs the tests with temporary files and caches in a folder of their
// own, and holds that no Maker leaves anything there.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slipway-maker-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	// The servers that are in there, too, end after this process.
	defer func() { _ = os.RemoveAll(dir) }()
	if os.Getenv("GOCACHE") == "" { // else it would go to the new cache
		if user, err := os.UserCacheDir(); err == nil {
			_ = os.Setenv("GOCACHE", filepath.Join(user, "go-build"))
		}
	}
	_ = os.Setenv("TMPDIR", dir)
	_ = os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	code := m.Run()
	left, _ := filepath.Glob(filepath.Join(dir, "slipway-*"))
	for _, path := range left {
		if !isServer(filepath.Base(path)) {
			fmt.Fprintf(os.Stderr, "FAIL: the tests left %s\n", path)
			code = 1
		}
	}
	return code
}

func isServer(name string) bool {
	for _, server := range []string{"buildkit", "registry", "docker"} {
		if strings.HasPrefix(name, "slipway-"+server+"-") {
			return true
		}
	}
	return false
}

func runChild(given string) int {
	var c child
	if err := json.Unmarshal([]byte(given), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	syscall.Umask(c.Umask)
	for i, path := range c.Paths {
		c.Binaries[i].Path = path
	}
	m := maker.New(maker.Options{Builder: c.Builder, Getenv: withoutDocker})
	defer m.Close()
	made, err := m.Make(context.Background(), image.Order{Image: c.Image, Project: c.Project, Time: c.Time, Source: c.Source,
		Binaries: c.Binaries, NoCache: c.NoCache, Stage: progress.Discard.Stage("image")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err, release.HintOf(err))
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(made)
	return 0
}

// withoutDocker is an environment in which no docker engine and no login is
// found.
func withoutDocker(name string) string {
	return map[string]string{"HOME": "/nonexistent", "DOCKER_HOST": "unix:///nonexistent/docker.sock"}[name]
}
