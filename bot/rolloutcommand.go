package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/command"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// approve gives an approval in the commenter's name, and has what waited for it
// go on.
func (cs *commands) approve(ctx context.Context, c command.Command) error {
	waiting, found, err := cs.waiting(ctx, c)
	if err != nil {
		return err
	}
	w, err := cs.bot.rolloutWork(ctx, cs.repo, cs.op, waiting.Commit)
	if err != nil {
		return err
	}
	defer w.end()
	w.Action, w.Package, w.Release, w.Approval, w.By, w.Progress = worker.Approve, c.Package, c.Release, c.As, cs.in.Author, cs.tell.quiet()
	if found && c.Release == "" {
		in, err := readInput[rolloutInput](waiting)
		if err != nil {
			return err
		}
		w.Package, w.Release = in.Package, releaseIn(waiting)
	}
	out, err := cs.bot.Rollout(ctx, w)
	if err != nil {
		return err
	}
	cs.say("%s", out.Summary)
	return cs.bot.wakeRollouts(ctx, cs.repo, 0)
}

// releaseIn is the number of the release that a rollout's operation is about.
func releaseIn(op ledger.Operation) string {
	var m memory
	if json.Unmarshal(op.Memory, &m) != nil {
		return ""
	}
	_, name, _ := strings.Cut(m.Release, "/@")
	return name
}

// waiting is the rollout that an /approve without a release means: the newest
// that waits and was asked for at this place, else of the repository.
func (cs *commands) waiting(ctx context.Context, c command.Command) (ledger.Operation, bool, error) {
	ops, err := cs.bot.ledger.Operations(ctx, ledger.OperationFilter{Forge: cs.repo.config.Name, Repository: cs.repo.name, Kind: kindRollout,
		States: []ledger.OperationState{ledger.OpWaiting, ledger.OpRunning, ledger.OpQueued}, Limit: 100})
	if err != nil {
		return ledger.Operation{}, false, err
	}
	for _, here := range []bool{true, false} {
		for _, op := range ops {
			in, err := readInput[rolloutInput](op)
			if err == nil && in.Action == worker.Carry && (c.Package == "" || c.Package == in.Package) && (!here || cs.here(op)) {
				return op, true, nil
			}
		}
	}
	return ledger.Operation{}, false, nil
}

// deploy asks for a deploy, or a rollback.
func (cs *commands) deploy(ctx context.Context, c command.Command, in rolloutInput) error {
	if err := cs.environment(ctx, in.Environment); err != nil {
		return err
	}
	input, err := json.Marshal(in)
	if err != nil {
		return err
	}
	cs.next = append(cs.next, ledger.NewOperation{
		Identity: fmt.Sprintf("%s|%d|%d", identity(cs.repo.config.Name, cs.repo.name, "", "", string(in.Action)), cs.op.ID, c.Line),
		Lane:     ledger.Rollouts, Kind: kindRollout, Forge: cs.repo.config.Name, Repository: cs.repo.name, Actor: cs.in.Author, Cause: cs.op.Cause, Input: input,
	})
	cs.say("%s", sentence(in.String()))
	if held, err := cs.bot.ledger.Held(ctx, cs.repo.config.Name, cs.repo.name); err == nil && held != nil {
		cs.say("It waits: %s holds releases%s.", held.Actor, because(held.Reason))
	}
	return nil
}

// store is the state of the repository's rollouts, until the commands are done.
func (cs *commands) store(ctx context.Context) (state.Store, error) {
	if cs.rollouts == nil {
		store, end, err := cs.bot.rolloutState(ctx, cs.repo)
		if err != nil {
			return nil, err
		}
		cs.rollouts, cs.close = store, end
	}
	return cs.rollouts, nil
}

// environments names those that are registered in the repository's state.
func (cs *commands) environments(ctx context.Context) ([]string, error) {
	store, err := cs.store(ctx)
	if err != nil {
		return nil, err
	}
	all, err := (&rollout.Runner{Store: store}).Environments(ctx)
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	return names, err
}

// environment refuses one that is not there.
func (cs *commands) environment(ctx context.Context, name string) error {
	names, err := cs.environments(ctx)
	if err != nil || slices.Contains(names, name) {
		return err
	}
	if len(names) == 0 {
		return release.Refuse("a release package registers them with register_environment", "there are no environments yet")
	}
	return release.Refuse(release.EnumHint(name, names), "there is no environment %s", name)
}

