package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/command"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
	"github.com/slipway-dev/slipway/releasenotes"
)

// promoteInput is what a promotion's operation is given.
type promoteInput struct {
	Thread thread `json:"thread,omitzero"`
	From   string `json:"from"` // tag or full hash
	Tag    string `json:"tag"`  // of the new release
	Reason string `json:"reason"`
}

// promotion is what a /promote, or a schedule, asks for, decided.
type promotion struct {
	repo   *git.Repo
	rules  release.Config // of the default branch: who may, what may, which classes
	from   release.Event
	tag    string // of the new release
	reason string // why this tag
	branch string // instead of a tag: a release of this branch's class
}

// openRules brings the clone up to date and reads what the default branch says
// of commands and promotions.
func (b *Bot) openRules(ctx context.Context, r *repository) (promotion, error) {
	info, _, err := r.facts(ctx)
	if err != nil {
		return promotion{}, err
	}
	p, err := b.load(ctx, r, project.Selection{Branch: info.DefaultBranch, Remote: "origin"})
	if err != nil {
		return promotion{}, err
	}
	return promotion{repo: p.Repo, rules: p.Config, from: release.Event{Branch: info.DefaultBranch, Commit: p.Event.Commit, Time: p.Event.Time}}, nil
}

func (r *repository) connect(context.Context) (forge.Forge, error) { return r.forge, nil }

// decide says what a /promote asks for, or refuses it.
func (b *Bot) decide(ctx context.Context, r *repository, place forge.Place, c command.Command) (promotion, error) {
	p, err := b.openRules(ctx, r)
	if err != nil {
		return p, err
	}
	from, to, err := p.read(ctx, r, c)
	if err != nil {
		return p, err
	}
	if from == "" {
		if p.from, err = r.at(ctx, p, place); err != nil {
			return p, err
		}
	} else if p.from, err = (project.Promotion{From: from}).Find(ctx, p.repo, r.connect); err != nil {
		return p, err
	}
	if err := p.checkOurs(ctx); err != nil {
		return p, err
	}
	if err := p.aim(ctx, to); err != nil {
		return p, err
	}
	return p, r.checkGreen(ctx, p)
}

// read tells what is promoted from what it becomes: "/promote v1.4.0" names the
// new release, unless there is such a release or commit already to promote.
func (p promotion) read(ctx context.Context, r *repository, c command.Command) (from, to string, err error) {
	if c.To != "" || c.Source == "" {
		return c.Source, c.To, nil
	}
	if slices.ContainsFunc(p.rules.Classes, func(class release.Class) bool { return class.Name == c.Source }) {
		return "", c.Source, nil
	}
	found, err := (project.Promotion{From: c.Source}).Find(ctx, p.repo, r.connect)
	switch {
	case err != nil && (passes(err) || ctx.Err() != nil):
		return "", "", err
	case err != nil:
		return "", c.Source, nil //nolint:nilerr // nothing of that name is there, so it is a new one
	}
	if found.Tag != "" && p.classOf(found.Tag) == p.rules.PromoteRules().Class {
		return "", "", release.Refuse("write another version, or /promote alone for the next one", "%s is taken: it is at commit %s", found.Tag, release.ShortCommit(found.Commit))
	}
	return c.Source, "", nil
}

// classOf is the class that a tag has.
func (p promotion) classOf(tag string) string {
	d, err := release.Classify(release.Event{Tag: tag, Commit: p.from.Commit, Time: p.from.Time}, p.rules)
	if err != nil || d.Skip {
		return ""
	}
	return d.Class
}

// at is the commit that a comment's place stands for.
func (r *repository) at(ctx context.Context, p promotion, place forge.Place) (release.Event, error) {
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
		return p.from, nil // an issue stands for the head of the default branch
	}
	c, err := p.repo.Commit(ctx, commit)
	return release.Event{Commit: c.Hash, Time: c.Time}, err
}

// checkOurs refuses a commit that is on no branch of this repository: a fork's,
// or one that was thrown away.
func (p promotion) checkOurs(ctx context.Context) error {
	if p.from.Tag != "" || p.from.Branch != "" {
		return nil
	}
	on, err := p.repo.BranchesContaining(ctx, p.from.Commit)
	if err != nil {
		return err
	}
	if len(on) == 0 {
		return release.Refuse("merge it first", "commit %s is on no branch of this repository", release.ShortCommit(p.from.Commit))
	}
	return nil
}

