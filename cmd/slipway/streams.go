package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/fatih/color"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// streams are where a command reads and writes.
type streams struct {
	in       *os.File
	out, err *os.File
}

// reported is an error whose Report is out already (--json): only its exit
// code is left to be said.
type reported struct{ err error }

func (r reported) Error() string { return r.err.Error() }
func (r reported) Unwrap() error { return r.err }

// exit tells a person of an error and maps it to the exit code: the one place
// where that is done.
func (s streams) exit(err error) int {
	if err == nil {
		return 0
	}
	var done reported
	if !errors.As(err, &done) {
		s.tell(err)
	}
	return int(release.KindOf(err))
}

func (s streams) tell(err error) {
	var ps release.Problems
	if errors.As(err, &ps) && len(ps) > 1 {
		for _, p := range ps {
			fmt.Fprintf(s.err, "%s %s\n", s.red("error:"), p.Error())
		}
	} else {
		fmt.Fprintf(s.err, "%s %s\n", s.red("error:"), err.Error())
	}
	if hint := release.HintOf(err); hint != "" {
		fmt.Fprintf(s.err, "%s %s\n", s.yellow("hint:"), hint)
	}
}

func (s streams) warn(ps release.Problems) {
	for _, p := range ps {
		p.Warning = false
		fmt.Fprintf(s.err, "%s %s\n", s.yellow("warning:"), p.Error())
	}
}

func (s streams) interrupted() {
	fmt.Fprintf(s.err, "%s stopped; nothing that was public has changed. Run the same command again to go on\n", s.red("error:"))
}

func (s streams) red(text string) string    { return s.paint(text, color.FgRed, color.Bold) }
func (s streams) yellow(text string) string { return s.paint(text, color.FgYellow) }

func (s streams) paint(text string, attrs ...color.Attribute) string {
	if !progress.Coloured(s.err) {
		return text
	}
	c := color.New(attrs...)
	c.EnableColor()
	return c.Sprint(text)
}

// lines is a reporter for commands without a live view: it tells only what a
// person should know.
func (s streams) lines() progress.Reporter { return progress.Lines(s.err) }
