package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/schedule"
	"github.com/slipway-dev/slipway/internal/state"
)

// kindTick is a schedule whose time has come.
const kindTick = "schedule"

// timetable is the document of a repository's schedules.
type timetable struct {
	Forge      string  `json:"forge"`
	Repository string  `json:"repository"`
	Commit     string  `json:"commit"` // whose config they are of
	Entries    []entry `json:"entries,omitempty"`
}

// entry is one schedule.
type entry struct {
	Cron     string    `json:"cron"`
	Timezone string    `json:"timezone,omitempty"`
	Branch   string    `json:"branch"`
	Class    string    `json:"class,omitempty"`
	Last     time.Time `json:"last"` // up to when its times have been seen to
}

func (e entry) same(o entry) bool {
	return e.Cron == o.Cron && e.Timezone == o.Timezone && e.Branch == o.Branch && e.Class == o.Class
}

const schedulesRef = "bot/schedules"

func repositoryRef(kind, forgeName, repository string) string {
	return kind + "/" + fileName(forgeName) + "/" + repository
}

// readSchedules keeps the schedules of the default branch's config. One that is
// new counts from now on: its past is not made up.
func (b *Bot) readSchedules(ctx context.Context, r *repository) (int, error) {
	info, _, err := r.facts(ctx)
	if err != nil {
		return 0, err
	}
	if info.Empty || info.DefaultBranch == "" {
		return 0, nil
	}
	p, err := b.load(ctx, r, project.Selection{Branch: info.DefaultBranch, Remote: "origin"})
	if err != nil {
		return 0, err
	}
	ref := repositoryRef(schedulesRef, r.config.Name, r.name)
	for {
		var t timetable
		version, err := state.Load(ctx, b.ledger.Store(), ref, &t)
		if err != nil {
			return 0, err
		}
		next := timetable{Forge: r.config.Name, Repository: r.name, Commit: p.Event.Commit}
		for _, s := range p.Config.Schedule {
			e := entry{Cron: s.Cron, Timezone: s.Timezone, Branch: s.Branch, Class: s.Class, Last: b.Clock().UTC()}
			if e.Branch == "" {
				e.Branch = info.DefaultBranch
			}
			for _, old := range t.Entries {
				if old.same(e) {
					e.Last = old.Last
				}
			}
			next.Entries = append(next.Entries, e)
		}
		if version == "" && len(next.Entries) == 0 {
			return 0, nil
		}
		_, err = state.Save(ctx, b.ledger.Store(), ref, next, version)
		if errors.Is(err, state.ErrConflict) {
			continue // another replica has moved it on meanwhile
		}
		if err == nil {
			b.wakeSchedules()
		}
		return len(next.Entries), err
	}
}

func (b *Bot) wakeSchedules() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// lookAgain bounds how long a change that another replica made goes unseen.
const lookAgain = time.Minute

// runSchedules asks for what is due until ctx ends. Every replica does: the
// identity of a tick is its schedule and its time, so it is asked for once.
func (b *Bot) runSchedules(ctx context.Context) {
	for ctx.Err() == nil {
		wait := lookAgain
		next, err := b.tick(ctx)
		if err != nil {
			if ctx.Err() == nil {
				b.Log.Error("the schedules could not be looked at", "error", err.Error())
			}
		} else if !next.IsZero() {
			wait = max(10*time.Millisecond, min(lookAgain, next.Sub(b.Clock())))
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-time.After(wait):
		}
	}
}

// tick asks for everything that is due, and gives the time of what comes next.
func (b *Bot) tick(ctx context.Context) (next time.Time, err error) {
	store := b.ledger.Store()
	refs, err := store.List(ctx, schedulesRef)
	if err != nil {
		return next, err
	}
	for _, ref := range refs {
		var t timetable
		version, err := state.Load(ctx, store, ref, &t)
		if err != nil {
			return next, err
		}
		if f, ok := b.config.Forge(t.Forge); !ok || !f.Serves(t.Repository) {
			continue
		}
		changed, soonest, err := b.due(ctx, &t)
		if err != nil {
			return next, err
		}
		if changed {
			if _, err := state.Save(ctx, store, ref, t, version); err != nil && !errors.Is(err, state.ErrConflict) {
				return next, err
			}
		}
		if !soonest.IsZero() && (next.IsZero() || soonest.Before(next)) {
			next = soonest
		}
	}
	return next, nil
}

