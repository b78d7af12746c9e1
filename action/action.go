// Package action is the door for workflows: a runner's inputs, environment and
// event file in; outputs, annotations, masks and a job summary out. What it asks
// for is a command line of slipway.
package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

// Step is one `uses:` step.
type Step struct {
	Getenv  func(string) string
	Environ []string // KEY=VALUE, the whole environment
	Args    []string // of the container
	Log     io.Writer
	// Parse reads the event file as the forge of this runner writes it.
	Parse func(name string, body []byte) (forge.Event, error)
	// Run carries out a command line of slipway.
	Run func(context.Context, Call) (release.Report, error)
}

// Call is a command line of slipway, and what it is to be run with.
type Call struct {
	Args     []string
	Getenv   func(string) string
	Progress progress.Reporter
	Out      io.Writer // takes text
}

// Do does what the step's inputs and its event ask for. The error is told
// already, as annotations; only its exit code is left to be said.
func (s Step) Do(ctx context.Context) error {
	in, err := readInputs(s.Getenv, s.Environ, s.Args)
	hidden := secrets(s.Environ, in.token, in.registryPasswd)
	log := &console{w: s.Log, mask: masker(hidden)}
	defer log.flush()
	w := &workflow{step: s, in: in, log: log, action: githubactions.New(githubactions.WithWriter(s.Log), githubactions.WithGetenv(s.Getenv))}
	if s.Getenv("GITHUB_ACTIONS") == "true" {
		for _, secret := range hidden {
			w.action.AddMask(secret)
		}
	}
	if err != nil {
		w.tell(err)
		return err
	}
	r, err := w.do(ctx)
	w.warn(r.Warnings)
	if w.in.command == "rollout" {
		return w.endRollout(r, err)
	}
	if err != nil {
		r.Outcome = release.Stopped
		w.tell(err)
	}
	return errors.Join(err, w.hand(r, err))
}

// workflow is one step on its way.
type workflow struct {
	step   Step
	in     inputs
	log    *console
	action *githubactions.Action
}

func (w *workflow) do(ctx context.Context) (release.Report, error) {
	args, skip, err := w.asked()
	if err != nil {
		return release.Report{}, err
	}
	if skip != "" {
		fmt.Fprintln(w.log, "nothing to do: "+skip)
		return release.Report{Schema: release.ReportSchema, Outcome: release.Skipped, Decision: release.Decision{Skip: true, Reason: skip}}, nil
	}
	own := w.in.environment()
	getenv := func(name string) string {
		if v, ok := own[name]; ok {
			return v
		}
		return w.step.Getenv(name)
	}
	return w.step.Run(ctx, Call{Args: args, Getenv: getenv, Out: w.log,
		Progress: groups{w.action, progress.Lines(w.log, progress.Verbose(true))}})
}

// asked is the command line for the inputs and the event; skip is why there is
// nothing to do.
func (w *workflow) asked() (args []string, skip string, err error) {
	line := w.in.line()
	if w.in.command == "image" {
		return append(line, w.in.args...), "", nil
	}
	if w.in.command == "promote" {
		return append(append(line, w.in.args...), "--", w.in.from, w.in.tag), "", nil
	}
	if w.in.command == "rollout" {
		return w.askedRollout(line)
	}
	if w.in.tag != "" {
		return append(append(line, "--tag", w.in.tag), w.in.args...), "", nil
	}
	ev, there, err := w.event()
	if err != nil || !there {
		return append(line, w.in.args...), "", err
	}
	asked := project.Ask(ev)
	fmt.Fprintln(w.log, "event: "+asked.Reason)
	publishes := w.in.command == "release" && !w.in.dryRun && !w.in.snapshot || w.in.stage
	switch {
	case asked.Plan && publishes:
		// Nothing of a pull request is ever published, and it has no secrets.
		line = append([]string{"plan", "--snapshot"}, configOf(w.in)...)
		return line, "", nil
	case asked.Plan:
		return append(line, w.in.args...), "", nil
	case asked.Skip && publishes:
		return nil, asked.Reason, nil
	case asked.ByClass != "" && publishes && w.in.class == "":
		return nil, asked.ByClass, nil
	}
	return append(append(line, selection(asked.Selection)...), w.in.args...), "", nil
}

