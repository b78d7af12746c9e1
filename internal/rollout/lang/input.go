package lang

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// inputValue is what input(…) and ref(…) give: where an input comes from.
type inputValue struct {
	kind  string // "input" or "ref"
	input Input
	own   bool // the reference is to the release that it is read in
	at    Position
}

func (v *inputValue) String() string {
	if v.input.Ref != nil {
		return fmt.Sprintf("%s(%q)", v.kind, v.input.Ref.String())
	}
	return v.kind + "(…)"
}
func (v *inputValue) Type() string          { return v.kind }
func (v *inputValue) Freeze()               {}
func (v *inputValue) Truth() starlark.Bool  { return true }
func (v *inputValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", v.kind) }

// Get answers value["ref"], which Ocuroot's packages read.
func (v *inputValue) Get(key starlark.Value) (starlark.Value, bool, error) {
	name, _ := starlark.AsString(key)
	switch {
	case name == "ref" && v.input.Ref != nil:
		return starlark.String(v.input.Ref.String()), true, nil
	case name == "default" && v.input.Default != nil:
		d, err := fromJSON(v.input.Default)
		return d, err == nil, err
	case name == "doc" && v.input.Doc != "":
		return starlark.String(v.input.Doc), true, nil
	}
	return nil, false, nil
}

func makeRef(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var v starlark.Value
	if err := unpack(b.Name(), args, kwargs, "ref", &v); err != nil {
		return nil, err
	}
	out := &inputValue{kind: "ref", at: e.here(thread)}
	return out, e.setRef(out, v, e.at(thread, "ref", 0))
}

// setRef reads a reference: a string, or what ref gave.
func (e *evaluation) setRef(out *inputValue, v starlark.Value, at Position) error {
	switch v := v.(type) {
	case starlark.String:
		r, err := ref.Parse(withoutSlash(string(v)))
		if err != nil {
			return &fault{at: at, message: err.Error(), hint: release.HintOf(err), cause: err}
		}
		abs := r.In(e.program.self)
		out.own = !r.Global && abs.Repo == e.program.self.Repo && abs.Path == e.program.self.Path && !abs.Intent &&
			(!r.Versioned || abs.Release != "" && abs.Release == e.program.self.Release)
		out.input.Ref = &abs
		return nil
	case *inputValue:
		if v.input.Ref != nil {
			r := *v.input.Ref
			out.input.Ref, out.own = &r, v.own
			return nil
		}
	case *starlark.Dict:
		if s, found, _ := v.Get(starlark.String("ref")); found {
			return e.setRef(out, s, at)
		}
	case *gateValue:
		return faultf(at, fmt.Sprintf("give it as the input itself: %q: %s(…)", v.gate.Name, v.kind), "ref is %s, not a reference", describe(v))
	}
	return faultf(at, `such as "./call/build#output/tag"`, "ref is %s, not a reference", describe(v))
}

var slash = regexp.MustCompile(`(/(?:call|task|deploy|custom)/[^#]*[^#/])/(#|$)`)

// withoutSlash takes the slash off the end of a document's name, which Ocuroot
// did not mind: ./call/build/#output/tag.
func withoutSlash(s string) string { return slash.ReplaceAllString(s, "$1$2") }

func makeInput(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var from, byDefault starlark.Value
	var doc starlark.Value = starlark.None
	if err := unpack(b.Name(), args, kwargs, "ref?", &from, "default?", &byDefault, "doc?", &doc); err != nil {
		return nil, err
	}
	out := &inputValue{kind: "input", at: e.here(thread)}
	if from != nil && from != starlark.None {
		if err := e.setRef(out, from, e.at(thread, "ref", 0)); err != nil {
			return nil, err
		}
	}
	if byDefault != nil && byDefault != starlark.None {
		raw, err := toJSON(byDefault, e.limits.Output)
		if err != nil {
			return nil, faultf(e.at(thread, "default", 1), "", "default: %v", err)
		}
		out.input.Default = raw
	}
	if doc != starlark.None {
		s, ok := starlark.AsString(doc)
		if !ok {
			return nil, faultf(e.at(thread, "doc", 2), "", "doc is %s, not a string", describe(doc))
		}
		out.input.Doc = strings.TrimSpace(s)
	}
	if out.input.Ref == nil && out.input.Default == nil {
		return nil, faultf(e.here(thread), `write input(ref="./call/build#output/tag"), or a value without input()`, "input() has neither ref nor default")
	}
	return out, nil
}

// source is an input with what the checks need to know of it.
type source struct {
	Input
	own bool
	at  Position
}

var inputName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// inputs reads the argument inputs= of a call, a deploy or a next.
func (e *evaluation) inputs(v starlark.Value, at Position, reserved string) (map[string]source, error) {
	out := map[string]source{}
	if v == nil || v == starlark.None {
		return out, nil
	}
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, faultf(at, `write inputs={"tag": ref("./call/build#output/tag")}`, "inputs is %s, not a dict", describe(v))
	}
	for _, item := range d.Items() {
		name, ok := starlark.AsString(item[0])
		switch {
		case !ok:
			return nil, faultf(at, "names of inputs are strings", "inputs has %s as a name", show(item[0], 40))
		case !inputName.MatchString(name):
			return nil, faultf(at, inputHint(name), "%q can't be the name of an input: they have letters, digits and underscores, and begin with no digit", clip(name, 60))
		case name == reserved:
			return nil, faultf(at, "leave it out: every deploy has the input environment", "environment is a reserved input of deploys")
		}
		s, err := e.input(item[1])
		if err != nil {
			err.at, err.message = at, fmt.Sprintf("input %s: %s", name, err.message)
			return nil, err
		}
		s.at = at
		out[name] = s
	}
	return out, nil
}

