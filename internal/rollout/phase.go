package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// mode is what is done with an item.
type mode int

const (
	carryOut    mode = iota // call it, deploy it: the release's own work
	deployAgain             // its inputs changed
	rollBack                // it is put back, with the inputs that it had then
	takeDown                // because that was asked for
	takeAway                // with its environment
)

func (m mode) down() bool { return m == takeDown || m == takeAway }

// phaseRun does items at once. One goroutine looks, claims and records; the
// items' functions run beside it.
type phaseRun struct {
	r     *Runner
	o     *opened
	since time.Time // when the phase before was complete
	limit int
	stage progress.Stage

	todo    []*entry // not looked at yet, or waiting
	ready   []*entry // to be claimed, with their inputs
	others  []*entry // that another process runs
	running map[*entry]*flight
	results chan outcome
	steps   chan stepped
	stopped bool // nothing more is begun
	// work ends what runs when it is cancelled; only loop sets it, and what it
	// starts outlives no loop.
	work context.Context //nolint:containedctx // begin is called under contexts that outlive it

	claims        claims // as this process knows them
	claimsVersion string
}

// unread is no version of claims: the first look reads them, and with them the
// items, which another process may have ended since this one read them.
const unread = "unread"

// flight is an item that runs.
type flight struct {
	task    progress.Task
	started time.Time
}

// stepped asks for a chain's step to be written down.
type stepped struct {
	entry *entry
	step  Step
	reply chan error
}

// phase does a phase; ended says that the next one may begin.
func (r *Runner) phase(ctx context.Context, o *opened, index int, since time.Time) (ended bool, err error) {
	entries := o.phases[index]
	var todo []*entry
	for _, e := range entries {
		if !e.doc.Status.ended() && e.doc.Status != Failed {
			todo = append(todo, e)
		}
	}
	if len(todo) > 0 {
		if err := r.do(ctx, o, o.pkg.Phases[index].Name, o.pkg.Phases[index].MaxParallel, since, todo); err != nil {
			return false, err
		}
	}
	return !slices.ContainsFunc(entries, func(e *entry) bool { return !e.doc.Status.ended() }), nil
}

// do does items at once, as far as that goes. What it came to is in the entries.
func (r *Runner) do(ctx context.Context, o *opened, name string, most int, since time.Time, todo []*entry) error {
	p := &phaseRun{r: r, o: o, since: since, todo: slices.Clone(todo), limit: r.parallel(), running: map[*entry]*flight{},
		results: make(chan outcome, len(todo)), steps: make(chan stepped), claims: o.claims, claimsVersion: o.claimsVersion}
	switch {
	case o.pkg.MaxParallel > 0 && most > 0:
		p.limit = min(most, o.pkg.MaxParallel)
	case o.pkg.MaxParallel > 0 || most > 0:
		p.limit = max(most, o.pkg.MaxParallel)
	}
	if name == "" {
		name = todo[0].def.Name
	}
	if o.foreign {
		p.claimsVersion = unread
	}
	p.stage = r.Progress.Stage(name)
	err := p.loop(ctx)
	o.claims, o.claimsVersion = p.claims, p.claimsVersion
	told := err
	if told == nil && slices.ContainsFunc(todo, func(e *entry) bool { return e.doc.Status == Failed }) {
		told = errors.New("failed")
	}
	p.stage.Done(p.summary(), told)
	return err
}

func (p *phaseRun) summary() string {
	if n := len(p.todo); n > 0 {
		return fmt.Sprintf("%d waiting", n)
	}
	return ""
}