// aim finds the tag of the new release: the given one, the version of the
// prerelease that is promoted, or the next version.
func (p *promotion) aim(ctx context.Context, to string) error {
	rules := p.rules.PromoteRules()
	class := rules.Class
	if i := slices.IndexFunc(p.rules.Classes, func(c release.Class) bool { return c.Name == to }); i >= 0 {
		if branch := p.rules.Classes[i].Branch; branch != "" {
			return p.aimAtBranch(ctx, p.rules.Classes[i])
		}
		class = to
	} else if to != "" {
		p.tag, p.reason = to, "It was given."
		d, err := release.Classify(release.Event{Tag: to, Commit: p.from.Commit, Time: p.from.Time}, p.rules)
		if err != nil {
			return err
		}
		if d.Skip || !forge.ValidTag(to) {
			return release.Refuse(p.known(), "%.80q is no class, and no tag of one", to)
		}
		if v := "v" + to; d.Class != class && p.classOf(v) == class {
			return release.Refuse(fmt.Sprintf("did you mean %s, which is %s?", v, class), "%s would be %s", to, d.Class)
		}
		return nil
	}
	if class == "" {
		return release.Refuse("add one to .slipway.yaml: classes: [{name: stable, tag: …}]", "no class takes tags, so nothing can be promoted to one")
	}
	if tag, ok := release.ReleaseOf(p.from.Tag); ok && p.from.Tag != "" && p.classOf(tag) == class {
		p.tag, p.reason = tag, fmt.Sprintf("It is the version that %s is a prerelease of.", p.from.Tag)
		return nil
	}
	if rules.Version == "given" {
		return release.Refuse("write it: /promote v1.2.3", "the config (promote.version: given) wants the version to be written")
	}
	return p.next(ctx, class)
}

// aimAtBranch makes it a release of a branch's class, such as development.
func (p *promotion) aimAtBranch(ctx context.Context, class release.Class) error {
	on, err := p.repo.BranchesContaining(ctx, p.from.Commit)
	if err != nil {
		return err
	}
	for _, branch := range on {
		d, err := release.Classify(release.Event{Branch: branch, Commit: p.from.Commit, Time: p.from.Time}, p.rules)
		if err == nil && !d.Skip && d.Class == class.Name {
			p.branch, p.tag, p.reason = branch, d.Tag, d.Reason
			return nil
		}
	}
	return release.Refuse("", "commit %s is not on %s, whose commits are %s", release.ShortCommit(p.from.Commit), class.Branch, class.Name)
}

// known says what something can be promoted to.
func (p promotion) known() string {
	var names []string
	for _, c := range p.rules.Classes {
		names = append(names, c.Name)
	}
	return "write one of the classes " + strings.Join(names, ", ") + ", or a tag such as v1.2.3; environments are not known to this bot yet"
}

// next finds the next version of a class from the commits since its last
// release.
func (p *promotion) next(ctx context.Context, class string) error {
	var previous, at git.Tag
	err := p.repo.Tags(ctx, p.from.Commit, func(t git.Tag) error {
		if p.classOf(t.Name) != class {
			return nil
		}
		if t.Commit == p.from.Commit {
			at = t
		}
		if previous.Name == "" || release.CompareTags(release.ParseTag(t.Name), t.CommitTime, release.ParseTag(previous.Name), previous.CommitTime) > 0 {
			previous = t
		}
		return nil
	})
	if err != nil {
		return err
	}
	if at.Name != "" {
		return release.Refuse("promote a later commit, or write the version", "commit %s is %s already", release.ShortCommit(p.from.Commit), at.Name)
	}
	var commits []releasenotes.Commit
	err = p.repo.Log(ctx, previous.Commit, p.from.Commit, p.rules.Notes.Paths, func(c releasenotes.Commit) error {
		commits = append(commits, c)
		return nil
	})
	if err != nil {
		return err
	}
	bump, err := release.NextVersion(previous.Name, commits)
	if err != nil {
		return err
	}
	p.tag, p.reason = bump.Tag, bump.Reason
	if got := p.classOf(p.tag); got != class {
		return release.Refuse("write the tag: /promote TAG", "the next version would be %s, which is not %s", p.tag, class)
	}
	return nil
}

