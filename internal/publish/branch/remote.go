package branch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// reaches is how often a remote that is not reached is tried.
const reaches = 3

// tip gives the branch's newest commit, or "" when there is no branch. The caller
// is alone.
func (s *Store) tip(ctx context.Context) (string, error) {
	if s.remote == nil {
		return s.resolve(ctx, s.branch)
	}
	return s.fetch(ctx)
}

// resolve gives the commit that a ref of the repository points to, or "".
func (s *Store) resolve(ctx context.Context, ref string) (string, error) {
	commit, err := s.git.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	var failed *proc.Error
	if errors.As(err, &failed) && failed.Code == 1 {
		return "", nil
	}
	return commit, err
}

// fetch asks the remote for the branch.
func (s *Store) fetch(ctx context.Context) (string, error) {
	r := s.remote
	args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-filter", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap="}
	if info, err := os.Stat(filepath.Join(s.git.dir, "shallow")); err == nil && info.Size() > 0 {
		args = append(args, "--depth=1") // what has all its history is not to become one that hasn't
	}
	args = append(args, "--", r.name, "+"+s.branch+":"+r.ref)
	for try := 1; ; try++ {
		_, err := s.git.output(ctx, args...)
		var failed *proc.Error
		if err == nil {
			return s.resolve(ctx, r.ref)
		}
		if !errors.As(err, &failed) {
			return "", err
		}
		if strings.Contains(failed.Tail, "couldn't find remote ref") {
			return "", nil
		}
		told, again := s.explain("read", failed, failed.Tail)
		if try == reaches || !again {
			return "", told
		}
		if err := sleep(ctx, time.Duration(try)*500*time.Millisecond); err != nil {
			return "", err
		}
	}
}

var pushArgs = []string{"push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"}

// push gives the remote a commit, if its branch is still where it was.
func (a *attempt) push(ctx context.Context, from, to string) error {
	s := a.store
	a.pushed = to
	// The hooks of the user's are about the user's own pushes.
	args := append(append([]string{}, pushArgs...), "--force-with-lease="+s.branch+":"+from, "--", s.remote.name, to+":"+s.branch)
	out, err := s.git.output(ctx, args...)
	var failed *proc.Error
	if !errors.As(err, &failed) {
		return err
	}
	said := string(out) + failed.Tail
	if has(said, "stale info", "[rejected]", "fetch first", "non-fast-forward", "incorrect old value", "cannot lock ref", "failed to update ref",
		"failed to lock", "reference already exists") && !has(said, "Permission denied", "hook declined", "protected branch") {
		return &retryError{&release.Error{Kind: release.Failed, Err: errors.Join(publish.ErrUnavailable, failed),
			Message: "others were always faster to write the " + s.String(), Hint: "run it again"}}
	}
	told, again := s.explain("write", failed, said)
	if a.lost++; again && a.lost < reaches {
		return &retryError{told}
	}
	return told
}

// contains reports whether a commit is another or comes after it.
func (s *Store) contains(ctx context.Context, tip, commit string) (bool, error) {
	if tip == "" || tip == commit {
		return tip == commit, nil
	}
	_, err := s.git.output(ctx, "merge-base", "--is-ancestor", commit, tip)
	var failed *proc.Error
	if errors.As(err, &failed) && failed.Code == 1 {
		return false, nil
	}
	return err == nil, err
}

// CheckWrite implements publish.Store. It has the remote say whether it would take
// a push; what a protection of the branch says shows only with a real one.
func (s *Store) CheckWrite(ctx context.Context) error {
	t, err := s.newest(ctx)
	if err != nil || s.remote == nil {
		return err
	}
	commit := t.commit
	if commit == "" {
		if commit, err = (&attempt{store: s, batch: &batch{tree: t, written: map[string]*blob{}}, message: "nothing"}).unborn(ctx); err != nil {
			return err
		}
	}
	args := append(append([]string{}, pushArgs...), "--dry-run", "--", s.remote.name, commit+":"+s.branch)
	out, err := s.git.output(ctx, args...)
	var failed *proc.Error
	if !errors.As(err, &failed) {
		return err
	}
	if said := string(out) + failed.Tail; !strings.Contains(said, "[rejected]") {
		err, _ = s.explain("write", failed, said)
		return err
	}
	return nil // another writer was faster: so one may write
}

// unborn makes a commit of nothing, for a push that does not happen.
func (a *attempt) unborn(ctx context.Context) (string, error) {
	empty := a.store.git.command("hash-object", "-w", "-t", "tree", "--stdin")
	empty.Stdin = strings.NewReader("")
	out, err := a.store.git.run(ctx, empty)
	if err != nil {
		return "", err
	}
	g := a.store.git
	g.env = append(append([]string{}, g.env...), "GIT_AUTHOR_NAME=Slipway", "GIT_AUTHOR_EMAIL=slipway@localhost",
		"GIT_COMMITTER_NAME=Slipway", "GIT_COMMITTER_EMAIL=slipway@localhost")
	return g.line(ctx, "commit-tree", "--no-gpg-sign", "-m", a.message, strings.TrimSpace(string(out)))
}

// explain says what an error of a remote's means, and whether it may be gone the
// next time.
func (s *Store) explain(what string, failed *proc.Error, said string) (_ error, again bool) {
	e := &release.Error{Kind: release.Failed}
	kind := publish.ErrUnavailable
	switch {
	case has(said, "hook declined", "protected branch", "GH006", "GH013", "[remote rejected]"):
		kind, e.Kind, e.Message = publish.ErrForbidden, release.Refused, "the remote refuses what is pushed to the "+s.String()
		e.Hint = "let Slipway push to that branch: take it out of the branch protection, or publish to another branch"
	case has(said, "Authentication failed", "could not read Username", "could not read Password", "terminal prompts disabled", "returned error: 401"):
		kind, e.Kind, e.Message = publish.ErrUnauthorized, release.Refused, "the login to "+what+" the "+s.String()+" is not accepted"
		e.Hint = "in a workflow, give the job `permissions: {contents: write}`; elsewhere use a login that may " + what + " the repository"
	case has(said, "returned error: 403", "Permission denied", "Permission to ", "Write access to repository not granted", "not allowed to push", "insufficient permission"):
		kind, e.Kind, e.Message = publish.ErrForbidden, release.Refused, "no right to "+what+" the "+s.String()
		e.Hint = "in a workflow, give the job `permissions: {contents: write}`; elsewhere use a login that may " + what + " the repository"
	case has(said, "not found", "does not appear to be a git repository", "does not exist", "returned error: 404"):
		kind, e.Kind, e.Message = publish.ErrNotFound, release.Invalid, "there is no repository "+s.remote.where
		e.Hint = "look at the address; a private repository needs a login that git knows"
	case has(said, "transport '"):
		e.Kind, e.Message, e.Hint = release.Invalid, "git will not use "+s.remote.where, "use https://, ssh://, git:// or file://"
		e.Err = failed
		return e, false
	default:
		again = true
		e.Message, e.Hint = "can't "+what+" the "+s.String(), "look at the network and the address"
	}
	e.Err = errors.Join(kind, failed)
	return e, again
}

func has(s string, any ...string) bool {
	for _, a := range any {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}
