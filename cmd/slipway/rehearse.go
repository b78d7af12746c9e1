package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rehearse"
	"github.com/slipway-dev/slipway/internal/report"
)

// rehearsalFlags say what is rehearsed.
type rehearsalFlags struct {
	faults, only []string
	dialect, out string
}

func (a *app) rehearseCommand() *cobra.Command {
	var f rehearsalFlags
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Have a sample, or your repository, released by the bot on a forge in memory",
		Long: `Rehearse releases from their cause to publication, on this machine alone: a forge in
memory behind real HTTP that sends webhooks, a registry in memory, a sample repository with
real history (or yours, with --dir, which is cloned and not touched), and a real slipway bot.
Three acts: a tag is pushed (push), somebody writes /promote below a commit on GitHub or a
pull request on Gitea (promote), and a schedule comes due (schedule). With --only the others
are left out. With --fault things go wrong on the way, to show how a release recovers.

Builds and checks run plain on this machine, also where there is BuildKit.

Faults, which count the bot's requests from the first act on:
` + faultList(),
		Example: `  slipway rehearse
  slipway rehearse --dir . --forge gitea --only push
  slipway rehearse --fault upload-502
  slipway rehearse --fault kill-after=3 --fault publish-cut-after`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir := ""
			if cmd.Flags().Changed("dir") {
				dir = a.dir
			}
			return a.rehearse(cmd.Context(), dir, f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.faults, "fault", nil, "let this go wrong; may be given several times")
	fl.StringSliceVar(&f.only, "only", nil, "only these acts: push, promote, schedule")
	fl.StringVar(&f.dialect, "forge", "github", "whose wire the forge speaks: github or gitea")
	fl.StringVar(&f.out, "out", "", "empty folder for everything that is made (default: a new temporary one)")
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions([]string{"push", "promote", "schedule"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("forge", cobra.FixedCompletions([]string{"github", "gitea"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func faultList() string {
	var b strings.Builder
	for _, f := range simforge.Faults() {
		fmt.Fprintf(&b, "  %s\n      %s\n", f.Name, f.Text)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) rehearse(ctx context.Context, dir string, f rehearsalFlags) error {
	o := rehearse.Options{Dir: dir}
	if err := f.read(&o); err != nil {
		return err
	}
	var err error
	if a.config != "" {
		if o.Config, err = filepath.Abs(a.config); err != nil {
			return err
		}
	}
	if o.Work, err = workFolder(f.out); err != nil {
		return err
	}
	if o.Exe, err = os.Executable(); err != nil {
		return err
	}
	show, done := progress.For(a.err, progress.Indent("  "))
	o.Show = show
	res, err := rehearse.Run(ctx, o)
	done()
	if err != nil {
		if !res.Public && res.Requests > 0 {
			fmt.Fprintf(a.err, "after %d requests to the forge, nothing became public\n", res.Requests)
		}
		return err
	}
	a.showRehearsal(res)
	return nil
}

func (f rehearsalFlags) read(o *rehearse.Options) error {
	switch f.dialect {
	case "github":
		o.Dialect = memory.GitHub
	case "gitea", "forgejo":
		o.Dialect = memory.Gitea
	default:
		return errUsage("--forge is %q: it takes github or gitea", f.dialect)
	}
	for _, name := range f.faults {
		fault, err := simforge.ParseFault(name)
		if err != nil {
			return errUsage("--fault: %v", err)
		}
		o.Faults = append(o.Faults, fault)
	}
	for _, name := range f.only {
		if !slices.Contains(rehearse.Acts(), rehearse.Act(name)) {
			return errUsage("--only is %q: it takes push, promote and schedule", name)
		}
		o.Only = append(o.Only, rehearse.Act(name))
	}
	return nil
}

// workFolder makes the folder of a rehearsal, which must be empty.
func workFolder(out string) (string, error) {
	if out == "" {
		return os.MkdirTemp("", "slipway-rehearsal-")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	if entries, err := os.ReadDir(out); err != nil {
		return "", err
	} else if len(entries) > 0 {
		return "", errUsage("--out %s is not empty", out)
	}
	return filepath.Abs(out)
}

func (a *app) showRehearsal(res rehearse.Result) {
	fmt.Fprintln(a.err)
	for i, r := range res.Releases {
		if i == 0 {
			report.Text(a.out, r.Report)
			fmt.Fprintf(a.out, "\n%s\n", strings.TrimSpace(r.Report.Notes))
		}
	}
	fmt.Fprintln(a.out)
	rows := [][]string{{"RELEASE", "CLASS", "ASKED FOR BY", "ASSETS", "A READER SAW"}}
	for _, r := range res.Releases {
		rows = append(rows, releaseRow(r))
	}
	a.table(rows)
	fmt.Fprintf(a.out, "\n%s, %s and %s to the forge, %s of the bot\n",
		counted(res.Delivered, "webhook"), counted(res.Requests, "request"), counted(res.Uploaded, "upload"), counted(res.Runs, "run"))
	for _, p := range res.Images {
		fmt.Fprintf(a.out, "the registry has %s with the tags %s\n", p.Repository, strings.Join(slices.Sorted(maps.Keys(p.Tags)), ", "))
	}
	for _, f := range res.Unmet {
		fmt.Fprintf(a.out, "fault %s never came to pass: nothing on the way was of its kind\n", f)
	}
	fmt.Fprintf(a.out, "what was published lies in %s\nthe bot's config, database and log lie in %s\n", res.Published, res.Bot)
}

// releaseRow is an act's release in the table of them.
func releaseRow(r rehearse.Release) []string {
	by := map[rehearse.Act]string{rehearse.Push: "a pushed tag", rehearse.Promote: "/promote", rehearse.Schedule: "a schedule"}[r.Act]
	p := r.Report.Plan
	if p == nil {
		return []string{"-", orElse(r.Report.Decision.Class, "-"), by, "-", "nothing: " + r.Report.Decision.Reason}
	}
	saw := fmt.Sprintf("the release with %v assets in turn", r.Seen)
	if len(r.Seen) == 1 {
		saw = fmt.Sprintf("no release, then all %s at once", counted(r.Seen[0], "asset"))
	}
	return []string{p.Tag, p.Class, by, fmt.Sprint(len(r.Report.Assets)), saw}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
