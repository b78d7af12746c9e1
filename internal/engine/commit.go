package engine

import (
	"context"
	"fmt"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// commit is the one point: it looks once more at everything that was staged,
// then makes it public. Before Update the release can be dropped without a
// trace; after it there is nothing left that could fail.
func (e *Engine) commit(ctx context.Context, p release.Plan, m made, s staged, j *journal, st progress.Stage) (forge.Release, error) {
	if err := e.checkTag(ctx, p); err != nil {
		return forge.Release{}, err
	}
	check := &stager{Engine: e, plan: p, made: m, journal: j, stage: st, result: s}
	draft, err := check.current(ctx)
	if err != nil {
		return forge.Release{}, err
	}
	if !draft.Draft {
		return forge.Release{}, release.Refuse("look at "+draft.URL, "%s was published by somebody else meanwhile", p.Tag)
	}
	if err := complete(m.artifacts, draft.Assets, j.read()); err != nil {
		return forge.Release{}, err
	}
	done, err := e.Forge.Update(ctx, draft.ID, forge.Update{Draft: check.draft(), Publish: true, Latest: p.Latest})
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

// complete holds that a draft has every artifact, whole and once.
func complete(want []release.Artifact, have []forge.Asset, j Journal) error {
	for _, m := range reconcile(want, have, j, nil) {
		switch m.action {
		case keep, leave:
		case upload:
			return release.Failf("run the same command again", "the draft lost asset %s", m.artifact.Name)
		case remove:
			return release.Failf("run the same command again", "the draft has more than one asset %s, or a broken one", m.asset.Name)
		default:
			return release.Failf("run the same command again", "asset %s in the draft is not the one that was uploaded", m.artifact.Name)
		}
	}
	return nil
}
