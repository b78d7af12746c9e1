package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
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
}

// flight is an item that runs.
type flight struct {
	task         progress.Task
	claim        string // name of the deploy's claim document, or empty
	claimVersion string
	started      time.Time
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

// do does items at once, as far as that goes.
func (r *Runner) do(ctx context.Context, o *opened, name string, most int, since time.Time, todo []*entry) error {
	p := &phaseRun{r: r, o: o, since: since, todo: todo, limit: r.parallel(), running: map[*entry]*flight{},
		results: make(chan outcome, len(todo)), steps: make(chan stepped)}
	for _, limit := range []int{o.pkg.MaxParallel, most} {
		if limit > 0 {
			p.limit = min(p.limit, limit)
		}
	}
	if most > 0 && o.pkg.MaxParallel == 0 {
		p.limit = most
	}
	if name == "" {
		name = todo[0].def.Name
	}
	p.stage = r.Progress.Stage(name)
	err := p.loop(ctx)
	told := err
	if told == nil && slices.ContainsFunc(todo, func(e *entry) bool { return e.doc.Status == Failed }) {
		told = errors.New("failed")
	}
	p.stage.Done(p.summary(), told)
	return err
}

func (p *phaseRun) summary() string {
	if n := len(p.todo); n > 0 {
		return fmt.Sprintf("%d of it waiting", n)
	}
	return ""
}

func (p *phaseRun) loop(ctx context.Context) error {
	beat := time.NewTicker(p.r.lease() / 3)
	defer beat.Stop()
	look := true
	for {
		if look && ctx.Err() == nil {
			if err := p.look(ctx); err != nil {
				return p.drain(ctx, err)
			}
		}
		if ctx.Err() == nil {
			if err := p.start(ctx); err != nil {
				return p.drain(ctx, err)
			}
		}
		if len(p.running) == 0 && len(p.others) == 0 && len(p.ready) == 0 {
			return ctx.Err()
		}
		if len(p.running) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var poll <-chan time.Time
		if len(p.others) > 0 || len(p.ready) > 0 && len(p.running) == 0 {
			poll = time.After(p.r.poll())
		}
		look = false
		var err error
		stop := ctx.Done()
		if ctx.Err() != nil {
			stop = nil // what runs ends by itself now
		}
		select {
		case out := <-p.results:
			err = p.record(context.WithoutCancel(ctx), append([]outcome{out}, p.finished()...))
			look = len(p.ready) == 0
		case s := <-p.steps:
			s.reply <- p.recordStep(context.WithoutCancel(ctx), s)
		case <-beat.C:
			err = p.renew(context.WithoutCancel(ctx))
		case <-poll:
			look = true
		case <-stop:
		}
		if err != nil {
			return p.drain(ctx, err)
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

// drain lets what runs end, after an error of the state, and tries to record it.
func (p *phaseRun) drain(ctx context.Context, err error) error {
	for len(p.running) > 0 {
		select {
		case out := <-p.results:
			_ = p.record(context.WithoutCancel(ctx), []outcome{out}) // the first error is the one to tell
		case s := <-p.steps:
			s.reply <- err
		}
	}
	return err
}

// look sorts what is to do into what can begin, what waits, and what others do.
func (p *phaseRun) look(ctx context.Context) error {
	if err := p.lookAtOthers(ctx); err != nil {
		return err
	}
	resolver := p.r.resolver(p.o.self, p.since)
	var waiting []*entry
	for _, e := range p.todo {
		if p.r.Owner.counts(e.doc.Claim, p.r.now()) {
			p.others = append(p.others, e)
			continue
		}
		ready, err := p.prepare(ctx, resolver, e)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil && release.KindOf(err) == release.Failed && !errors.Is(err, errState):
			if err := p.fail(ctx, e, err); err != nil {
				return err
			}
		case err != nil:
			return err
		case ready:
			p.ready = append(p.ready, e)
		default:
			waiting = append(waiting, e)
		}
	}
	p.todo = waiting
	return p.recordWaits(ctx)
}

// prepare finds an item's inputs; ready is false when it has to wait.
func (p *phaseRun) prepare(ctx context.Context, l *resolver, e *entry) (ready bool, err error) {
	switch {
	case e.given != nil:
		e.inputs = e.given
	case e.doc.Recorded && e.doc.Inputs != nil, e.doc.Next != nil:
		e.inputs = e.doc.Inputs
		if e.doc.Next != nil {
			var waits []Wait
			if _, waits, err = l.all(ctx, e.doc.Next.Inputs); err != nil {
				return false, err
			}
			e.waits = waits
			return len(waits) == 0, nil
		}
	default:
		e.inputs, e.waits, err = l.all(ctx, e.def.Inputs)
		if err != nil || len(e.waits) > 0 {
			return false, err
		}
	}
	e.waits = nil
	if e.def.Kind == ref.Deploy && (e.mode == carryOut || e.mode == deployAgain) {
		if w := p.r.frozen(ctx, p.o, e.def.Name); w != nil {
			e.waits = []Wait{*w}
		}
	}
	return len(e.waits) == 0, nil
}

// lookAtOthers reads what other processes have come to.
func (p *phaseRun) lookAtOthers(ctx context.Context) error {
	others := p.others
	p.others = nil
	for _, e := range others {
		if err := p.reload(ctx, e); err != nil {
			return err
		}
		if !e.doc.Status.ended() && e.doc.Status != Failed {
			p.todo = append(p.todo, e)
		}
	}
	return nil
}

func (p *phaseRun) reload(ctx context.Context, e *entry) error {
	doc, version, found, err := read[Item](ctx, p.r.Store, itemDoc(p.o.self, p.o.self.Release, e.key))
	if err != nil {
		return err
	}
	if !found {
		doc = Item{Status: Pending}
	}
	e.doc, e.version = doc, version
	return nil
}

// start claims items and begins to run them, as many as may run at once.
func (p *phaseRun) start(ctx context.Context) error {
	for len(p.ready) > 0 && len(p.running) < p.limit {
		n := min(len(p.ready), p.limit-len(p.running))
		batch := p.ready[:n]
		p.ready = p.ready[n:]
		if err := p.claim(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// claim takes items for this process. Where another was faster, the items are
// looked at again one by one.
func (p *phaseRun) claim(ctx context.Context, batch []*entry) error {
	now := p.r.now()
	claim := p.r.Owner.claim(now.Add(p.r.lease()))
	var changes []state.Change
	var taken []*entry
	var claims []string
	for _, e := range batch {
		doc, ok, err := p.mayDeploy(ctx, e)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		next := e.doc
		next.Release, next.Commit = p.o.self.String(), p.o.doc.Commit
		if next.Next == nil || e.mode != carryOut {
			next.Run, next.Steps, next.Next = next.Run+1, nil, nil
		}
		next.Status, next.Inputs, next.Claim, next.Started = Running, e.inputs, claim, &now
		next.Waits, next.Error, next.Ended, next.Output = nil, nil, nil, nil
		next.Down = e.mode.down()
		if e.doc.Next != nil && e.mode == carryOut {
			next.Inputs = e.doc.Inputs
		}
		e.claimed = next
		changes = append(changes, change(itemDoc(p.o.self, p.o.self.Release, e.key), next, e.version))
		if doc.name != "" {
			changes = append(changes, change(doc.name, claim, doc.version))
		}
		taken, claims = append(taken, e), append(claims, doc.name)
	}
	if len(taken) == 0 {
		return nil
	}
	versions, err := p.r.Store.Apply(ctx, p.history(taken, "begins", "begin"), changes...)
	if errors.Is(err, state.ErrConflict) {
		return p.claimAgain(ctx, taken)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	at := 0
	for i, e := range taken {
		f := &flight{claim: claims[i], started: now}
		e.doc, e.version = e.claimed, versions[at]
		at++
		if f.claim != "" {
			f.claimVersion = versions[at]
			at++
		}
		p.begin(ctx, e, f)
	}
	return nil
}

// claimAgain is for a claim of which another process had a part.
func (p *phaseRun) claimAgain(ctx context.Context, taken []*entry) error {
	if len(taken) == 1 {
		p.others = append(p.others, taken[0]) // read when the others are looked at
		return nil
	}
	for _, e := range taken {
		if err := p.claim(ctx, []*entry{e}); err != nil {
			return err
		}
	}
	return nil
}

// claimDoc is where one deploy at a time into an environment is kept.
type claimDoc struct{ name, version string }

// mayDeploy says whether a deploy may begin: no other one of the package into its
// environment runs, and no newer release is there already. Calls always may.
func (p *phaseRun) mayDeploy(ctx context.Context, e *entry) (claimDoc, bool, error) {
	if e.def.Kind != ref.Deploy {
		return claimDoc{}, true, nil
	}
	live, _, found, err := read[Item](ctx, p.r.Store, latestDoc(p.o.self, e.key))
	if err != nil {
		return claimDoc{}, false, err
	}
	if found && e.mode == carryOut && numberOf(live.Release) > p.o.doc.Number && !live.Pinned {
		return claimDoc{}, false, p.supersede(ctx, e, live)
	}
	doc := claimDoc{name: "claims/" + p.o.self.Package().String() + "/" + e.key}
	held, version, found, err := read[Claim](ctx, p.r.Store, doc.name)
	if err != nil {
		return doc, false, err
	}
	if found && p.r.Owner.counts(&held, p.r.now()) || p.deploys(e.key) {
		p.others = append(p.others, e)
		return doc, false, nil
	}
	doc.version = version
	return doc, true, nil
}

func (p *phaseRun) deploys(key string) bool {
	for e := range p.running {
		if e.key == key {
			return true
		}
	}
	return false
}

// numberOf is the number of the release that a document belongs to.
func numberOf(release string) int {
	parsed, err := ref.Parse(release)
	if err != nil {
		return 0
	}
	n, _ := ref.Number(parsed.Release)
	return n
}

// supersede writes down that a newer release is ahead of a deploy.
func (p *phaseRun) supersede(ctx context.Context, e *entry, live Item) error {
	next := e.doc
	next.Release, next.Commit, next.Status, next.Claim, next.Waits = p.o.self.String(), p.o.doc.Commit, Superseded, nil, nil
	next.Annotation = "newer: " + live.Release
	return p.put(ctx, e, next, p.o.self.Release+" "+e.key+" is superseded")
}

// put writes an item's document; a conflict means that another process has it.
func (p *phaseRun) put(ctx context.Context, e *entry, next Item, message string) error {
	versions, err := p.r.Store.Apply(ctx, p.o.self.Path+": "+message, change(itemDoc(p.o.self, p.o.self.Release, e.key), next, e.version))
	if errors.Is(err, state.ErrConflict) {
		p.others = append(p.others, e)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	e.doc, e.version = next, versions[0]
	return nil
}

// fail writes down that an item can't run.
func (p *phaseRun) fail(ctx context.Context, e *entry, err error) error {
	next, now := e.doc, p.r.now()
	next.Release, next.Commit, next.Run, next.Status, next.Claim, next.Waits = p.o.self.String(), p.o.doc.Commit, next.Run+1, Failed, nil, nil
	next.Error, next.Ended = p.r.failure(err), &now
	p.stage.Task(e.key, 0).Done("", err)
	return p.put(ctx, e, next, p.o.self.Release+" "+e.key+" fails")
}

// recordWaits writes down what items wait for, where that is news.
func (p *phaseRun) recordWaits(ctx context.Context) error {
	for _, e := range p.todo {
		next := e.doc
		next.Release, next.Commit, next.Status, next.Waits, next.Claim = p.o.self.String(), p.o.doc.Commit, Waiting, e.waits, nil
		if e.mode != carryOut || sameItem(next, e.doc) {
			continue
		}
		if err := p.put(ctx, e, next, p.o.self.Release+" "+e.key+" waits"); err != nil {
			return err
		}
	}
	p.todo = slices.DeleteFunc(p.todo, func(e *entry) bool { return slices.Contains(p.others, e) })
	return nil
}

func sameItem(a, b Item) bool {
	return string(change("", a, "").Value) == string(change("", b, "").Value)
}

// begin runs a claimed item beside this goroutine.
func (p *phaseRun) begin(ctx context.Context, e *entry, f *flight) {
	f.task = p.stage.Task(e.key, 0)
	p.running[e] = f
	l := newLog(p.r.now, f.task, &p.r.masks)
	p.r.deployment(ctx, p.o, e, "in_progress", "")
	go func() {
		p.results <- p.r.work(ctx, p.o, e, l, func(s Step, _ map[string]json.RawMessage) error {
			reply := make(chan error, 1)
			p.steps <- stepped{e, s, reply}
			return <-reply
		})
	}()
}

// history is the line of a batch in the state's history.
func (p *phaseRun) history(entries []*entry, one, many string) string {
	if len(entries) == 1 {
		return fmt.Sprintf("%s: %s %s %s", p.o.self.Path, p.o.self.Release, entries[0].key, one)
	}
	return fmt.Sprintf("%s: %s %s and %d more %s", p.o.self.Path, p.o.self.Release, entries[0].key, len(entries)-1, many)
}
