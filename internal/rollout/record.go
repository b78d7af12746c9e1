package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// errState marks an error of the store: nothing more is begun after it.
var errState = errors.New("the state can't be written")

// lost tells of results that could not be written down.
func (p *phaseRun) lost(outs []outcome, err error) {
	for _, out := range outs {
		f := p.running[out.entry]
		if f == nil {
			continue
		}
		delete(p.running, out.entry)
		f.task.Done("", err)
		if out.err == nil {
			p.r.note(out.entry.key + " ended, and that could not be written down: it will run again")
		}
	}
}

func outcomeWord(out outcome) string {
	switch {
	case out.err != nil:
		return "failed"
	case out.done == nil:
		return "waits"
	case out.entry.mode.down():
		return "is down"
	}
	return "is complete"
}

// changes are the documents that results change.
func (p *phaseRun) changes(ctx context.Context, outs []outcome) ([]state.Change, error) {
	var changes []state.Change
	tags := map[string]bool{}
	for _, out := range outs {
		e := out.entry
		e.result = p.result(out)
		name := itemDoc(p.o.self, p.o.self.Release, e.key)
		if e.result.Status == Running { // it was interrupted: it is as it was
			continue
		}
		run := e.result
		run.Recorded = false
		if e.result.Status != Waiting { // that goes on under the same number
			changes = append(changes, change(runDoc(name, run.Run), run, ""))
		}
		logs, err := p.logged(ctx, runDoc(name, run.Run)+"@logs", out)
		if err != nil {
			return nil, err
		}
		changes = append(changes, logs...)
		changes = append(changes, change(name, e.result, e.version))
		more, err := p.latest(ctx, out, run)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
		if out.done != nil && out.err == nil {
			for _, t := range out.done.Tags {
				tags[t] = true
			}
		}
	}
	if len(tags) == 0 {
		return changes, nil
	}
	return p.tagged(ctx, changes, slices.Sorted(maps.Keys(tags)))
}

// logged keeps what a run said, after what it said before a chain waited.
func (p *phaseRun) logged(ctx context.Context, name string, out outcome) ([]state.Change, error) {
	lines := out.log.lines()
	if len(lines.Lines) == 0 {
		return nil, nil
	}
	before, version := Logs{}, ""
	if out.entry.doc.Next != nil {
		var err error
		if before, version, _, err = read[Logs](ctx, p.r.Store, name); err != nil {
			return nil, err
		}
	}
	lines.Lines, lines.Dropped = append(before.Lines, lines.Lines...), before.Dropped+lines.Dropped
	if more := len(lines.Lines) - mostFirst - mostLast; more > 0 {
		lines.Lines = slices.Delete(lines.Lines, mostFirst, mostFirst+more)
		lines.Dropped += more
	}
	return []state.Change{change(name, lines, version)}, nil
}

// result is an item's document after its run.
func (p *phaseRun) result(out outcome) Item {
	e := out.entry
	next, now := e.doc, p.r.now()
	next.Ended = &now
	switch {
	case out.err != nil && p.work.Err() != nil:
		return e.doc
	case out.err != nil:
		next.Status, next.Error, next.Next = Failed, p.r.failure(out.err), nil
	case out.done == nil:
		next.Status, next.Next, next.Waits, next.Ended = Waiting, out.next, out.waits, nil
	default:
		next.Status, next.Output, next.Next, next.Error, next.Recorded = Complete, out.done.Output, nil, nil, false
		next.Annotation = out.done.Annotation
		if next.Annotation == "" {
			next.Annotation = e.def.Annotation
		}
		switch e.mode {
		case takeDown:
			next.Status = Removed
		case takeAway:
			next.Status = Gone
		}
	}
	if e.def.Kind == ref.Deploy && e.def.Down.Name != "" {
		next.DownWith = &e.def.Down
	}
	return next
}

// failure is an error as it is kept, without secrets.
func (r *Runner) failure(err error) *Failure {
	f := &Failure{Message: r.masks.hide(err.Error()), Hint: r.masks.hide(release.HintOf(err))}
	var traced *lang.Error
	if errors.As(err, &traced) {
		for _, frame := range traced.Backtrace {
			f.Backtrace = append(f.Backtrace, frame.String())
		}
	}
	return f
}