// toEnvironment deploys instead of promoting, when a /promote names an
// environment. ok is false when it names none.
func (cs *commands) toEnvironment(ctx context.Context, c command.Command) (ok bool, err error) {
	if c.To == "" || slices.ContainsFunc(cs.rules.Rules.Classes, func(class release.Class) bool { return class.Name == c.To }) {
		return false, nil
	}
	names, err := cs.environments(ctx)
	if err != nil || !slices.Contains(names, c.To) {
		return false, err
	}
	if err := cs.allowed(ctx, command.Command{Name: "deploy"}); err != nil {
		return true, err
	}
	in := rolloutInput{Action: worker.Deploy, Release: c.Source, Environment: c.To}
	if in.Release == "" {
		ev, err := cs.repo.at(ctx, cs.rules, cs.in.Place)
		if err != nil {
			return true, err
		}
		in.Release = ev.Commit
	}
	if c.Plan {
		cs.say("%s would be all", sentence(in.String()))
		return true, nil
	}
	return true, cs.deploy(ctx, c, in)
}

const (
	freezeDocs = "@/freeze"
	freezeAll  = "all" // the name of the freeze of every environment
)

// freeze lets nothing be deployed for a while.
func (cs *commands) freeze(ctx context.Context, c command.Command) error {
	doc := rollout.FreezeDoc{Reason: c.Reason, By: cs.in.Author, At: cs.bot.Clock().UTC()}
	until := " until /unfreeze"
	if c.Until != "" {
		at, ok := command.Moment(c.Until, doc.At)
		if !ok || !at.After(doc.At) {
			return release.Refuse("name a time to come", "%s is past", c.Until)
		}
		doc.Until, until = at, " until "+at.Format("Mon 2006-01-02 15:04 MST")
	}
	names := c.Environments
	for _, name := range names {
		if err := cs.environment(ctx, name); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		if err := cs.setFreeze(ctx, freezeAll, doc); err != nil {
			return err
		}
		cs.say("All environments are frozen%s%s.", until, because(c.Reason))
		return nil
	}
	for _, name := range names {
		doc.Environments = []string{name}
		if err := cs.setFreeze(ctx, name, doc); err != nil {
			return err
		}
	}
	cs.say("Frozen%s%s: %s.", until, because(c.Reason), strings.Join(names, ", "))
	return nil
}

