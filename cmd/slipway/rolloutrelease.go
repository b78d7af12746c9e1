package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

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
	if err := r.warnOfChanges(ctx, in); err != nil {
		return err
	}
	doc, envs, err := r.New(ctx, in)
	if err != nil {
		return err
	}
	if doc == nil {
		var names []string
		for _, e := range envs {
			names = append(names, e.Name)
		}
		if a.json {
			return a.emit(envs)
		}
		fmt.Fprintf(a.out, "registered %s; `slipway work continue` deploys there what belongs there\n", strings.Join(names, ", "))
		return nil
	}
	return a.carryOut(ctx, r, in.Package.Package(), "r"+strconv.Itoa(doc.Number), f)
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
	done, err := r.advance(ctx, f.wait, pkg.InRelease(name))
	if err != nil {
		return err
	}
	doc, _, err := r.FindRelease(ctx, pkg, name)
	if err != nil {
		return err
	}
	came := r.came(ctx, pkg, doc)
	if err := a.showRelease(ctx, r, pkg, doc, came); err != nil {
		return err
	}
	a.tellContinued(done, pkg.InRelease(name))
	if came != nil && a.json {
		return reported{came}
	}
	return came
}

// advance does the work of releases, and what becomes possible by it elsewhere. It
// waits so long for what is missing.
func (r *rollouts) advance(ctx context.Context, wait time.Duration, releases ...ref.Ref) (rollout.Continued, error) {
	until := time.Now().Add(wait)
	for _, rel := range releases {
		if _, err := r.Advance(ctx, rel.Package(), rel.Release); err != nil {
			return rollout.Continued{}, err
		}
	}
	done, err := r.Continue(ctx, rollout.Scope{})
	for err == nil && wait > 0 && time.Now().Before(until) {
		var ended bool
		if ended, err = r.ended(ctx, releases); ended || err != nil {
			break
		}
		if err = sleep(ctx, min(2*time.Second, time.Until(until))); err == nil {
			_, err = r.Continue(ctx, rollout.Scope{Intents: true})
		}
	}
	return done, err
}

// ended says whether releases are complete or failed.
func (r *rollouts) ended(ctx context.Context, releases []ref.Ref) (bool, error) {
	for _, rel := range releases {
		doc, _, err := r.FindRelease(ctx, rel.Package(), rel.Release)
		if err != nil || doc.Status != rollout.Complete && doc.Status != rollout.Failed {
			return false, err
		}
	}
	return true, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
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
	err = do(ctx, r)
	done()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &release.Error{Kind: release.Failed, Message: "stopped; what was done is written down", Hint: "go on with `slipway work continue`", Err: context.Canceled}
	}
	return err
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
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.packageRef(args[0])
				if err != nil {
					return err
				}
				doc, _, err := r.FindRelease(ctx, pkg, pkg.Release)
				if err != nil {
					return err
				}
				name := "r" + strconv.Itoa(doc.Number)
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

// releaseJSON is a release with its items, for a machine.
type releaseJSON struct {
	rollout.Release
	Items []rollout.Shown      `json:"items"`
	Error *release.ReportError `json:"error,omitempty"`
}

func (a *app) showRelease(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release, came error) error {
	items, err := r.Items(ctx, pkg, doc)
	if err != nil {
		return err
	}
	if a.json {
		out := releaseJSON{Release: doc, Items: items}
		if came != nil {
			out.Error = reportError(came)
		}
		return a.emit(out)
	}
	fmt.Fprintf(a.out, "release r%d of %s, commit %s: %s\n", doc.Number, pkg.Path, release.ShortCommit(doc.Commit), doc.Status)
	a.table(itemRows(items))
	return nil
}

// mostRows bounds what is shown of a large release; --json has all.
const mostRows = 60

func itemRows(items []rollout.Shown) [][]string {
	var rows [][]string
	for _, it := range items[:min(len(items), mostRows)] {
		rows = append(rows, []string{"  " + mark(it.Item.Status), it.Key, string(it.Item.Status), took(it.Item), itemNote(it.Item)})
	}
	if more := len(items) - len(rows); more > 0 {
		rows = append(rows, []string{"  …", fmt.Sprintf("%d more", more), "", "", ""})
	}
	return rows
}

func mark(s rollout.Status) string {
	switch s {
	case rollout.Complete:
		return "✓"
	case rollout.Failed:
		return "✗"
	case rollout.Running:
		return "›"
	case rollout.Waiting:
		return "…"
	}
	return "-"
}

