package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/project"
)

func (a *app) promoteCommand() *cobra.Command {
	var p project.Promotion
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "promote FROM TO",
		Short: "Make a release of a commit, or of a release's bits, under a new tag",
		Long: `Make the release TO of what FROM is: the tag of a release, or a commit. The tag TO need
not exist: the release makes it in the moment it is published.

A release is promoted without building anything again: its assets are published again, byte
for byte, and its images get the tags of the new version where they lie. Notes, manifest and
class are those of TO. Binaries still say the old version of themselves; --rebuild builds
them anew from the commit. A commit that has no release is built in any case.

Stopped anywhere, the same command goes on from what is there.`,
		Example: `  slipway promote v1.4.0-rc2 v1.4.0
  slipway promote v1.4.0-rc2 v1.4.0 --dry-run
  slipway promote 4f70926 v1.4.0 --rebuild`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.From, p.To = args[0], args[1]
			g := goal{to: engine.ToRelease, promote: &p}
			if dryRun {
				g.to = engine.ToPlan
			}
			return a.work(cmd.Context(), g)
		},
	}
	a.where(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	f := cmd.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "say what would exist and stop there; the forge is read")
	f.BoolVar(&p.Rebuild, "rebuild", false, "build it anew from the commit, stamped with the new version")
	f.StringVar(&a.class, "class", "", "go on only when TO is of this class, such as stable")
	f.StringVar(&a.dist, "dist", "", "folder for the artifacts (default dist)")
	return cmd
}

// loadPromotion is load for a promotion: the config of the commit that FROM leads
// to counts, and the event is that of the new release.
func (a *app) loadPromotion(ctx context.Context, p *project.Promotion, connect project.Connect, l *loaded) (*engine.Promotion, string, error) {
	from, err := p.Find(ctx, l.repo, connect)
	if err != nil {
		return nil, "", err
	}
	l.project, err = project.Load(ctx, l.repo, project.Selection{Commit: from.Commit, Remote: l.remote}, a.config)
	if err != nil {
		return nil, "", err
	}
	d, err := p.Decide(ctx, l.repo, connect, from, l.project.Config)
	if err != nil {
		return nil, "", err
	}
	l.project.Event = d.Event
	if d.Source == "" {
		return nil, d.Reason, nil
	}
	return &engine.Promotion{From: d.Source}, d.Reason, nil
}
