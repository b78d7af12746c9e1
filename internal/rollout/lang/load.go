package lang

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Load evaluates the file o.Self.Path, and checks what it declares. Its error is
// an *Error.
func Load(ctx context.Context, o Options) (*Package, error) {
	name := path.Clean(o.Self.Path)
	if !fs.ValidPath(name) || name == "." || strings.Contains(name, "\\") {
		return nil, &Error{Kind: release.Invalid, Problem: release.Problem{Message: fmt.Sprintf("%q is no path of a package file", clip(o.Self.Path, 80)), Hint: "such as web/release.ocu.star"}}
	}
	p := &program{main: name, self: o.Self, files: map[string]*file{}}
	e := newEvaluation(o, loading, p)
	if err := e.run(ctx); err != nil {
		return nil, err
	}
	return e.finish()
}

// warn notes a problem that stops nothing.
func (e *evaluation) warn(at Position, hint, format string, args ...any) {
	problem := faultf(at, hint, format, args...).problem()
	problem.Warning = true
	e.warnings = append(e.warnings, problem)
}

// finish makes the package of what was declared.
func (e *evaluation) finish() (*Package, error) {
	p := e.program
	main := p.files[p.main]
	out := &Package{
		File: p.main, Language: "ocuroot", Version: main.declared.ocuroot,
		Environments: e.environments, Freezes: e.freezes, MaxParallel: e.maxParallel,
		Sources: p.sources(), program: p,
	}
	if p.slipway {
		out.Language, out.Version = "slipway", main.declared.slipway
	}
	for _, w := range e.strays {
		if w.claimed == nil && (w.gate == nil || !w.gate.used) {
			e.warn(w.item.Position, "make it in a function, and call that from the package", "%s %s of a file that is loaded belongs to no package", w.item.Kind, w.item.Name)
		}
	}
	c := &checker{evaluation: e}
	for _, phase := range e.phases() {
		out.Phases = append(out.Phases, c.phase(phase))
	}
	c.unique()
	c.references()
	c.soaks()
	if len(c.problems) > 0 {
		all := once(c.problems) // a comprehension makes the same mistake many times
		return nil, &Error{Kind: release.Invalid, Problem: all[0], Others: all[1:]}
	}
	for i, phase := range out.Phases {
		for j := range phase.Items {
			out.Phases[i].Items[j] = c.work[i][j].item
		}
	}
	out.Warnings = e.warnings
	return out, nil
}

// phases puts work in its order: what no phase names is a phase of one, where
// it was made.
func (e *evaluation) phases() []*phaseDeclaration {
	var out []*phaseDeclaration
	for _, ev := range e.events {
		switch {
		case ev.phase != nil:
			out = append(out, ev.phase)
		case ev.work.claimed == nil && (ev.work.gate == nil || !ev.work.gate.used):
			out = append(out, &phaseDeclaration{work: []*workValue{ev.work}, at: ev.work.item.Position})
		}
	}
	return out
}

// checker looks at a whole package.
type checker struct {
	*evaluation
	problems release.Problems
	work     [][]*workValue // by phase
}

func (c *checker) bad(at Position, hint, format string, args ...any) {
	c.problems = append(c.problems, faultf(at, hint, format, args...).problem())
}

func (c *checker) badErr(err error) {
	if f, ok := err.(*fault); ok { //nolint:errorlint // our own, never wrapped
		c.problems = append(c.problems, f.problem())
	}
}

// phase names functions and checks each piece of work by itself.
func (c *checker) phase(p *phaseDeclaration) Phase {
	for _, w := range p.work {
		c.functions(w)
		if w.item.Kind == ref.Deploy {
			c.environment(w)
		}
		w.item.Inputs = make(map[string]Input, len(w.inputs))
		for name, s := range w.inputs {
			w.item.Inputs[name] = s.Input
		}
	}
	c.work = append(c.work, p.work)
	return Phase{Name: p.name, MaxParallel: p.maxParallel, Position: p.at, Items: make([]Item, len(p.work))}
}

