package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// commit is the one point: it looks once more at everything that was staged,
// gives the images their tags, which can be put back, and then makes the release
// public, which can't. Before that call all can be dropped without a trace; after
// it there is nothing left that could fail.
func (r *run) commit(ctx context.Context, p release.Plan, m made, s staged, j *journal, st progress.Stage) (forge.Release, error) {
	check := &stager{run: r, plan: p, made: m, journal: j, stage: st, result: s}
	draft, err := check.settle(ctx)
	if err != nil {
		return forge.Release{}, err
	}
	if err := r.checkTag(ctx, p); err != nil {
		return forge.Release{}, err
	}
	if err := r.verifyImages(ctx, m.images); err != nil {
		return forge.Release{}, err
	}
	if err = r.moveTags(ctx, p, m.images, j); err == nil {
		err = check.dropParts(ctx, draft)
	}
	if err == nil {
		var done forge.Release
		if done, err = r.publish(ctx, p, check, draft); err == nil {
			return done, nil
		}
	}
	if len(m.images) == 0 || r.public(ctx, p) {
		return forge.Release{}, err
	}
	return forge.Release{}, errors.Join(err, r.moveTagsBack(ctx, p, m.images, j))
}

// public reports whether the release can be seen, by this run's doing or
// another's: then its tags stay.
func (r *run) public(ctx context.Context, p release.Plan) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	found, err := r.forge.Releases(ctx, p.Tag)
	return err == nil && slices.ContainsFunc(found, func(f forge.Release) bool { return !f.Draft })
}

func (r *run) publish(ctx context.Context, p release.Plan, check *stager, draft forge.Release) (forge.Release, error) {
	done, err := r.forge.Update(ctx, draft.ID, forge.Update{Draft: check.draft(), Publish: true, Latest: p.Latest})
	if errors.Is(err, forge.ErrImmutable) {
		// GitHub tells only now that the tag is burnt: no rerun will get further.
		return forge.Release{}, errors.Join(err, r.forge.DeleteDraft(ctx, draft.ID))
	}
	if err != nil {
		return forge.Release{}, err
	}
	if done.Draft {
		return forge.Release{}, fmt.Errorf("publish %s: the forge answered, but the release is still a draft", p.Tag)
	}
	if len(done.Assets) == 0 {
		done.Assets = draft.Assets
	}
	return done, nil
}

// settlings is how often a draft that somebody else disturbs is put right.
const settlings = 3

// settle gives the draft once it has every artifact, whole and once. Another
// run that stages the same release at the same time may have disturbed it.
func (s *stager) settle(ctx context.Context) (forge.Release, error) {
	for try := 1; ; try++ {
		draft, err := s.current(ctx)
		if err != nil {
			return forge.Release{}, err
		}
		if !draft.Draft {
			return forge.Release{}, errors.Join(publishedMeanwhile(draft, s.plan), s.takeBack(ctx, draft))
		}
		moves := reconcile(s.made.artifacts, draft.Assets, s.journal.read(), nil)
		wrong := slices.IndexFunc(moves, func(m move) bool { return m.action != keep && m.action != leave })
		if wrong < 0 {
			return draft, nil
		}
		if try == settlings {
			return forge.Release{}, release.Failf("see who else writes to this release, then run the same command again",
				"asset %s%s in the draft is not what was uploaded", moves[wrong].artifact.Name, moves[wrong].asset.Name)
		}
		s.Progress.Note("the draft was changed by somebody else; putting it right")
		if err := s.bring(ctx, moves); err != nil {
			return forge.Release{}, err
		}
	}
}

// takeBack removes what this run sent while another one published the same
// release: second assets of a name, which Gitea takes.
func (s *stager) takeBack(ctx context.Context, published forge.Release) error {
	seen := map[string]bool{}
	for _, a := range published.Assets {
		if seen[a.Name] && s.result.sent[a.Name] == a.ID {
			if err := s.forge.DeleteAsset(ctx, published.ID, a); err != nil {
				return err
			}
		}
		seen[a.Name] = true
	}
	return nil
}

func publishedMeanwhile(r forge.Release, p release.Plan) error {
	return release.Refuse("look at "+r.URL, "%s was published by somebody else meanwhile", p.Tag)
}
