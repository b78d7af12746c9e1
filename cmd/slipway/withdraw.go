package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) withdrawCommand() *cobra.Command {
	var why release.Withdrawn
	cmd := &cobra.Command{
		Use:   "withdraw TAG --reason REASON",
		Short: "Take a public release back, without deleting anything",
		Long: `Mark a public release everywhere as one that nobody should take any more: on the forge,
where it becomes a prerelease with the reason above its notes; in the list, the page and the
feed. What is called the latest goes back to the newest release that is left: the forge's
latest release, the moving tags of images, the list's first entry.

Nothing is deleted: who has pinned the version still finds it. Said again, it does what is
missing.`,
		Example: `  slipway withdraw v1.2.3 --reason "it loses data when the disk is full; take v1.2.4"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.tag = args[0]
			why.Time = time.Now().UTC().Truncate(time.Second)
			return a.withdraw(cmd.Context(), why)
		},
	}
	a.where(cmd)
	a.jsonFlag(cmd, "what was done")
	f := cmd.Flags()
	f.StringVar(&why.Reason, "reason", "", "why; users read it")
	f.StringVar(&why.By, "by", "", "who says so; users may read it")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (a *app) withdraw(ctx context.Context, why release.Withdrawn) error {
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	show, done := a.reporter()
	defer done()
	ws := project.NewWorkspace(l.repo)
	defer ws.Close()
	source := func(ctx context.Context) (string, error) { return ws.At(ctx, l.project.Event.Commit) }
	cfg, err := l.project.Complete(l.name, func() (string, error) { return source(ctx) })
	if err != nil {
		return err
	}
	places, err := a.places(cfg, l.target, l.repo.Dir, show)
	if err != nil {
		return err
	}
	m := a.maker(release.Builder{}, show)
	defer m.Close()
	e := &engine.Engine{Repo: l.repo, Remote: l.remote, Progress: show, Places: places, Images: engine.Images{Registry: m.Registry(), Facts: a.imageFacts(source, m)},
		Connect: func(ctx context.Context) (forge.Forge, error) { return a.connect(ctx, l.target, show) }}
	r, err := e.Withdraw(ctx, engine.Withdrawal{Event: l.project.Event, Why: why, Config: cfg, Target: l.target})
	if err != nil {
		return err
	}
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	if !r.Changed {
		fmt.Fprintf(a.out, "%s is withdrawn already: nothing to do\n", r.Tag)
	} else {
		fmt.Fprintf(a.out, "%s is withdrawn: %s\n", r.Tag, r.Release.URL)
	}
	for _, t := range r.Tags {
		fmt.Fprintf(a.out, "  %s:%s  %s %s\n", t.Repository, t.Name, t.State, t.Reason)
	}
	if r.Latest != "" {
		fmt.Fprintf(a.out, "the newest release that is left is %s\n", r.Latest)
	}
	return nil
}
