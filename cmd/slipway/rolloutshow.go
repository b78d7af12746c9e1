package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

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
						rows = append(rows, []string{r.short(pkg.InRelease(doc.Name())), string(doc.Status), release.ShortCommit(doc.Commit),
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
			return a.withRelease(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release) error {
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
			return a.withRelease(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release) error {
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
	name := doc.Name()
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
			return a.withRelease(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, pkg ref.Ref, doc rollout.Release) error {
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
