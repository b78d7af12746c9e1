package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
)

// app is what every command has: where it reads and writes, and the flags that
// all of them take.
type app struct {
	streams
	getenv func(string) string
	began  bool // a command's own code has begun: what fails now is no usage error

	dir, config         string
	forge, server, repo string
	tag, commit, branch string
	json                bool
	dist                string
	builder             string
	class               string

	step *workflowStep // the workflow's step that asks; nil: a person or a script does
}

func execute(ctx context.Context, args []string, s streams, getenv func(string) string) error {
	a := &app{streams: s, getenv: getenv}
	return a.execute(ctx, args)
}

func (a *app) execute(ctx context.Context, args []string) error {
	s, root := a.streams, a.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.began && release.KindOf(err) == release.Failed {
		return release.Invalidf(fmt.Sprintf("see `%s --help`", cmd.CommandPath()), "%v", err)
	}
	return err
}

const rootLong = `Slipway takes a commit to a release, the same way on GitHub, Gitea and Forgejo:
classified, planned, built for every platform, staged in a draft, and published
at one point. A run that was stopped anywhere goes on when it is started again.

Exit codes: 0 done (or nothing to do), 1 failed, 2 bad usage or config,
3 waiting, 4 refused (permission, policy, a published release), 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "slipway",
		Short:         "Take a commit to a release",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.dir, "dir", "C", ".", "work in this folder, or any repository above it")
	f.StringVarP(&a.config, "config", "c", "", "config file (default .slipway.yaml of the commit)")
	root.AddGroup(&cobra.Group{ID: "release", Title: "Release:"},
		&cobra.Group{ID: "rollout", Title: "Roll out (release packages, *.ocu.star; see also slipway release new):"},
		&cobra.Group{ID: "look", Title: "Look before:"}, &cobra.Group{ID: "setup", Title: "Set up:"})
	for group, commands := range map[string][]*cobra.Command{
		"release": {a.releaseCommand(), a.promoteCommand(), a.buildCommand(), a.testCommand(), a.imageCommand(), a.publishCommand(), a.indexCommand(), a.withdrawCommand(), a.rehearseCommand(), a.botCommand()},
		"rollout": {a.rolloutCommand(), a.workCommand(), a.deployCommand(), a.rollbackCommand(), a.stateCommand(), a.lintCommand()},
		"look":    {a.planCommand(), a.classifyCommand(), a.notesCommand(), a.checkCommand()},
		"setup":   {a.initCommand(), a.schemaCommand(), a.cacheCommand(), a.versionCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			c.RunE = a.beginning(c.RunE)
			root.AddCommand(c)
		}
	}
	c := a.actionCommand()
	c.RunE = a.beginning(c.RunE)
	root.AddCommand(c)
	return root
}

// beginning notes that a command's own code begins.
func (a *app) beginning(do func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.began = true
		return do(cmd, args)
	}
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see `" + cmd.CommandPath() + " --help`"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean `" + cmd.CommandPath() + " " + near[0] + "`?"
	}
	return release.Invalidf(hint, "there is no command %q", args[0])
}

// which adds the flags that say which commit is meant.
func (a *app) which(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.tag, "tag", "", "tag to release (default: the tag at HEAD, if there is one)")
	f.StringVar(&a.commit, "commit", "", "commit to release (default: HEAD)")
	f.StringVar(&a.branch, "branch", "", "branch that the commit is on")
	f.StringVar(&a.class, "class", "", "go on only when it is of this class, such as stable")
	cmd.MarkFlagsMutuallyExclusive("tag", "branch")
}

// where adds the flags that say which forge and repository are meant.
func (a *app) where(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.forge, "forge", "", "kind of forge: github, gitea or forgejo (default: found out)")
	f.StringVar(&a.server, "server", "", "URL of the forge (default: of the git remote)")
	f.StringVar(&a.repo, "repo", "", "repository as owner/name (default: of the git remote)")
	_ = cmd.RegisterFlagCompletionFunc("forge", cobra.FixedCompletions([]string{"github", "gitea", "forgejo"}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) jsonFlag(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print "+what+" as JSON on stdout and nothing else")
}

// errUsage marks a mistake on the command line.
func errUsage(format string, args ...any) error {
	return release.Invalidf("", format, args...)
}
