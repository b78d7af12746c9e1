package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// releasePackageCommands are what `slipway release` has for release packages.
func (a *app) releasePackageCommands() []*cobra.Command {
	return []*cobra.Command{a.releaseNewCommand(), a.releaseRetryCommand(), a.releaseListCommand(), a.releaseShowCommand(), a.releaseLogsCommand(), a.releaseApproveCommand()}
}

func (a *app) releaseNewCommand() *cobra.Command {
	var f rolloutFlags
	var force bool
	var commit string
	cmd := &cobra.Command{
		Use:   "new FILE",
		Short: "Make the next release of a release package, and carry it out",
		Long: `Make the next release of a release package (*.ocu.star) at the commit that is checked out,
and do its work: phase after phase, until it is complete, or an item fails, or a dependency is
missing. What other releases waited for and now have goes on, too.

A commit has one release of a package; --force makes another one. A file that only registers
environments makes no release.

Exit codes: 0 complete, 1 failed, 2 the package is wrong, 3 waiting, 4 refused.`,
		Example: `  slipway release new release.ocu.star
  slipway release new frontend/package.ocu.star --wait 30m
  slipway release new release.ocu.star --force --state git:origin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.packageRef(args[0])
				if err != nil {
					return err
				}
				if pkg.Versioned {
					return errUsage("a new release has no number yet: leave /@%s out", pkg.Release)
				}
				at := r.head
				if t, err := r.repo.Tag(ctx, a.tag); a.tag != "" && err == nil { // else the forge alone has it
					at = t.Commit
				}
				if commit != "" {
					c, err := r.repo.Commit(ctx, commit)
					if err != nil {
						return err
					}
					at = c.Hash
				}
				if at == "" {
					return release.Invalidf("commit something first", "the repository has no commit")
				}
				return a.releaseNew(ctx, r, rollout.NewRelease{Package: pkg, Commit: at, Tag: a.tag, Force: force}, f)
			})
		},
	}
	a.workFlags(cmd, &f)
	a.jsonFlag(cmd, "the release")
	fl := cmd.Flags()
	fl.BoolVar(&force, "force", false, "make another release of a commit that has one")
	fl.StringVar(&commit, "commit", "", "commit to release (default: the tag's, else HEAD with the folder as it is)")
	fl.StringVar(&a.tag, "tag", "", "the forge's release that is carried out, for references to ./release")
	fl.DurationVar(&f.wait, "wait", 0, "wait so long for what is missing, instead of ending with code 3")
	return a.leaf(cmd)
}

func (a *app) releaseNew(ctx context.Context, r *rollouts, in rollout.NewRelease, f rolloutFlags) error {
	doc, envs, err := r.New(ctx, in)
	if err != nil {
		return err
	}
	if doc == nil {
		if a.json {
			return a.emit(envs)
		}
		fmt.Fprintf(a.out, "registered %s; `slipway work continue` deploys there what belongs there\n", strings.Join(rollout.Names(envs), ", "))
		return nil
	}
	if err := r.warnOfChanges(ctx, in); err != nil {
		return err
	}
	return a.carryOut(ctx, r, in.Package.Package(), doc.Name(), f)
}

// warnOfChanges says that a package is not as its commit has it: a release is
// gone on with from the commit once another one is checked out.
func (r *rollouts) warnOfChanges(ctx context.Context, in rollout.NewRelease) error {
	if in.Commit != r.head {
		return nil
	}
	changed, err := r.repo.Status(ctx, in.Package.Path)
	if err == nil && len(changed) > 0 {
		r.Progress.Note(fmt.Sprintf("%s is not as commit %s has it; once another commit is checked out, this release goes on with the commit's", in.Package.Path, release.ShortCommit(r.head)))
	}
	return err
}

// carryOut does a release's work, and what becomes possible by it elsewhere.
func (a *app) carryOut(ctx context.Context, r *rollouts, pkg ref.Ref, name string, f rolloutFlags) error {
	done, err := r.CarryOut(ctx, f.wait, pkg.InRelease(name))
	if err != nil {
		return err
	}
	doc, _, err := r.FindRelease(ctx, pkg, name)
	if err != nil {
		return err
	}
	came := r.came(ctx, pkg, doc)
	r.quiet()
	if err := a.showRelease(ctx, r, pkg, doc, came); err != nil {
		return err
	}
	a.tellContinued(done, pkg.InRelease(name))
	if came != nil && a.json {
		return reported{came}
	}
	return came
}

// tellContinued tells what else went on, besides a release that is shown already.
func (a *app) tellContinued(c rollout.Continued, besides ref.Ref) {
	if a.json {
		return
	}
	for _, t := range c.Done {
		if t.Kind != rollout.ContinueRelease || t.Ref != besides {
			fmt.Fprintf(a.out, "%s: %s\n", t.Ref, t.Reason)
		}
	}
	if c.Circle != "" {
		fmt.Fprintf(a.err, "%s %s\n", a.yellow("warning:"), c.Circle)
	}
	for _, f := range c.Failed {
		if !strings.HasPrefix(f, besides.String()+":") {
			fmt.Fprintf(a.err, "%s %s\n", a.yellow("warning:"), f)
		}
	}
}

// withRollouts opens the state for a command and closes it after.
func (a *app) withRollouts(ctx context.Context, f rolloutFlags, do func(context.Context, *rollouts) error) error {
	show, done := a.reporter(progress.Verbose(f.verbose))
	r, err := a.rollouts(ctx, f, show)
	if err != nil {
		done()
		return err
	}
	defer r.Close()
	r.quiet = sync.OnceFunc(done)
	err = do(ctx, r)
	r.quiet()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &release.Error{Kind: release.Failed, Message: "stopped; what was done is written down", Hint: "go on with `slipway work continue`", Err: context.Canceled}
	}
	return err
}

// withRelease is withRollouts for a command about one release.
func (a *app) withRelease(ctx context.Context, f rolloutFlags, arg string, do func(context.Context, *rollouts, ref.Ref, rollout.Release) error) error {
	return a.withRollouts(ctx, f, func(ctx context.Context, r *rollouts) error {
		pkg, err := r.packageRef(arg)
		if err != nil {
			return err
		}
		doc, _, err := r.FindRelease(ctx, pkg, pkg.Release)
		if err != nil {
			return err
		}
		return do(ctx, r, pkg, doc)
	})
}

func (a *app) releaseRetryCommand() *cobra.Command {
	var f rolloutFlags
	var with string
	cmd := &cobra.Command{
		Use:   "retry FILE[/@7]",
		Short: "Run the failed work of a release again, and go on",
		Long: `Run the failed items of a release again, and then all that comes after them. Without a number
the newest release is meant. What was complete is not run again.

The items get the inputs that they had (--with recorded), or inputs that are looked up again
(--with current); which of the two is told.`,
		Example: `  slipway release retry release.ocu.star
  slipway release retry release.ocu.star/@7 --with current`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if with != string(rollout.RecordedInputs) && with != string(rollout.CurrentInputs) {
				return errUsage("--with is %q: it takes recorded or current", with)
			}
			return a.withRelease(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release) error {
				name := doc.Name()
				again, err := r.Retry(ctx, pkg, name, rollout.Inputs(with))
				if err != nil {
					return err
				}
				if len(again) > 0 {
					r.Progress.Note(fmt.Sprintf("%s: %s again, with the %s inputs", name, strings.Join(again, ", "), with))
				} else {
					r.Progress.Note(name + ": nothing of it failed; it goes on")
				}
				return a.carryOut(ctx, r, pkg.Package(), name, f)
			})
		},
	}
	a.workFlags(cmd, &f)
	a.jsonFlag(cmd, "the release")
	cmd.Flags().StringVar(&with, "with", string(rollout.RecordedInputs), "which inputs: recorded (as the failed run had them) or current (looked up again)")
	cmd.Flags().DurationVar(&f.wait, "wait", 0, "wait so long for what is missing, instead of ending with code 3")
	_ = cmd.RegisterFlagCompletionFunc("with", cobra.FixedCompletions([]string{"recorded", "current"}, cobra.ShellCompDirectiveNoFileComp))
	return a.leaf(cmd)
}
