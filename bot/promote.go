package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"github.com/slipway-dev/slipway/internal/command"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

// promoteInput is what a promotion's operation is given.
type promoteInput struct {
	Thread thread `json:"thread,omitzero"`
	From   string `json:"from"` // tag or full hash
	Tag    string `json:"tag"`  // of the new release
	Reason string `json:"reason"`
}

// openRules brings the clone up to date and reads what the default branch says
// of commands and promotions.
func (b *Bot) openRules(ctx context.Context, r *repository) (project.Aim, error) {
	info, _, err := r.facts(ctx)
	if err != nil {
		return project.Aim{}, err
	}
	p, err := b.load(ctx, r, project.Selection{Branch: info.DefaultBranch, Remote: "origin"})
	if err != nil {
		return project.Aim{}, err
	}
	return project.Aim{Repo: p.Repo, Rules: p.Config, From: release.Event{Branch: info.DefaultBranch, Commit: p.Event.Commit, Time: p.Event.Time}}, nil
}

func (r *repository) connect(context.Context) (forge.Forge, error) { return r.forge, nil }

// decide says what a /promote asks for, or refuses it.
func (b *Bot) decide(ctx context.Context, r *repository, place forge.Place, c command.Command) (project.Aim, error) {
	p, err := b.openRules(ctx, r)
	if err != nil {
		return p, err
	}
	from, to, err := r.read(ctx, p, c)
	if err != nil {
		return p, err
	}
	if from == "" {
		if p.From, err = r.at(ctx, p, place); err != nil {
			return p, err
		}
	} else if p.From, err = (project.Promotion{From: from}).Find(ctx, p.Repo, r.connect); err != nil {
		return p, err
	}
	if err := p.CheckOurs(ctx); err != nil {
		return p, err
	}
	if err := p.To(ctx, to); err != nil {
		return p, err
	}
	return p, r.checkGreen(ctx, p)
}

// checkGreen asks the forge how a commit's checks stand, and refuses one that is
// not green.
func (r *repository) checkGreen(ctx context.Context, p project.Aim) error {
	all, err := r.forge.Checks(ctx, p.From.Commit)
	if err != nil {
		return err
	}
	return project.CheckGreen(p.Rules.Promote, p.From.Commit, all)
}

// read tells what is promoted from what it becomes: "/promote v1.4.0" names the
// new release, unless there is such a release or commit already to promote.
func (r *repository) read(ctx context.Context, p project.Aim, c command.Command) (from, to string, err error) {
	if c.To != "" || c.Source == "" {
		return c.Source, c.To, nil
	}
	if slices.ContainsFunc(p.Rules.Classes, func(class release.Class) bool { return class.Name == c.Source }) {
		return "", c.Source, nil
	}
	found, err := (project.Promotion{From: c.Source}).Find(ctx, p.Repo, r.connect)
	switch {
	case err != nil && (passes(err) || ctx.Err() != nil):
		return "", "", err
	case err != nil:
		return "", c.Source, nil //nolint:nilerr // nothing of that name is there, so it is a new one
	}
	if found.Tag != "" && p.ClassOf(found.Tag) == p.Rules.PromoteRules().Class {
		return "", "", release.Refuse("write another version, or /promote alone for the next one", "%s is taken: it is at commit %s", found.Tag, release.ShortCommit(found.Commit))
	}
	return c.Source, "", nil
}

// at is the commit that a comment's place stands for.
func (r *repository) at(ctx context.Context, p project.Aim, place forge.Place) (release.Event, error) {
	commit := place.Commit
	if place.OnPullRequest {
		pull, err := r.forge.PullRequest(ctx, place.Issue)
		if err != nil {
			return release.Event{}, err
		}
		if !pull.Merged || pull.MergeCommit == "" {
			return release.Event{}, release.Refuse("merge it first, then write /promote again", "pull request %d is not merged, and only what is merged can be promoted", place.Issue)
		}
		commit = pull.MergeCommit
	}
	if commit == "" {
		return p.From, nil // an issue stands for the head of the default branch
	}
	c, err := p.Repo.Commit(ctx, commit)
	return release.Event{Commit: c.Hash, Time: c.Time}, err
}

