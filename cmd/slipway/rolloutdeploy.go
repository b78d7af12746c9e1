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

func (a *app) deployCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Look at what runs where",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.deployListCommand())
	return cmd
}

func (a *app) deployListCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show what runs where: environments and packages",
		Example: "  slipway deploy list\n  slipway deploy list --json | jq -r '.environment'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				all, err := r.Deployed(ctx)
				if err != nil {
					return err
				}
				if a.json {
					for _, d := range all {
						if err := a.emit(d); err != nil {
							return err
						}
					}
					return nil
				}
				envs, err := r.Environments(ctx)
				if err != nil {
					return err
				}
				if len(envs) == 0 && len(all) == 0 {
					fmt.Fprintln(a.err, "there are no environments yet")
					return nil
				}
				a.table(matrix(r, envs, all))
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "what is deployed, one a line,")
	return a.leaf(cmd)
}

// matrix has a row for each package and a column for each environment.
func matrix(r *rollouts, envs []lang.Environment, all []rollout.Deployed) [][]string {
	head := []string{"PACKAGE"}
	column := map[string]int{}
	for _, e := range envs {
		column[e.Name] = len(head)
		head = append(head, e.Name)
	}
	rows := [][]string{head}
	index := map[ref.Ref]int{}
	for _, d := range all {
		at, ok := index[d.Package]
		if !ok {
			at = len(rows)
			index[d.Package] = at
			row := append([]string{r.short(d.Package)}, slices.Repeat([]string{"-"}, len(envs))...)
			rows = append(rows, row)
		}
		c, ok := column[d.Environment]
		if !ok {
			c = len(rows[0])
			column[d.Environment] = c
			for i := range rows {
				rows[i] = append(rows[i], "-")
			}
			rows[0][c] = d.Environment + " (gone)"
		}
		rows[at][c] = deployedText(d.Item)
	}
	return rows
}

func deployedText(it rollout.Item) string {
	parsed, err := ref.Parse(it.Release)
	if err != nil {
		return it.Release
	}
	text := parsed.Release + " " + release.ShortCommit(it.Commit)
	if it.Ended != nil {
		text += " " + it.Ended.Format("01-02 15:04")
	}
	if it.Pinned {
		text += " (kept)"
	}
	return text
}

func (a *app) rollbackCommand() *cobra.Command {
	var f rolloutFlags
	var to, file string
	cmd := &cobra.Command{
		Use:   "rollback ENVIRONMENT",
		Short: "Deploy an earlier release into an environment again",
		Long: `Deploy the release that was there before into an environment again, or the one that --to
names, with the inputs that it was deployed with then. It stays there until a new release is
deployed: changed inputs do not move it.`,
		Example: `  slipway rollback production
  slipway rollback production --to @6
  slipway rollback production --package backend/release.ocu.star`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.deployedPackage(ctx, args[0], file)
				if err != nil {
					return err
				}
				name, err := releaseArg(to)
				if err != nil {
					return err
				}
				it, err := r.Rollback(ctx, pkg, args[0], name)
				if err != nil {
					return err
				}
				r.quiet()
				if a.json {
					return a.emit(it)
				}
				fmt.Fprintf(a.out, "%s has %s again\n", args[0], it.Release)
				return nil
			})
		},
	}
	a.workFlags(cmd, &f)
	a.jsonFlag(cmd, "the deploy")
	cmd.Flags().StringVar(&to, "to", "", "release to deploy, such as @6 or a tag (default: the one before)")
	cmd.Flags().StringVar(&file, "package", "", "release package, where several are deployed there")
	return a.leaf(cmd)
}

// releaseArg reads a release's name as a person writes it: @6, r6, 6, or a tag.
func releaseArg(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	parsed, err := ref.Parse("./@" + strings.TrimPrefix(text, "@"))
	if err != nil {
		return "", err
	}
	return parsed.Release, nil
}

// deployedPackage is the package that a person means by an environment.
func (r *rollouts) deployedPackage(ctx context.Context, environment, file string) (ref.Ref, error) {
	if file != "" {
		pkg, err := r.packageRef(file)
		return pkg.Package(), err
	}
	all, err := r.Deployed(ctx)
	if err != nil {
		return ref.Ref{}, err
	}
	var names []string
	var found ref.Ref
	for _, d := range all {
		if d.Environment == environment {
			found = d.Package
			names = append(names, r.short(d.Package))
		}
	}
	switch len(names) {
	case 0:
		return ref.Ref{}, release.Refuse("see `slipway deploy list`", "nothing is deployed to %s", environment)
	case 1:
		return found, nil
	}
	return ref.Ref{}, errUsage("several packages are deployed to %s: name one with --package: %s", environment, strings.Join(names, ", "))
}

func (a *app) lintCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Look whether release packages are right",
		Long: `Evaluate release packages as they are on disk, without doing anything of their work, and name
what is wrong with its place and what to do.`,
		Example: `  slipway lint release.ocu.star
  slipway lint */package.ocu.star`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				return a.lint(ctx, r, args)
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "an array of problems")
	return a.leaf(cmd)
}

func (a *app) lint(ctx context.Context, r *rollouts, files []string) error {
	var problems release.Problems
	for _, name := range files {
		pkg, err := r.packageRef(name)
		if err != nil {
			return err
		}
		p, err := r.Lint(ctx, pkg, r.head)
		var ps release.Problems
		if ps, err = problemsOf(err); err != nil {
			return err
		}
		problems = append(problems, ps...)
		if len(ps) == 0 && !a.json {
			items := 0
			for _, ph := range p.Phases {
				items += len(ph.Items)
			}
			fmt.Fprintf(a.out, "%s is right: %s, %s\n", name, counted(len(p.Phases), "phase"), counted(items, "item"))
		}
	}
	if a.json {
		if err := a.emit(append(release.Problems{}, problems...)); err != nil {
			return err
		}
		if len(problems) > 0 {
			return reported{problems}
		}
		return nil
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
