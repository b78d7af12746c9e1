package lang

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
)

// Lookup finds a function by its name and file, so that a chain that another
// process began can go on. An empty file is the package's own.
func (p *Package) Lookup(name, file string) (Function, bool) {
	if file == "" {
		file = p.File
	}
	fn, ok := p.program.lookup(name, file)
	if !ok {
		return Function{}, false
	}
	return function(name, file, fn), true
}

// Functions lists the functions of the package's file and of those that it
// loads, by file and name.
func (p *Package) Functions() []Function {
	var out []Function
	for _, s := range p.Sources {
		for _, name := range p.program.functions(s.Path) {
			if f, ok := p.Lookup(name, s.Path); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// Call runs a function with the values of its inputs. It may be called from
// several goroutines at once, each with its own Log and Host in o. Its error is
// an *Error: of kind release.Failed, unless the host refused something.
func (p *Package) Call(ctx context.Context, fn Function, inputs map[string]json.RawMessage, o Options) (Result, error) {
	e := newEvaluation(o, running, p.program)
	f, err := p.program.named(fn)
	if err != nil {
		return Result{}, err
	}
	args, kwargs, err := e.arguments(f, inputs)
	if err != nil {
		return Result{}, err
	}
	v, err := e.call(ctx, f, args, kwargs)
	if err != nil {
		return Result{}, err
	}
	switch v := v.(type) {
	case *doneValue:
		return Result{Done: &v.done}, nil
	case *nextValue:
		return Result{Next: &v.next}, nil
	}
	return Result{}, badReturn(f, v)
}

func badReturn(f *starlark.Function, v starlark.Value) error {
	returned := "nothing"
	hint := "end it with return done()"
	switch v.(type) {
	case starlark.NoneType:
	case *starlark.Dict:
		returned, hint = "a dict", "write return done(outputs={…})"
	default:
		returned = describe(v)
	}
	at := position(f.Position())
	return &Error{Kind: release.Failed, Problem: faultf(at, hint, "%s returned %s, and a function returns done() or next()", f.Name(), returned).problem()}
}

// named is the function that a Function means.
func (p *program) named(fn Function) (*starlark.Function, error) {
	name := fn.File
	if name == "" {
		name = p.main
	}
	if f, ok := p.lookup(fn.Name, name); ok {
		return f, nil
	}
	hint := didYouMean(fn.Name, p.functions(name))
	if p.files[name] == nil {
		hint = fmt.Sprintf("%s loads no such file now", p.main)
	}
	return nil, &Error{Kind: release.Failed, Problem: release.Problem{File: name, Message: fmt.Sprintf("there is no function %s", clip(fn.Name, 80)), Hint: hint}}
}

// arguments gives a function ctx, or its inputs by keyword.
func (e *evaluation) arguments(f *starlark.Function, raw map[string]json.RawMessage) (starlark.Tuple, []starlark.Tuple, error) {
	in := &inputs{values: make(map[string]starlark.Value, len(raw))}
	at := position(f.Position())
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		v, err := e.inputFrom(name, raw[name])
		if err != nil {
			return nil, nil, &Error{Kind: release.Failed, cause: err, Problem: faultf(at, "", "input %s of %s is no JSON: %v", name, f.Name(), err).problem()}
		}
		in.names = append(in.names, name)
		in.values[name] = v
	}
	if raw["environment"] != nil {
		e.environment = Input{Value: raw["environment"]}
	}
	if takesContext(f) {
		return starlark.Tuple{&callContext{in}}, nil, nil
	}
	given := maps.Clone(in.values)
	if !accepts(f, "environment") {
		delete(given, "environment")
	}
	if err := checkParameters(f, given, at); err != nil {
		return nil, nil, e.program.newError(err, release.Failed)
	}
	kwargs := make([]starlark.Tuple, 0, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		kwargs = append(kwargs, starlark.Tuple{starlark.String(name), given[name]})
	}
	return nil, kwargs, nil
}

func (e *evaluation) inputFrom(name string, raw json.RawMessage) (starlark.Value, error) {
	if len(raw) == 0 {
		return starlark.None, nil
	}
	if name == "environment" {
		if env, ok := asEnvironment(raw); ok {
			return newEnvironment(env), nil
		}
	}
	return fromJSON(raw)
}

// call runs a function within the limits.
func (e *evaluation) call(ctx context.Context, f *starlark.Function, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	thread := e.thread(ctx, f.Name())
	var v starlark.Value
	err := e.limits.within(ctx, e, thread, func() (err error) {
		v, err = starlark.Call(thread, f, args, kwargs)
		return err
	})
	if err != nil {
		return nil, e.program.newError(err, release.Failed)
	}
	return v, nil
}

// inputs is ctx.inputs: what it has is read as an attribute or by index.
type inputs struct {
	names  []string // sorted
	values map[string]starlark.Value
}

func (in *inputs) String() string {
	parts := make([]string, len(in.names))
	for i, name := range in.names {
		parts[i] = name + " = " + in.values[name].String()
	}
	return "inputs(" + strings.Join(parts, ", ") + ")"
}
func (in *inputs) Type() string          { return "inputs" }
func (in *inputs) Freeze()               {}
func (in *inputs) Truth() starlark.Bool  { return len(in.names) > 0 }
func (in *inputs) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: inputs") }

// Attr answers ctx.inputs.tag.
func (in *inputs) Attr(name string) (starlark.Value, error) {
	if v, ok := in.values[name]; ok {
		return v, nil
	}
	switch name {
	case "get", "keys", "items", "values":
		return in.dict().Attr(name)
	}
	if len(in.names) == 0 {
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("there is no input %s: the function has none", name))
	}
	message := fmt.Sprintf("there is no input %s; there are %s", name, clip(strings.Join(in.names, ", "), 200))
	if n := release.Nearest(name, in.names); n != "" {
		message += fmt.Sprintf(" (did you mean %s?)", n)
	}
	return nil, starlark.NoSuchAttrError(message)
}

// AttrNames are the names of the inputs.
func (in *inputs) AttrNames() []string { return slices.Clone(in.names) }

// Get answers ctx.inputs["tag"].
func (in *inputs) Get(key starlark.Value) (starlark.Value, bool, error) {
	name, _ := starlark.AsString(key)
	v, ok := in.values[name]
	return v, ok, nil
}

func (in *inputs) dict() *starlark.Dict {
	d := starlark.NewDict(len(in.names))
	for _, name := range in.names {
		_ = d.SetKey(starlark.String(name), in.values[name]) // a fresh dict takes strings
	}
	return d
}

// Iterate gives the names.
func (in *inputs) Iterate() starlark.Iterator { return in.dict().Iterate() }

// Items gives names and values.
func (in *inputs) Items() []starlark.Tuple { return in.dict().Items() }

// callContext is ctx.
type callContext struct{ inputs *inputs }

func (c *callContext) String() string        { return "ctx(inputs = " + c.inputs.String() + ")" }
func (c *callContext) Type() string          { return "ctx" }
func (c *callContext) Freeze()               {}
func (c *callContext) Truth() starlark.Bool  { return true }
func (c *callContext) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: ctx") }

// Attr answers ctx.inputs and ctx.environment.
func (c *callContext) Attr(name string) (starlark.Value, error) {
	switch name {
	case "inputs":
		return c.inputs, nil
	case "environment":
		if v, ok := c.inputs.values["environment"]; ok {
			return v, nil
		}
		return nil, starlark.NoSuchAttrError("ctx has no .environment here: only deploys have one")
	}
	if _, ok := c.inputs.values[name]; ok {
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("ctx has no .%s (did you mean ctx.inputs.%s?)", name, name))
	}
	return nil, nil
}

// AttrNames are for dir and "did you mean".
func (c *callContext) AttrNames() []string {
	if _, ok := c.inputs.values["environment"]; ok {
		return []string{"environment", "inputs"}
	}
	return []string{"inputs"}
}
