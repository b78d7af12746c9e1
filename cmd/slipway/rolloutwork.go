package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

func (a *app) workCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Do what is outstanding of release packages",
		Long: `Bring what runs into line with what is wished: bring wishes about (slipway state set), go on
with releases whose dependencies have appeared, deploy what is missing in a new environment,
deploy again where inputs have changed.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.workOn("continue", "Do all outstanding work of this repository", false,
			`Do all outstanding work of this repository, whichever commit it belongs to: other commits than
the one that is checked out get a checkout of their own.

Exit codes: 0 all done, 1 something failed, 3 something waits.`),
		a.workOn("any", "Do all outstanding work of this repository, and trigger the others", true,
			`Do all outstanding work of this repository, and call the trigger of repo.ocu.star for commits
of other repositories in the same state.`),
		a.workTriggerCommand())
	return cmd
}

func (a *app) workOn(name, short string, trigger bool, long string) *cobra.Command {
	var f rolloutFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long,
		Example: "  slipway work " + name + "\n  slipway work " + name + " --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				if dryRun {
					return a.showOutstanding(ctx, r)
				}
				done, err := r.Continue(ctx, rollout.Scope{Intents: true})
				if err != nil {
					return err
				}
				if trigger {
					for _, commit := range elsewhere(done.Elsewhere) {
						if err := r.trigger(ctx, commit); err != nil {
							return err
						}
					}
				}
				r.quiet()
				return a.showContinued(done)
			})
		},
	}
	a.workFlags(cmd, &f)
	a.jsonFlag(cmd, "what was done")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done first, and do nothing")
	return a.leaf(cmd)
}

func elsewhere(all []rollout.Elsewhere) []string {
	var commits []string
	for _, e := range all {
		commits = append(commits, e.Commit)
	}
	slices.Sort(commits)
	return slices.Compact(commits)
}

// trigger calls the function that repo.ocu.star gives for work elsewhere.
func (r *rollouts) trigger(ctx context.Context, commit string) error {
	if r.file.Trigger.Name == "" {
		return release.Invalidf("define one: trigger(do_trigger)", "repo.ocu.star has no trigger, so work at commit %s can't be asked for", release.ShortCommit(commit))
	}
	at, err := r.source.At(ctx, r.head)
	if err != nil {
		return err
	}
	r.Progress.Note("trigger " + commit)
	return r.file.CallTrigger(ctx, commit, lang.Options{Root: at.Root, Self: ref.Ref{Repo: r.Repo, Path: "repo.ocu.star"}, Host: at.Host("."), HTTP: r.HTTP, Log: tellLog{r.Progress.Note}})
}

// tellLog tells what a trigger says.
type tellLog struct{ say func(string) }

func (l tellLog) Print(line string)  { l.say(line) }
func (l tellLog) Stdout(line string) { l.say(line) }
func (l tellLog) Stderr(line string) { l.say(line) }
func (l tellLog) Secret(string)      {}

func (a *app) showOutstanding(ctx context.Context, r *rollouts) error {
	s, err := r.Outstanding(ctx, rollout.Scope{Intents: true})
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(s)
	}
	if len(s.Tasks) == 0 {
		fmt.Fprintln(a.err, "there is no outstanding work")
	}
	var rows [][]string
	for _, t := range s.Tasks {
		rows = append(rows, []string{string(t.Kind), r.short(t.Ref), clip(strings.Join(t.Items, " "), 60), t.Reason})
	}
	a.table(rows)
	for _, w := range s.Waiting {
		fmt.Fprintln(a.out, "waits     "+w)
	}
	return nil
}

func (a *app) showContinued(c rollout.Continued) error {
	var err error
	switch {
	case len(c.Failed) > 0:
		err = release.Failf("see `slipway release show`, and go on with slipway release retry", "%s", strings.Join(c.Failed, "\n"))
	case len(c.Waiting) > 0:
		err = &release.Error{Kind: release.Waiting, Message: "waiting\n  " + strings.Join(c.Waiting, "\n  ")}
	}
	if a.json {
		if e := a.emit(c); e != nil {
			return e
		}
		if err != nil {
			return reported{err}
		}
		return nil
	}
	for _, t := range c.Done {
		fmt.Fprintf(a.out, "%s %s: %s\n", t.Kind, t.Ref, t.Reason)
	}
	if err == nil && len(c.Done) == 0 {
		fmt.Fprintln(a.err, "there is no outstanding work")
	}
	return err
}

func (a *app) workTriggerCommand() *cobra.Command {
	var f rolloutFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "Ask for outstanding work where it is to be done",
		Long: `Call the trigger function of repo.ocu.star once for each commit that has outstanding work, so
that it is done elsewhere: by a workflow that runs slipway work continue at that commit.`,
		Example: "  slipway work trigger\n  slipway work trigger --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				s, err := r.Outstanding(ctx, rollout.Scope{Intents: true})
				if err != nil {
					return err
				}
				commits := elsewhere(s.Elsewhere)
				for _, t := range s.Tasks {
					commits = append(commits, orElse(t.Commit, r.head))
				}
				slices.Sort(commits)
				for _, commit := range slices.Compact(commits) {
					if dryRun {
						fmt.Fprintln(a.out, commit)
						continue
					}
					if err := r.trigger(ctx, commit); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "list the commits only")
	return a.leaf(cmd)
}
