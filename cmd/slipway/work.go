package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
	"github.com/slipway-dev/slipway/internal/state"
)

// loaded is a repository with everything that was found out about the request.
type loaded struct {
	repo    *git.Repo
	remote  string // the git remote's name
	name    string // of the repository; empty when nothing tells it
	target  *release.Target
	project project.Project
}

// load opens the repository and reads the config that counts.
func (a *app) load(ctx context.Context) (loaded, error) {
	l, err := a.open(ctx)
	if err != nil {
		return l, err
	}
	return l, a.selected(ctx, &l)
}

// selected reads the config of the commit that the flags, or the workflow, mean.
func (a *app) selected(ctx context.Context, l *loaded) (err error) {
	s := project.Selection{Tag: a.tag, Commit: a.commit, Branch: a.branch}
	if s == (project.Selection{}) {
		s = project.FromRunner(a.getenv)
	}
	s.Remote = l.remote
	l.project, err = project.Load(ctx, l.repo, s, a.config)
	return err
}

// open finds the repository and the forge's that it belongs to.
func (a *app) open(ctx context.Context) (loaded, error) {
	var l loaded
	var err error
	if l.repo, err = git.Open(ctx, a.dir); err != nil {
		return l, err
	}
	var url string
	if l.remote, url, err = remote(ctx, l.repo); err != nil {
		return l, err
	}
	if l.target, err = a.target(url); err != nil {
		return l, err
	}
	l.name = project.Name(l.target, url)
	return l, nil
}

// goal is what one of release, plan and build wants of the engine.
type goal struct {
	to         engine.Goal
	snapshot   bool
	rebuild    bool
	skipChecks bool
	platforms  []release.Platform
	merge      bool
	only       []string // kinds of places
	promote    *project.Promotion
}

// work takes the request to its goal and shows the Report: the whole of the
// commands release, plan and build.
func (a *app) work(ctx context.Context, g goal) error {
	r, err := a.do(ctx, g)
	return a.shown(r, err, func() { report.Text(a.out, r) })
}

// shown gives the Report to a machine or, by text, to a person.
func (a *app) shown(r release.Report, err error, text func()) error {
	tell := err == nil || len(r.Rollouts) > 0 // work that failed or waits is told, too
	if a.step != nil {
		a.step.report = r
		if tell {
			report.Text(a.step.call.Out, r)
		}
		return err
	}
	if !a.json {
		if tell {
			text()
		}
		return err
	}
	if err != nil {
		r.Schema, r.Error = release.ReportSchema, reportError(err)
		if r.Outcome != release.Waits {
			r.Outcome = release.Stopped
		}
	}
	if werr := report.JSON(a.out, r); werr != nil {
		return werr
	}
	if err != nil {
		return reported{err}
	}
	return nil
}

