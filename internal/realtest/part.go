package realtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// Part is something real that tests need: a program built from pinned modules,
// the files of a pinned package, or an image of Debian's packages.
type Part struct {
	Name    string
	Version string

	// pins returns all that decides what the part will be; a change of it
	// makes another part in the cache.
	pins func(root string) ([]byte, error)
	// make puts the part into dir. It may be killed at any time.
	make func(ctx context.Context, root, dir string, log io.Writer) error
}

func (p Part) String() string { return p.Name + " " + p.Version }

// Made is a part that lies in the cache.
type Made struct {
	Dir  string
	Took time.Duration // 0 when it was there already
}

// Make returns the part, and builds it when the cache has none. Two processes
// that ask at once build it once. A part is complete or absent: a build that
// is killed leaves nothing that counts. What the build prints goes to log.
func (p Part) Make(ctx context.Context, log io.Writer) (Made, error) {
	cache, err := Cache()
	if err != nil {
		return Made{}, err
	}
	root, err := checkout()
	if err != nil {
		return Made{}, err
	}
	pins, err := p.pins(root)
	if err != nil {
		return Made{}, fmt.Errorf("read the pins of %s: %w", p, err)
	}
	sum := sha256.Sum256(pins)
	dir := filepath.Join(cache, p.Name+"-"+p.Version+"-"+hex.EncodeToString(sum[:6]))
	if isDir(dir) {
		return Made{Dir: dir}, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Made{}, fmt.Errorf("make the cache of parts: %w; SLIPWAY_PARTS names another directory", err)
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return Made{}, fmt.Errorf("wait for another build of %s: %w", p, err)
	}
	defer func() { _ = lock.Close() }()
	if isDir(dir) {
		return Made{Dir: dir}, nil
	}
	begun := time.Now()
	if err := p.makeIn(ctx, root, dir, log); err != nil {
		return Made{}, fmt.Errorf("make %s: %w", p, err)
	}
	return Made{Dir: dir, Took: time.Since(begun)}, nil
}

// makeIn makes the part beside its place and moves it there when it is whole.
func (p Part) makeIn(ctx context.Context, root, dir string, log io.Writer) error {
	tmp := dir + ".tmp"
	// What a killed build left; the lock says that nobody else is at it.
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	if err := p.make(ctx, root, tmp, log); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, dir)
}

// need returns the part's directory. Where the part can't be had, a
// developer's test is skipped and says so; under CI=true it fails.
func need(t testing.TB, p Part) string {
	t.Helper()
	made, err := p.Make(t.Context(), io.Discard)
	if err != nil {
		missing(t, p, err)
	}
	return made.Dir
}

func missing(t testing.TB, what any, err error) {
	t.Helper()
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
		t.Fatalf("this test needs %v: %v", what, err)
	}
	t.Skipf("SKIPPED, this test needs %v, which can't be had here (`./test` installs and makes what it can): %v", what, err)
}

// Cache returns the directory that holds the built parts: $SLIPWAY_PARTS, or
// .cache/slipway-parts in the home directory.
func Cache() (string, error) {
	if dir := os.Getenv("SLIPWAY_PARTS"); dir != "" {
		return filepath.Abs(dir)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the cache of parts: %w; set SLIPWAY_PARTS to a directory", err)
	}
	return filepath.Join(home, ".cache", "slipway-parts"), nil
}

// checkout returns the root of the checkout that the tests run in: a test
// starts in its package's folder.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/slipway-dev/slipway\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the checkout: no go.mod of github.com/slipway-dev/slipway in this folder or above it")
		}
		dir = up
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
