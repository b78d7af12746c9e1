package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// RolloutWork is a request to the process that does a rollout, and what it may
// ask for meanwhile.
type RolloutWork struct {
	worker.Request
	Store    state.Store // the part of the state that is the repository's
	Repo     *git.Repo
	Forge    Forge
	Progress progress.Reporter
	end      func()
}

// rolloutInput is what a rollout's operation is given.
type rolloutInput struct {
	Thread      thread        `json:"thread,omitzero"`
	Action      worker.Action `json:"action"`
	Package     string        `json:"package,omitempty"`
	Tag         string        `json:"tag,omitempty"` // of the forge's release
	Release     string        `json:"release,omitempty"`
	Environment string        `json:"environment,omitempty"`
}

// String says what is done, for people.
func (in rolloutInput) String() string {
	of := ""
	if in.Package != "" {
		of = " of " + in.Package
	}
	switch in.Action {
	case worker.Deploy:
		return fmt.Sprintf("deploying %s%s to %s", in.Release, of, in.Environment)
	case worker.Rollback:
		if in.Release != "" {
			return fmt.Sprintf("rolling %s%s back to %s", in.Environment, of, in.Release)
		}
		return fmt.Sprintf("rolling %s%s back", in.Environment, of)
	case worker.Continue:
		return "doing what is outstanding"
	}
	return fmt.Sprintf("rolling out %s with %s", in.Tag, in.Package)
}

// rolloutsAfter asks for the rollouts of a release that was published.
func rolloutsAfter(op ledger.Operation, tell *teller, rep release.Report) (next []ledger.NewOperation) {
	d := rep.Decision
	if rep.Plan != nil {
		d.Tag, d.Commit = rep.Plan.Tag, rep.Plan.Commit
	}
	commit := d.Commit
	if commit == "" {
		commit = op.Commit
	}
	for _, file := range tell.rollouts {
		t := tell.thread
		t.Reply = "" // it has an answer of its own
		input, err := json.Marshal(rolloutInput{Thread: t, Action: worker.Carry, Package: file, Tag: d.Tag})
		if err != nil {
			continue // a struct of strings always encodes
		}
		next = append(next, ledger.NewOperation{
			Identity: identity(op.Forge, op.Repository, file, commit, "rollout"), Lane: ledger.Rollouts, Kind: kindRollout,
			Forge: op.Forge, Repository: op.Repository, Ref: op.Ref, Commit: commit, Class: d.Class, Actor: op.Actor,
			Cause: fmt.Sprintf("%s was published", d.Tag), Input: input,
		})
	}
	return next
}

// lookAgainAfter is when a rollout that waits is looked at again, whatever it
// waits for.
const lookAgainAfter = 5 * time.Minute

