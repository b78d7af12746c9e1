package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// preflight finds, with reads alone and before anything is built, every reason
// for which the forge would not take this release. It gives the release when it
// is published already and equal to the plan.
func (r *run) preflight(ctx context.Context, p release.Plan) (repo forge.Repository, done *forge.Release, err error) {
	repo, err = r.forge.Repository(ctx)
	if err != nil {
		return repo, nil, explain(err, p)
	}
	switch {
	case repo.Archived:
		return repo, nil, release.Refuse("unarchive it on the forge", "%s is archived", p.Target)
	case repo.Empty:
		return repo, nil, release.Invalidf("push the commit and its tag first", "%s is empty", p.Target)
	case !repo.CanWrite:
		return repo, nil, release.Refuse("a token that may write releases is needed: on GitHub `contents: write`, on Gitea the scope write:repository",
			"the token may not write to %s", p.Target)
	}
	if err := checkLimits(p, repo.Limits); err != nil {
		return repo, nil, err
	}
	if err := r.checkTag(ctx, p); err != nil {
		return repo, nil, err
	}
	found, err := r.forge.Releases(ctx, p.Tag)
	if err != nil {
		return repo, nil, explain(err, p)
	}
	for _, rel := range found {
		if !rel.Draft {
			return repo, &rel, r.checkPublished(ctx, p, rel)
		}
		if !isOurs(rel) {
			return repo, nil, release.Refuse("publish or delete it, then run again",
				"there is a draft release for %s that Slipway did not make: %s", p.Tag, rel.URL)
		}
	}
	return repo, nil, nil
}

func checkLimits(p release.Plan, l forge.Limits) error {
	var ps release.Problems
	if l.Assets > 0 && len(p.Assets) > l.Assets {
		ps = append(ps, release.Problem{Field: "archives", Message: fmt.Sprintf("the plan has %d assets; the forge takes %d in one release", len(p.Assets), l.Assets)})
	}
	for _, a := range p.Assets {
		if err := release.CheckAssetName(a.Name); err != nil {
			ps = append(ps, release.Problem{Field: "archives", Message: err.Error()})
		}
	}
	if len(ps) > 0 {
		return ps
	}
	return nil
}

// checkTag refuses a tag that is not on the forge, or not where the plan has it.
func (r *run) checkTag(ctx context.Context, p release.Plan) error {
	tag, err := r.forge.Tag(ctx, p.Tag)
	switch {
	case errors.Is(err, forge.ErrNotFound) && (p.Branch != "" || p.MakesTag):
		return nil // publishing makes it
	case errors.Is(err, forge.ErrNotFound):
		return release.Invalidf("push it: git push origin "+p.Tag, "tag %s is not on %s", p.Tag, p.Target)
	case err != nil:
		return explain(err, p)
	case tag.Commit != p.Commit && p.MakesTag:
		return release.Refuse("take another tag", "tag %s is taken: on %s it is at %s, not at %s",
			p.Tag, p.Target, release.ShortCommit(tag.Commit), release.ShortCommit(p.Commit))
	case tag.Commit != p.Commit:
		return release.Refuse("fetch the tag again (git fetch --tags --force), or release it under a new name",
			"tag %s is at %s on %s, but the plan was made for %s: it was moved", p.Tag, release.ShortCommit(tag.Commit), p.Target, release.ShortCommit(p.Commit))
	}
	return nil
}

// checkPublished accepts a published release only when its manifest was made
// by the same plan and everything the manifest names is there: then nothing is
// left to do. Anything else is never touched.
func (r *run) checkPublished(ctx context.Context, p release.Plan, published forge.Release) error {
	const hint = "a published release is never changed: make a new tag"
	refuse := func(format string, args ...any) error {
		return release.Refuse(hint, "%s is published already (%s), %s", p.Tag, published.URL, fmt.Sprintf(format, args...))
	}
	m, err := r.readManifest(ctx, published)
	if errors.Is(err, forge.ErrNoManifest) {
		return refuse("but not by Slipway: it has no %s", release.ManifestName)
	}
	var fault *forge.Error
	if errors.As(err, &fault) || ctx.Err() != nil {
		return explain(err, p) // nothing is known yet, so nothing is refused
	}
	if err != nil {
		return refuse("and its %s can't be read: %v", release.ManifestName, err)
	}
	if m.Commit != p.Commit {
		return refuse("from commit %s, not %s", release.ShortCommit(m.Commit), release.ShortCommit(p.Commit))
	}
	r.report.PromotedFrom = m.PromotedFrom
	// A tag that a promotion made is told of as any tag; its release is done. Who
	// asks for this tag anew, with other bits or built, is told that it is taken.
	told := (m.PromotedFrom != nil || r.req.AnyPlan) && p.Promoted == nil && !p.MakesTag
	if m.PlanHash != p.Hash() && !told {
		return refuse("by another plan (%.19s…, this one is %.19s…)", m.PlanHash, p.Hash())
	}
	for _, mv := range reconcile(m.Artifacts, published.Assets, Journal{}, nil) {
		switch mv.action {
		case upload:
			return refuse("but its asset %s is gone", mv.artifact.Name)
		case replace:
			return refuse("but its asset %s is not the one that was published", mv.artifact.Name)
		}
	}
	return nil
}

func (r *run) readManifest(ctx context.Context, published forge.Release) (release.Manifest, error) {
	return forge.Manifest(ctx, r.forge, published)
}

// explain gives an error of the forge its kind and its hint, once.
func explain(err error, p release.Plan) error {
	var said *release.Error
	var problems release.Problems
	if errors.As(err, &said) || errors.As(err, &problems) {
		return err
	}
	kind, hint := release.Failed, ""
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, forge.ErrUnauthorized):
		kind, hint = release.Refused, "give a valid token in SLIPWAY_TOKEN, GITHUB_TOKEN or GITEA_TOKEN"
	case errors.Is(err, forge.ErrImmutable):
		kind, hint = release.Refused, "the name "+p.Tag+" can never be used again on this forge: make a new tag"
	case errors.Is(err, forge.ErrForbidden):
		kind, hint = release.Refused, "a token that may write releases is needed: on GitHub `contents: write`, on Gitea the scope write:repository"
	case errors.Is(err, forge.ErrNotForge):
		kind, hint = release.Invalid, "look at --server and --forge"
	case errors.Is(err, forge.ErrNotFound):
		kind, hint = release.Invalid, "look at --server and --repo; a private repository is also not found when the token may not see it"
	case errors.Is(err, forge.ErrTooLarge):
		hint = "the forge's limit on asset sizes is in its settings (Gitea: [repository.release] FILE_MAX_SIZE)"
	case errors.Is(err, forge.ErrRejected):
		hint = "the forge's rules for releases are in its settings (Gitea: [repository.release] ALLOWED_TYPES)"
	case errors.Is(err, forge.ErrUnavailable), forge.Uncertain(err):
		hint = "run the same command again: it goes on where this one stopped"
	}
	return &release.Error{Kind: kind, Message: p.Target.String(), Hint: hint, Err: err}
}
