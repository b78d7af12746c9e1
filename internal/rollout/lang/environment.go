package lang

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// environment is a place to deploy to, as packages see it: e.name and
// e["name"] are the same.
type environment struct {
	name       string
	attributes *starlark.Dict // of strings; frozen
}

func newEnvironment(e Environment) *environment {
	attributes := starlark.NewDict(len(e.Attributes))
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		// A fresh dict takes strings.
		_ = attributes.SetKey(starlark.String(name), starlark.String(e.Attributes[name]))
	}
	attributes.Freeze()
	return &environment{name: e.Name, attributes: attributes}
}

func (e *environment) plain() Environment {
	out := Environment{Name: e.name, Attributes: map[string]string{}}
	for _, item := range e.attributes.Items() {
		k, _ := starlark.AsString(item[0])
		v, _ := starlark.AsString(item[1])
		out.Attributes[k] = v
	}
	return out
}

func (e *environment) dict() *starlark.Dict {
	d := starlark.NewDict(2)
	_ = d.SetKey(starlark.String("name"), starlark.String(e.name)) // as above
	_ = d.SetKey(starlark.String("attributes"), e.attributes)
	return d
}

func (e *environment) String() string {
	return fmt.Sprintf("environment(name = %s, attributes = %s)", syntax.Quote(e.name, false), e.attributes)
}
func (e *environment) Type() string         { return "environment" }
func (e *environment) Freeze()              {}
func (e *environment) Truth() starlark.Bool { return true }

// Hash lets an environment be a key.
func (e *environment) Hash() (uint32, error) { return starlark.String(e.name).Hash() }

// CompareSameType finds environments equal that have the same name and
// attributes.
func (e *environment) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	other, ok := y.(*environment)
	if !ok || op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("environments have no order: compare their names")
	}
	same, err := starlark.EqualDepth(e.attributes, other.attributes, depth-1)
	return (e.name == other.name && same) == (op == syntax.EQL), err
}

// Get answers e["name"].
func (e *environment) Get(key starlark.Value) (starlark.Value, bool, error) {
	return e.dict().Get(key)
}

// Iterate gives the keys, as of a dict.
func (e *environment) Iterate() starlark.Iterator { return e.dict().Iterate() }

// Items are those of the dict.
func (e *environment) Items() []starlark.Tuple { return e.dict().Items() }

// Attr answers e.name, and the methods of a dict.
func (e *environment) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(e.name), nil
	case "attributes":
		return e.attributes, nil
	case "json":
		return starlark.NewBuiltin("json", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			if err := unpack(b.Name(), args, kwargs); err != nil {
				return nil, err
			}
			raw, err := toJSON(e, mostSource)
			return starlark.String(raw), err
		}), nil
	case "dict":
		return starlark.NewBuiltin("dict", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return e.dict(), unpack(b.Name(), args, kwargs)
		}), nil
	case "get", "keys", "items", "values":
		return e.dict().Attr(name)
	}
	if _, found, _ := e.attributes.Get(starlark.String(name)); found {
		return nil, starlark.NoSuchAttrError(fmt.Sprintf("environment has no .%s of its own (did you mean .attributes[%q]?)", name, name))
	}
	return nil, nil
}

// AttrNames are for dir and for "did you mean".
func (e *environment) AttrNames() []string {
	return []string{"attributes", "dict", "get", "items", "json", "keys", "name", "values"}
}

// badName says what keeps a name from being a segment of a reference.
func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > 100:
		return "has more than 100 characters"
	case name == "." || name == "..":
		return "is no name"
	}
	for _, r := range name {
		switch {
		case strings.ContainsRune(`/\@+#=?*%:"'<>|,;`, r):
			return fmt.Sprintf("has %q", r)
		case r <= ' ' || r == 0x7f:
			return "has a space or a control character"
		case r == '\uFFFD':
			return "has a character that is not UTF-8"
		}
	}
	return ""
}

const nameHint = "letters, digits, dashes, dots and underscores are fine"

func makeEnvironment(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var name string
	attributes := starlark.NewDict(0)
	if err := unpack(b.Name(), args, kwargs, "name", &name, "attributes?", &attributes); err != nil {
		return nil, err
	}
	if bad := badName(name); bad != "" {
		return nil, faultf(e.at(thread, "name", 0), nameHint, "the environment's name %q %s", clip(name, 60), bad)
	}
	out := Environment{Name: name, Attributes: map[string]string{}}
	for _, item := range attributes.Items() {
		key, isKey := starlark.AsString(item[0])
		value, isValue := starlark.AsString(item[1])
		at := e.at(thread, "attributes", 1)
		switch {
		case !isKey:
			return nil, faultf(at, "attributes are strings", "environment %s has the attribute %s, whose name is no string", name, show(item[0], 40))
		case !isValue:
			return nil, faultf(at, fmt.Sprintf("write %q: %q", key, show(item[1], 40)), "the attribute %q of environment %s is %s, and attributes are strings", key, name, describe(item[1]))
		}
		out.Attributes[key] = value
	}
	return newEnvironment(out), nil
}

// listEnvironments gives those that are registered, and those that this
// evaluation registered before.
func listEnvironments(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := unpack(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	list := starlark.NewList(nil)
	for _, known := range env(thread).known() {
		if err := list.Append(newEnvironment(known)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// known are the environments by the order of their registration; a later one
// takes the place of an earlier one of its name.
func (e *evaluation) known() []Environment {
	out := slices.Clone(e.options.Environments)
	for _, own := range e.environments {
		if i := slices.IndexFunc(out, func(o Environment) bool { return o.Name == own.Name }); i >= 0 {
			out[i] = own
		} else {
			out = append(out, own)
		}
	}
	return out
}

func registerEnvironment(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var v starlark.Value
	if err := unpack(b.Name(), args, kwargs, "env", &v); err != nil {
		return nil, err
	}
	if e.mode == running {
		return nil, faultf(e.here(thread), "register environments at the top level of a file", "register_environment() is called while a function runs")
	}
	value, ok := v.(*environment)
	if !ok {
		return nil, faultf(e.at(thread, "env", 0), `write register_environment(environment("staging"))`, "register_environment() takes an environment, not %s", describe(v))
	}
	own := value.plain()
	if i := slices.IndexFunc(e.environments, func(o Environment) bool { return o.Name == own.Name }); i >= 0 {
		e.environments[i] = own
	} else {
		e.environments = append(e.environments, own)
	}
	return starlark.None, nil
}

func environmentFromDict(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := unpack(b.Name(), args, kwargs, "env", &v); err != nil {
		return nil, err
	}
	raw, err := toJSON(v, mostSource)
	if err != nil {
		return nil, faultf(env(thread).here(thread), "", "the environment can't be read: %v", err)
	}
	return readEnvironment(thread, raw)
}

func environmentFromJSON(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var raw string
	if err := unpack(b.Name(), args, kwargs, "env", &raw); err != nil {
		return nil, err
	}
	return readEnvironment(thread, json.RawMessage(raw))
}

func readEnvironment(thread *starlark.Thread, raw json.RawMessage) (starlark.Value, error) {
	out, ok := asEnvironment(raw)
	if !ok {
		return nil, faultf(env(thread).here(thread), `such as {"name": "staging", "attributes": {"type": "staging"}}`, "%s is no environment", clip(string(raw), 80))
	}
	return newEnvironment(out), nil
}

// asEnvironment reads the JSON of an environment.
func asEnvironment(raw json.RawMessage) (Environment, bool) {
	var out Environment
	if err := json.Unmarshal(raw, &out); err != nil || badName(out.Name) != "" {
		return Environment{}, false
	}
	return out, true
}
