package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

// maker opens what makes images; it looks for a builder when one is needed.
func (a *app) maker(cfg release.Builder, show progress.Reporter) *maker.Maker {
	return maker.New(maker.Options{Builder: a.builder, Config: cfg, Getenv: a.getenv, Note: show.Note})
}

// imageFacts says what the config of a release's images leaves out. source is
// the folder with the commit's files.
func (a *app) imageFacts(source func(context.Context) (string, error), m *maker.Maker) func(context.Context, release.Config) (release.ImageFacts, error) {
	return func(ctx context.Context, cfg release.Config) (release.ImageFacts, error) {
		f := release.ImageFacts{BuildImage: a.getenv("SLIPWAY_BUILD_IMAGE"), RuntimeImage: a.getenv("SLIPWAY_RUNTIME_IMAGE")}
		if slices.ContainsFunc(cfg.Images, func(img release.Image) bool { return len(img.Repository) == 0 }) {
			f.Namespace, f.Missing = m.Namespace(ctx)
		}
		if !slices.ContainsFunc(cfg.Images, func(img release.Image) bool { return img.License == "" }) {
			return f, nil
		}
		dir, err := source(ctx)
		if err != nil {
			return f, err
		}
		f.License = maker.License(dir)
		return f, nil
	}
}

// imageWork is one image command: its request and what must be closed.
type imageWork struct {
	source  project.Source
	request engine.ImageRequest
	builder release.Builder
	tree    *project.Workspace
}

func (a *app) imageRequest(ctx context.Context, f imageFlags, show progress.Reporter) (imageWork, error) {
	var w imageWork
	var err error
	if w.source, err = project.OpenSource(ctx, f.source); err != nil {
		return w, err
	}
	if f.workingTree && (!w.source.Local || w.source.Repo.Bare) {
		return w, errUsage("--working-tree needs a path on this machine, not %s", f.source)
	}
	cfg, err := w.source.Config(ctx, f.workingTree)
	if err != nil {
		return w, err
	}
	w.builder = cfg.Builder
	img, err := f.image(cfg, w.source)
	if err != nil {
		return w, err
	}
	w.tree = project.NewWorkspace(w.source.Repo)
	w.tree.Waiting = func() { show.Note("another slipway works on this repository; waiting for it") }
	w.request = engine.ImageRequest{
		Project: nameOf(cfg, w.source), Event: w.source.Event, Image: img,
		Facts: release.ImageFacts{Development: f.development,
			BuildImage:   orElse(f.buildImage, a.getenv("SLIPWAY_BUILD_IMAGE")),
			RuntimeImage: orElse(f.runtimeImage, a.getenv("SLIPWAY_RUNTIME_IMAGE"))},
		Order: image.Order{NoCache: f.noCache, GoModCache: f.goModCache, CargoHome: f.cargoHome, Archive: f.output},
		Source: func(ctx context.Context) (string, error) {
			if f.workingTree {
				return w.source.Repo.Dir, w.tree.Lock(ctx)
			}
			return w.tree.At(ctx, w.source.Event.Commit)
		},
	}
	return w, nil
}

