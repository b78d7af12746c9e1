package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Clean up what Slipway keeps from run to run",
		Long: `Slipway keeps image layers that it compressed, clones of sources and, in the builder, the
dependencies and build caches of each project and toolchain. All of it only saves work.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	prune := a.cachePruneCommand()
	prune.RunE = a.beginning(prune.RunE)
	cmd.AddCommand(prune)
	return cmd
}

func (a *app) cachePruneCommand() *cobra.Command {
	var o maker.PruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove caches",
		Long: `Remove Slipway's caches: compressed layers and clones on this machine, and its cache
mounts in the builder. What others have in the builder stays, unless --all is given.
Nothing that a run needs is lost: it is made again.`,
		Example: `  slipway cache prune
  slipway cache prune --older-than 168h
  slipway cache prune --all --builder ci`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.OlderThan < 0 {
				return errUsage("--older-than: %s is no age", o.OlderThan)
			}
			return a.cachePrune(cmd.Context(), o)
		},
	}
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "what was removed")
	f := cmd.Flags()
	f.BoolVar(&o.All, "all", false, "remove everything in the builder's cache, of whomever")
	f.DurationVar(&o.OlderThan, "older-than", 0, "remove only what was not used for so long, such as 168h")
	return cmd
}

func (a *app) cachePrune(ctx context.Context, o maker.PruneOptions) error {
	show, done := progress.For(a.err)
	defer done()
	m := a.maker(release.Builder{}, show)
	defer m.Close()
	pruned, err := m.Prune(ctx, o)
	if err != nil {
		return err
	}
	done()
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(pruned)
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CACHE\tREMOVED\tFREED")
	for _, p := range pruned {
		fmt.Fprintf(t, "%s\t%d\t%s\n", p.Cache, p.Items, progress.Bytes(p.Freed))
	}
	return t.Flush()
}
