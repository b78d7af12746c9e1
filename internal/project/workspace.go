package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/git"
)

// Workspace is a clean checkout of one commit at a time, apart from the user's
// own working tree, and kept from run to run. One process at a time has it.
type Workspace struct {
	repo *git.Repo
	dir  string
	lock *flock.Flock
	at   string
	// Waiting is called once when another process has the workspace.
	Waiting func()
}

// NewWorkspace makes the workspace of a repository; it takes nothing yet.
func NewWorkspace(repo *git.Repo) *Workspace {
	// Not inside .git: tools such as jest look at no file below that name.
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), fmt.Sprintf("slipway-%d", os.Getuid()))
	}
	sum := sha256.Sum256([]byte(repo.CommonDir()))
	return NewWorkspaceAt(repo, filepath.Join(cache, "slipway", "trees", hex.EncodeToString(sum[:8])))
}

// NewWorkspaceAt makes a workspace in a folder of the caller's.
func NewWorkspaceAt(repo *git.Repo, dir string) *Workspace {
	return &Workspace{repo: repo, dir: dir, lock: flock.New(dir + ".lock"), Waiting: func() {}}
}

// At gives a folder that holds exactly the commit, until Close.
func (w *Workspace) At(ctx context.Context, commit string) (string, error) {
	if err := w.Lock(ctx); err != nil {
		return "", err
	}
	if w.at != commit {
		if err := w.repo.Checkout(ctx, commit, w.dir); err != nil {
			return "", err
		}
		w.at = commit
	}
	return w.dir, nil
}

// Lock waits until no other process works on the repository, and keeps others
// out until Close.
func (w *Workspace) Lock(ctx context.Context) error {
	if w.lock.Locked() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(w.dir), 0o755); err != nil {
		return err
	}
	ok, err := w.lock.TryLock()
	if err != nil || ok {
		return err
	}
	w.Waiting()
	_, err = w.lock.TryLockContext(ctx, 100*time.Millisecond)
	return err
}

// Close lets other processes have the workspace.
func (w *Workspace) Close() error { return w.lock.Unlock() }
