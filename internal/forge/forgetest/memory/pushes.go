package memory

import (
	"context"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
)

// zeroHash stands for nothing: the ref is new, or gone.
const zeroHash = "0000000000000000000000000000000000000000"

// RefUpdate is a ref that a push changed.
type RefUpdate struct {
	Ref    string // refs/tags/v1.0.0
	Before string // what it named, zeros for a new ref
	After  string // zeros for one that is gone; a tag's object for an annotated tag
}

// Created and Deleted say which end is nothing.
func (u RefUpdate) Created() bool { return strings.Trim(u.Before, "0") == "" }
func (u RefUpdate) Deleted() bool { return strings.Trim(u.After, "0") == "" }

// maxTagsTold is how many tags one push may bring before GitHub tells of none.
const maxTagsTold = 3

// Pushed tells of refs that one push has changed, and settles the releases
// whose tag is gone.
func (r *Repo) Pushed(ctx context.Context, actor string, updates []RefUpdate) error {
	tags := 0
	for _, u := range updates {
		if strings.HasPrefix(u.Ref, "refs/tags/") {
			tags++
		}
	}
	u := r.people.Add(actor)
	r.mu.Lock()
	for _, up := range updates {
		if r.dialect == GitHub && tags > maxTagsTold && strings.HasPrefix(up.Ref, "refs/tags/") {
			continue
		}
		r.refChanged(u.Login, up)
		r.pullsFollow(u.Login, up)
	}
	r.mu.Unlock()
	r.tell()
	return r.Settle(ctx)
}

// pullsFollow moves the heads of open pull requests with their branch; the
// lock is held.
func (r *Repo) pullsFollow(actor string, u RefUpdate) {
	branch, ok := strings.CutPrefix(u.Ref, "refs/heads/")
	if !ok || u.Deleted() {
		return
	}
	for _, is := range r.issues {
		p := is.Pull
		if p == nil || is.Closed || p.HeadBranch != branch || !strings.EqualFold(p.HeadRepository, r.fullName) || p.HeadCommit == u.After {
			continue
		}
		p.HeadCommit, is.Updated = u.After, r.now()
		r.happened(Happening{Event: "pull_request", Action: "synchronize", Actor: actor, Issue: copyIssue(is)})
	}
}

// refChanged notes a ref's push, and its create or delete; the lock is held.
func (r *Repo) refChanged(actor string, u RefUpdate) {
	r.happened(Happening{Event: "push", Actor: actor, Update: u})
	switch {
	case u.Created():
		r.happened(Happening{Event: "create", Actor: actor, Update: u})
	case u.Deleted():
		r.happened(Happening{Event: "delete", Actor: actor, Update: u})
	}
}

// CreateTag makes a lightweight tag, as the API or a push of somebody's does.
func (r *Repo) CreateTag(ctx context.Context, name, commit, actor string) error {
	if _, exists, err := r.refs.Peel(ctx, "refs/tags/"+name); err != nil {
		return err
	} else if exists {
		return r.tagExists(name)
	}
	if !forge.ValidTag(name) {
		return r.badTag(name)
	}
	if err := r.checkCommit(commit); err != nil {
		return r.unknownTarget(err, commit)
	}
	if r.isProtected(name) {
		if r.dialect == Gitea {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "tag name is protected [tag_name: " + name + "]", Kind: forge.ErrForbidden}
		}
		return &Refusal{Status: http.StatusUnprocessableEntity, Kind: forge.ErrRejected,
			Message: "Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n"}
	}
	if err := r.refs.SetTag(ctx, name, commit); err != nil {
		return err
	}
	u := r.people.Add(actor)
	r.mu.Lock()
	r.refChanged(u.Login, RefUpdate{Ref: "refs/tags/" + name, Before: zeroHash, After: commit})
	r.mu.Unlock()
	r.tell()
	return nil
}

func (r *Repo) tagExists(name string) error {
	if r.dialect == Gitea {
		return &Refusal{Status: http.StatusConflict, Message: "tag already exists [name: " + name + "]", Kind: forge.ErrConflict}
	}
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Reference already exists", Kind: forge.ErrConflict}
}

func (r *Repo) badTag(name string) error {
	if r.dialect == Gitea {
		return internal()
	}
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "refs/tags/" + name + " is not a valid ref name.", Kind: forge.ErrRejected}
}

func (r *Repo) unknownTarget(err error, commit string) error {
	if r.dialect == Gitea {
		return &Refusal{Status: http.StatusNotFound, Message: "target not found: " + commit, Kind: forge.ErrNotFound}
	}
	_ = err // GitHub has words of its own here
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Object does not exist", Kind: forge.ErrRejected}
}

// checkCommit refuses a commit that the repository does not have.
func (r *Repo) checkCommit(hash string) error {
	_, ok, err := r.refs.Commit(context.Background(), hash)
	switch {
	case err != nil:
		return err
	case ok:
		return nil
	case r.dialect == Gitea:
		return internal()
	}
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "No commit found for SHA: " + hash, Kind: forge.ErrRejected}
}
