package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/action"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// workflowStep is a step that has a command line of ours run.
type workflowStep struct {
	call   action.Call
	report release.Report
}

func (a *app) actionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "action [ARGUMENTS]",
		Short: "Be the step of a workflow",
		Long: `Read what a runner gives to a container action (inputs, the event file, variables) and do
what it asks for. This is the entry point of the action's image.`,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			environ := os.Environ()
			getenv, err := a.enterWorkspace(environ)
			if err != nil {
				return err
			}
			err = action.Step{Getenv: getenv, Environ: environ, Args: args, Log: a.out, Parse: a.parseEvent, Run: a.runStep}.Do(cmd.Context())
			if err != nil {
				return reported{err}
			}
			return nil
		},
	}
}

// enterWorkspace makes the process fit for the container of an action: git
// trusts the workspace, which another user owns, for this process and its
// children alone, and no child sees the inputs, as they hold tokens.
func (a *app) enterWorkspace(environ []string) (getenv func(string) string, err error) {
	given := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		given[name] = value
	}
	for name := range given {
		input, is := strings.CutPrefix(name, "INPUT_")
		if !is {
			continue
		}
		// Gitea's runner has a second variable for each, in lower case.
		for _, hide := range []string{name, strings.ToLower(input)} {
			if err := os.Unsetenv(hide); err != nil {
				return nil, err
			}
		}
	}
	if dir := given["INPUT_WORKING-DIRECTORY"]; dir != "" {
		a.dir = dir
	}
	getenv = func(name string) string { return given[name] }
	if workspace := given["GITHUB_WORKSPACE"]; given["GITHUB_ACTIONS"] == "true" && workspace != "" {
		err = trust(getenv, workspace, filepath.Join(workspace, a.dir))
	}
	return getenv, err
}

// trust has git take folders that another user owns, by variables that end with
// this process: no file of the machine's is changed.
func trust(getenv func(string) string, folders ...string) error {
	n, _ := strconv.Atoi(getenv("GIT_CONFIG_COUNT"))
	for _, folder := range folders {
		for name, value := range map[string]string{fmt.Sprintf("GIT_CONFIG_KEY_%d", n): "safe.directory", fmt.Sprintf("GIT_CONFIG_VALUE_%d", n): folder} {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
		n++
	}
	return os.Setenv("GIT_CONFIG_COUNT", strconv.Itoa(n))
}

// parseEvent reads an event file as this runner's forge writes it.
func (a *app) parseEvent(name string, body []byte) (forge.Event, error) {
	if a.getenv("GITEA_ACTIONS") == "true" || a.getenv("FORGEJO_ACTIONS") == "true" {
		return gitea.ParseEvent(name, body)
	}
	return github.ParseEvent(name, body)
}

// runStep carries out a command line for a step.
func (a *app) runStep(ctx context.Context, c action.Call) (release.Report, error) {
	inner := &app{streams: a.streams, getenv: c.Getenv, step: &workflowStep{call: c}}
	args := c.Args
	if a.dir != "" && a.dir != "." {
		args = append([]string{"--dir", a.dir}, args...)
	}
	err := inner.execute(ctx, args)
	return inner.step.report, err
}

// reporter shows progress where the one who asked sees it.
func (a *app) reporter(options ...progress.Option) (progress.Reporter, func()) {
	if a.step != nil {
		return a.step.call.Progress, func() {}
	}
	return progress.For(a.err, options...)
}

// warn tells of warnings; those of a step are in its report.
func (a *app) warn(ps release.Problems) {
	if a.step == nil {
		a.streams.warn(ps)
	}
}
