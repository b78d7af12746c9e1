package main

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/project"
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
		if cfg, err = contained(ctx, cfg, source); err != nil {
			return release.Report{}, err
		}
	}
	e := &engine.Engine{Repo: w.Project.Repo, Remote: "origin", Progress: w.Progress, Containers: m, Store: w.Store,
		Images:  engine.Images{Maker: m, Registry: m.Registry(), Facts: a.imageFacts(source, m)},
		Connect: func(context.Context) (forge.Forge, error) { return w.Forge, nil }}
	r, err := e.Run(ctx, engine.Request{Event: w.Event, Config: cfg, Target: w.Target, Goal: w.Goal, Promote: w.Promotion, AnyPlan: true,
		Dist: filepath.Join(w.Dir, "dist"), Source: source})
	r.Warnings = append(slices.Clone(w.Project.Warnings), r.Warnings...)
	return r, err
}

// contained gives all builds and checks to builder images, and refuses what
// would run plain on the bot's machine or take something from it.
func contained(ctx context.Context, cfg release.Config, source func(context.Context) (string, error)) (release.Config, error) {
	dir, err := source(ctx)
	if err != nil {
		return cfg, err
	}
	cfg, _ = project.InImages(cfg, os.DirFS(dir), func(string) bool { return false })
	if plain := project.OnHost(cfg); len(plain) > 0 {
		return cfg, release.Refuse("name a builder image for it (image: …) in .slipway.yaml, or let the bot run it with host-builds: allow in bot.yaml",
			"%s would run plain on the bot's machine", strings.Join(plain, ", "))
	}
	return cfg, keepsOff(cfg.Images)
}

// keepsOff refuses images that would take files or variables from the bot's
// machine: whoever may push a tag could have the bot's own secrets built into
// an image.
func keepsOff(images []release.Image) error {
	const hint = "build it in a workflow (work: workflow), or let the repository take what it names with host-builds: allow in bot.yaml"
	for _, img := range images {
		if len(img.Secrets) > 0 {
			return release.Refuse(hint, "image %s takes its secret %s from the bot's machine", img.ID, img.Secrets[0].ID)
		}
		for _, cache := range slices.Concat(img.Cache.From, img.Cache.To) {
			// A reference, or attributes of which one is the type.
			if strings.Contains(cache, "=") && !slices.Contains(strings.Split(cache, ","), "type=registry") {
				return release.Refuse(hint, "image %s has a cache that is in no registry, but on the bot's machine, or found with its logins", img.ID)
			}
		}
	}
	return nil
}
