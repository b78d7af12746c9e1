package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/command"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// isOurs knows a comment that this bot wrote.
func isOurs(body string) bool {
	_, ok := report.CommentOf(body)
	return ok
}

// commands are those of one comment, on their way.
type commands struct {
	bot   *Bot
	repo  *repository
	op    ledger.Operation
	in    commentInput
	tell  *teller
	rules project.Aim

	next    []ledger.NewOperation
	lines   []string
	hints   []string
	tables  []string
	report  *release.Report
	refused int

	rollouts state.Store // once it is open
	close    func()
}

// command answers the commands of a comment, each once.
func (b *Bot) command(ctx context.Context, r *repository, op ledger.Operation, log *slog.Logger) ledger.Result {
	in, err := readInput[commentInput](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	_, self, err := r.facts(ctx)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	if strings.EqualFold(in.Author, self) {
		return ledger.Result{State: ledger.OpDone, Summary: "The bot wrote it itself."}
	}
	tell, stop := b.newTeller(ctx, r, op, thread{Place: in.Place, Comment: in.Comment}, log)
	defer stop()
	if len(in.Parsed.Commands) > 0 {
		tell.react(ctx, forge.Eyes)
	}
	cs := &commands{bot: b, repo: r, op: op, in: in, tell: tell, close: func() {}}
	defer func() { cs.close() }()
	if err := cs.all(ctx); err != nil {
		return b.failure(ctx, op, err)
	}
	return cs.end(ctx)
}

// all carries the commands out, in order. Its error is a fault that may pass:
// what a person did wrong is an answer.
func (cs *commands) all(ctx context.Context) (err error) {
	if cs.rules, err = cs.bot.openRules(ctx, cs.repo); err != nil && passes(err) {
		return err
	}
	broken := err // the default branch's config has mistakes, which all but /help must know
	for _, c := range cs.in.Parsed.Commands {
		var failed error
		switch {
		case c.Problem != nil:
			failed = release.Invalidf(c.Problem.Hint, "%s", c.Problem.Message)
		case broken != nil && c.Name != "help":
			failed = broken
		default:
			failed = cs.allowed(ctx, c)
		}
		if failed == nil {
			failed = cs.one(ctx, c)
		}
		if failed == nil {
			continue
		}
		if passes(failed) || ctx.Err() != nil {
			return failed
		}
		cs.refused++
		cs.say("%s: %s", c.Text, firstLine(failed.Error()))
		if hint := release.HintOf(failed); hint != "" {
			cs.hints = append(cs.hints, sentence(hint))
		}
	}
	if len(cs.in.Parsed.Commands) == 0 {
		// A slip of the pen is worth an answer only for one who may command.
		if p, err := cs.repo.forge.Permission(ctx, cs.in.Author); err != nil || p < forge.MayWrite {
			return err
		}
	}
	for _, h := range cs.in.Parsed.Hints {
		cs.say("%s is no command: did you mean %s?", h.Text, h.DidYouMean)
	}
	if n := cs.in.Parsed.Dropped; n > 0 {
		cs.say("%d further commands were left out: a comment may have ten.", n)
	}
	return nil
}

func (cs *commands) say(format string, args ...any) {
	cs.lines = append(cs.lines, fmt.Sprintf(format, args...))
}

// show adds a table of our own making.
func (cs *commands) show(title, table string) {
	cs.say("%s:", title)
	cs.tables = append(cs.tables, table)
}

// sentence begins a hint with a capital and ends it with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// end tells what came of the commands.
func (cs *commands) end(ctx context.Context) ledger.Result {
	state, sign, reaction := ledger.OpDone, "✅", forge.Rocket
	if len(cs.in.Parsed.Commands) == 0 {
		sign = "💡"
	}
	if cs.refused > 0 {
		state, sign, reaction = ledger.OpRefused, "✋", forge.Confused
	}
	res := ledger.Result{State: state, Next: cs.next, Summary: strings.Join(cs.lines, " ")}
	if res.Summary = clip(res.Summary, 500); res.Summary == "" {
		res.Summary = "It was answered."
	}
	if len(cs.lines) > 0 || len(cs.tables) > 0 || cs.report != nil {
		cs.tell.change(func(a *report.Answer) {
			a.Sign, a.Report, a.Table = sign, cs.report, strings.Join(cs.tables, "\n\n")
			a.Hint = strings.Join(slices.Compact(cs.hints), " ")
			if len(cs.lines) > 0 {
				a.Headline, a.Lines = cs.lines[0], cs.lines[1:]
			}
			if cs.refused > 0 {
				a.Headline = "Refused: " + a.Headline
			}
			if len(cs.next) > 0 {
				a.Sign = "⏳"
			}
		})
		if err := cs.tell.flush(ctx); err != nil {
			if passes(err) && ctx.Err() == nil {
				return cs.bot.failure(ctx, cs.op, err)
			}
			cs.tell.log.Warn("the commands could not be answered", "error", err.Error())
		}
	}
	switch {
	case len(cs.next) > 0 && cs.refused == 0:
		// The operation that follows goes on with the same comment and reaction.
	case len(cs.in.Parsed.Commands) > 0:
		cs.tell.react(ctx, reaction)
	}
	res = cs.handOver(res)
	if next, ok := cs.tell.owed(); ok {
		res.Next = append(res.Next, next)
	}
	return res
}

// handOver gives the answer's comment to the first operation that follows.
func (cs *commands) handOver(res ledger.Result) ledger.Result {
	reply := cs.tell.remembered().Reply
	for i := range res.Next {
		t := thread{Place: cs.in.Place, Comment: cs.in.Comment}
		if i == 0 {
			t.Reply = reply
		}
		if input, err := withThread(res.Next[i].Input, t); err == nil {
			res.Next[i].Input = input
		}
	}
	return res
}

// allowed asks the forge what the commenter may do.
func (cs *commands) allowed(ctx context.Context, c command.Command) error {
	rule := cs.rules.Rules.Commands.Of(c.Name)
	have, err := cs.repo.forge.Permission(ctx, cs.in.Author)
	if err != nil {
		return err
	}
	if have < permissions[rule.Permission] {
		return release.Refuse("ask somebody who has it", "%s has %s on this repository, and it needs %s", cs.in.Author, nameOf(have), rule.Permission)
	}
	if len(rule.Teams) == 0 {
		return nil
	}
	for _, team := range rule.Teams {
		in, err := cs.repo.forge.InTeam(ctx, team, cs.in.Author)
		if err != nil || in {
			return err
		}
	}
	return release.Refuse("ask somebody who is", "%s is in none of the teams %s", cs.in.Author, strings.Join(rule.Teams, ", "))
}

var permissions = map[string]forge.Permission{
	"read": forge.MayRead, "triage": forge.MayTriage, "write": forge.MayWrite, "maintain": forge.MayMaintain, "admin": forge.MayAdmin,
}

func nameOf(p forge.Permission) string {
	for name, q := range permissions {
		if p == q {
			return name
		}
	}
	return "no access"
}

// one carries one command out.
func (cs *commands) one(ctx context.Context, c command.Command) error {
	b, r := cs.bot, cs.repo
	switch c.Name {
	case "promote":
		if ok, err := cs.toEnvironment(ctx, c); ok || err != nil {
			return err
		}
		return cs.promote(ctx, c)
	case "approve":
		return cs.approve(ctx, c)
	case "deploy":
		return cs.deploy(ctx, c, rolloutInput{Action: worker.Deploy, Release: c.Release, Environment: c.Environment, Package: c.Package})
	case "rollback":
		return cs.deploy(ctx, c, rolloutInput{Action: worker.Rollback, Release: c.Release, Environment: c.Environment, Package: c.Package})
	case "freeze":
		return cs.freeze(ctx, c)
	case "unfreeze":
		return cs.unfreeze(ctx, c)
	case "retry":
		op, err := cs.meant(ctx, c.Tag, func(o ledger.Operation) bool { return o.State.Final() && o.State != ledger.OpDone })
		if err != nil {
			return err
		}
		if err := b.ledger.Retry(ctx, op.ID, cs.in.Author); err != nil {
			return err
		}
		cs.say("%s is tried again.", subject(op))
	case "cancel":
		op, err := cs.meant(ctx, c.Tag, func(o ledger.Operation) bool { return !o.State.Final() })
		if err != nil {
			return err
		}
		if err := b.ledger.Cancel(ctx, op.ID, cs.in.Author); err != nil {
			return err
		}
		cs.say("%s is cancelled.", subject(op))
	case "status":
		return cs.status(ctx, c)
	case "hold":
		if err := b.ledger.Hold(ctx, r.config.Name, r.name, cs.in.Author, c.Reason); err != nil {
			return err
		}
		cs.say("Releases and rollouts of this repository are held%s until /unhold.", because(c.Reason))
	case "unhold":
		held, err := b.ledger.Held(ctx, r.config.Name, r.name)
		if err != nil {
			return err
		}
		if held == nil {
			cs.say("Nothing is held.")
			return nil
		}
		if err := b.ledger.Unhold(ctx, r.config.Name, r.name, cs.in.Author); err != nil {
			return err
		}
		cs.say("Releases go on.")
	case "help":
		var classes []string
		for _, class := range cs.rules.Rules.Classes {
			classes = append(classes, class.Name)
		}
		if c.Topic != "" {
			cs.show("This is how it is written", command.HelpOn(c.Topic, classes))
		} else {
			cs.show("These are the commands", command.Help(classes))
		}
	}
	return nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func shortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/tags/"), "refs/heads/")
}

// promote decides a /promote, and asks for its release.
func (cs *commands) promote(ctx context.Context, c command.Command) error {
	b, r := cs.bot, cs.repo
	p, err := b.decide(ctx, r, cs.in.Place, c)
	if err != nil {
		return err
	}
	if c.Plan {
		return cs.plan(ctx, p)
	}
	op, err := r.promotion(p, thread{}, cs.in.Author, cs.op.Cause)
	if err != nil {
		return err
	}
	there, err := b.ledger.ByIdentity(ctx, op.Identity)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		cs.next = append(cs.next, op)
		cs.say("%s becomes %s. %s", release.ShortCommit(p.From.Commit), p.Tag, p.Reason)
		if held, err := b.ledger.Held(ctx, r.config.Name, r.name); err == nil && held != nil {
			cs.say("It waits: %s holds releases%s.", held.Actor, because(held.Reason))
		}
	case err != nil:
		return err
	case there.State == ledger.OpDone:
		cs.say("%s %s", p.Tag+":", there.Summary)
	case there.State.Final():
		if err := b.ledger.Retry(ctx, there.ID, cs.in.Author); err != nil {
			return err
		}
		cs.say("%s was asked for before (%s: %s) and is tried again.", p.Tag, there.State, there.Summary)
	default:
		cs.say("%s is under way already (%s, asked for by %s).", p.Tag, there.State, there.Actor)
	}
	return nil
}