func (c *checker) functions(w *workValue) {
	if w.gate != nil {
		return
	}
	name := "fn"
	if w.item.Kind == ref.Deploy {
		name = "up"
	}
	for _, f := range []struct {
		name string
		fn   *starlark.Function
		at   Position
		slot *Function
	}{{name, w.fn, w.fnAt, &w.item.Fn}, {"down", w.down, w.downAt, &w.item.Down}, {"verify", w.verify, w.verifyAt, &w.item.Verify}} {
		if f.fn == nil {
			continue
		}
		found, ok := c.program.find(f.fn)
		if !ok {
			c.badErr(notGlobal(f.fn, f.name, f.at))
			continue
		}
		*f.slot = found
		inputs := make(map[string]source, len(w.inputs)+1)
		for k, v := range w.inputs {
			inputs[k] = v
		}
		if w.item.Kind == ref.Deploy && accepts(f.fn, "environment") {
			inputs["environment"] = source{}
		}
		at := w.inputsSpot
		if err := checkParameters(f.fn, inputs, at); err != nil {
			c.badErr(err)
		}
	}
}

// environment checks that a deploy's environment is there. One that is given by
// name must be registered; one that is given whole may be registered later, and
// its deploy waits for that.
func (c *checker) environment(w *workValue) {
	var names []string
	for _, known := range c.known() {
		names = append(names, known.Name)
	}
	if slices.Contains(names, w.item.Name) {
		return
	}
	if _, byName := w.environment.(starlark.String); !byName {
		c.warn(w.environmentAt, fmt.Sprintf("write register_environment(environment(%q)) in a package", w.item.Name), "environment %s is not registered: its deploy waits until it is", w.item.Name)
		return
	}
	hint := didYouMean(w.item.Name, names)
	message := fmt.Sprintf("there is no environment %s", w.item.Name)
	if len(names) == 0 {
		hint, message = "register_environment registers one, in a package that is released first", message+": none is registered"
	}
	c.bad(w.environmentAt, hint, "%s", message)
}

// unique checks names: of calls, and of the environments of deploys. Gates alone
// are numbered where that is needed.
func (c *checker) unique() {
	first := map[ref.Ref]*workValue{}
	var gates []*workValue
	for _, phase := range c.work {
		for _, w := range phase {
			if w.gate != nil {
				gates = append(gates, w)
				continue
			}
			key := ref.Ref{Kind: w.item.Kind, Name: w.item.Name}
			before := first[key]
			if before == nil {
				first[key] = w
				continue
			}
			where := fmt.Sprintf("%s:%d", before.item.Position.File, before.item.Position.Line)
			if w.item.Kind == ref.Deploy {
				c.bad(w.environmentAt, "a package has one deploy for an environment; do the rest in up, or with next()", "there is a deploy to %s already (%s)", w.item.Name, where)
			} else {
				c.bad(w.item.Position, "give each call a name of its own", "there is a call %q already (%s)", w.item.Name, where)
			}
		}
	}
	for _, w := range gates {
		base := w.item.Name
		for n := 2; first[ref.Ref{Kind: ref.Call, Name: w.item.Name}] != nil; n++ {
			w.item.Name = fmt.Sprintf("%s-%d", base, n)
		}
		first[ref.Ref{Kind: ref.Call, Name: w.item.Name}] = w
	}
}

// soaks checks that there is something to soak.
func (c *checker) soaks() {
	if len(c.work) == 0 {
		return
	}
	for _, w := range c.work[0] {
		for _, s := range w.inputs {
			if s.Gate != nil && s.Gate.Soak > 0 {
				c.bad(s.Gate.Position, "put it after the phase that is to prove itself", "soak() waits after the phase before, and there is none")
			}
		}
	}
}

// once leaves each problem out that is told already.
func once(all release.Problems) release.Problems {
	var told release.Problems
	for _, p := range all {
		if !slices.Contains(told, p) {
			told = append(told, p)
		}
	}
	return told
}
