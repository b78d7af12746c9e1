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
	"github.com/slipway-dev/slipway/internal/rehearse"
	"github.com/slipway-dev/slipway/internal/report"
)

func (a *app) rehearseCommand() *cobra.Command {
	var faults []string
	var dialect, out string
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Release a sample, or your repository, to a forge in memory",
		Long: `Rehearse a release from tag to publication, on this machine alone: a forge in memory
behind real HTTP, a registry in memory, a sample repository with real history (or yours,
with --dir, which is cloned and not touched), a tag pushed to it, and the real release. With
--fault things go wrong on the way, to show how a release recovers.

Faults:
` + faultList(),
		Example: `  slipway rehearse
  slipway rehearse --dir . --forge gitea
  slipway rehearse --fault upload-502
  slipway rehearse --fault kill-after=3 --fault publish-cut-after`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir := ""
			if cmd.Flags().Changed("dir") {
				dir = a.dir
			}
			return a.rehearse(cmd.Context(), dir, dialect, out, faults)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&faults, "fault", nil, "let this go wrong; may be given several times")
	f.StringVar(&dialect, "forge", "github", "whose wire the forge speaks: github or gitea")
	f.StringVar(&out, "out", "", "empty folder for everything that is made (default: a new temporary one)")
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

func (a *app) rehearse(ctx context.Context, dir, dialect, out string, names []string) error {
	o := rehearse.Options{Dir: dir, Stderr: a.err, Say: func(line string) { fmt.Fprintln(a.err, line) }}
	switch dialect {
	case "github":
		o.Dialect = memory.GitHub
	case "gitea", "forgejo":
		o.Dialect = memory.Gitea
	default:
		return errUsage("--forge is %q: it takes github or gitea", dialect)
	}
	for _, name := range names {
		f, err := simforge.ParseFault(name)
		if err != nil {
			return errUsage("--fault: %v", err)
		}
		o.Faults = append(o.Faults, f)
	}
	var err error
	if a.config != "" {
		if o.Config, err = filepath.Abs(a.config); err != nil {
			return err
		}
	}
	if o.Work, err = workFolder(out); err != nil {
		return err
	}
	if o.Exe, err = os.Executable(); err != nil {
		return err
	}
	res, err := rehearse.Run(ctx, o)
	if err != nil {
		if len(res.Seen) == 0 && res.Requests > 0 {
			fmt.Fprintf(a.err, "after %d requests to the forge, nothing became public\n", res.Requests)
		}
		return err
	}
	a.showRehearsal(res)
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
	report.Text(a.out, res.Report)
	fmt.Fprintf(a.out, "\n%s\n", strings.TrimSpace(res.Report.Notes))
	fmt.Fprintf(a.out, "\n%d requests to the forge, %d uploads, %s of slipway; ", res.Requests, res.Uploaded, counted(res.Runs, "run"))
	if len(res.Seen) == 1 {
		fmt.Fprintf(a.out, "a reader saw no release, then all %d assets at once\n", res.Seen[0])
	} else {
		fmt.Fprintf(a.out, "a reader saw the release with %v assets in turn\n", res.Seen)
	}
	for _, p := range res.Images {
		fmt.Fprintf(a.out, "the registry has %s with the tags %s\n", p.Repository, strings.Join(slices.Sorted(maps.Keys(p.Tags)), ", "))
	}
	for _, f := range res.Unmet {
		fmt.Fprintf(a.out, "fault %s never came to pass: nothing on the way was of its kind\n", f)
	}
	fmt.Fprintf(a.out, "what was published lies in %s\n", filepath.Join(res.Published, res.Tag))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
