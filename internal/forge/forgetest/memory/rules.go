package memory

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
)

// checkCreate refuses a new release as the dialect does.
func (r *Repo) checkCreate(ctx context.Context, n NewRelease, branch string) error {
	if r.dialect == Gitea {
		if branch == "" {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "repo is empty", Kind: forge.ErrRejected}
		}
		for _, rel := range r.releases {
			if r.sameTag(rel.Tag, n.Tag) {
				return &Refusal{Status: http.StatusConflict, Message: "Release is has no Tag", Kind: forge.ErrConflict}
			}
		}
		if r.archived {
			return internal()
		}
		return nil
	}
	if branch == "" {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Repository is empty.", Kind: forge.ErrRejected,
			Details: []Detail{{Resource: "Release", Code: "custom", Message: "Repository is empty."}}}
	}
	return r.checkGitHubFields(ctx, n.Tag, n.Target, n.Body, n.Draft || n.Prerelease, n.Latest)
}

// checkEdit refuses a change as the dialect does, before anything is written.
func (r *Repo) checkEdit(ctx context.Context, old, next *storedRelease, toDraft bool, latest string) error {
	if r.dialect == Gitea {
		if r.archived {
			return internal()
		}
		for _, rel := range r.releases {
			if rel.ID != old.ID && r.sameTag(rel.Tag, next.Tag) {
				return internal() // the database's unique index
			}
		}
		// A pushed tag has a row of its own in the same table.
		if _, pushed, err := r.refs.Peel(ctx, "refs/tags/"+next.Tag); err != nil || !r.sameTag(old.Tag, next.Tag) && pushed {
			return errors.Join(err, internal())
		}
		return nil
	}
	if old.Immutable && (next.Tag != old.Tag || toDraft) {
		return invalid(forge.ErrImmutable, Detail{Resource: "Release", Code: "custom", Field: "tag_name",
			Message: "tag_name cannot be changed on an immutable release"})
	}
	return r.checkGitHubFields(ctx, next.Tag, next.Target, next.Body, toDraft || next.Prerelease, latest)
}

func (r *Repo) checkGitHubFields(ctx context.Context, tag, target, body string, neverLatest bool, latest string) error {
	field := func(f, msg string) error {
		return invalid(forge.ErrRejected, Detail{Resource: "Release", Code: "custom", Field: f, Message: f + " " + msg})
	}
	switch {
	case !forge.ValidTag(tag):
		return field("tag_name", "is not well-formed")
	case utf8.RuneCountInString(body) > r.limits.NotesSize && r.limits.NotesSize > 0:
		return invalid(forge.ErrTooLarge, Detail{Resource: "Release", Code: "custom", Field: "body",
			Message: "body is too long (maximum is 125000 characters)"})
	case latest == "true" && neverLatest:
		return field("make_latest", "cannot be true for a draft or a prerelease")
	}
	if target != "" {
		if _, ok, err := r.refs.Commit(ctx, target); err != nil {
			return err
		} else if !ok {
			return invalid(forge.ErrRejected, Detail{Resource: "Release", Code: "invalid", Field: "target_commitish"})
		}
	}
	return nil
}

// publish turns a draft into a public release, making its tag where there is
// none. creating tells Gitea's two answers to one mistake apart.
func (r *Repo) publish(ctx context.Context, rel *storedRelease, creating bool) error {
	if r.dialect == GitHub {
		if err := r.checkGitHubPublish(rel); err != nil {
			return err
		}
	}
	commit, exists, err := r.refs.Peel(ctx, "refs/tags/"+rel.Tag)
	if err != nil {
		return err
	}
	if exists && creating && r.dialect == Gitea && !commit.Time.IsZero() {
		rel.Created = commit.Time // the pushed tag's row has it
	}
	if !exists {
		if err := r.makeTag(ctx, rel, creating); err != nil {
			return err
		}
		if r.dialect == Gitea {
			rel.Created = r.now()
		}
	}
	rel.Draft = false
	rel.Published = r.now()
	rel.Immutable = r.dialect == GitHub && r.immutable
	return r.date(ctx, rel)
}