// checkGreen refuses a commit whose checks have not passed: only a successful
// build is promoted. A release that Slipway itself made of it counts as one.
func (r *repository) checkGreen(ctx context.Context, p promotion) error {
	all, err := r.forge.Checks(ctx, p.from.Commit)
	if err != nil {
		return err
	}
	required := p.rules.Promote.Require
	short := release.ShortCommit(p.from.Commit)
	var bad []string
	passed := 0
	for _, c := range all {
		own := strings.HasPrefix(c.Name, "slipway/")
		wanted := required == nil && !own || slices.ContainsFunc(required, func(name string) bool { return release.MatchCheck(name, c.Name) })
		switch {
		case c.State == forge.CheckPassed:
			passed++
		case wanted && c.State == forge.CheckPending:
			bad = append(bad, fmt.Sprintf("%s has not ended yet (%s)", c.Name, c.Word))
		case wanted:
			bad = append(bad, fmt.Sprintf("%s did not pass (%s)", c.Name, c.Word))
		}
	}
	for _, name := range required {
		if !slices.ContainsFunc(all, func(c forge.Check) bool { return release.MatchCheck(name, c.Name) }) {
			bad = append(bad, fmt.Sprintf("%s is required and not there", name))
		}
	}
	if len(bad) > 0 {
		return release.Refuse("once it is green, write /promote again", "commit %s is not green: %s", short, strings.Join(bad, "; "))
	}
	if passed == 0 && required == nil {
		return release.Refuse("wait for them; or say in .slipway.yaml which are needed, or that none is: promote: {require: []}",
			"commit %s has no statuses or checks that say it is good", short)
	}
	return nil
}

// operation is the promotion as an operation of the ledger.
func (p promotion) operation(r *repository, t thread, actor, cause string) (ledger.NewOperation, error) {
	if p.branch != "" {
		op := releaseOf(r.config.Name, r.name, project.Selection{Branch: p.branch, Commit: p.from.Commit}, actor, cause)
		input, err := json.Marshal(releaseInput{Thread: t})
		op.Input = input
		return op, err
	}
	op := releaseOf(r.config.Name, r.name, project.Selection{Tag: p.tag, Commit: p.from.Commit}, actor, cause)
	op.Kind = kindPromote
	from := p.from.Tag
	if from == "" {
		from = p.from.Commit
	}
	input, err := json.Marshal(promoteInput{Thread: t, From: from, Tag: p.tag, Reason: p.reason})
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
	tell.change(func(a *report.Answer) {
		a.Sign, a.Headline = "⏳", fmt.Sprintf("Promoting %s to %s (%s)", release.ShortCommit(w.Event.Commit), in.Tag, decision.Class)
		a.Lines = []string{in.Reason, d.Reason}
	})
	tell.announce(ctx, func(ctx context.Context) {
		tell.status(ctx, w.Event.Commit, "pending", "promoting it to "+in.Tag, "")
		tell.deployment(ctx, w.Event.Commit, decision.Class, "in_progress", "", "promoting it to "+in.Tag)
	})
	if r.Work == WorkInWorkflow {
		return b.dispatched(ctx, r, tell, dispatch{workflow: r.PromoteWorkflow, ref: "refs/heads/" + rules.from.Branch,
			inputs: map[string]string{"from": in.From, "tag": in.Tag}, tag: in.Tag, decision: decision})
	}
	w.Goal, w.Progress, w.Dir = engine.ToRelease, tell, b.folder(op)
	w.Tree = r.tree(op.Lane)
	return b.Release(ctx, w)
}

// promotionWork is the engine's request for a promotion.
func (b *Bot) promotionWork(ctx context.Context, r *repository, rules promotion, from, to string) (Work, release.Promotion, error) {
	ask := project.Promotion{From: from, To: to}
	ev, err := ask.Find(ctx, rules.repo, r.connect)
	if err != nil {
		return Work{}, release.Promotion{}, err
	}
	d, err := ask.Decide(ctx, rules.repo, r.connect, ev, rules.rules)
	if err != nil {
		return Work{}, d, err
	}
	p, err := project.Load(ctx, rules.repo, project.Selection{Commit: ev.Commit, Remote: "origin"}, "")
	if err != nil {
		return Work{}, d, err
	}
	p.Event = d.Event
	w := Work{Project: p, Event: d.Event, Target: r.config.Target(r.name), Forge: r.forge, Store: b.ledger.Store(),
		HostBuilds: r.HostBuilds == AllowHost, Builder: b.config.Builder}
	if d.Source != "" {
		w.Promotion = &engine.Promotion{From: d.Source}
	}
	return w, d, nil
}