// latest changes the document of the last success, which others refer to.
func (p *phaseRun) latest(ctx context.Context, out outcome, run Item) ([]state.Change, error) {
	e := out.entry
	name := latestDoc(p.o.self, e.key)
	deploy := e.def.Kind == ref.Deploy
	succeeded := out.done != nil && out.err == nil
	if !succeeded && !out.down && out.restored == nil || e.def.Fn.Name == "" {
		return nil, nil
	}
	live, version, found, err := read[Item](ctx, p.r.Store, name)
	if err != nil {
		return nil, err
	}
	switch {
	case out.restored != nil:
		return []state.Change{change(name, *out.restored, version)}, nil
	case out.down, e.mode.down():
		if !succeeded && !out.down || !found {
			return nil, nil
		}
		return []state.Change{{Ref: name, Version: version}}, nil
	case found && !deploy && numberOf(live.Release) > p.o.doc.Number:
		return nil, nil // an older release's call, retried
	}
	run.Pinned = e.mode == rollBack
	return []state.Change{change(name, run, version)}, nil
}

// tagged gives the release tags, and the tags their release.
func (p *phaseRun) tagged(ctx context.Context, changes []state.Change, tags []string) ([]state.Change, error) {
	doc, version, _, err := read[Release](ctx, p.r.Store, releaseDoc(p.o.self, p.o.self.Release))
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		if !slices.Contains(doc.Tags, t) {
			doc.Tags = append(doc.Tags, t)
		}
		name := packageDoc(p.o.self) + t
		old, err := p.r.Store.Get(ctx, name)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return nil, err
		}
		changes = append(changes, change(name, pointer{Release: p.o.self.Release}, old.Version))
	}
	return append(changes, change(releaseDoc(p.o.self, p.o.self.Release), doc, version)), nil
}

// ended brings the phase up to date with what was written.
func (p *phaseRun) ended(ctx context.Context, out outcome, versions map[string]string) {
	e, f := out.entry, p.running[out.entry]
	delete(p.running, e)
	if v, ok := versions[itemDoc(p.o.self, p.o.self.Release, e.key)]; ok {
		e.doc, e.version = e.result, v
	}
	switch {
	case e.doc.Status == Running:
		e.doc.Status = Pending
		f.task.Done("", errors.New("interrupted"))
		p.r.deployment(ctx, p.o, e, "failure", "interrupted")
	case out.err != nil:
		f.task.Done("", errors.New(e.doc.Error.Message))
		p.r.deployment(ctx, p.o, e, "failure", e.doc.Error.Message)
	case out.done == nil:
		e.waits = out.waits
		p.todo = append(p.todo, e)
		f.task.Done("waits for "+out.waits[0].String(), nil)
	default:
		f.task.Done(p.told(e), nil)
		switch e.mode {
		case takeDown, takeAway:
			p.r.deployment(ctx, p.o, e, "inactive", "")
		default:
			p.r.deployment(ctx, p.o, e, "success", "")
		}
	}
}

// told is an item's outputs in a few words.
func (p *phaseRun) told(e *entry) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.doc.Output)) {
		parts = append(parts, name+"="+clippedTo(p.r.masks.hide(strings.Trim(string(e.doc.Output[name]), `"`)), 60))
	}
	return strings.Join(parts, " ")
}

func clippedTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// recordStep writes down that a chain goes on, so that a run that is stopped goes
// on there too.
func (p *phaseRun) recordStep(ctx context.Context, s stepped) error {
	e := s.entry
	next := e.doc
	done := e.def.Fn.Name
	if next.Next != nil {
		done = next.Next.Function.Name
	}
	next.Steps = append(slices.Clone(next.Steps), done)
	next.Next = &s.step
	if e.mode != carryOut {
		return nil // its item stands for what the release itself came to
	}
	versions, err := p.r.Store.Apply(ctx, p.o.self.Path+": "+p.o.self.Release+" "+e.key+" goes on with "+s.step.Function.Name,
		change(itemDoc(p.o.self, p.o.self.Release, e.key), next, e.version))
	if err != nil {
		return fmt.Errorf("write down that it goes on with %s: %w", s.step.Function.Name, err)
	}
	e.doc, e.version = next, versions[0]
	return nil
}

// deployment tells the forge of a deploy, where there is one that listens.
func (r *Runner) deployment(ctx context.Context, o *opened, e *entry, to, why string) {
	if r.Deployments == nil || e.def.Kind != ref.Deploy {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err := r.Deployments.Deployment(ctx, Deployment{Package: o.self, Commit: o.doc.Commit, Environment: e.def.Name, State: to, Down: e.mode.down(),
		Description: why, URL: siteOf(e.doc.Output)})
	if err != nil {
		r.note("the forge was not told of the deploy to " + e.def.Name + ": " + err.Error())
	}
}

// siteOf is where what was deployed can be looked at: an output called url.
func siteOf(output map[string]json.RawMessage) string {
	var site string
	if json.Unmarshal(output["url"], &site) != nil || !strings.HasPrefix(site, "https://") && !strings.HasPrefix(site, "http://") {
		return ""
	}
	return site
}
