package bot

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// rollOutByWorkflow leaves the work to the repository's workflows. The one that
// made the release rolls it out, too: how that stands, the state's branch says.
// When there is a reason to go on, the workflow that goes on is dispatched.
func (b *Bot) rollOutByWorkflow(ctx context.Context, r *repository, op ledger.Operation, in rolloutInput, tell *teller) (worker.Outcome, error) {
	w, err := b.rolloutWork(ctx, r, op, op.Commit)
	if err != nil {
		return worker.Outcome{}, err
	}
	defer w.end()
	m := tell.remembered()
	generation, err := b.generation(ctx, r)
	if err != nil {
		return worker.Outcome{}, err
	}
	goOn := op.Attempt > 1 && (m.Failed || generation != m.Generation || !m.Until.IsZero() && !b.Clock().Before(m.Until))
	var written worker.Outcome
	if in.Action != worker.Carry || m.Failed {
		w.Action, w.Package, w.Tag, w.Release, w.Environment, w.By, w.Progress = in.Action, in.Package, in.Tag, in.Release, in.Environment, op.Actor, tell
		if w.Only, goOn = true, true; in.Action == worker.Carry {
			w.Action = worker.Retry
		}
		if written, err = b.Rollout(ctx, w); err != nil {
			return written, err
		}
	}
	if goOn || m.Run != "" || !m.Dispatched.IsZero() {
		info, _, err := r.facts(ctx)
		if err != nil {
			return worker.Outcome{}, err
		}
		if err := b.followed(ctx, r, tell, dispatch{workflow: r.RolloutWorkflow, ref: "refs/heads/" + info.DefaultBranch}); err != nil {
			return worker.Outcome{}, err
		}
		tell.remember(ctx, func(m *memory) { m.Run, m.Dispatched, m.Others, m.Over = "", time.Time{}, nil, false })
	}
	out, err := b.rolledOutElsewhere(ctx, w, in, written)
	tell.remember(ctx, func(m *memory) { m.Generation, m.Until = generation, out.Until })
	return out, err
}

// rolledOutElsewhere reads how a rollout stands that another one does.
func (b *Bot) rolledOutElsewhere(ctx context.Context, w RolloutWork, in rolloutInput, written worker.Outcome) (worker.Outcome, error) {
	runner := &rollout.Runner{Store: w.Store}
	if in.Action != worker.Carry {
		wishes, err := runner.Wishes(ctx)
		if err != nil {
			return worker.Outcome{}, err
		}
		for _, wish := range wishes {
			if wish.Ref.AsState().String() == written.Wish {
				return worker.Outcome{Status: rollout.Waiting, Waits: []string{written.Summary}}, nil
			}
		}
		written.Status, written.Summary = rollout.Complete, strings.Replace(written.Summary, " is to have ", " has ", 1)
		return written, nil
	}
	packages, err := runner.Packages(ctx)
	if err != nil {
		return worker.Outcome{}, err
	}
	for _, pkg := range packages {
		if pkg.Path != in.Package {
			continue
		}
		var p struct {
			Release string `json:"release"`
		}
		if _, err := state.Load(ctx, w.Store, pkg.String()+"/@/"+string(ref.Commit)+"/"+w.Commit, &p); err != nil {
			return worker.Outcome{}, err
		}
		if p.Release != "" {
			return worker.Look(ctx, runner, pkg, p.Release)
		}
	}
	return worker.Outcome{}, release.Refuse("`slipway init --workflow release` writes one that does; or set work: bot in the bot's config",
		"the workflow has not rolled %s out: the branch %s has no release of it", in.Tag, "slipway-state")
}
