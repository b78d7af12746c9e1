package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// botRelease has the engine carry out what the bot asks for.
func (a *app) botRelease(ctx context.Context, w bot.Work) (release.Report, error) {
	ws := project.NewWorkspaceAt(w.Project.Repo, w.Tree)
	defer ws.Close()
	source := func(ctx context.Context) (string, error) { return ws.At(ctx, w.Event.Commit) }
	cfg, err := w.Project.Complete(path.Base(w.Target.Repository), func() (string, error) { return source(ctx) })
	if err != nil {
		return release.Report{}, err
	}
	// Where BuildKit is, the bot's config says: a repository must not choose it.
	m := maker.New(maker.Options{Builder: w.Builder, Getenv: a.getenv, Note: w.Progress.Note})
	defer m.Close()
	if !w.HostBuilds && w.Promotion == nil {
		dir, err := source(ctx)
		if err != nil {
			return release.Report{}, err
		}
		if cfg, err = project.Contained(cfg, os.DirFS(dir)); err != nil {
			return release.Report{}, err
		}
	}
	if err := project.MayPublish(cfg, w.Settings.Buckets, w.HostBuilds); err != nil {
		return release.Report{}, err
	}
	places, err := placesFor(shelvesOf(cfg, w.Target, w.Project.Repo.Dir, w.Progress, bucketKeys(w.Settings)))
	if err != nil {
		return release.Report{}, err
	}
	e := &engine.Engine{Repo: w.Project.Repo, Remote: "origin", Progress: w.Progress, Containers: m, Store: w.Store,
		Images:  engine.Images{Maker: m, Registry: m.Registry(), Facts: a.imageFacts(source, m)},
		Places:  places,
		Connect: func(context.Context) (forge.Forge, error) { return w.Forge, nil }}
	r, err := e.Run(ctx, engine.Request{Event: w.Event, Config: cfg, Target: w.Target, Goal: w.Goal, Promote: w.Promotion, AnyPlan: true,
		Dist: filepath.Join(w.Dir, "dist"), Source: source})
	r.Warnings = append(slices.Clone(w.Project.Warnings), r.Warnings...)
	return r, away(err)
}

// away marks the fault of a place that is not available now, which the bot tries
// again like a forge's.
func away(err error) error {
	if errors.Is(err, publish.ErrUnavailable) {
		return fmt.Errorf("%w: %w", bot.ErrAway, err)
	}
	return err
}

// bucketKeys are the keys of a repository's buckets in the place of variables:
// nothing else of the bot's environment counts for them.
func bucketKeys(s bot.Settings) func(string) string {
	return func(name string) string {
		return map[string]string{"SLIPWAY_S3_ACCESS_KEY_ID": s.S3AccessKey, "SLIPWAY_S3_SECRET_ACCESS_KEY": s.S3SecretKey}[name]
	}
}
