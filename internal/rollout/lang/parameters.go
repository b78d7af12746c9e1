package lang

import (
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"
)

// takesContext reports whether a function gets ctx, and not its inputs by
// keyword: ctx is the one parameter without a default.
func takesContext(f *starlark.Function) bool {
	for i, name := range parameters(f) {
		if (i == 0) != (f.ParamDefault(i) == nil) || i == 0 && name != "ctx" {
			return false
		}
	}
	return len(parameters(f)) > 0
}

// accepts reports whether a function may be given an input.
func accepts(f *starlark.Function, input string) bool {
	return takesContext(f) || f.HasKwargs() || slices.Contains(parameters(f), input)
}

// parameters are the names of a function's parameters, without *args and **kwargs.
func parameters(f *starlark.Function) []string {
	n := f.NumParams()
	if f.HasVarargs() {
		n--
	}
	if f.HasKwargs() {
		n--
	}
	names := make([]string, 0, n)
	for i := range n {
		name, _ := f.Param(i)
		names = append(names, name)
	}
	return names
}

// checkParameters compares a function's parameters with the inputs that it will
// get. That there is an environment is known of deploys alone.
func checkParameters[T any](f *starlark.Function, inputs map[string]T, at Position) error {
	if takesContext(f) {
		return nil
	}
	names := parameters(f)
	defined := position(f.Position())
	where := fmt.Sprintf("%s (%s:%d)", f.Name(), defined.File, defined.Line)
	given := slices.Sorted(maps.Keys(inputs))
	for i, name := range names {
		if _, ok := inputs[name]; ok || f.ParamDefault(i) != nil {
			continue
		}
		hint := fmt.Sprintf("add %q to inputs, or give the parameter a default", name)
		switch {
		case name == "ctx":
			hint = "ctx stands alone: def " + f.Name() + "(ctx)"
		case len(names) == 1 && len(given) != 1:
			hint = "to get all of them, name the one parameter ctx: def " + f.Name() + "(ctx)"
		default:
			for _, other := range given {
				if !slices.Contains(names, other) {
					hint = fmt.Sprintf("there is an input %s: is it that?", other)
				}
			}
		}
		return faultf(at, hint, "the parameter %s of %s has no input and no default", name, where)
	}
	if f.HasKwargs() {
		return nil
	}
	for _, name := range given {
		if !slices.Contains(names, name) {
			hint := fmt.Sprintf("add a parameter %s=None, or **kwargs", name)
			if len(names) == 0 {
				hint = "write def " + f.Name() + "(ctx), or a parameter for each input"
			}
			return faultf(at, hint, "the input %s is no parameter of %s", name, where)
		}
	}
	return nil
}