func took(it rollout.Item) string {
	if it.Started == nil || it.Ended == nil {
		return ""
	}
	d := it.Ended.Sub(*it.Started)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// itemNote is the most telling thing about an item, in one line.
func itemNote(it rollout.Item) string {
	switch {
	case it.Error != nil && it.Status == rollout.Failed:
		return firstLineOf(it.Error.Message)
	case len(it.Waits) > 0:
		return it.Waits[0].String()
	case it.Annotation != "":
		return it.Annotation
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(it.Output)) {
		parts = append(parts, name+"="+strings.Trim(string(it.Output[name]), `"`))
	}
	return clip(strings.Join(parts, " "), 100)
}

func (a *app) releaseListCommand() *cobra.Command {
	var f rolloutFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "list [FILE]",
		Short: "List the releases of a release package, or of all",
		Example: `  slipway release list
  slipway release list release.ocu.star --json | jq -r .release`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				var packages []ref.Ref
				if len(args) == 1 {
					pkg, err := r.packageRef(args[0])
					if err != nil {
						return err
					}
					packages = []ref.Ref{pkg.Package()}
				} else {
					var err error
					if packages, err = r.Packages(ctx); err != nil {
						return err
					}
				}
				rows := [][]string{{"RELEASE", "STATUS", "COMMIT", "TAGS", "CREATED", "BY"}}
				for _, pkg := range packages {
					list, err := r.Releases(ctx, pkg)
					if err != nil {
						return err
					}
					for _, doc := range list[:min(len(list), limit)] {
						if a.json {
							if err := a.emit(doc); err != nil {
								return err
							}
							continue
						}
						rows = append(rows, []string{r.short(pkg.InRelease("r" + strconv.Itoa(doc.Number))), string(doc.Status), release.ShortCommit(doc.Commit),
							orElse(strings.Join(append(tagOf(doc), doc.Tags...), " "), "-"), shown(doc.Created), orElse(doc.By, "-")})
					}
				}
				switch {
				case a.json:
				case len(rows) == 1:
					fmt.Fprintln(a.err, "there are no releases of release packages yet: slipway release new FILE makes one")
				default:
					a.table(rows)
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "the releases, one a line,")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many of each package, the newest first")
	return a.leaf(cmd)
}

func tagOf(doc rollout.Release) []string {
	if doc.Tag == "" {
		return nil
	}
	return []string{doc.Tag}
}

// short leaves out the repository that the command runs in.
func (r *rollouts) short(to ref.Ref) string {
	return strings.TrimPrefix(to.String(), r.Repo+"/-/")
}

func (a *app) releaseShowCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "show FILE[/@7]",
		Short: "Show a release of a release package with its work",
		Example: `  slipway release show release.ocu.star
  slipway release show release.ocu.star/@7 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.packageRef(args[0])
				if err != nil {
					return err
				}
				doc, _, err := r.FindRelease(ctx, pkg, pkg.Release)
				if err != nil {
					return err
				}
				if err := a.showRelease(ctx, r, pkg, doc, nil); err != nil || a.json {
					return err
				}
				return a.showDetails(ctx, r, pkg, doc)
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "the release")
	return a.leaf(cmd)
}

// showDetails tells all about what failed or waits.
func (a *app) showDetails(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release) error {
	items, err := r.Items(ctx, pkg, doc)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Item.Status == rollout.Failed && it.Item.Error != nil {
			fmt.Fprintf(a.out, "\n%s: %s\n", it.Key, it.Item.Error.Message)
			for _, line := range it.Item.Error.Backtrace {
				fmt.Fprintf(a.out, "    %s\n", line)
			}
			if it.Item.Error.Hint != "" {
				fmt.Fprintf(a.out, "  hint: %s\n", it.Item.Error.Hint)
			}
		}
		for _, w := range it.Item.Waits {
			fmt.Fprintf(a.out, "\n%s waits: %s\n", it.Key, w)
			if w.Hint != "" {
				fmt.Fprintf(a.out, "  hint: %s\n", w.Hint)
			}
		}
	}
	return nil
}

func (a *app) releaseLogsCommand() *cobra.Command {
	var f rolloutFlags
	var run int
	cmd := &cobra.Command{
		Use:   "logs FILE[/@7] [ITEM]",
		Short: "Show what the work of a release printed",
		Example: `  slipway release logs release.ocu.star
  slipway release logs release.ocu.star/@7 deploy/staging --run 2`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.packageRef(args[0])
				if err != nil {
					return err
				}
				doc, _, err := r.FindRelease(ctx, pkg, pkg.Release)
				if err != nil {
					return err
				}
				return a.logs(ctx, r, pkg, doc, args[1:], run)
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "the lines, one document an item,")
	cmd.Flags().IntVar(&run, "run", 0, "which run of the item (default: the last)")
	return a.leaf(cmd)
}

func (a *app) logs(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release, only []string, run int) error {
	name := "r" + strconv.Itoa(doc.Number)
	found := false
	for _, ph := range doc.Phases {
		for _, key := range ph.Items {
			if len(only) == 1 && only[0] != key && !strings.HasSuffix(key, "/"+only[0]) && strings.Replace(only[0], "task/", "call/", 1) != key {
				continue
			}
			found = true
			l, n, err := r.RunLogs(ctx, pkg, name, key, run)
			if err != nil {
				return err
			}
			if a.json {
				if err := a.emit(struct {
					Item string `json:"item"`
					Run  int    `json:"run"`
					rollout.Logs
				}{key, n, l}); err != nil {
					return err
				}
				continue
			}
			for _, line := range l.Lines {
				fmt.Fprintf(a.out, "%s  %s  %s\n", line.Time.Format("15:04:05.000"), key, printable(line.Text))
			}
		}
	}
	if !found {
		return errUsage("release %s of %s has no item %q: see slipway release show", name, pkg.Path, strings.Join(only, " "))
	}
	return nil
}

func (a *app) releaseApproveCommand() *cobra.Command {
	var f rolloutFlags
	var name string
	cmd := &cobra.Command{
		Use:   "approve FILE[/@7]",
		Short: "Approve a release that waits for it",
		Long: `Give the approval that a release waits for, in your name: that of $SLIPWAY_USER, or of the
system's user. It is written down; slipway work continue then goes on with the release.`,
		Example: `  slipway release approve release.ocu.star
  slipway release approve release.ocu.star/@7 --name security`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				pkg, err := r.packageRef(args[0])
				if err != nil {
					return err
				}
				doc, _, err := r.FindRelease(ctx, pkg, pkg.Release)
				if err != nil {
					return err
				}
				if err := r.Approve(ctx, pkg, doc, name, r.By); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "%s approves r%d of %s; go on with `slipway work continue`\n", r.By, doc.Number, pkg.Path)
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	cmd.Flags().StringVar(&name, "name", "approval", "which approval, where a package asks for several")
	return a.leaf(cmd)
}