func (p *phaseRun) loop(ctx context.Context) error {
	beat := time.NewTicker(p.r.lease() / 3)
	defer beat.Stop()
	// What has begun is recorded also when the work is to stop.
	lasting := context.WithoutCancel(ctx)
	p.work = ctx
	look := true
	for {
		if ctx.Err() != nil {
			p.stopped = true
		}
		if look && !p.stopped {
			if err := p.look(ctx); err != nil {
				return p.drain(lasting, err)
			}
		}
		if !p.stopped && len(p.running) == 0 && len(p.ready) > 0 {
			if err := p.cycle(ctx, nil); err != nil {
				return p.drain(lasting, err)
			}
		}
		if len(p.running) == 0 && (p.stopped || len(p.others) == 0 && len(p.ready) == 0) {
			return ctx.Err()
		}
		var poll <-chan time.Time
		if len(p.others) > 0 && !p.stopped {
			poll = time.After(p.r.poll())
		}
		stop := ctx.Done()
		if p.stopped {
			stop = nil // what runs ends by itself now
		}
		var err error
		look = false
		select {
		case out := <-p.results:
			err = p.cycle(lasting, append([]outcome{out}, p.finished()...))
			look = len(p.ready) == 0
		case s := <-p.steps:
			s.reply <- p.recordStep(lasting, s)
		case <-beat.C:
			p.renew(lasting)
		case <-poll:
			look = true
		case <-stop:
		}
		if err != nil {
			return p.drain(lasting, err)
		}
	}
}

// finished are the results that are there already.
func (p *phaseRun) finished() (outs []outcome) {
	for {
		select {
		case out := <-p.results:
			outs = append(outs, out)
		default:
			return outs
		}
	}
}

// drain lets what runs end, after an error, and tries to record it.
func (p *phaseRun) drain(ctx context.Context, err error) error {
	p.stopped = true
	for len(p.running) > 0 {
		select {
		case out := <-p.results:
			_ = p.cycle(ctx, []outcome{out}) // the first error is the one to tell
		case s := <-p.steps:
			s.reply <- err
		}
	}
	return err
}

// look sorts what is to do into what can begin, what waits, and what others do.
func (p *phaseRun) look(ctx context.Context) error {
	if err := p.refresh(ctx); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	candidates := slices.Concat(p.todo, p.others)
	p.todo, p.others = nil, nil
	resolver := p.r.resolver(p.o.self, p.since)
	now := p.r.now()
	for i, e := range candidates {
		if e.mode == carryOut && (e.doc.Status.ended() || e.doc.Status == Failed) {
			continue // another process did it
		}
		if p.r.Owner.counts(p.claims.Items[p.claimKey(e)], now) || e.def.Kind == ref.Deploy && p.claims.deploying(p.r.Owner, e.key, now) {
			p.others = append(p.others, e)
			continue
		}
		ready, err := p.prepare(ctx, resolver, e)
		switch {
		case err != nil && (ctx.Err() != nil || errors.Is(err, errState)):
			p.todo = append(p.todo, candidates[i:]...)
			return err
		case err != nil:
			if err := p.fail(ctx, e, err); err != nil {
				return err
			}
		case ready:
			p.ready = append(p.ready, e)
		default:
			p.todo = append(p.todo, e)
		}
	}
	return p.recordWaits(ctx)
}

// prepare finds an item's inputs; ready is false when it has to wait.
func (p *phaseRun) prepare(ctx context.Context, l *resolver, e *entry) (ready bool, err error) {
	e.inputs, e.waits = e.doc.Inputs, nil
	switch {
	case e.given != nil:
		e.inputs = e.given
	case e.mode == carryOut && e.doc.Next != nil:
		_, e.waits, err = l.all(ctx, e.doc.Next.Inputs)
	case e.doc.Recorded && e.doc.Inputs != nil:
	default:
		e.inputs, e.waits, err = l.all(ctx, e.def.Inputs)
	}
	if err != nil || len(e.waits) > 0 {
		return false, err
	}
	if e.def.Kind == ref.Deploy && (e.mode == carryOut || e.mode == deployAgain) {
		if w := p.r.frozen(ctx, p.o, e.def.Name); w != nil {
			e.waits = []Wait{*w}
		}
		if goes, err := l.goes(ctx, e.def.Name); err != nil {
			return false, err
		} else if goes {
			e.waits = []Wait{{Reason: e.def.Name + " is to be removed"}}
		}
	}
	return len(e.waits) == 0, nil
}