func (a *app) do(ctx context.Context, g goal) (release.Report, error) {
	var none release.Report
	show, done := progress.Discard, func() {}
	if g.to != engine.ToPlan {
		show, done = a.reporter()
	}
	defer done()
	l, moved, connect, err := a.loadFor(ctx, g, show)
	if err != nil {
		return none, err
	}
	if g.to == engine.ToBuild || g.to == engine.ToTest || g.snapshot {
		l.target = nil // nothing of a build depends on where it would go
	}

	ws := project.NewWorkspace(l.repo)
	ws.Waiting = func() { show.Note("another slipway works on this repository; waiting for it") }
	defer ws.Close()
	source := func(ctx context.Context) (string, error) {
		if g.snapshot {
			return l.repo.Dir, ws.Lock(ctx)
		}
		return ws.At(ctx, l.project.Event.Commit)
	}
	cfg, err := l.project.Complete(l.name, func() (string, error) { return source(ctx) })
	if err != nil {
		return none, err
	}
	if g.to != engine.ToPlan && !g.snapshot && moved == nil {
		if err := l.warnOfChanges(ctx); err != nil {
			return none, err
		}
	}
	m := a.maker(cfg.Builder, show)
	defer m.Close()
	if moved == nil {
		if cfg, err = l.inImages(ctx, cfg, m, source); err != nil {
			return none, err
		}
	}
	a.warn(l.project.Warnings)

	var places []publish.Place
	if g.to >= engine.ToPlaces {
		if places, err = a.places(cfg, l.target, l.repo.Dir, show); err != nil {
			return none, err
		}
	}
	e := &engine.Engine{Repo: l.repo, Remote: l.remote, Progress: show, Containers: m,
		Images:  engine.Images{Maker: m, Registry: m.Registry(), Facts: a.imageFacts(source, m)},
		Connect: connect, Places: places,
		Store: state.OpenDir(filepath.Join(l.repo.CommonDir(), "slipway", "state"))}
	r, err := e.Run(ctx, engine.Request{
		Event: l.project.Event, Class: a.class, Config: cfg, Target: l.target, Goal: g.to, Promote: moved, Snapshot: g.snapshot,
		Platforms: g.platforms, Merge: g.merge, Only: g.only, SkipChecks: g.skipChecks, Rebuild: g.rebuild, Dist: a.distFolder(l.repo), Source: source,
	})
	a.warn(r.Warnings)
	r.Warnings = append(l.project.Warnings, r.Warnings...)
	return r, err
}

// loadFor is load, or its like for a promotion, which asks the forge; connect
// opens the forge once.
func (a *app) loadFor(ctx context.Context, g goal, show progress.Reporter) (l loaded, moved *engine.Promotion, connect project.Connect, err error) {
	if l, err = a.open(ctx); err != nil {
		return l, nil, nil, err
	}
	var f forge.Forge
	connect = func(ctx context.Context) (_ forge.Forge, err error) {
		if f == nil {
			f, err = a.connect(ctx, l.target, show)
		}
		return f, err
	}
	if g.promote == nil {
		err = a.selected(ctx, &l)
		return l, nil, connect, err
	}
	moved, reason, err := a.loadPromotion(ctx, g.promote, connect, &l)
	if reason != "" {
		show.Note(reason)
	}
	return l, moved, connect, err
}

// inImages gives what needs a toolchain that is not here to a builder image, if
// there is a builder.
func (l *loaded) inImages(ctx context.Context, cfg release.Config, m *maker.Maker, source func(context.Context) (string, error)) (release.Config, error) {
	if _, told := project.InImages(cfg, os.DirFS(l.repo.Dir), proc.There); len(told) == 0 || !m.HasBuilder(ctx) {
		return cfg, nil
	}
	dir, err := source(ctx)
	if err != nil {
		return cfg, err
	}
	moved, told := project.InImages(cfg, os.DirFS(dir), proc.There)
	l.project.Warnings = append(l.project.Warnings, told...)
	return moved, nil
}

// warnOfChanges says what is in the folder but not in the commit that is built
// from a clean checkout.
func (l *loaded) warnOfChanges(ctx context.Context) error {
	head, err := l.repo.HeadHash(ctx)
	if errors.Is(err, git.ErrEmpty) || err == nil && head != l.project.Event.Commit {
		return nil
	}
	if err != nil {
		return err
	}
	changed, err := l.repo.Status(ctx)
	if err == nil && len(changed) > 0 {
		l.project.Warnings = append(l.project.Warnings, release.Problem{Warning: true,
			Message: "not committed, and so not built: " + strings.Join(changed, ", "), Hint: "commit it, or build the folder as it is with --snapshot"})
	}
	return err
}

func (a *app) distFolder(repo *git.Repo) string {
	if a.dist != "" {
		return a.dist
	}
	return filepath.Join(repo.Dir, "dist")
}

func reportError(err error) *release.ReportError {
	e := &release.ReportError{Code: int(release.KindOf(err)), Message: err.Error(), Hint: release.HintOf(err)}
	var ps release.Problems
	if errors.As(err, &ps) {
		e.Problems = ps
	}
	if errors.Is(err, context.Canceled) {
		e.Code, e.Message = 130, "interrupted"
	}
	return e
}
