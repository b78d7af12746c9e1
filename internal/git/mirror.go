package git

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// Login is a user and a password or token for a remote repository over HTTP.
// The zero value is none.
type Login struct{ User, Password string }

// Mirror brings a bare repository at dir, which is made if need be, to where
// the remote repository at address is now: all its branches, as those of the
// remote origin, and all its tags, with their whole history; what is gone there
// goes here. defaultBranch becomes the remote's HEAD; empty leaves it. The
// login reaches git by its environment only. Several processes may call it for
// one dir; they wait for each other.
func Mirror(ctx context.Context, address string, login Login, defaultBranch, dir string) (*Repo, error) {
	if !strings.Contains(address, "://") || strings.HasPrefix(address, "-") {
		return nil, release.Invalidf("", "%q is no address to clone from", withoutLogin(address))
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, err
	}
	defer func() { _ = lock.Unlock() }()
	r, err := openMirror(ctx, address, dir)
	if err != nil {
		return nil, err
	}
	fetch := r.command("fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
		"--end-of-options", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
	fetch.Env = append(withLogin(r.networkEnv(ctx), address, login), transports)
	if err := proc.Run(ctx, fetch); err != nil {
		return nil, fetchError(address, "all", err)
	}
	if defaultBranch != "" && ValidBranch(defaultBranch) {
		if _, err := r.output(ctx, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/"+defaultBranch); err != nil {
			return nil, fmt.Errorf("note the default branch: %w", redact(err))
		}
	}
	return r, nil
}

// openMirror opens the repository at dir, or makes it.
func openMirror(ctx context.Context, address, dir string) (*Repo, error) {
	if r, err := Open(ctx, dir); err == nil && r.Bare {
		if url, err := r.line(ctx, "config", "--get", "remote.origin.url"); err == nil && url == address {
			return r, nil
		}
	}
	// What a killed process has left half made, or a repository that moved.
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	env := append(environment(), "GIT_DIR="+dir)
	for _, args := range [][]string{{"git", "init", "--quiet", "--bare", "--template="}, {"git", "config", "remote.origin.url", address}} {
		if err := proc.Run(ctx, proc.Cmd{Args: args, Dir: filepath.Dir(dir), Env: env, Unset: unset}); err != nil {
			return nil, fmt.Errorf("make a repository for %s: %w", withoutLogin(address), redact(err))
		}
	}
	return Open(ctx, dir)
}

// withLogin sends the login with requests to this address, and to no other.
func withLogin(env []string, address string, l Login) []string {
	if l.Password == "" {
		return env
	}
	basic := base64.StdEncoding.EncodeToString([]byte(l.User + ":" + l.Password))
	return withSettings(env, [][2]string{
		{"credential.helper", ""},
		{"http." + address + ".extraHeader", "Authorization: Basic " + basic},
	})
}

// ValidBranch reports whether git takes the name for a branch.
func ValidBranch(name string) bool { return badTagName(name) == "" && name != "HEAD" }
