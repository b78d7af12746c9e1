package lang

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// event is what a file declared, in order: work, or a phase.
type event struct {
	work  *workValue // of its own phase, unless a phase names it
	phase *phaseDeclaration
}

// phaseDeclaration is a call of phase.
type phaseDeclaration struct {
	name        string
	work        []*workValue
	maxParallel int
	at          Position
}

// workValue is what call(…), deploy(…) and a gate alone give.
type workValue struct {
	item    Item
	inputs  map[string]source
	gate    *gateValue // of a gate alone
	claimed *phaseDeclaration

	// Functions are named when the file has ended: only then it has its globals.
	fn, down, verify          *starlark.Function
	fnAt, downAt, verifyAt    Position
	environment               starlark.Value
	environmentAt, inputsSpot Position
}

func (w *workValue) String() string {
	return fmt.Sprintf("%s(%q)", w.item.Kind, w.item.Name)
}
func (w *workValue) Type() string          { return string(w.item.Kind) }
func (w *workValue) Freeze()               {}
func (w *workValue) Truth() starlark.Bool  { return true }
func (w *workValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", w.Type()) }

// declare notes work in its order. What a loaded file makes at its top belongs
// to no package until a phase of the package names it.
func (e *evaluation) declare(w *workValue) {
	if e.inMain() {
		e.events = append(e.events, event{work: w})
	} else {
		e.strays = append(e.strays, w)
	}
}

// aFunction reads an argument that must be a function.
func (e *evaluation) aFunction(v starlark.Value, name string, at Position) (*starlark.Function, error) {
	switch v := v.(type) {
	case *starlark.Function:
		return v, nil
	case *starlark.Builtin:
		return nil, faultf(at, "def a function that calls it and ends with return done()", "%s is %s, not a function of the file", name, describe(v))
	case *workValue, *doneValue, *nextValue:
		return nil, faultf(at, "hand over the function itself, without calling it", "%s is %s, not a function", name, describe(v))
	}
	hint := "def a function, and give its name without quotes and brackets"
	if s, ok := starlark.AsString(v); ok {
		for _, f := range e.stack {
			if file := e.program.files[f]; file != nil && inputName.MatchString(s) {
				hint = fmt.Sprintf("write %s=%s, without quotes", name, s)
			}
		}
	}
	return nil, faultf(at, hint, "%s is %s, not a function", name, describe(v))
}

func makeCall(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.onlyWhileLoading(thread, b.Name()); err != nil {
		return nil, err
	}
	var fn, inputs starlark.Value
	w := &workValue{item: Item{Kind: ref.Call, Position: e.here(thread)}}
	if err := unpack(b.Name(), args, kwargs, "fn", &fn, "name", &w.item.Name, "annotation?", &w.item.Annotation, "inputs?", &inputs); err != nil {
		return nil, err
	}
	var err error
	w.fnAt, w.inputsSpot = e.at(thread, "fn", 0), e.at(thread, "inputs", 3)
	if w.fn, err = e.aFunction(fn, "fn", w.fnAt); err != nil {
		return nil, err
	}
	if bad := badName(w.item.Name); bad != "" {
		return nil, faultf(e.at(thread, "name", 1), nameHint, "the name %q %s", clip(w.item.Name, 60), bad)
	}
	if w.inputs, err = e.inputs(inputs, w.inputsSpot, ""); err != nil {
		return nil, err
	}
	e.declare(w)
	return w, nil
}

func makeDeploy(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.onlyWhileLoading(thread, b.Name()); err != nil {
		return nil, err
	}
	var up, down, inputs, verify, onFailure starlark.Value
	w := &workValue{item: Item{Kind: ref.Deploy, Position: e.here(thread)}}
	if err := unpack(b.Name(), args, kwargs, "environment?", &w.environment, "up?", &up, "down?", &down,
		"inputs?", &inputs, "verify?", &verify, "on_failure?", &onFailure, "annotation?", &w.item.Annotation); err != nil {
		return nil, err
	}
	w.environmentAt, w.fnAt, w.downAt = e.at(thread, "environment", 0), e.at(thread, "up", 1), e.at(thread, "down", 2)
	w.inputsSpot, w.verifyAt = e.at(thread, "inputs", 3), e.at(thread, "verify", 4)
	if err := e.deployTo(w); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		v    starlark.Value
		slot **starlark.Function
		at   Position
	}{{"up", up, &w.fn, w.fnAt}, {"down", down, &w.down, w.downAt}, {"verify", verify, &w.verify, w.verifyAt}} {
		if f.v == nil || f.v == starlark.None {
			if f.name == "verify" {
				continue
			}
			return nil, faultf(f.at, fmt.Sprintf("write %s=%s, and def %s(ctx) above it", f.name, f.name, f.name), "the deploy to %s has no %s", w.item.Name, f.name)
		}
		fn, err := e.aFunction(f.v, f.name, f.at)
		if err != nil {
			return nil, err
		}
		*f.slot = fn
	}
	if err := e.verification(thread, w, onFailure); err != nil {
		return nil, err
	}
	var err error
	if w.inputs, err = e.inputs(inputs, w.inputsSpot, "environment"); err != nil {
		return nil, err
	}
	e.declare(w)
	return w, nil
}