// plan says what a promotion would consist of.
func (cs *commands) plan(ctx context.Context, p project.Aim) error {
	from := p.From.Tag
	if from == "" {
		from = p.From.Commit
	}
	w, d, err := cs.bot.promotionWork(ctx, cs.repo, p, from, p.Tag)
	if err != nil {
		return err
	}
	w.Goal, w.Progress, w.Dir = engine.ToPlan, cs.tell.quiet(), cs.bot.folder(cs.op)
	w.Tree = cs.repo.tree(ledger.Commands)
	rep, err := cs.bot.Release(ctx, w)
	if err != nil {
		return err
	}
	cs.say("%s would become %s", release.ShortCommit(p.From.Commit), p.Tag)
	cs.say("%s %s", p.Reason, d.Reason)
	cs.report = &rep
	return nil
}

// meant finds the operation that /retry or /cancel is about: of the tag that is
// named, else the newest that this place asked for, else the repository's.
func (cs *commands) meant(ctx context.Context, tag string, fits func(ledger.Operation) bool) (ledger.Operation, error) {
	ops, err := cs.releases(ctx, tag, ledger.Releases, 50)
	if err != nil {
		return ledger.Operation{}, err
	}
	rollouts, err := cs.releases(ctx, tag, ledger.Rollouts, 50)
	if err != nil {
		return ledger.Operation{}, err
	}
	ops = append(ops, rollouts...)
	slices.SortStableFunc(ops, func(a, b ledger.Operation) int { return cmp.Compare(b.ID, a.ID) })
	for _, here := range []bool{true, false} {
		for _, op := range ops {
			if fits(op) && (!here || cs.here(op)) {
				return op, nil
			}
		}
	}
	what := "no release"
	if tag != "" {
		what = "no release of " + tag
	}
	if len(ops) > 0 {
		return ledger.Operation{}, release.Refuse("see /status", "there is %s to do that with: the last one, %s, is %s", what, subject(ops[0]), ops[0].State)
	}
	return ledger.Operation{}, release.Refuse("see /status", "there is %s to do that with", what)
}

// status shows the last releases.
func (cs *commands) status(ctx context.Context, c command.Command) error {
	ops, err := cs.releases(ctx, c.Tag, ledger.Releases, 10)
	if err != nil {
		return err
	}
	held, err := cs.bot.ledger.Held(ctx, cs.repo.config.Name, cs.repo.name)
	if err != nil {
		return err
	}
	if held != nil {
		cs.say("Releases are held by %s since %s%s.", held.Actor, held.Since.UTC().Format(time.DateTime), because(held.Reason))
	}
	var rows []report.StatusRow
	for _, op := range ops {
		rows = append(rows, report.StatusRow{Ref: shortRef(op.Ref), Commit: release.ShortCommit(op.Commit), State: string(op.State), Actor: op.Actor, At: op.Created, Summary: op.Summary})
	}
	if len(rows) == 0 {
		cs.say("Nothing was released here yet.")
	} else {
		cs.show("The last releases", report.StatusTable(rows))
	}
	return cs.rolloutStatus(ctx)
}