// supersede writes down that a newer release is ahead of a deploy.
func (p *phaseRun) supersede(ctx context.Context, e *entry, live Item) error {
	next := p.noted(e, Superseded)
	next.Annotation = "newer: " + live.Release
	return p.put(ctx, e, next, p.o.self.Release+" "+e.key+" is superseded")
}

// noted is an item's document with another status, though it did not run.
func (p *phaseRun) noted(e *entry, s Status) Item {
	next := e.doc
	next.Release, next.Commit, next.Status, next.Waits = p.o.self.String(), p.o.doc.Commit, s, nil
	return next
}

// put writes an item's document; a conflict means that another process works on
// it.
func (p *phaseRun) put(ctx context.Context, e *entry, next Item, message string) error {
	versions, err := p.r.Store.Apply(ctx, p.o.self.Path+": "+message, change(itemDoc(p.o.self, p.o.self.Release, e.key), next, e.version))
	if errors.Is(err, state.ErrConflict) {
		p.others = append(p.others, e)
		return p.reload(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	e.doc, e.version = next, versions[0]
	return nil
}

// fail writes down that an item can't run.
func (p *phaseRun) fail(ctx context.Context, e *entry, err error) error {
	now := p.r.now()
	next := p.noted(e, Failed)
	next.Run++
	next.Error, next.Ended = p.r.failure(err), &now
	p.stage.Task(e.key, 0).Done("", errors.New(next.Error.Message))
	return p.put(ctx, e, next, p.o.self.Release+" "+e.key+" fails")
}

// recordWaits writes down what items wait for, where that is news.
func (p *phaseRun) recordWaits(ctx context.Context) error {
	todo := p.todo
	p.todo = nil
	for _, e := range todo {
		next := p.noted(e, Waiting)
		next.Waits = e.waits
		if e.mode == carryOut && !sameItem(next, e.doc) {
			others := len(p.others)
			if err := p.put(ctx, e, next, p.o.self.Release+" "+e.key+" waits"); err != nil {
				return err
			}
			if len(p.others) > others {
				continue
			}
		}
		p.todo = append(p.todo, e)
	}
	return nil
}

func sameItem(a, b Item) bool {
	return string(change("", a, "").Value) == string(change("", b, "").Value)
}

// begin runs a claimed item beside this goroutine.
func (p *phaseRun) begin(ctx context.Context, e *entry, now time.Time) {
	next := e.doc
	next.Release, next.Commit = p.o.self.String(), p.o.doc.Commit
	if next.Next == nil || e.mode != carryOut {
		next.Run, next.Steps, next.Next = next.Run+1, nil, nil
	}
	next.Status, next.Inputs, next.Started = Running, e.inputs, &now
	next.Waits, next.Error, next.Ended, next.Output, next.Annotation = nil, nil, nil, nil, ""
	next.Down, next.Follows = e.mode.down(), p.o.followed(e)
	e.doc = next
	f := &flight{started: now, task: p.stage.Task(e.key, 0)}
	p.running[e] = f
	l := newLog(p.r.now, f.task, &p.r.masks)
	p.r.deployment(ctx, p.o, e, "in_progress", "")
	go func() {
		p.results <- p.r.work(p.work, p.o, e, l, func(s Step, _ map[string]json.RawMessage) error {
			reply := make(chan error, 1)
			p.steps <- stepped{e, s, reply}
			return <-reply
		})
	}()
}

// history is the line of a batch in the state's history.
func (p *phaseRun) history(outs []outcome, batch []*entry) string {
	var parts []string
	for _, out := range outs {
		parts = append(parts, out.entry.key+" "+outcomeWord(out))
	}
	for _, e := range batch {
		parts = append(parts, e.key+" begins")
	}
	if more := len(parts) - 5; more > 0 {
		parts = append(parts[:5], fmt.Sprintf("%d more", more))
	}
	return p.o.self.Path + ": " + p.o.self.Release + " " + strings.Join(parts, ", ")
}
