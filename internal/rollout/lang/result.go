package lang

import (
	"encoding/json"
	"fmt"
	"regexp"

	"go.starlark.net/starlark"
)

// doneValue is what done(…) gives.
type doneValue struct{ done Done }

func (d *doneValue) String() string        { return "done(…)" }
func (d *doneValue) Type() string          { return "done" }
func (d *doneValue) Freeze()               {}
func (d *doneValue) Truth() starlark.Bool  { return true }
func (d *doneValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: done") }

// nextValue is what next(…) gives.
type nextValue struct {
	next Next
}

func (n *nextValue) String() string        { return "next(" + n.next.Fn.Name + ", …)" }
func (n *nextValue) Type() string          { return "next" }
func (n *nextValue) Freeze()               {}
func (n *nextValue) Truth() starlark.Bool  { return true }
func (n *nextValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: next") }

var (
	tagName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	tagRelease = regexp.MustCompile(`^r?[0-9]+$`)
)

func makeDone(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if len(args) > 0 {
		if _, isDict := args[0].(*starlark.Dict); isDict {
			return nil, faultf(e.at(thread, "annotation", 0), "write done(outputs={…})", "the first argument of done() is its annotation, and this is a dict")
		}
	}
	var outputs, output, tags, watch starlark.Value
	d := &doneValue{}
	if err := unpack(b.Name(), args, kwargs, "annotation?", &d.done.Annotation, "outputs?", &outputs, "tags?", &tags, "output?", &output, "watch?", &watch); err != nil {
		return nil, err
	}
	name, at := "outputs", e.at(thread, "outputs", 1)
	if output != nil && output.Truth() {
		if outputs != nil && outputs.Truth() {
			return nil, faultf(at, "put all of it in one of them: they mean the same", "done() has both output and outputs")
		}
		name, at, outputs = "output", e.at(thread, "output", 3), output
	}
	var err error
	if d.done.Output, err = e.outputs(outputs, name, at); err != nil {
		return nil, err
	}
	at = e.at(thread, "tags", 2)
	if d.done.Tags, err = text(tags); err != nil {
		return nil, faultf(at, `write tags=["1.2.0"]`, "tags %v", err)
	}
	for _, tag := range d.done.Tags {
		switch {
		case tagRelease.MatchString(tag):
			return nil, faultf(at, fmt.Sprintf("write %q", "v"+tag), "the tag %q looks like the number of a release", tag)
		case !tagName.MatchString(tag):
			return nil, faultf(at, "tags have letters, digits, dashes, dots and underscores", "%q can't be a tag", clip(tag, 60))
		}
	}
	return d, nil
}

// outputs reads the outputs of a chain.
func (e *evaluation) outputs(v starlark.Value, name string, at Position) (map[string]json.RawMessage, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, faultf(at, `write outputs={"tag": tag}`, "%s is %s, not a dict", name, describe(v))
	}
	out := map[string]json.RawMessage{}
	size := 0
	for _, item := range d.Items() {
		key, ok := starlark.AsString(item[0])
		if !ok || key == "" {
			return nil, faultf(at, "keys are strings", "%s has the key %s", name, show(item[0], 40))
		}
		raw, err := toJSON(item[1], e.limits.Output)
		if err != nil {
			return nil, faultf(at, "values are strings, numbers, True, False, None, lists and dicts; keep large data in a file and hand on its path", "%s[%q]: %v", name, clip(key, 60), err)
		}
		if size += len(key) + len(raw); size > e.limits.Output {
			return nil, faultf(at, "keep large data in a file, and hand on its path", "%s has more than %d bytes as JSON", name, e.limits.Output)
		}
		out[key] = raw
	}
	return out, nil
}

func makeNext(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if e.mode != running {
		return nil, faultf(e.here(thread), "return it from a function", "next() is called while the file is read")
	}
	var fn, inputs starlark.Value
	n := &nextValue{}
	if err := unpack(b.Name(), args, kwargs, "fn", &fn, "annotation?", &n.next.Annotation, "inputs?", &inputs); err != nil {
		return nil, err
	}
	at := e.at(thread, "fn", 0)
	f, err := e.aFunction(fn, "fn", at)
	if err != nil {
		return nil, err
	}
	found, ok := e.program.find(f)
	if !ok {
		return nil, notGlobal(f, "fn", at)
	}
	n.next.Fn = found
	given, err := e.inputs(inputs, e.at(thread, "inputs", 2), "")
	if err != nil {
		return nil, err
	}
	n.next.Inputs = make(map[string]Input, len(given)+1)
	for name, s := range given {
		n.next.Inputs[name] = s.Input
	}
	if _, has := given["environment"]; !has && e.environment.Value != nil && accepts(f, "environment") {
		n.next.Inputs["environment"] = e.environment
	}
	if err := checkParameters(f, n.next.Inputs, e.at(thread, "inputs", 2)); err != nil {
		return nil, err
	}
	return n, nil
}

// notGlobal says that a function can't be found again by a name.
func notGlobal(f *starlark.Function, name string, at Position) error {
	defined := position(f.Position())
	what := "a function inside of another"
	if f.Name() == "lambda" {
		what = "a lambda"
	} else if defined.Column == 1 {
		what = "a function whose name stands for something else now"
	}
	return faultf(at, "def it at the top level of the file: it is found again by its name", "%s is %s (%s:%d)", name, what, defined.File, defined.Line)
}