// due asks for what is due of one repository. Several times that were missed
// are made up by one.
func (b *Bot) due(ctx context.Context, t *timetable) (changed bool, next time.Time, err error) {
	now := b.Clock()
	for i := range t.Entries {
		e := &t.Entries[i]
		s, err := schedule.Parse(e.Cron, e.Timezone)
		if err != nil {
			b.Log.Warn("a schedule can't be read", "repository", t.Repository, "cron", e.Cron, "error", err.Error())
			continue
		}
		if at, missed := s.Missed(e.Last, now); missed > 0 {
			if missed > 1 {
				b.Log.Info("missed times of a schedule are made up by one", "repository", t.Repository, "cron", e.Cron, "missed", missed)
			}
			if err := b.proposeTick(ctx, *t, *e, s, at); err != nil {
				return changed, next, err
			}
			e.Last, changed = at, true
		}
		if n := s.Next(now); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return changed, next, nil
}

func (b *Bot) proposeTick(ctx context.Context, t timetable, e entry, s schedule.Schedule, at time.Time) error {
	occurrence := s.Occurrence(at)
	input, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ref := "refs/heads/" + e.Branch
	_, err = b.ledger.Propose(ctx, []ledger.NewOperation{{
		Identity: identity(t.Forge, t.Repository, ref, "", "schedule") + "|" + strings.Join([]string{e.Cron, e.Class, occurrence}, "|"),
		Lane:     ledger.Commands, Kind: kindTick, Forge: t.Forge, Repository: t.Repository, Ref: ref, Class: e.Class,
		Actor: "schedule", Cause: fmt.Sprintf("schedule %s, due %s", e.Cron, occurrence), Input: input,
	}})
	return err
}

// scheduled finds the head of a schedule's branch, and asks for its release.
// When that was released before, there is nothing new since.
func (b *Bot) scheduled(ctx context.Context, r *repository, op ledger.Operation) ledger.Result {
	e, err := readInput[entry](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	commit, err := r.forge.Head(ctx, e.Branch)
	if errors.Is(err, forge.ErrNotFound) {
		return ledger.Result{State: ledger.OpRefused, Summary: fmt.Sprintf("There is no branch %s to release by schedule.", e.Branch)}
	}
	if err != nil {
		return b.failure(ctx, op, err)
	}
	s := project.Selection{Branch: e.Branch, Commit: commit, Remote: "origin"}
	p, err := b.load(ctx, r, s)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	done := func(format string, args ...any) ledger.Result {
		return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf(format, args...)}
	}
	if slices.ContainsFunc(p.Config.Classes, func(c release.Class) bool { return c.Name == e.Class && c.Tag != "" }) {
		return b.scheduledVersion(ctx, r, op, p, e)
	}
	d, err := release.Classify(p.Event, p.Config)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	switch {
	case d.Skip:
		return done("There is nothing to release: %s.", d.Reason)
	case e.Class != "" && d.Class != e.Class:
		return done("Branch %s is %s, and only %s was asked for.", e.Branch, d.Class, e.Class)
	}
	res := done("The head of %s is %s.", e.Branch, release.ShortCommit(commit))
	res.Next = []ledger.NewOperation{releaseOf(r.config.Name, r.name, s, "schedule", op.Cause)}
	return res
}

// scheduledVersion promotes the head of a schedule's branch to the next version
// of a class that takes tags, when there is something new and it is green.
func (b *Bot) scheduledVersion(ctx context.Context, r *repository, op ledger.Operation, on project.Project, e entry) ledger.Result {
	p := project.Aim{Repo: on.Repo, Rules: on.Config, From: on.Event}
	err := p.Next(ctx, e.Class)
	if release.KindOf(err) == release.Refused {
		return ledger.Result{State: ledger.OpDone, Summary: firstLine(err.Error())}
	}
	if err == nil {
		err = r.checkGreen(ctx, p)
	}
	if err != nil {
		return b.failure(ctx, op, err)
	}
	next, err := r.promotion(p, thread{}, "schedule", op.Cause)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf("%s becomes %s. %s", release.ShortCommit(p.From.Commit), p.Tag, p.Reason), Next: []ledger.NewOperation{next}}
}
