package lang

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/slipway-dev/slipway/internal/release"
)

// Error is what is wrong with a package file, or what a function of it failed
// with. Its kind is release.Invalid while the file is evaluated and
// release.Failed when a function runs, but for causes that have a kind of their
// own, such as a host's refusal.
type Error struct {
	release.Problem // place, message, hint
	Kind            release.Kind
	Backtrace       []Frame          // outermost first; empty for what was found without running
	Others          release.Problems // found at the same time
	cause           error
}

// Frame is a function that was running, and where.
type Frame struct {
	Position
	Function string // "<toplevel>" for the file itself
}

// String gives "file:line:column: in function".
func (f Frame) String() string {
	return fmt.Sprintf("%s:%d:%d: in %s", f.File, f.Line, f.Column, f.Function)
}

// Error gives one line a problem, without the backtrace.
func (e *Error) Error() string {
	return e.problems().Error()
}

func (e *Error) problems() release.Problems {
	return append(release.Problems{e.Problem}, e.Others...)
}

// Unwrap gives what a built-in failed with, such as a host's error.
func (e *Error) Unwrap() error { return e.cause }

// As lets the error be read as a release.Error, and what is wrong with a file
// as release.Problems.
func (e *Error) As(target any) bool {
	switch t := target.(type) {
	case **release.Error:
		*t = &release.Error{Kind: e.Kind, Message: e.Error()}
		return true
	case *release.Problems:
		if e.Kind == release.Invalid {
			*t = e.problems()
			return true
		}
	}
	return false
}

// fault is what a built-in fails with: a problem that may know its place.
type fault struct {
	at      Position
	message string
	hint    string
	cause   error
}

func (f *fault) Error() string { return f.message }
func (f *fault) Unwrap() error { return f.cause }

func faultf(at Position, hint, format string, args ...any) *fault {
	return &fault{at: at, hint: hint, message: fmt.Sprintf(format, args...)}
}

func (f *fault) problem() release.Problem {
	return release.Problem{File: f.at.File, Line: f.at.Line, Column: f.at.Column, Message: f.message, Hint: f.hint}
}

// newError gives Starlark's errors and ours their place, hint and backtrace.
func (p *program) newError(err error, kind release.Kind) error {
	out := &Error{Kind: kind, cause: err}
	var eval *starlark.EvalError
	var syntaxError syntax.Error
	var resolved resolve.ErrorList
	var f *fault
	var already *Error
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &syntaxError):
		out.Problem = p.syntaxProblem(syntaxError)
	case errors.As(err, &resolved) && len(resolved) > 0:
		for i, r := range resolved {
			problem := p.resolveProblem(r)
			if i == 0 {
				out.Problem = problem
			} else {
				out.Others = append(out.Others, problem)
			}
		}
	case errors.As(err, &eval):
		p.evalProblem(out, eval, err)
	case errors.As(err, &f):
		out.Problem = f.problem()
	default:
		out.Problem = release.Problem{File: p.main, Message: err.Error()}
	}
	if errors.As(err, &f) {
		out.cause = f.cause
	}
	var known *release.Error
	if out.cause != nil && errors.As(out.cause, &known) {
		out.Kind = known.Kind
	}
	return out
}

func (p *program) evalProblem(out *Error, eval *starlark.EvalError, err error) {
	// The innermost has the whole stack: what a file that is loaded fails with
	// is wrapped again by the file that loads it.
	for inner := eval; errors.As(errors.Unwrap(eval), &inner); {
		eval = inner
	}
	var last Position
	for _, frame := range eval.CallStack {
		if frame.Pos.Filename() == "<builtin>" {
			continue
		}
		last = p.start(frame.Pos)
		out.Backtrace = append(out.Backtrace, Frame{Position: last, Function: frame.Name})
	}
	var f *fault
	if errors.As(err, &f) {
		if f.at == (Position{}) {
			f = &fault{at: last, message: f.message, hint: f.hint, cause: f.cause}
		}
		out.Problem = f.problem()
		return
	}
	message, hint := splitHint(eval.Msg)
	if hint == "" {
		hint = evalHint(message)
	}
	out.Problem = release.Problem{File: last.File, Line: last.Line, Column: last.Column, Message: message, Hint: hint}
}

// splitHint takes "did you mean" off a message: ours, or else Starlark's own,
// which it adds after ours.
func splitHint(message string) (text, hint string) {
	for {
		i := strings.LastIndex(message, " (did you mean ")
		if i < 0 || !strings.HasSuffix(message, ")") {
			return message, hint
		}
		message, hint = message[:i], message[i+2:len(message)-1]
	}
}

func evalHint(message string) string {
	switch {
	case strings.Contains(message, "called recursively"):
		return "Starlark has no recursion: write a loop over a list, for x in …"
	case strings.HasPrefix(message, "unknown binary op: string + "), strings.HasPrefix(message, "unknown binary op: ") && strings.HasSuffix(message, " + string"):
		return `turn it into text with str(x), or write "…{}".format(x)`
	case strings.HasPrefix(message, "key ") && strings.HasSuffix(message, " not in dict"):
		return `x.get("key", default) takes a default for keys that are not there`
	}
	return ""
}

// clip shortens text for a message and takes line breaks out.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}