func (e *evaluation) deployTo(w *workValue) error {
	hint := "write environment=e, for e in environments()"
	switch v := w.environment.(type) {
	case nil, starlark.NoneType:
		return faultf(w.environmentAt, hint, "the deploy has no environment")
	case *environment:
		w.item.Name = v.name
	case starlark.String:
		w.item.Name = string(v)
	case *starlark.Dict:
		raw, err := toJSON(v, e.limits.Output)
		read, ok := asEnvironment(raw)
		if err != nil || !ok {
			return faultf(w.environmentAt, hint, "environment is a dict that is no environment")
		}
		w.item.Name, w.environment = read.Name, newEnvironment(read)
	case *starlark.Function:
		return faultf(w.environmentAt, "the order is deploy(environment, up, down): write up=…", "environment is a function")
	default:
		return faultf(w.environmentAt, hint, "environment is %s, not an environment", describe(v))
	}
	if bad := badName(w.item.Name); bad != "" {
		return faultf(w.environmentAt, nameHint, "the environment's name %q %s", clip(w.item.Name, 60), bad)
	}
	return nil
}

// verification reads verify= and on_failure=, which are Slipway's.
func (e *evaluation) verification(thread *starlark.Thread, w *workValue, onFailure starlark.Value) error {
	if w.verify != nil {
		w.item.OnFailure = "keep"
		if err := e.needSlipway(thread, "verify=", w.verifyAt); err != nil {
			return err
		}
	}
	if onFailure == nil || onFailure == starlark.None {
		return nil
	}
	at := e.at(thread, "on_failure", 5)
	if err := e.needSlipway(thread, "on_failure=", at); err != nil {
		return err
	}
	choices := []string{"down", "restore", "keep"}
	s, _ := starlark.AsString(onFailure)
	switch {
	case s != "down" && s != "restore" && s != "keep":
		return faultf(at, didYouMean(s, choices), `on_failure is %s: it is "down", "restore" or "keep"`, show(onFailure, 40))
	case w.verify == nil:
		return faultf(at, "add verify=, or leave on_failure out", "on_failure says what to do when verify fails, and there is no verify")
	}
	w.item.OnFailure = s
	return nil
}

func makePhase(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.onlyWhileLoading(thread, b.Name()); err != nil {
		return nil, err
	}
	var work, tasks, most starlark.Value
	p := &phaseDeclaration{at: e.here(thread)}
	if err := unpack(b.Name(), args, kwargs, "name", &p.name, "work?", &work, "tasks?", &tasks, "max_parallel?", &most); err != nil {
		return nil, err
	}
	if bad := badPhase(p.name); bad != "" {
		return nil, faultf(e.at(thread, "name", 0), "", "the phase's name %s", bad)
	}
	if most != nil && most != starlark.None {
		at := e.at(thread, "max_parallel", 3)
		if err := e.needSlipway(thread, "max_parallel=", at); err != nil {
			return nil, err
		}
		n, err := starlark.AsInt32(most)
		if err != nil || n < 0 {
			return nil, faultf(at, "0 is for no limit", "max_parallel is %s, not a number of items", show(most, 40))
		}
		p.maxParallel = n
	}
	name, index := "work", 1
	if tasks != nil && tasks.Truth() {
		if work != nil && work.Truth() {
			return nil, faultf(e.at(thread, "tasks", 2), "put all of it in one of them: they mean the same", "phase %q has both work and tasks", p.name)
		}
		work, name, index = tasks, "tasks", 2
	}
	if err := e.workOf(p, work, name, e.at(thread, name, index)); err != nil {
		return nil, err
	}
	if e.inMain() {
		e.events = append(e.events, event{phase: p})
	} else {
		for _, w := range p.work {
			w.claimed = nil
		}
		e.warn(p.at, "put the phase in a function, and call that from the package", "the phase %q of a file that is loaded belongs to no package", clip(p.name, 60))
	}
	return starlark.None, nil
}

func badPhase(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > 200:
		return "has more than 200 characters"
	case clip(name, 200) != name:
		return "has line breaks, or spaces at an end or beside each other"
	}
	return ""
}

// workOf reads a phase's list.
func (e *evaluation) workOf(p *phaseDeclaration, v starlark.Value, name string, at Position) error {
	if v == nil || v == starlark.None {
		return nil
	}
	switch v.(type) {
	case *workValue, *gateValue:
		return faultf(at, fmt.Sprintf("write %s=[…]", name), "%s is %s, not a list", name, describe(v))
	case *starlark.List, starlark.Tuple:
	default:
		return faultf(at, fmt.Sprintf("write %s=[call(…), deploy(…)]", name), "%s is %s, not a list of calls and deploys", name, describe(v))
	}
	list, _ := v.(starlark.Indexable)
	for i := range list.Len() {
		var w *workValue
		switch item := list.Index(i).(type) {
		case *workValue:
			w = item
		case *gateValue:
			item.used = true
			w = item.work()
		case starlark.NoneType:
			return faultf(at, "a function that makes work must return it", "%s[%d] of phase %q is None, not a call or a deploy", name, i, p.name)
		case *starlark.List:
			return faultf(at, "join lists with +, or write one comprehension with two for", "%s[%d] of phase %q is a list of its own", name, i, p.name)
		default:
			return faultf(at, "", "%s[%d] of phase %q is %s, not a call or a deploy", name, i, p.name, describe(item))
		}
		if w.claimed != nil {
			return faultf(at, "give each piece of work to one phase", "%s %s is in a phase already", w.item.Kind, w.item.Name)
		}
		w.claimed = p
		p.work = append(p.work, w)
	}
	return nil
}