var notInName = regexp.MustCompile(`[^a-zA-Z0-9_]+`)

func inputHint(name string) string {
	fixed := strings.Trim(notInName.ReplaceAllString(name, "_"), "_")
	if fixed == "" || !inputName.MatchString(fixed) {
		fixed = "_" + fixed
	}
	return fmt.Sprintf("write %q", clip(fixed, 60))
}

// input reads one input: a value, or where it comes from.
func (e *evaluation) input(v starlark.Value) (source, *fault) {
	switch v := v.(type) {
	case *inputValue:
		return source{Input: v.input, own: v.own}, nil
	case *gateValue:
		if e.mode == loading { // a function's gates are shared with other threads
			v.used = true
		}
		gate := v.gate
		return source{Input: Input{Gate: &gate}}, nil
	case *starlark.Dict:
		if spec, err := e.spec(v); spec != nil || err != nil {
			if err != nil {
				return source{}, err
			}
			return source{Input: spec.input, own: spec.own}, nil
		}
	case *workValue:
		return source{}, faultf(Position{}, fmt.Sprintf("write ref(\"./%s/%s#output/…\")", v.item.Kind, v.item.Name), "it is %s: work is referred to by its name", describe(v))
	}
	raw, err := toJSON(v, e.limits.Output)
	if err != nil {
		return source{}, faultf(Position{}, "values are strings, numbers, True, False, None, lists and dicts", "%v", err)
	}
	return source{Input: Input{Value: raw}}, nil
}

// spec reads a dict as Ocuroot did: with ref, default or value it says where
// the input comes from.
func (e *evaluation) spec(d *starlark.Dict) (*inputValue, *fault) {
	known := []string{"ref", "default", "value", "doc"}
	fields := map[string]starlark.Value{}
	var others []string
	for _, item := range d.Items() {
		name, _ := starlark.AsString(item[0])
		if slices.Contains(known, name) {
			fields[name] = item[1]
		} else {
			others = append(others, show(item[0], 40))
		}
	}
	if fields["ref"] == nil && fields["default"] == nil && fields["value"] == nil {
		return nil, nil
	}
	if len(others) > 0 {
		return nil, faultf(Position{}, `a dict that is meant as it stands is written {"value": {…}}`, "a dict with ref, default or value says where an input comes from, and this one has %s too", clip(strings.Join(others, ", "), 80))
	}
	out := &inputValue{kind: "input"}
	var err error
	if v := fields["value"]; v != nil {
		if out.input.Value, err = toJSON(v, e.limits.Output); err != nil {
			return nil, faultf(Position{}, "", "value: %v", err)
		}
	}
	if v := fields["default"]; v != nil && v != starlark.None {
		if out.input.Default, err = toJSON(v, e.limits.Output); err != nil {
			return nil, faultf(Position{}, "", "default: %v", err)
		}
	}
	if from := fields["ref"]; from != nil && from != starlark.None {
		if out.input.Value != nil {
			return nil, faultf(Position{}, "leave one of them out", "it has both ref and value")
		}
		if err := e.setRef(out, from, Position{}); err != nil {
			f, ok := err.(*fault) //nolint:errorlint // setRef makes it
			if !ok {
				f = faultf(Position{}, "", "%v", err)
			}
			return nil, f
		}
	}
	if out.input.Value != nil {
		out.input.Default = nil
	}
	if out.input.Value == nil && out.input.Ref == nil && out.input.Default == nil {
		return nil, faultf(Position{}, "give it a ref or a default", "it has neither a ref, nor a value, nor a default")
	}
	return out, nil
}
