package rollout

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Rollback deploys an earlier release into an environment again, with the inputs
// that it was deployed with. to names the release ("r6", or a tag); empty means
// the one that was deployed before. What is deployed then stays as it is until
// a new release comes.
func (r *Runner) Rollback(ctx context.Context, pkg ref.Ref, environment, to string) (Item, error) {
	before, err := r.deployedBefore(ctx, pkg, environment, to)
	if err != nil {
		return Item{}, err
	}
	o, err := r.open(ctx, pkg, before)
	if err != nil {
		return Item{}, err
	}
	return r.again(ctx, o, string(ref.Deploy)+"/"+environment, rollBack, nil)
}

// Before names the release that was deployed into an environment before the one
// that is there.
func (r *Runner) Before(ctx context.Context, pkg ref.Ref, environment string) (string, error) {
	return r.deployedBefore(ctx, pkg, environment, "")
}

// deployedBefore is Before, unless a release is named. Nothing goes back where
// nothing is deployed.
func (r *Runner) deployedBefore(ctx context.Context, pkg ref.Ref, environment, named string) (string, error) {
	key := string(ref.Deploy) + "/" + environment
	live, _, found, err := read[Item](ctx, r.Store, latestDoc(pkg, key))
	if err == nil && !found {
		err = release.Refuse("see `slipway deploy list`", "nothing of %s is deployed to %s", pkg.Path, environment)
	}
	if err != nil || named != "" {
		return named, err
	}
	return r.before(ctx, pkg, key, numberOf(live.Release))
}

// before finds the newest release before a number that was deployed well.
func (r *Runner) before(ctx context.Context, pkg ref.Ref, key string, number int) (string, error) {
	for n := number - 1; n > 0; n-- {
		it, _, found, err := read[Item](ctx, r.Store, itemDoc(pkg, releaseName(n), key))
		if err != nil {
			return "", err
		}
		if found && wasDeployed(it) {
			return releaseName(n), nil
		}
	}
	return "", release.Refuse("name one with --to", "no release before r%d was deployed there", number)
}

// wasDeployed says whether an item's recorded inputs are those of a success.
func wasDeployed(it Item) bool {
	return (it.Status == Complete || it.Status == Removed || it.Status == Gone) && it.Inputs != nil
}

// DeployTo deploys a given release into an environment: with the inputs that it
// has there, or would have now.
func (r *Runner) DeployTo(ctx context.Context, pkg ref.Ref, name, environment string) (Item, error) {
	o, err := r.open(ctx, pkg, name)
	if err != nil {
		return Item{}, err
	}
	key := string(ref.Deploy) + "/" + environment
	e, err := o.entry(key)
	if err != nil {
		return Item{}, release.Invalidf("see `slipway release show "+pkg.Path+"/@"+o.self.Release+"`", "release %s of %s has no deploy to %s", o.self.Release, pkg.Path, environment)
	}
	newest, _, _, err := read[latest](ctx, r.Store, packageDoc(pkg))
	if err != nil {
		return Item{}, err
	}
	if wasDeployed(e.doc) && o.doc.Number < newest.Number { // the newest goes on to follow its inputs
		return r.again(ctx, o, key, rollBack, nil)
	}
	values, waits, err := r.resolver(o.self, o.doc.Created).all(ctx, e.def.Inputs)
	if err != nil {
		return Item{}, err
	}
	if len(waits) > 0 {
		return Item{}, &release.Error{Kind: release.Waiting, Message: o.self.String() + " can't be deployed to " + environment + " yet: " + waits[0].String(), Hint: waits[0].Hint}
	}
	return r.again(ctx, o, key, deployAgain, values)
}

// again runs a deploy of a release once more. given are its inputs; nil stands
// for the recorded ones.
func (r *Runner) again(ctx context.Context, o *opened, key string, m mode, given map[string]json.RawMessage) (Item, error) {
	e, err := o.entry(key)
	if err != nil {
		return Item{}, err
	}
	if given == nil {
		if !wasDeployed(e.doc) {
			return Item{}, release.Refuse("see `slipway release show "+o.self.Path+"/@"+o.self.Release+"`", "%s was never deployed well: it has no recorded inputs", o.self.Sub(e.def.Kind, e.def.Name))
		}
		given = maps.Clone(e.doc.Inputs)
	}
	e.mode, e.given = m, given
	if err := r.do(ctx, o, word(m)+" "+e.def.Name, 0, time.Time{}, []*entry{e}); err != nil {
		return e.doc, err
	}
	if e.doc.Status == Failed {
		return e.doc, &release.Error{Kind: release.Failed, Message: o.self.Sub(e.def.Kind, e.def.Name).String() + ": " + e.doc.Error.Message, Hint: e.doc.Error.Hint}
	}
	if len(e.waits) > 0 {
		return e.doc, &release.Error{Kind: release.Waiting, Message: o.self.Sub(e.def.Kind, e.def.Name).String() + ": " + e.waits[0].String(), Hint: e.waits[0].Hint}
	}
	return e.doc, nil
}

func word(m mode) string {
	switch m {
	case rollBack:
		return "roll back"
	case deployAgain:
		return "deploy again"
	case takeDown, takeAway:
		return "take down"
	}
	return "deploy"
}