// rollout makes one attempt at a rollout.
func (b *Bot) rollout(ctx context.Context, r *repository, op ledger.Operation, log *slog.Logger) ledger.Result {
	in, err := readInput[rolloutInput](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	tell, stop := b.newTeller(ctx, r, op, in.Thread, log)
	defer stop()
	tell.context = rolloutContext
	tell.change(func(a *report.Answer) { a.Sign, a.Headline = "⏳", sentence(in.String()) })
	if op.Attempt == 1 || tell.remembered().Failed {
		tell.announce(ctx, func(ctx context.Context) { tell.status(ctx, op.Commit, "pending", in.String(), "") })
	}
	before, err := b.generation(ctx, r)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	do := b.rollOut
	if r.Work == WorkInWorkflow {
		do = b.rollOutByWorkflow
	}
	out, err := do(ctx, r, op, in, tell)
	return b.rolledOut(ctx, r, op, in, tell, before, out, err)
}

// rollOut has a worker do it.
func (b *Bot) rollOut(ctx context.Context, r *repository, op ledger.Operation, in rolloutInput, tell *teller) (worker.Outcome, error) {
	w, err := b.rolloutWork(ctx, r, op, op.Commit)
	if err != nil {
		return worker.Outcome{}, err
	}
	defer w.end()
	w.Action, w.Package, w.Tag, w.Release, w.Environment, w.By, w.Progress = in.Action, in.Package, in.Tag, in.Release, in.Environment, op.Actor, tell
	if in.Action == worker.Carry && tell.remembered().Failed {
		w.Action = worker.Retry
		tell.remember(ctx, func(m *memory) { m.Failed = false })
	}
	return b.Rollout(ctx, w)
}

// rolloutWork is what all requests of a repository have in common. commit is
// where repo.ocu.star is read; empty is the head of the default branch.
func (b *Bot) rolloutWork(ctx context.Context, r *repository, op ledger.Operation, commit string) (RolloutWork, error) {
	repo, err := r.clone(ctx)
	if err != nil {
		return RolloutWork{}, err
	}
	info, _, err := r.facts(ctx)
	if err != nil {
		return RolloutWork{}, err
	}
	if commit == "" {
		c, err := repo.Commit(ctx, "refs/remotes/origin/"+info.DefaultBranch)
		if err != nil {
			return RolloutWork{}, err
		}
		commit = c.Hash
	}
	leave, err := b.stopped(ctx, r, op)
	if err != nil {
		return RolloutWork{}, err
	}
	env := map[string]string{}
	for _, name := range r.RolloutEnv {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	store, end, err := b.rolloutState(ctx, r)
	if err != nil {
		return RolloutWork{}, err
	}
	_, host, _ := strings.Cut(r.config.Server, "://")
	return RolloutWork{Store: store, end: end, Repo: repo, Forge: r.forge, Request: worker.Request{
		Commit: commit, Leave: leave, Git: repo.Dir, Trees: filepath.Join(b.folder(op), "trees"), Name: host + "/" + info.FullName,
		Limits: worker.Limits{Memory: int64(b.config.RolloutMem) << 20, Time: b.config.RolloutTime, Private: r.RolloutPrivate == AllowHost},
		Host:   worker.Host{Local: r.HostBuilds == AllowHost, Image: r.RolloutImage, Builder: b.config.Builder, Env: env},
	}}, nil
}

// stopped are the releases whose rollouts were cancelled: nothing more is done of
// them by itself.
func (b *Bot) stopped(ctx context.Context, r *repository, op ledger.Operation) ([]worker.Left, error) {
	ops, err := b.ledger.Operations(ctx, ledger.OperationFilter{Forge: r.config.Name, Repository: r.name, Kind: kindRollout, States: []ledger.OperationState{ledger.OpCancelled}, Limit: 200})
	if err != nil {
		return nil, err
	}
	var left []worker.Left
	for _, o := range ops {
		in, err := readInput[rolloutInput](o)
		if err == nil && in.Action == worker.Carry && o.ID != op.ID {
			left = append(left, worker.Left{Package: in.Package, Commit: o.Commit})
		}
	}
	return left, nil
}

// rolledOut ends an attempt, and tells of it.
func (b *Bot) rolledOut(ctx context.Context, r *repository, op ledger.Operation, in rolloutInput, tell *teller, before string, out worker.Outcome, err error) ledger.Result {
	if cause := context.Cause(ctx); errors.Is(cause, ledger.ErrDraining) || errors.Is(cause, ledger.ErrLeaseLost) {
		return ledger.Result{State: ledger.OpWaiting, Summary: "The bot stopped in the middle."} // it does not count
	}
	ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	var res ledger.Result
	switch {
	case err != nil && passes(err) && context.Cause(ctx) == nil && b.awayFor(ended, tell) < b.config.GiveUp:
		res = ledger.Result{State: ledger.OpWaiting, Summary: "It is tried again: " + firstLine(err.Error())}
	case err != nil:
		res = b.failure(ctx, op, err)
	case out.Status == rollout.Failed:
		res = ledger.Result{State: ledger.OpFailed, Summary: failedText(out.Failed)}
	case out.Status == rollout.Complete || out.Status == rollout.Superseded:
		res = ledger.Result{State: ledger.OpDone, Summary: out.Summary}
	default:
		res = b.rolloutWaits(out)
	}
	tell.remember(ended, func(m *memory) {
		if err == nil || !passes(err) {
			m.Away = time.Time{}
		}
		m.Failed = res.State == ledger.OpFailed || res.State == ledger.OpCancelled
		if out.Release != "" {
			m.Release = out.Release
		}
	})
	if data, jerr := json.Marshal(out); jerr == nil && err == nil {
		res.Report = data
	}
	if out.Changed {
		if werr := b.wakeRollouts(ended, r, op.ID); werr != nil {
			tell.log.Warn("rollouts that wait could not be woken", "error", werr.Error())
		}
		res.Next = append(res.Next, b.outstanding(ended, r, op, in)...)
	}
	if res.State == ledger.OpWaiting && !out.Changed {
		if after, gerr := b.generation(ended, r); gerr == nil && after != before {
			res.After = time.Second // what it waits for may have come while it was looked for
		}
	}
	b.tellRollout(ended, op, tell, res, out, err)
	return b.concluded(op, tell, res)
}

// awayFor is for how long the forge has been away from a rollout, which may have
// waited for days before.
func (b *Bot) awayFor(ctx context.Context, tell *teller) time.Duration {
	now := b.Clock()
	tell.remember(ctx, func(m *memory) {
		if m.Away.IsZero() {
			m.Away = now
		}
	})
	return now.Sub(tell.remembered().Away)
}

// rolloutWaits is the result of a rollout that can't go on now.
func (b *Bot) rolloutWaits(out worker.Outcome) ledger.Result {
	res := ledger.Result{State: ledger.OpWaiting, After: lookAgainAfter, Summary: "It waits: " + strings.Join(out.Waits, "; ")}
	if len(out.Waits) == 0 {
		res.Summary = "It waits: " + out.Summary
	}
	res.Summary = clip(res.Summary, 500)
	if !out.Until.IsZero() {
		if until := out.Until.Sub(b.Clock()); until < res.After {
			res.After = max(until, 100*time.Millisecond)
		}
	}
	return res
}

// failedText is a failure in one line: which release, and the first item of it.
func failedText(failed string) string {
	head, rest, _ := strings.Cut(failed, "\n")
	if first := strings.TrimSpace(firstLine(rest)); first != "" {
		head += ": " + first
	}
	return clip(head, 500)
}

// tellRollout tells how a rollout ended, or what it waits for.
func (b *Bot) tellRollout(ctx context.Context, op ledger.Operation, tell *teller, res ledger.Result, out worker.Outcome, err error) {
	tell.early.Wait()
	state, sign, reaction := "success", "🚀", forge.Rocket
	switch res.State {
	case ledger.OpWaiting:
		state, sign, reaction = "pending", "⏳", forge.Eyes
	case ledger.OpFailed:
		state, sign, reaction = "failure", "❌", forge.Confused
	case ledger.OpRefused:
		state, sign, reaction = "failure", "✋", forge.Confused
	case ledger.OpCancelled:
		state, sign, reaction = "error", "⏹", forge.Confused
	}
	tell.status(ctx, op.Commit, state, res.Summary, "")
	tell.change(func(a *report.Answer) {
		a.Sign, a.Headline, a.Hint, a.Log = sign, headline(res), "", ""
		if len(out.Items) > 0 {
			a.Stages = stagesOf(out.Items)
		}
		why := out.Failed
		if err != nil {
			why, a.Hint = err.Error(), sentence(release.HintOf(err))
		} else if out.Failed != "" {
			a.Hint = sentence(out.Hint)
		}
		if _, rest, more := strings.Cut(why, "\n"); more {
			a.Log = lastLines(rest, 40)
		}
	})
	tell.react(ctx, reaction)
	if err := tell.flush(ctx); err != nil {
		tell.log.Warn("the comment could not be edited", "error", err.Error())
	}
}

// signs are how items stand, at a glance.
var signs = map[rollout.Status]string{rollout.Complete: "✅", rollout.Failed: "❌", rollout.Running: "⏳", rollout.Waiting: "⏸", rollout.Superseded: "⏭", rollout.Removed: "⏏", rollout.Gone: "⏏"}

// stagesOf are the rows of a release's items.
func stagesOf(items []worker.Item) []report.AnswerStage {
	var rows []report.AnswerStage
	for _, it := range items {
		name := it.Key
		if it.Phase != "" {
			name = it.Phase + ": " + name
		}
		rows = append(rows, report.AnswerStage{Name: name, State: strings.TrimSpace(signs[it.Status] + " " + string(it.Status)), Summary: it.Text})
	}
	return rows
}
