package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// checkoutSettings make a checkout's bytes depend on the commit alone.
var checkoutSettings = [][2]string{
	{"core.autocrlf", "false"},
	{"core.eol", "lf"},
	{"core.safecrlf", "false"},
	{"core.attributesFile", os.DevNull},
	{"core.fileMode", "true"},
	{"core.symlinks", "true"},
	{"core.trustctime", "true"},
	{"core.checkStat", "default"},
	{"core.ignoreStat", "false"},
	{"core.sparseCheckout", "false"},
	{"core.logAllRefUpdates", "false"},
	{"index.sparse", "false"},
	{"submodule.recurse", "false"},
	{"advice.detachedHead", "false"},
	{"worktree.useRelativePaths", "false"},
}

// ownerSuffix names the file beside a checkout that says it is ours to wipe;
// it is also the lock that keeps two processes apart.
const ownerSuffix = ".slipway"

// Checkout makes dir a clean, detached worktree holding exactly the commit:
// same bytes whatever the user's git settings, modes 0644 and 0755, submodules
// included, hooks not run. The user's own working tree, index and branches are
// left alone. An earlier checkout in dir is used again; a broken, half made or
// foreign one is made anew. A folder that Checkout didn't make is refused
// unless it is empty. One process at a time works on a dir; others wait. As git
// submodule init does, submodules leave their addresses in the user's config.
func (r *Repo) Checkout(ctx context.Context, commit, dir string) error {
	hash, err := r.resolve(ctx, commit)
	if err != nil {
		return err
	}
	w, err := r.lockWorktree(ctx, dir)
	if err != nil {
		return err
	}
	defer w.unlock()
	if admin := w.admin(); admin != "" {
		err := w.update(ctx, admin, hash)
		if err == nil || ctx.Err() != nil {
			return err
		}
		// Whatever is wrong with it, a new one is right.
	}
	if err := w.create(ctx, hash); err != nil {
		return fmt.Errorf("check out %s: %w", release.ShortCommit(hash), redact(err))
	}
	return nil
}

// RemoveCheckout removes what Checkout made. A folder that isn't there is no
// error; one that Checkout didn't make is refused.
func (r *Repo) RemoveCheckout(ctx context.Context, dir string) error {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir + ownerSuffix); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	w, err := r.lockWorktree(ctx, dir)
	if err != nil {
		return err
	}
	defer w.unlock()
	if err := w.remove(); err != nil {
		return fmt.Errorf("remove checkout: %w", err)
	}
	return os.Remove(w.dir + ownerSuffix)
}

// worktree is the folder of a checkout, locked.
type worktree struct {
	repo *Repo
	dir  string // absolute, symbolic links in its parents resolved
	lock *flock.Flock
	env  []string
}

// lockWorktree makes dir's parents, sees that dir is ours, and locks it.
func (r *Repo) lockWorktree(ctx context.Context, dir string) (*worktree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("check out: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return nil, fmt.Errorf("check out: %w", err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return nil, fmt.Errorf("check out: %w", err)
	}
	abs = filepath.Join(parent, filepath.Base(abs))
	if err := checkOwner(abs); err != nil {
		return nil, err
	}
	w := &worktree{repo: r, dir: abs, lock: flock.New(abs + ownerSuffix)}
	w.env = withSettings(r.networkEnv(ctx), checkoutSettings)
	if _, err := w.lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the checkout: %w", err)
	}
	return w, nil
}

func (w *worktree) unlock() { _ = w.lock.Unlock() }

// checkOwner refuses a folder with something in it that has no owner file
// beside it.
func checkOwner(dir string) error {
	if fi, err := os.Lstat(dir + ownerSuffix); err == nil && fi.Mode().IsRegular() {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	return release.Invalidf("remove it, or give another folder", "%s was not made by slipway, so it can't hold a checkout", dir)
}

// admin is the git directory of the worktree, or "" when dir is no worktree of
// this repository.
func (w *worktree) admin() string {
	b, err := os.ReadFile(filepath.Join(w.dir, ".git"))
	if err != nil {
		return ""
	}
	admin, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "gitdir: ")
	if !ok || !slices.Contains(w.admins(), admin) {
		return ""
	}
	return admin
}

// admins are the git directories that this repository keeps for dir: one, or
// none, unless something went wrong.
func (w *worktree) admins() []string {
	all := filepath.Join(w.repo.commonDir, "worktrees")
	entries, _ := os.ReadDir(all)
	var found []string
	for _, e := range entries {
		admin := filepath.Join(all, e.Name())
		b, err := os.ReadFile(filepath.Join(admin, "gitdir"))
		if err == nil && strings.TrimSpace(string(b)) == filepath.Join(w.dir, ".git") {
			found = append(found, admin)
		}
	}
	return found
}

