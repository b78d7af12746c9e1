package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// outcome is what a run of an item came to. Exactly one of done, waits and err
// tells it.
type outcome struct {
	entry *entry
	done  *lang.Done
	next  *Step // with waits: where the chain goes on
	waits []Wait
	err   error
	// restored is set when a failed verify put the last good release back.
	restored *Item
	down     bool // a failed verify took it down
	log      *log
}

// chain is the functions of one run.
type chain struct {
	r       *Runner
	o       *opened
	options lang.Options
	// step writes down that the chain goes on with a function, before it does.
	step func(Step, map[string]json.RawMessage) error
	// environment is given to each function of a deploy.
	environment json.RawMessage
}

// mostFunctions bounds a chain: without it, two functions that go on with each
// other would never end.
const mostFunctions = 1000

// run calls a function, and those that it goes on with, to the end.
func (c *chain) run(ctx context.Context, fn lang.Function, inputs map[string]json.RawMessage) (done *lang.Done, next *Step, waits []Wait, err error) {
	for range mostFunctions {
		res, err := c.o.pkg.Call(ctx, fn, inputs, c.options)
		if err != nil {
			return nil, nil, nil, err
		}
		if res.Done != nil {
			return res.Done, nil, nil, c.shown(res.Done)
		}
		step := Step{Function: res.Next.Fn, Inputs: res.Next.Inputs, Annotation: res.Next.Annotation}
		values, waits, err := c.r.resolver(c.o.self, c.o.doc.Created).all(ctx, step.Inputs)
		if err != nil || len(waits) > 0 {
			return nil, &step, waits, err
		}
		if err := c.step(step, values); err != nil {
			return nil, nil, nil, err
		}
		fn, inputs = step.Function, c.with(values)
	}
	return nil, nil, nil, release.Failf("end the chain with return done()", "it went on with next() %d times, last with %s: an endless chain?", mostFunctions, fn.Name)
}

// with adds the environment to the inputs of a deploy's function.
func (c *chain) with(values map[string]json.RawMessage) map[string]json.RawMessage {
	if c.environment == nil || values["environment"] != nil {
		return values
	}
	values = maps.Clone(values)
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	values["environment"] = c.environment
	return values
}

// shown refuses outputs that hold a secret: the state is no place for one.
func (c *chain) shown(d *lang.Done) error {
	for _, name := range slices.Sorted(maps.Keys(d.Output)) {
		if c.r.masks.shows(d.Output[name]) {
			return release.Failf("put out where the secret is kept, not the secret", "output %s holds a secret", name)
		}
	}
	return nil
}

// work runs an item: the whole of what happens between its claim and its end.
func (r *Runner) work(ctx context.Context, o *opened, e *entry, l *log, step func(Step, map[string]json.RawMessage) error) outcome {
	out := outcome{entry: e, log: l}
	options := o.options
	options.Log = l
	c := &chain{r: r, o: o, options: options, step: step, environment: e.doc.Inputs["environment"]}
	fn, inputs := e.def.Fn, e.doc.Inputs
	switch {
	case e.mode.down():
		fn = e.def.Down
	case e.doc.Next != nil:
		values, waits, err := r.resolver(o.self, o.doc.Created).all(ctx, e.doc.Next.Inputs)
		if err != nil || len(waits) > 0 {
			out.err, out.waits, out.next = err, waits, e.doc.Next
			return out
		}
		fn, inputs = e.doc.Next.Function, c.with(values)
	case fn.Name == "": // a gate alone
		out.done = &lang.Done{Output: map[string]json.RawMessage{}}
		return out
	}
	out.done, out.next, out.waits, out.err = c.run(ctx, fn, inputs)
	if out.done != nil && out.err == nil && e.def.Verify.Name != "" && !e.mode.down() {
		r.verify(ctx, c, e, &out)
	}
	return out
}

// verify looks whether what was deployed is well, and does what the package asks
// for where it is not.
func (r *Runner) verify(ctx context.Context, c *chain, e *entry, out *outcome) {
	c.step = func(Step, map[string]json.RawMessage) error { return nil } // it is looked at as a whole
	_, _, waits, err := c.run(ctx, e.def.Verify, e.doc.Inputs)
	if err == nil && len(waits) > 0 {
		err = release.Failf("", "it waits for %s", waits[0])
	}
	if err == nil {
		return
	}
	if ctx.Err() != nil {
		out.err = ctx.Err()
		return
	}
	out.done = nil
	out.err = fmt.Errorf("verify %s: %w", e.def.Verify.Name, err)
	switch e.def.OnFailure {
	case "down":
		_, _, _, err = c.run(ctx, e.def.Down, e.doc.Inputs)
		out.down = err == nil
		out.err = also(out.err, err, "it was taken down", "take it down")
	case "restore":
		out.restored, err = r.restore(ctx, c, e)
		told := "nothing was deployed before, so nothing was put back"
		if out.restored != nil {
			told = "what was deployed before was put back: " + out.restored.Release
		}
		out.err = also(out.err, err, told, "put back what was deployed before")
	}
}

// also tells what was done about a failure, or why it could not be.
func also(err, after error, did, what string) error {
	if after != nil {
		return errors.Join(err, fmt.Errorf("%s: %w", what, after))
	}
	return &release.Error{Kind: release.KindOf(err), Message: err.Error() + "; " + did, Hint: release.HintOf(err)}
}

// restore deploys again what was there before, with its recorded inputs.
func (r *Runner) restore(ctx context.Context, c *chain, e *entry) (*Item, error) {
	live, _, found, err := read[Item](ctx, r.Store, latestDoc(c.o.self, e.key))
	if err != nil || !found {
		return nil, err
	}
	was, err := ref.Parse(live.Release)
	if err != nil {
		return nil, err
	}
	before, err := r.open(ctx, was, was.Release)
	if err != nil {
		return nil, err
	}
	then, err := before.entry(e.key)
	if err != nil {
		return nil, err
	}
	options := before.options
	options.Log = c.options.Log
	again := &chain{r: r, o: before, options: options, step: c.step, environment: live.Inputs["environment"]}
	done, _, waits, err := again.run(ctx, then.def.Fn, live.Inputs)
	if err != nil {
		return nil, err
	}
	if done == nil {
		return nil, release.Failf("", "it waits for %s", waits[0])
	}
	live.Output = done.Output
	return &live, nil
}

// entry finds an item of a release by its key.
func (o *opened) entry(key string) (*entry, error) {
	for _, entries := range o.phases {
		for _, e := range entries {
			if e.key == key {
				return e, nil
			}
		}
	}
	return nil, release.Failf("", "%s has no %s", o.self, key)
}
