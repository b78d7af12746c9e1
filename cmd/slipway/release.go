package main

import (
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) releaseCommand() *cobra.Command {
	var dryRun, snapshot, rebuild, merge bool
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Build and publish the release of a tag or a commit",
		Long: `Build and publish a release: classify, plan, preflight, build, stage, commit.

The commit is built from a clean checkout of its own, so nothing uncommitted can
get in. Everything goes into a draft first; readers see the release at one point,
whole. Stopped anywhere, the same command goes on from what is there: it adopts
its own draft, keeps assets that are equal and replaces broken ones. A release
that is published already is never touched: equal to the plan, there is nothing
to do; otherwise it is refused.

The token comes from SLIPWAY_TOKEN, GITHUB_TOKEN or GITEA_TOKEN.`,
		Example: `  slipway release                         # the tag at HEAD, or HEAD as a development release
  slipway release --tag v1.2.3
  slipway release --branch main           # a development release of that branch
  slipway release --dry-run --json        # the plan, for a machine
  slipway release --snapshot              # build this folder as it is, publish nothing`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := goal{to: engine.ToRelease, snapshot: snapshot, rebuild: rebuild, merge: merge}
			switch {
			case dryRun:
				g.to = engine.ToPlan
			case snapshot:
				g.to = engine.ToBuild
			}
			return a.work(cmd.Context(), g)
		},
	}
	a.which(cmd)
	a.where(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	f := cmd.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "say what would exist and stop there")
	f.BoolVar(&snapshot, "snapshot", false, "build the folder as it is, without a tag, and publish nothing")
	f.BoolVar(&rebuild, "rebuild", false, "make everything anew, even what is there and unchanged")
	f.BoolVar(&merge, "merge", false, "take the binaries of a split build (slipway build --stage, or --part) and build none")
	f.StringVar(&a.dist, "dist", "", "folder for the artifacts (default dist)")
	cmd.MarkFlagsMutuallyExclusive("merge", "snapshot")
	cmd.MarkFlagsMutuallyExclusive("merge", "rebuild")
	cmd.AddCommand(a.releasePackageCommands()...)
	return cmd
}

func (a *app) planCommand() *cobra.Command {
	var snapshot bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what a release would consist of",
		Long: `Say what exactly a release would consist of, and why: its class and version, every
check, build and asset, the release that its notes begin after, and the plan's hash.
Nothing is built, and the forge is not asked.`,
		Example: `  slipway plan
  slipway plan --tag v1.2.3 --json | jq .planHash`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.work(cmd.Context(), goal{to: engine.ToPlan, snapshot: snapshot})
		},
	}
	a.which(cmd)
	a.where(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	cmd.Flags().BoolVar(&snapshot, "snapshot", false, "plan a build of the folder as it is")
	return cmd
}

func (a *app) buildCommand() *cobra.Command {
	var g goal
	var part, stage bool
	var platforms []string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Make the artifacts without publishing them",
		Long: `Make the binaries, archives, checksums and manifest of a commit in dist/, and publish
nothing. The commit is built from a clean checkout; --snapshot builds the folder as it
is. What is there already and unchanged is not made again.

A build can be split over several machines. Each builds its platforms with --stage, which
leaves the binaries in the release's draft, or with --part, which leaves them as files in
dist/ to be carried over. "slipway release --merge" then makes the release of them.`,
		Example: `  slipway build
  slipway build --platforms linux/amd64,linux/arm64
  slipway build --stage --tag v1.2.3 --platforms linux/arm64
  slipway build --snapshot --skip-checks`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range platforms {
				p, err := release.ParsePlatform(s)
				if err != nil {
					return errUsage("--platforms: %v", err)
				}
				g.platforms = append(g.platforms, p)
			}
			switch g.to = engine.ToBuild; {
			case stage:
				g.to = engine.ToStage
			case part:
				g.to = engine.ToPart
			}
			return a.work(cmd.Context(), g)
		},
	}
	a.which(cmd)
	a.where(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	f := cmd.Flags()
	f.BoolVar(&stage, "stage", false, "leave the binaries in the release's draft, for slipway release --merge")
	f.BoolVar(&part, "part", false, "leave the binaries as slipway-part-… files in dist, for slipway release --merge")
	f.StringSliceVar(&platforms, "platforms", nil, "build only these platforms, such as linux/arm/v6")
	f.BoolVar(&g.snapshot, "snapshot", false, "build the folder as it is")
	f.BoolVar(&g.rebuild, "rebuild", false, "make everything anew, even what is there and unchanged")
	f.BoolVar(&g.skipChecks, "skip-checks", false, "leave the checks (test:) out")
	cmd.MarkFlagsMutuallyExclusive("stage", "part", "snapshot")
	f.StringVar(&a.dist, "dist", "", "folder for the artifacts (default dist)")
	return cmd
}

func (a *app) testCommand() *cobra.Command {
	g := goal{to: engine.ToTest}
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the checks of a commit",
		Long: `Run the checks (test:) of a commit: first those that come before the builds; then, when
there are checks on the built binaries (on: release), build these and run those too.
Nothing is packed or published.`,
		Example: `  slipway test
  slipway test --snapshot     # of this folder as it is`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.work(cmd.Context(), g) },
	}
	a.which(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	cmd.Flags().BoolVar(&g.snapshot, "snapshot", false, "check the folder as it is")
	cmd.Flags().StringVar(&a.dist, "dist", "", "folder for the binaries (default dist)")
	return cmd
}
