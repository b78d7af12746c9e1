package gitstate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// reaches is how often a remote that is not reached is tried.
const reaches = 3

// fetch asks the remote for the branch, and gives its newest commit, or "" when
// the remote has no such branch.
func (s *Store) fetch(ctx context.Context) (string, error) {
	r := s.remote
	have, err := s.resolve(r.ref)
	if err != nil {
		return "", err
	}
	args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-filter", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap="}
	if have == "" && (s.ownCache || s.isShallow()) {
		// A repository that has all its history is not to become one that hasn't.
		args = append(args, "--depth=1")
	}
	args = append(args, "--", r.name, "+"+s.branch+":"+r.ref)
	for try := 1; ; try++ {
		_, err = s.git.output(ctx, args...)
		var failed *proc.Error
		if !errors.As(err, &failed) {
			break
		}
		if strings.Contains(failed.Tail, "couldn't find remote ref") {
			return "", s.forget(ctx, have)
		}
		again := false
		if err, again = s.explain("read", failed, failed.Tail); try == reaches || !again {
			break
		}
		if err := sleep(ctx, time.Duration(try)*500*time.Millisecond); err != nil {
			return "", err
		}
	}
	if err != nil {
		return "", err
	}
	return s.resolve(r.ref)
}

// forget drops what is known of a branch that the remote has no more.
func (s *Store) forget(ctx context.Context, have string) error {
	if have == "" {
		return nil
	}
	_, err := s.git.output(ctx, "update-ref", "-d", s.remote.ref)
	return err
}

func (s *Store) isShallow() bool {
	info, err := os.Stat(filepath.Join(s.git.dir, "shallow"))
	return err == nil && info.Size() > 0
}

// push gives the remote a commit, if its branch is still where it was.
func (a *attempt) push(ctx context.Context, from, to string) error {
	s, at := a.store, time.Now()
	a.pushed = to
	// The hooks of the user's are about the user's own pushes.
	out, err := s.git.output(ctx, "push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no",
		"--force-with-lease="+s.branch+":"+from, "--", s.remote.name, to+":"+s.branch)
	var failed *proc.Error
	switch {
	case err == nil:
		s.learned(to, at)
		return nil
	case !errors.As(err, &failed):
		return err
	}
	said := string(out) + failed.Tail
	if has(said, "stale info", "[rejected]", "fetch first", "non-fast-forward", "incorrect old value", "cannot lock ref", "failed to update ref",
		"failed to lock", "reference already exists") && !has(said, "Permission denied", "hook declined", "protected branch") {
		return &retryError{&release.Error{Kind: release.Failed, Err: failed,
			Message: fmt.Sprintf("others were always faster to write the branch %s of %s", s.name(), s.remote.where), Hint: "run it again"}}
	}
	err, again := s.explain("write", failed, said)
	if a.lost++; again && a.lost < reaches {
		return &retryError{err}
	}
	return err
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

func (s *Store) name() string { return strings.TrimPrefix(s.branch, "refs/heads/") }

// explain says what an error of a remote's means, and whether it may be gone the
// next time.
func (s *Store) explain(what string, failed *proc.Error, said string) (_ error, again bool) {
	e := &release.Error{Kind: release.Failed, Err: failed}
	branch := fmt.Sprintf("the branch %s of %s", s.name(), s.remote.where)
	switch {
	case has(said, "hook declined", "protected branch", "GH006", "GH013", "[remote rejected]"):
		e.Kind, e.Message = release.Refused, "the remote refuses what is pushed to "+branch
		e.Hint = "let Slipway push to that branch: take it out of the branch protection, or give the state another branch"
	case has(said, "Authentication failed", "could not read Username", "could not read Password", "terminal prompts disabled",
		"returned error: 401", "returned error: 403", "Permission denied", "Permission to ", "Write access to repository not granted", "not allowed to push", "insufficient permission"):
		e.Kind, e.Message = release.Refused, "no right to "+what+" "+branch
		e.Hint = "in a workflow, give the job `permissions: {contents: write}`; elsewhere use a login that may " + what + " the repository"
	case has(said, "not found", "does not appear to be a git repository", "does not exist", "returned error: 404"):
		e.Kind, e.Message = release.Invalid, "there is no repository "+s.remote.where
		e.Hint = "look at the address; a private repository needs a login that git knows"
	case has(said, "transport '"):
		e.Kind, e.Message, e.Hint = release.Invalid, "git will not use "+s.remote.where, "use https://, ssh://, git:// or file://"
	case has(said, "unable to access", "Could not resolve", "Connection refused", "Connection reset", "timed out", "No route to host", "unreachable",
		"hung up", "early EOF", "RPC failed", "Could not read from remote repository", "unable to connect"):
		again = true
		e.Message, e.Hint = "can't "+what+" "+branch, "look at the network and the address"
	default:
		again = true
		e.Message = "can't " + what + " " + branch
	}
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