// git runs a git command in the worktree. The git directory is given by name:
// were it searched for from a broken worktree, git could come upon the user's
// own repository above it.
func (w *worktree) git(ctx context.Context, admin string, args ...string) error {
	return proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: w.dir, Unset: unset,
		Env: append(w.env[:len(w.env):len(w.env)], "GIT_DIR="+admin, "GIT_WORK_TREE="+w.dir)})
}

// update brings an existing worktree to the commit.
func (w *worktree) update(ctx context.Context, admin, hash string) error {
	if err := breakLocks(ctx, admin); err != nil {
		return err
	}
	if err := w.git(ctx, admin, "checkout", "--quiet", "--force", "--detach", hash); err != nil {
		return err
	}
	if err := w.git(ctx, admin, "clean", "-ffdxq"); err != nil {
		return err
	}
	return w.finish(ctx, admin)
}

// create makes the worktree from nothing.
func (w *worktree) create(ctx context.Context, hash string) error {
	if err := w.remove(); err != nil {
		return err
	}
	c := w.repo.command("worktree", "add", "--quiet", "--force", "--force", "--detach", "--", w.dir, hash)
	c.Env = w.env
	if err := proc.Run(ctx, c); err != nil {
		return err
	}
	admin := w.admin()
	if admin == "" {
		return fmt.Errorf("git worktree add left no worktree in %s", w.dir)
	}
	return w.finish(ctx, admin)
}

// remove takes the folder away, and what the repository keeps for it.
func (w *worktree) remove() error {
	for _, admin := range w.admins() {
		if err := os.RemoveAll(admin); err != nil {
			return err
		}
	}
	return os.RemoveAll(w.dir)
}

// finish fills the submodules and makes modes independent of the umask.
func (w *worktree) finish(ctx context.Context, admin string) error {
	if _, err := os.Lstat(filepath.Join(w.dir, ".gitmodules")); err == nil {
		if err := w.submodules(ctx); err != nil {
			return err
		}
	}
	odd, err := oddUmask(admin)
	if err != nil || !odd {
		return err
	}
	if err := plainModes(w.dir); err != nil {
		return err
	}
	// The new modes changed what the index remembers of each file.
	return w.git(ctx, admin, "update-index", "-q", "--refresh")
}

// submodules fills the submodules, at any depth, with what the commit names.
// git finds them only from inside the worktree; the ceiling keeps it there.
func (w *worktree) submodules(ctx context.Context) error {
	run := func(args ...string) error {
		var own []string
		for _, s := range append(settings[:len(settings):len(settings)], checkoutSettings...) {
			own = append(own, "-c", s[0]+"="+s[1]) // the environment's do not reach them in every git
		}
		return proc.Run(ctx, proc.Cmd{Args: slices.Concat([]string{"git"}, own, []string{"submodule", "--quiet"}, args),
			Dir: w.dir, Unset: unset, Env: append(withoutGitDir(w.env), "GIT_CEILING_DIRECTORIES="+filepath.Dir(w.dir))})
	}
	err := run("update", "--init", "--recursive", "--force", "--checkout")
	if err == nil {
		err = run("foreach", "--recursive", "git clean -ffdxq")
	}
	if err != nil && ctx.Err() == nil {
		return &release.Error{Kind: release.Failed, Message: "the submodules could not be checked out", Err: redact(err),
			Hint: "see that their addresses in .gitmodules can be reached with this machine's credentials"}
	}
	return err
}

func withoutGitDir(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, "GIT_DIR=") })
}

// breakLocks removes the locks that a killed git left in a worktree. That git
// may have outlived the slipway that ran it, so they get a moment to go by
// themselves.
func breakLocks(ctx context.Context, admin string) error {
	for _, name := range []string{"index.lock", "HEAD.lock"} {
		lock := filepath.Join(admin, name)
		for range 20 {
			if _, err := os.Lstat(lock); err != nil {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
		if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// oddUmask reports whether files that are made now get other modes than 0644
// and 0755. The umask can only be read by setting it, for all goroutines; a
// new file tells as well.
func oddUmask(dir string) (bool, error) {
	probe := filepath.Join(dir, "slipway-umask")
	_ = os.Remove(probe)
	f, err := os.OpenFile(probe, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o777)
	if err != nil {
		return false, err
	}
	defer os.Remove(probe)
	defer f.Close()
	fi, err := f.Stat()
	return err == nil && fi.Mode().Perm() != 0o755, err
}

// plainModes gives folders and executables 0755, other files 0644.
func plainModes(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil || fi.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		mode := fs.FileMode(0o644)
		if fi.IsDir() || fi.Mode()&0o100 != 0 {
			mode = 0o755
		}
		if fi.Mode().Perm() == mode {
			return nil
		}
		return os.Chmod(path, mode)
	})
}
