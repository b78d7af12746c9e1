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
)

// mode is what a thread does.
type mode int

const (
	loading    mode = iota // a package file is evaluated
	repository             // repo.ocu.star is evaluated
	running                // a function runs
)

// evaluation is what the built-ins of one thread share. A thread belongs to one
// goroutine.
type evaluation struct {
	mode    mode
	options Options
	limits  Limits
	program *program
	stack   []string // files being evaluated, the outermost first

	// What the files declare.
	events       []event
	strays       []*workValue  // made at the top of loaded files
	environments []Environment // registered by them
	freezes      []Freeze
	warnings     release.Problems
	maxParallel  int
	repo         Repo
	trigger      *starlark.Function
	triggerAt    Position

	// Of a function: the environment among its inputs, which a chain keeps.
	environment Input
}

const (
	evaluationKey = "evaluation"
	contextKey    = "context"
)

func env(thread *starlark.Thread) *evaluation {
	e, _ := thread.Local(evaluationKey).(*evaluation)
	return e
}

func threadContext(thread *starlark.Thread) context.Context {
	if ctx, ok := thread.Local(contextKey).(context.Context); ok {
		return ctx
	}
	return context.Background()
}

// here is the call of the built-in that runs.
func (e *evaluation) here(thread *starlark.Thread) Position {
	if thread.CallStackDepth() < 2 {
		return Position{}
	}
	return e.program.start(thread.CallFrame(1).Pos)
}

// at is an argument of the call of the built-in that runs.
func (e *evaluation) at(thread *starlark.Thread, keyword string, index int) Position {
	if thread.CallStackDepth() < 2 {
		return Position{}
	}
	return e.program.argument(thread.CallFrame(1).Pos, keyword, index)
}

// inMain reports whether the file that is evaluated is the package's own: what
// loaded files declare at their top belongs to no package.
func (e *evaluation) inMain() bool { return len(e.stack) == 1 }

// isSlipway reports whether the calling file, or the package, said slipway("1").
func (e *evaluation) isSlipway(thread *starlark.Thread) bool {
	if e.program.slipway {
		return true
	}
	if thread.CallStackDepth() < 2 {
		return false
	}
	f := e.program.files[thread.CallFrame(1).Pos.Filename()]
	return f != nil && f.slipway
}

// needSlipway refuses Slipway's additions where they were not asked for.
func (e *evaluation) needSlipway(thread *starlark.Thread, what string, at Position) error {
	if e.isSlipway(thread) {
		return nil
	}
	return faultf(at, `write slipway("1") at the top of the file`, "%s is Slipway's own, and the file does not say that it uses it", what)
}

// thread makes a thread that runs within the limits.
func (e *evaluation) thread(ctx context.Context, name string) *starlark.Thread {
	t := &starlark.Thread{Name: name, Print: printLine, Load: loadModule}
	t.SetLocal(evaluationKey, e)
	t.SetLocal(contextKey, ctx)
	return t
}

func newEvaluation(o Options, m mode, p *program) *evaluation {
	o.Log = orNoLog(o.Log)
	return &evaluation{mode: m, options: o, limits: o.Limits.withDefaults(), program: p}
}

// run evaluates the main file.
func (e *evaluation) run(ctx context.Context) error {
	p := e.program
	f, err := p.read(e.options.Root, p.main)
	if err != nil {
		return &Error{Kind: release.Invalid, Problem: release.Problem{File: p.main, Message: "it can't be read: " + plain(err)}, cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Time)
	defer cancel()
	thread := e.thread(ctx, p.main)
	err = e.limits.within(ctx, e, thread, func() error { return e.exec(thread, f) })
	if err != nil {
		return p.newError(err, release.Invalid)
	}
	return nil
}

// exec evaluates one file in the thread of all: its steps count together.
func (e *evaluation) exec(thread *starlark.Thread, f *file) error {
	f.loading = true
	e.stack = append(e.stack, f.path)
	defer func() {
		f.loading = false
		e.stack = e.stack[:len(e.stack)-1]
	}()
	names := predeclared()
	compiled, err := e.program.compile(f, names)
	if err != nil {
		return e.program.newError(err, release.Invalid)
	}
	globals, err := compiled.Init(thread, names)
	if err != nil {
		return err
	}
	globals.Freeze()
	f.globals = globals
	return nil
}

// loadModule answers a load statement.
func loadModule(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	e := env(thread)
	from := thread.CallFrame(0).Pos
	at := position(from)
	name, err := modulePath(from.Filename(), module)
	if err != nil {
		err.at = at
		return nil, err
	}
	f := e.program.files[name]
	switch {
	case f != nil && f.loading:
		cycle := append(slices.Clone(e.stack[slices.Index(e.stack, name):]), name)
		return nil, faultf(at, "move what both need into a third file", "files load each other in a circle: %s", strings.Join(cycle, " → "))
	case f != nil:
		return f.globals, nil
	case len(e.program.files) >= mostFiles:
		return nil, faultf(at, "", "more than %d files are loaded", mostFiles)
	case len(e.stack) > mostDepth:
		return nil, faultf(at, "", "files load each other %d deep", mostDepth)
	}
	f, readErr := e.program.read(e.options.Root, name)
	if readErr != nil {
		return nil, &fault{at: at, message: fmt.Sprintf("%s can't be loaded: %s", name, plain(readErr)), hint: e.otherFiles(name), cause: readErr}
	}
	if err := e.exec(thread, f); err != nil {
		return nil, err
	}
	return f.globals, nil
}

const (
	mostFiles = 1000
	mostDepth = 50
)

// modulePath is the file that a load statement in another file means.
func modulePath(from, module string) (string, *fault) {
	name := path.Join(path.Dir(from), module)
	if rooted, ok := strings.CutPrefix(module, "/"); ok {
		name = path.Clean(strings.TrimPrefix(rooted, "/"))
	}
	switch {
	case module == "" || strings.HasSuffix(module, "/"):
		return "", faultf(Position{}, `write load("./tasks.ocu.star", "name")`, "load %q names no file", clip(module, 80))
	case strings.HasPrefix(module, "@"):
		return "", faultf(Position{}, "copy the file into this repository", "load %q: files of other repositories can't be loaded", clip(module, 80))
	case name == ".." || strings.HasPrefix(name, "../"):
		return "", faultf(Position{}, "", "load %q leaves the repository", clip(module, 80))
	case !fs.ValidPath(name) || name == ".":
		return "", faultf(Position{}, `write load("./tasks.ocu.star", "name")`, "load %q is no path of a file", clip(module, 80))
	}
	return name, nil
}

// otherFiles names a file that may be meant.
func (e *evaluation) otherFiles(name string) string {
	entries, err := fs.ReadDir(e.options.Root, path.Dir(name))
	if err != nil {
		return ""
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".star") && entry.Name() != path.Base(name) {
			names = append(names, entry.Name())
		}
	}
	if n := release.Nearest(path.Base(name), names); n != "" {
		return fmt.Sprintf("did you mean %s?", path.Join(path.Dir(name), n))
	}
	return ""
}

// plain is an error without the path that file systems put before it.
func plain(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}