// promotion is what an aim comes to as an operation of the ledger.
func (r *repository) promotion(p project.Aim, t thread, actor, cause string) (ledger.NewOperation, error) {
	if p.Branch != "" {
		op := releaseOf(r.config.Name, r.name, project.Selection{Branch: p.Branch, Commit: p.From.Commit}, actor, cause)
		input, err := json.Marshal(releaseInput{Thread: t})
		op.Input = input
		return op, err
	}
	op := releaseOf(r.config.Name, r.name, project.Selection{Tag: p.Tag, Commit: p.From.Commit}, actor, cause)
	op.Kind = kindPromote
	from := p.From.Tag
	if from == "" {
		from = p.From.Commit
	}
	input, err := json.Marshal(promoteInput{Thread: t, From: from, Tag: p.Tag, Reason: p.Reason})
	op.Input = input
	return op, err
}

// promote makes the release.
func (b *Bot) promote(ctx context.Context, r *repository, op ledger.Operation, log *slog.Logger) ledger.Result {
	in, err := readInput[promoteInput](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	tell, stop := b.newTeller(ctx, r, op, in.Thread, log)
	defer stop()
	rep, err := b.promoteTo(ctx, r, op, in, tell)
	return b.told(ctx, op, tell, rep, err)
}

func (b *Bot) promoteTo(ctx context.Context, r *repository, op ledger.Operation, in promoteInput, tell *teller) (release.Report, error) {
	rules, err := b.openRules(ctx, r)
	if err != nil {
		return release.Report{}, err
	}
	w, d, err := b.promotionWork(ctx, r, rules, in.From, in.Tag)
	if err != nil {
		return release.Report{}, err
	}
	decision, err := release.Classify(w.Event, w.Project.Config)
	if err != nil {
		return release.Report{}, err
	}
	tell.rollouts = w.Project.Config.RolloutFor(decision.Class)
	tell.change(func(a *report.Answer) {
		a.Sign, a.Headline = "⏳", fmt.Sprintf("Promoting %s to %s (%s)", release.ShortCommit(w.Event.Commit), in.Tag, decision.Class)
		a.Lines = []string{in.Reason, d.Reason}
	})
	tell.announce(ctx, func(ctx context.Context) {
		tell.status(ctx, w.Event.Commit, "pending", "promoting it to "+in.Tag, "")
		tell.deployment(ctx, w.Event.Commit, decision.Class, "in_progress", "", "promoting it to "+in.Tag)
	})
	if r.Work == WorkInWorkflow {
		return b.dispatched(ctx, r, tell, dispatch{workflow: r.PromoteWorkflow, ref: "refs/heads/" + rules.From.Branch,
			inputs: map[string]string{"from": in.From, "tag": in.Tag}, tag: in.Tag, decision: decision})
	}
	w.Goal, w.Progress, w.Dir = engine.ToRelease, tell, b.folder(op)
	w.Tree = r.tree(op.Lane)
	return b.Release(ctx, w)
}

// promotionWork is the engine's request for a promotion.
func (b *Bot) promotionWork(ctx context.Context, r *repository, rules project.Aim, from, to string) (Work, release.Promotion, error) {
	ask := project.Promotion{From: from, To: to}
	ev, err := ask.Find(ctx, rules.Repo, r.connect)
	if err != nil {
		return Work{}, release.Promotion{}, err
	}
	d, err := ask.Decide(ctx, rules.Repo, r.connect, ev, rules.Rules)
	if err != nil {
		return Work{}, d, err
	}
	p, err := project.Load(ctx, rules.Repo, project.Selection{Commit: ev.Commit, Remote: "origin"}, "")
	if err != nil {
		return Work{}, d, err
	}
	p.Event = d.Event
	w := Work{Project: p, Event: d.Event, Target: r.config.Target(r.name), Forge: r.forge, Store: b.ledger.Store(),
		HostBuilds: r.HostBuilds == AllowHost, Settings: r.Settings, Builder: b.config.Builder}
	if d.Source != "" {
		w.Promotion = &engine.Promotion{From: d.Source}
	}
	return w, d, nil
}