func (r *Repo) checkGitHubPublish(rel *storedRelease) error {
	for _, other := range r.releases {
		if other.ID != rel.ID && !other.Draft && other.Tag == rel.Tag {
			return invalid(forge.ErrConflict, Detail{Resource: "Release", Code: "already_exists", Field: "tag_name"})
		}
	}
	if r.burnt[rel.Tag] {
		return invalid(forge.ErrImmutable,
			Detail{Resource: "Release", Code: "custom", Field: "tag_name", Message: "tag_name was used by an immutable release"},
			Detail{Resource: "Release", Code: "custom", Message: "Published releases must have a valid tag"})
	}
	return nil
}

// makeTag creates the release's tag at its target.
func (r *Repo) makeTag(ctx context.Context, rel *storedRelease, creating bool) error {
	gitea := r.dialect == Gitea
	if r.isProtected(rel.Tag) {
		switch {
		case gitea && creating:
			return &Refusal{Status: http.StatusUnprocessableEntity, Kind: forge.ErrRejected,
				Message: "release tag name is protected [tag_name: " + rel.Tag + "]"}
		case gitea:
			return internal()
		}
		return invalid(forge.ErrRejected,
			Detail{Resource: "Release", Code: "custom", Field: "pre_receive",
				Message: "pre_receive Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n"},
			Detail{Resource: "Release", Code: "custom", Message: "Published releases must have a valid tag"})
	}
	commit, ok, err := r.refs.Commit(ctx, rel.Target)
	switch {
	case err != nil:
		return err
	case !ok && gitea && creating:
		return &Refusal{Status: http.StatusNotFound, Message: "target not found", Kind: forge.ErrNotFound}
	case gitea && (!ok || !forge.ValidTag(rel.Tag)):
		return internal()
	case !ok:
		return invalid(forge.ErrRejected, Detail{Resource: "Release", Code: "invalid", Field: "target_commitish"})
	}
	if err := r.refs.SetTag(ctx, rel.Tag, commit.Hash); err != nil {
		return err
	}
	r.refChanged(r.dialect.Self(), RefUpdate{Ref: "refs/tags/" + rel.Tag, Before: zeroHash, After: commit.Hash})
	return nil
}

// date sets created_at: on GitHub the commit's date, on Gitea the time at which
// the draft was last written.
func (r *Repo) date(ctx context.Context, rel *storedRelease) error {
	if r.dialect != GitHub {
		if rel.Draft {
			rel.Created = r.now()
		}
		return nil
	}
	c, ok, err := r.refs.Peel(ctx, "refs/tags/"+rel.Tag)
	if err == nil && !ok {
		c, ok, err = r.refs.Commit(ctx, rel.Target)
	}
	if ok && !c.Time.IsZero() {
		rel.Created = c.Time
	}
	return err
}

// chooseLatest follows make_latest: a newly published release becomes the
// latest unless it says otherwise.
func (r *Repo) chooseLatest(rel *storedRelease, latest string) {
	if r.dialect != GitHub || rel.Prerelease {
		return
	}
	switch latest {
	case "", "true":
		r.latest = rel.ID
	case "legacy":
		r.latest = 0 // the newest by date
	}
}

var githubRenamed = regexp.MustCompile(`[^A-Za-z0-9_+@=-]+`)

// storedName is the name under which the forge keeps an asset: GitHub puts a
// period for each run of odd characters and takes periods off both ends, Gitea
// keeps what it is given.
func (r *Repo) storedName(name string) string {
	if r.dialect == Gitea {
		return name
	}
	name = strings.Trim(githubRenamed.ReplaceAllString(name, "."), ".")
	if name == "" {
		return "default"
	}
	return name
}