func configOf(in inputs) []string {
	if in.config == "" {
		return nil
	}
	return []string{"--config", in.config}
}

func selection(s project.Selection) []string {
	var args []string
	switch {
	case s.Tag != "":
		args = append(args, "--tag", s.Tag)
	case s.Branch != "":
		args = append(args, "--branch", s.Branch)
	}
	if s.Commit != "" {
		args = append(args, "--commit", s.Commit)
	}
	return args
}

// eventLimit bounds an event file; no forge sends a larger one.
const eventLimit = 25 << 20

// event reads the runner's event file; there is none outside of a workflow.
func (w *workflow) event() (ev forge.Event, there bool, err error) {
	name, file := w.step.Getenv("GITHUB_EVENT_NAME"), w.step.Getenv("GITHUB_EVENT_PATH")
	if name == "" && file == "" {
		return ev, false, nil
	}
	if name == "" || file == "" {
		return ev, false, release.Invalidf("run it as a step of a workflow", "only one of GITHUB_EVENT_NAME and GITHUB_EVENT_PATH is set")
	}
	f, err := os.Open(file)
	if err != nil {
		return ev, false, release.Invalidf("the runner must make GITHUB_EVENT_PATH reachable in the container", "read the event file: %v", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, eventLimit+1))
	if err != nil {
		return ev, false, fmt.Errorf("read the event file: %w", err)
	}
	if len(body) > eventLimit {
		return ev, false, release.Invalidf("", "the event file %s has more than %s", file, progress.Bytes(eventLimit))
	}
	if string(bytes.TrimSpace(body)) == "{}" {
		return ev, false, nil // act tells nothing unless it is given an event
	}
	ev, err = w.step.Parse(name, body)
	return ev, true, err
}

// hand gives everything to the steps and people that come after.
func (w *workflow) hand(r release.Report, failed error) error {
	values, err := outputs(r, w.step.Getenv("GITHUB_WORKSPACE"))
	if err != nil {
		return err
	}
	if w.in.command == "rollout" && r.Outcome == release.Stopped {
		values["status"] = string(release.Stopped) // also where nothing could be begun
	}
	if err := write(w.action, values, w.log.mask); err != nil {
		w.tell(err)
		return err
	}
	if r.Outcome == release.Skipped {
		what := "nothing to release: "
		if w.in.command == "rollout" {
			what = "nothing to roll out: "
		}
		w.action.Noticef("%s", w.log.mask.Replace(what+r.Decision.Reason))
	}
	var b strings.Builder
	report.Markdown(&b, r, failed)
	return summarize(w.action, b.String(), w.log.mask)
}

// tell annotates an error, or each problem of a config where it is.
func (w *workflow) tell(err error) {
	w.log.flush()
	var ps release.Problems
	if !errors.As(err, &ps) {
		ps = release.Problems{{Message: err.Error(), Hint: release.HintOf(err)}}
	}
	w.annotations(ps)
}

func (w *workflow) warn(ps []release.Problem) {
	for i := range ps {
		ps[i].Warning = true
	}
	w.annotations(ps)
}

// place is a file's path in the workspace, as annotations have it.
func (w *workflow) place(file string) string {
	if file == "" || filepath.IsAbs(file) || w.in.config != "" {
		return file
	}
	return path.Join(filepath.ToSlash(w.in.workingDirectory), file)
}

func (w *workflow) annotations(ps []release.Problem) {
	for _, p := range ps {
		text := p
		text.File, text.Line, text.Column, text.Warning = "", 0, 0, false
		said := w.log.mask.Replace(text.Error())
		annotate(w.action, w.place(p.File), p.Line, p.Column, func(a *githubactions.Action) {
			if p.Warning {
				a.Warningf("%s", said)
			} else {
				a.Errorf("%s", said)
			}
		})
	}
}