func nameOf(cfg release.Config, s project.Source) string { return orElse(cfg.Project, s.Name) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// image takes the config's image of sources, or a plain one, and puts the flags
// over it.
func (f imageFlags) image(cfg release.Config, s project.Source) (release.Image, error) {
	img, err := f.configured(cfg, s)
	if err != nil {
		return img, err
	}
	if f.s2i && img.S2I == nil {
		img.Source, img.S2I = nil, &release.ImageS2I{}
	}
	if s.Folder != "" {
		img.Context = s.Folder
	}
	if len(f.platforms) > 0 {
		img.Platforms = f.platforms
	}
	if f.envFiles != nil {
		img.EnvFiles = f.envFiles
	}
	if src := img.Source; src != nil {
		own := *src
		own.Toolchain, own.Env = orElse(f.toolchain, own.Toolchain), over(own.Env, f.env)
		img.Source = &own
	}
	return img, nil
}

// overS2I puts the flags of Source-to-Image over an image that is one.
func (f imageFlags) overS2I(img release.Image) release.Image {
	if img.S2I == nil {
		return img
	}
	own := *img.S2I
	own.Incremental, own.Env = own.Incremental || f.incremental, over(own.Env, f.env)
	if f.excludeGiven {
		own.Exclude = &f.exclude
	}
	img.S2I = &own
	return img
}

// detect finds out whether the sources are for Source-to-Image.
func (w *imageWork) detect(ctx context.Context, f imageFlags, m *maker.Maker) error {
	source, err := w.request.Source(ctx)
	if err != nil {
		return err
	}
	img, err := m.Detect(ctx, w.request.Image, w.request.Facts.BuildImage, source)
	w.request.Image = f.overS2I(img)
	if f.incremental && img.S2I == nil && err == nil {
		return errUsage("--incremental is for Source-to-Image builder images, and %s is none (it has no label io.openshift.s2i.scripts-url)",
			orElse(w.request.Facts.BuildImage, "the build image"))
	}
	return err
}

// over puts the second map over the first.
func over(base, top map[string]string) map[string]string {
	if len(top) == 0 {
		return base
	}
	out := map[string]string{}
	for k, v := range base {
		out[k] = v
	}
	for k, v := range top {
		out[k] = v
	}
	return out
}

// configured finds the image of the config that is meant.
func (f imageFlags) configured(cfg release.Config, s project.Source) (release.Image, error) {
	plain := release.Image{ID: orElse(release.FileName(nameOf(cfg, s)), "image"), Source: &release.ImageSource{}}
	var ids []string
	var found []release.Image
	for _, img := range cfg.Images {
		if img.Source == nil && img.S2I == nil && img.Dockerfile == "" {
			continue
		}
		ids = append(ids, img.ID)
		if f.id == img.ID || f.id == "" && img.Dockerfile == "" && (s.Folder == "" || path.Clean(img.Context) == s.Folder) {
			found = append(found, img)
		}
	}
	switch {
	case f.id != "" && len(found) == 0:
		return plain, errUsage("--image: the config has no image %q of sources; it has %s", f.id, orElse(strings.Join(ids, ", "), "none"))
	case len(found) > 1:
		return plain, errUsage("the config has several images of sources: say which with --image (%s)", strings.Join(ids, ", "))
	case len(found) == 1:
		return found[0], nil
	}
	return plain, nil
}

func (a *app) imageBuild(ctx context.Context, f imageFlags) error {
	r, o, err := a.builtImage(ctx, f)
	a.warn(r.Warnings)
	return a.shown(r, err, func() { a.imageText(r, o) })
}

func (a *app) builtImage(ctx context.Context, f imageFlags) (r release.Report, o image.Order, err error) {
	show, done := a.reporter(progress.Verbose(f.verbose || !progress.Terminal(a.err)))
	defer done()
	w, err := a.imageRequest(ctx, f, show)
	if err != nil {
		return r, o, err
	}
	defer w.tree.Close()
	m := a.maker(w.builder, show)
	defer m.Close()
	if err := a.destination(ctx, f, &w, m); err != nil {
		return r, o, err
	}
	if err := w.detect(ctx, f, m); err != nil {
		return r, o, err
	}
	e := &engine.Engine{Progress: show, Images: engine.Images{Maker: m, Registry: m.Registry()}}
	r, err = e.BuildImage(ctx, w.request)
	return r, w.request.Order, err
}

// destination says what the image is called and where it goes.
func (a *app) destination(ctx context.Context, f imageFlags, w *imageWork, m *maker.Maker) error {
	name := f.name
	if name == "" && len(w.request.Image.Repository) > 0 {
		name = w.request.Image.Repository[0]
	}
	if name == "" && f.output == "" {
		namespace, err := m.Namespace(ctx)
		if err != nil {
			return err
		}
		name = namespace + "/" + release.ImageName(w.request.Project)
	}
	repository, tag, err := release.ParseImageName(orElse(name, release.ImageName(w.request.Project)))
	if err != nil {
		return errUsage("%v", err)
	}
	w.request.Image.Repository, w.request.Tag = release.OneOrMore{repository}, tag
	if f.output != "" {
		if st, err := os.Stat(filepath.Dir(f.output)); err != nil || !st.IsDir() {
			return errUsage("--output: there is no folder %s", filepath.Dir(f.output))
		}
		return nil
	}
	if f.push {
		return nil
	}
	docker, err := m.IsDocker(ctx)
	if err != nil {
		return err
	}
	if f.load || docker {
		w.request.Order.Load = orElse(name, repository) + map[bool]string{true: "", false: ":" + tag}[strings.HasSuffix(name, ":"+tag)]
	}
	return nil
}

func (a *app) imageText(r release.Report, o image.Order) {
	made := r.Images[0]
	switch {
	case o.Archive != "":
		fmt.Fprintf(a.out, "%s is in %s, %s\n", made.ID, o.Archive, made.Digest)
	case o.Load != "":
		fmt.Fprintf(a.out, "%s is in the docker engine\n", o.Load)
	default:
		fmt.Fprintf(a.out, "%s:%s is pushed\n", made.Repositories[0], r.Plan.Tag)
		report.Images(a.out, r.Images)
	}
}

func (a *app) imageDockerfile(ctx context.Context, f imageFlags) error {
	w, err := a.imageRequest(ctx, f, progress.Discard)
	if err != nil {
		return err
	}
	defer w.tree.Close()
	m := a.maker(w.builder, progress.Discard)
	defer m.Close()
	w.request.Image.Repository, w.request.Tag = release.OneOrMore{"registry.example/image"}, "latest"
	if err := w.detect(ctx, f, m); err != nil {
		return err
	}
	p, err := engine.PlanImage(w.request)
	if err != nil {
		return err
	}
	source, err := w.request.Source(ctx)
	if err != nil {
		return err
	}
	text, err := m.Dockerfile(ctx, image.Order{Image: p.Images[0], Project: p.Project, Time: p.Time, Source: source})
	if err != nil {
		return err
	}
	if f.output == "" {
		_, err := a.out.Write(text)
		return err
	}
	file, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return release.Refuse("move it away first, or write to another file", "%s is there already", f.output)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

func (a *app) imageUsage(ctx context.Context, builder string) error {
	show, done := progress.For(a.err)
	defer done()
	m := a.maker(release.Builder{}, show)
	defer m.Close()
	text, err := m.Usage(ctx, builder)
	if err != nil {
		return err
	}
	done()
	_, err = a.out.Write(text)
	return err
}
