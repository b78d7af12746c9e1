package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish/shelf"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

const publishLong = `Take one step of a release by hand. A release that is public on the forge is taken from
there, byte for byte; else what is missing in dist/ is made of the commit first. Each step
may be repeated: what is there already is not sent again.

Files put somewhere by hand are named by the list once ` + "`slipway publish index`" + ` says so.`

func (a *app) publishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Take one step of a release by hand",
		Long:  publishLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []*cobra.Command{
		a.publishFilesCommand(release.PlaceS3, "Put a release's files into the bucket"),
		a.publishFilesCommand(release.PlaceFolder, "Put a release's files into the folder"),
		a.publishImagesCommand(),
		a.publishIndexCommand(),
	} {
		c.RunE = a.beginning(c.RunE)
		cmd.AddCommand(c)
	}
	return cmd
}

func (a *app) publishFilesCommand(kind, short string) *cobra.Command {
	var platforms []string
	cmd := &cobra.Command{
		Use:   kind,
		Short: short,
		Long: short + ` (publish: ` + kind + `): its binaries, archives, packages and checksums.

` + publishLong,
		Example: `  slipway publish ` + kind + ` --tag v1.2.3
  slipway publish ` + kind + ` --tag v1.2.3 --platform linux/amd64
  slipway publish index --tag v1.2.3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := goal{to: engine.ToPlaces, only: []string{kind}}
			return a.publishStep(cmd, g, platforms)
		},
	}
	a.publishFlags(cmd, &platforms)
	return cmd
}

func (a *app) publishImagesCommand() *cobra.Command {
	var platforms []string
	cmd := &cobra.Command{
		Use:   release.PlaceImages,
		Short: "Push a release's images and tag them",
		Long: `Push the images of a release (images:) to their registries and give them their tags.

` + publishLong,
		Example: `  slipway publish images --tag v1.2.3
  slipway publish images --tag handcrafted-1.0.0 --platform linux/amd64`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.publishStep(cmd, goal{to: engine.ToPlaces, only: []string{release.PlaceImages}}, platforms)
		},
	}
	a.publishFlags(cmd, &platforms)
	a.builderFlag(cmd)
	return cmd
}

func (a *app) publishStep(cmd *cobra.Command, g goal, platforms []string) error {
	for _, s := range platforms {
		p, err := release.ParsePlatform(s)
		if err != nil {
			return errUsage("--platform: %v", err)
		}
		g.platforms = append(g.platforms, p)
	}
	return a.work(cmd.Context(), g)
}

func (a *app) publishFlags(cmd *cobra.Command, platforms *[]string) {
	a.which(cmd)
	a.where(cmd)
	a.jsonFlag(cmd, "the report")
	f := cmd.Flags()
	f.StringSliceVar(platforms, "platform", nil, "only what is for these platforms, such as linux/arm/v6")
	f.StringVar(&a.dist, "dist", "", "folder for the artifacts (default dist)")
}

func (a *app) publishIndexCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Have the list, page and feed name what was published",
		Long: `Have the list of releases name everything that is published in the bucket and the folder,
and make page and feed anew. With --tag it is an error when that release is not there yet.

Only what changed since the last time is read. ` + "`slipway index refresh`" + ` looks at all that
lies there.`,
		Example: `  slipway publish index
  slipway publish index --tag v1.2.3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.eachShelf(cmd.Context(), func(ctx context.Context, s *shelf.Shelf, st progress.Stage) (indexed, error) {
				out := indexed{}
				if a.tag != "" {
					if err := s.Published(ctx, a.tag); err != nil {
						return out, err
					}
				}
				changed, err := s.Update(ctx, st)
				out.Changed = changed
				return out, err
			})
		},
	}
	a.shelfFlags(cmd)
	cmd.Flags().StringVar(&a.tag, "tag", "", "the release that must be there")
	return cmd
}

func (a *app) indexCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Look after the list of releases",
		Long:  "Look after the list of releases, the page and the feed in the bucket or folder.",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	refresh := &cobra.Command{
		Use:   "refresh",
		Short: "Make list, page and feed from what really lies there",
		Long: `Make the list of releases, the page and the feed from what really lies in the bucket or
folder. A file that is gone is named no more; binaries that somebody put there in the
config's layout are found, those from before Slipway, too. Nothing is deleted but what was
staged a week ago and never published.`,
		Example: `  slipway index refresh
  slipway index refresh --json | jq '.[].gone'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.eachShelf(cmd.Context(), func(ctx context.Context, s *shelf.Shelf, st progress.Stage) (indexed, error) {
				found, err := s.Refresh(ctx, st)
				return indexed{Changed: found.Changed, Refreshed: &found}, err
			})
		},
	}
	a.shelfFlags(refresh)
	refresh.RunE = a.beginning(refresh.RunE)
	cmd.AddCommand(refresh)
	return cmd
}

// shelfFlags are those of commands about places, whatever the commit.
func (a *app) shelfFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.commit, "commit", "", "take the config of this commit (default: HEAD)")
	a.where(cmd)
	a.jsonFlag(cmd, "what was done, a place an entry,")
}

// indexed is what became of the list of one place.
type indexed struct {
	Place   string `json:"place"`
	Changed bool   `json:"changed"`
	Page    string `json:"page,omitempty"`
	List    string `json:"list"`
	Feed    string `json:"feed,omitempty"`
	*shelf.Refreshed
}

// eachShelf does something with the list of every place of the config.
func (a *app) eachShelf(ctx context.Context, do func(context.Context, *shelf.Shelf, progress.Stage) (indexed, error)) error {
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	show, done := a.reporter()
	defer done()
	cfg, err := l.project.Complete(l.name, func() (string, error) { return l.repo.Dir, nil })
	if err != nil {
		return err
	}
	shelves, err := a.shelves(cfg, l.target, l.repo.Dir, show)
	if err != nil {
		return err
	}
	if len(shelves) == 0 {
		return release.Invalidf("write `publish:` into the config: docs/publishing.md", "the config names no bucket and no folder")
	}
	all := []indexed{}
	for _, s := range shelves {
		st := show.Stage(s.Kind())
		one, err := do(ctx, s, st)
		one.Place = s.Store.String()
		one.Page, one.List, one.Feed = s.Addresses()
		summary := one.List
		if !one.Changed {
			summary = "nothing to do: " + summary
		}
		st.Done(summary, err)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	for _, one := range all {
		tellIndexed(a, one)
	}
	return nil
}

func tellIndexed(a *app, one indexed) {
	if r := one.Refreshed; r != nil {
		fmt.Fprintf(a.out, "%s: %s, %s\n", one.Place, report.Count(r.Releases, "release"), report.Count(r.Files, "file"))
		for _, key := range r.Gone {
			fmt.Fprintf(a.out, "  gone: %s\n", key)
		}
		for _, name := range r.Found {
			fmt.Fprintf(a.out, "  found: %s\n", name)
		}
		for _, name := range r.Pending {
			fmt.Fprintf(a.out, "  half published: %s; run its release, or slipway publish, again\n", name)
		}
		if r.Dropped > 0 {
			fmt.Fprintf(a.out, "  %d staged files of releases that never came were removed\n", r.Dropped)
		}
	}
	for _, u := range []struct{ what, url string }{{"page", one.Page}, {"list", one.List}, {"feed", one.Feed}} {
		if u.url != "" {
			fmt.Fprintf(a.out, "%s  %s\n", u.what, u.url)
		}
	}
}
