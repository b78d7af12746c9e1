package release

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with what a person wrote, with the place
// where they can mend it.
type Problem struct {
	// File is the path as the person gave it; empty when there is no file.
	File string `json:"file,omitempty"`
	// Line and Column count from 1; 0 means unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Field is the path of the setting, such as "builds[1].platforms[0]".
	Field string `json:"field,omitempty"`
	// Warning marks a problem that does not stop the work.
	Warning bool `json:"warning,omitempty"`
	// Message says what is wrong, Hint what to do about it.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error gives "file:line:column: message (hint)", leaving out what is unknown.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is every problem found in one go. As an error it is of kind Invalid.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Split parts the problems that stop the work from the warnings.
func (ps Problems) Split() (fatal, warnings Problems) {
	for _, p := range ps {
		if p.Warning {
			warnings = append(warnings, p)
		} else {
			fatal = append(fatal, p)
		}
	}
	return fatal, warnings
}

// Kind says whose turn it is after an error. The edges map it, once, to an
// exit code, an HTTP status or an annotation.
type Kind int

const (
	// Failed: the work was tried and did not succeed; trying again may help.
	Failed Kind = 1
	// Invalid: the command line, the config or the repository is wrong.
	Invalid Kind = 2
	// Waiting: an approval, a freeze or a dependency stands in the way.
	Waiting Kind = 3
	// Refused: a permission, a policy or a published release forbids it.
	Refused Kind = 4
)

// Error is an error written for the person who reads it.
type Error struct {
	Kind    Kind
	Message string // what is wrong, and where
	Hint    string // what to do
	Err     error  // the cause, if there is one
}

func (e *Error) Error() string {
	s := e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse makes an Error of kind Refused.
func Refuse(hint, format string, args ...any) error {
	return &Error{Kind: Refused, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Invalidf makes an Error of kind Invalid.
func Invalidf(hint, format string, args ...any) error {
	return &Error{Kind: Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Failf makes an Error of kind Failed with a hint.
func Failf(hint, format string, args ...any) error {
	return &Error{Kind: Failed, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// KindOf says of which kind an error is; an error of no kind is Failed.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var p Problem
	var ps Problems
	if errors.As(err, &ps) || errors.As(err, &p) {
		return Invalid
	}
	return Failed
}

// HintOf gives the hint of the outermost Error in the chain that has one.
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