func (cs *commands) setFreeze(ctx context.Context, name string, doc rollout.FreezeDoc) error {
	store, err := cs.store(ctx)
	if err != nil {
		return err
	}
	for {
		var old json.RawMessage
		version, err := state.Load(ctx, store, freezeDocs+"/"+name, &old)
		if err != nil {
			return err
		}
		if _, err = state.Save(ctx, store, freezeDocs+"/"+name, doc, version); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// unfreeze lifts freezes that were set, and has what waited go on. Those that
// packages declare are not for comments to lift.
func (cs *commands) unfreeze(ctx context.Context, c command.Command) error {
	store, err := cs.store(ctx)
	if err != nil {
		return err
	}
	var lifted []string
	everything := false
	for e, err := range store.Scan(ctx, freezeDocs) {
		if err != nil {
			return err
		}
		var doc rollout.FreezeDoc
		if err := json.Unmarshal(e.Value, &doc); err != nil {
			cs.say("%s can't be read, and is lifted.", e.Ref)
		}
		left := slices.DeleteFunc(slices.Clone(doc.Environments), func(name string) bool { return slices.Contains(c.Environments, name) })
		switch {
		case len(c.Environments) == 0 || len(doc.Environments) > 0 && len(left) == 0:
			err = state.Delete(ctx, store, e.Ref, e.Version)
			lifted = append(lifted, cmp.Or(strings.Join(doc.Environments, ", "), "all environments"))
		case len(doc.Environments) == 0:
			everything = true
		case len(left) < len(doc.Environments):
			lifted = append(lifted, slices.DeleteFunc(doc.Environments, func(name string) bool { return slices.Contains(left, name) })...)
			doc.Environments = left
			_, err = state.Save(ctx, store, e.Ref, doc, e.Version)
		}
		if err != nil {
			return err
		}
	}
	if everything {
		return release.Refuse("/unfreeze alone lifts that", "all environments are frozen together")
	}
	if len(lifted) == 0 {
		cs.say("Nothing was frozen by a command.")
		return nil
	}
	slices.Sort(lifted)
	cs.say("No longer frozen: %s.", strings.Join(slices.Compact(lifted), ", "))
	return cs.bot.wakeRollouts(ctx, cs.repo, 0)
}

// rolloutStatus shows what runs where, what is frozen, and the rollouts that have
// not ended.
func (cs *commands) rolloutStatus(ctx context.Context) error {
	store, err := cs.store(ctx)
	if err != nil {
		return err
	}
	for e, err := range store.Scan(ctx, freezeDocs) {
		var doc rollout.FreezeDoc
		if err != nil || json.Unmarshal(e.Value, &doc) != nil {
			return err
		}
		if !doc.Until.IsZero() && !cs.bot.Clock().Before(doc.Until) {
			continue
		}
		until := ""
		if !doc.Until.IsZero() {
			until = " until " + doc.Until.UTC().Format(time.DateTime)
		}
		cs.say("Frozen by %s%s: %s%s.", doc.By, until, cmp.Or(strings.Join(doc.Environments, ", "), "all environments"), because(doc.Reason))
	}
	deployed, err := (&rollout.Runner{Store: store}).Deployed(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, d := range deployed[:min(len(deployed), 100)] {
		_, name, _ := strings.Cut(d.Item.Release, "/@")
		at := ""
		if d.Item.Ended != nil {
			at = d.Item.Ended.UTC().Format(time.DateTime)
		}
		if d.Item.Pinned {
			name += " (rolled back)"
		}
		rows = append(rows, []string{d.Environment, d.Package.Path, name, release.ShortCommit(d.Item.Commit), at})
	}
	if len(rows) > 0 {
		cs.tables = append(cs.tables, "This runs:\n\n"+table([]string{"environment", "package", "release", "commit", "since"}, rows))
	}
	ops, err := cs.bot.ledger.Operations(ctx, ledger.OperationFilter{Forge: cs.repo.config.Name, Repository: cs.repo.name, Lane: ledger.Rollouts, Limit: 10})
	if err != nil {
		return err
	}
	rows = nil
	for _, op := range ops {
		in, err := readInput[rolloutInput](op)
		if err != nil || in.Action == worker.Continue && op.State == ledger.OpDone {
			continue
		}
		rows = append(rows, []string{in.String(), string(op.State), op.Actor, op.Created.UTC().Format(time.DateTime), op.Summary})
	}
	if len(rows) > 0 {
		cs.tables = append(cs.tables, "The last rollouts:\n\n"+table([]string{"rollout", "state", "asked for by", "when", ""}, rows))
	}
	return nil
}

// table is Markdown of cells in which nothing is Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + c + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, row := range rows {
		for i, c := range row {
			if c = strings.NewReplacer("`", "'", "|", "¦", "\n", " ", "\r", " ").Replace(clip(c, 300)); c != "" {
				row[i] = "`" + c + "`"
			}
		}
		line(row)
	}
	return b.String()
}

// here reports whether an operation was asked for at this place.
func (cs *commands) here(op ledger.Operation) bool {
	in, err := readInput[releaseInput](op)
	return err == nil && in.Thread.there() && in.Thread.Place == cs.in.Place
}

// subject is what an operation is about, for people.
func subject(op ledger.Operation) string {
	if in, err := readInput[rolloutInput](op); err == nil && op.Kind == kindRollout {
		return in.String()
	}
	return shortRef(op.Ref)
}

func (cs *commands) releases(ctx context.Context, tag string, lane ledger.Lane, limit int) ([]ledger.Operation, error) {
	f := ledger.OperationFilter{Forge: cs.repo.config.Name, Repository: cs.repo.name, Lane: lane, Limit: limit}
	if tag != "" {
		f.Ref = "refs/tags/" + strings.TrimPrefix(tag, "refs/tags/")
	}
	return cs.bot.ledger.Operations(ctx, f)
}
