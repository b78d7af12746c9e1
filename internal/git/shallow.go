package git

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

const shallowHint = "in a workflow, give the checkout step `fetch-depth: 0`; elsewhere run git fetch --unshallow --tags"

// IsShallow reports whether the clone lacks the older part of its history.
func (r *Repo) IsShallow() bool {
	fi, err := os.Stat(filepath.Join(r.commonDir, "shallow"))
	return err == nil && fi.Size() > 0
}

// Complete reports whether all of the range that Log gives for from and to is
// in this clone. It always is when the clone isn't shallow; when it is, no
// commit of the range may be one whose parents were cut off.
func (r *Repo) Complete(ctx context.Context, from, to string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(r.commonDir, "shallow"))
	if os.IsNotExist(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the shallow boundary: %w", err)
	}
	boundary := map[string]bool{}
	for _, h := range strings.Fields(string(b)) {
		boundary[h] = true
	}
	revs, err := rangeArgs(from, to)
	if err != nil {
		return false, err
	}
	complete := true
	err = r.walk(ctx, func(hash []byte) error {
		if boundary[string(hash)] {
			complete = false
			return fs.SkipAll
		}
		return nil
	}, revs...)
	if err != nil {
		return false, r.explain(ctx, fmt.Errorf("look for the shallow boundary: %w", err), ends(from, to)...)
	}
	return complete, nil
}

// Deepen gets the rest of a shallow clone's history, and all tags, from a
// remote; in a clone that isn't shallow it does nothing. remote may be empty
// for origin.
func (r *Repo) Deepen(ctx context.Context, remote string) error {
	if !r.IsShallow() {
		return nil
	}
	if remote == "" {
		remote = "origin"
	}
	c := r.command("fetch", "--quiet", "--unshallow", "--tags", "--no-recurse-submodules", "--no-write-fetch-head", "--end-of-options", remote)
	c.Env = r.networkEnv(ctx)
	err := redact(proc.Run(ctx, c))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && r.IsShallow() {
		err = fmt.Errorf("remote %s is shallow itself", credentials.ReplaceAllString(remote, "$1"))
	}
	if err != nil {
		return &release.Error{Kind: release.Failed, Hint: shallowHint, Err: err,
			Message: "this clone is shallow and the rest of its history could not be fetched"}
	}
	return nil
}

// networkEnv keeps ssh, too, from asking anything on the terminal, unless the
// user has chosen how ssh is run.
func (r *Repo) networkEnv(ctx context.Context) []string {
	if os.Getenv("GIT_SSH_COMMAND") != "" || os.Getenv("GIT_SSH") != "" {
		return r.env
	}
	if own, err := r.line(ctx, "config", "--get", "core.sshCommand"); err == nil && own != "" {
		return r.env
	}
	return append(r.env[:len(r.env):len(r.env)], "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
}
