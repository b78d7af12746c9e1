package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/image"
	registry "github.com/slipway-dev/slipway/internal/image/imagetest/memory"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

// world is a repository with the release v1.0.0-rc1 on a forge and its image in
// a registry, and a process that may be killed after any call to either.
type world struct {
	t      *testing.T
	git    *gittest.Repo
	repo   *memory.Repo
	images *registry.Registry
	forge  forge.Forge // wrap it to disturb the engine
	cfg    release.Config
	commit git.Commit
	local  string // the dist folder and the journal of the machine

	mu      sync.Mutex
	calls   int
	killAt  int // 0: never
	dead    bool
	uploads map[string]int // whole uploads by asset name
	source  string         // id of the release v1.0.0-rc1
	opens   map[string]int // its assets that were read, by name
}

const imageRepository = "registry.example/acme/hello"

func newWorld(t *testing.T, d memory.Dialect) *world {
	t.Helper()
	w := &world{t: t, git: gittest.New(t), images: &registry.Registry{}, local: t.TempDir(), uploads: map[string]int{}, opens: map[string]int{}}
	w.git.Write("LICENSE", "free\n")
	w.git.Commit("feat: begin")
	w.git.Tag("v0.9.0")
	w.git.Write("LICENSE", "free!\n")
	w.git.Commit("feat: more")
	w.git.Tag("v1.0.0-rc1")
	bare := filepath.Join(t.TempDir(), "bare.git")
	w.git.Git("clone", "--quiet", "--bare", ".", bare)
	w.repo = memory.New(memory.Options{Dialect: d, Refs: memory.GitRefs(bare)})
	w.forge = killable{w.repo.Forge(memory.Writer), w}
	w.images.Before = func(registry.Op) error { return w.alive() }
	w.images.After = func(registry.Op) error { return w.step() }
	w.cfg = release.Config{
		Project: "hello", Classes: release.DefaultClasses("main"),
		Builds: []release.Build{{ID: "hello", Builder: "command", Run: release.Command{Script: "printf '%s' 'hello {version} {arch}' > {output}"},
			Platforms: []string{"linux/amd64", "linux/arm64"}}},
		Images: []release.Image{{ID: "hello", Repository: release.OneOrMore{imageRepository}}},
	}.WithDefaults()
	repo := w.open()
	var err error
	if w.commit, err = repo.Commit(t.Context(), "v1.0.0-rc1"); err != nil {
		t.Fatal(err)
	}
	if r := w.must(engine.Request{Event: w.event("v1.0.0-rc1", false)}); r.Outcome != release.Published {
		t.Fatalf("the source is %s", r.Outcome)
	} else {
		w.source = r.Release.ID
	}
	return w
}

func (w *world) open() *git.Repo {
	w.t.Helper()
	repo, err := git.Open(w.t.Context(), w.git.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return repo
}

func (w *world) event(tag string, makes bool) release.Event {
	return release.Event{Tag: tag, Commit: w.commit.Hash, Time: w.commit.Time, MakesTag: makes}
}

// promotion is the request that v1.0.0 get the bits of v1.0.0-rc1.
func (w *world) promotion() engine.Request {
	return engine.Request{Event: w.event("v1.0.0", true), Promote: &engine.Promotion{From: "v1.0.0-rc1"}}
}

// run takes a request to a release, in a process that is alive at first.
func (w *world) run(req engine.Request) (release.Report, error) {
	w.mu.Lock()
	w.calls, w.dead, w.uploads = 0, false, map[string]int{}
	w.mu.Unlock()
	if req.Goal == engine.ToPlan {
		req.Goal = engine.ToRelease
	}
	return w.goal(req)
}

func (w *world) goal(req engine.Request) (release.Report, error) {
	e := engine.Engine{Repo: w.open(), Progress: progress.Discard, Store: state.OpenDir(filepath.Join(w.local, "state")),
		Connect: func(context.Context) (forge.Forge, error) { return w.forge, nil },
		Images: engine.Images{Maker: maker{w.images}, Registry: w.images,
			Facts: func(context.Context, release.Config) (release.ImageFacts, error) { return release.ImageFacts{}, nil }}}
	if req.Config.Project == "" {
		req.Config = w.cfg
	}
	req.Target = &release.Target{Forge: "github", Server: "https://forge.example", Repository: "acme/hello"}
	req.Dist = filepath.Join(w.local, "dist")
	req.Source = func(context.Context) (string, error) { return w.git.Dir, nil }
	return e.Run(w.t.Context(), req)
}

func (w *world) must(req engine.Request) release.Report {
	w.t.Helper()
	r, err := w.run(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

var errDead = errors.New("the process is dead")

func (w *world) alive() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	return nil
}

// step counts a call that has taken effect; the process may not hear of it.
func (w *world) step() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.calls == w.killAt {
		w.dead = true
	}
	if w.dead {
		return errDead
	}
	return nil
}

// killable is the forge as the process sees it.
type killable struct {
	forge.Forge
	w *world
}

func call[T any](w *world, do func() (T, error)) (T, error) {
	var none T
	if err := w.alive(); err != nil {
		return none, err
	}
	out, err := do()
	if dead := w.step(); dead != nil {
		return none, dead
	}
	return out, err
}

func (k killable) Repository(ctx context.Context) (forge.Repository, error) {
	return call(k.w, func() (forge.Repository, error) { return k.Forge.Repository(ctx) })
}
func (k killable) Tag(ctx context.Context, name string) (forge.Tag, error) {
	return call(k.w, func() (forge.Tag, error) { return k.Forge.Tag(ctx, name) })
}
func (k killable) Releases(ctx context.Context, tag string) ([]forge.Release, error) {
	return call(k.w, func() ([]forge.Release, error) { return k.Forge.Releases(ctx, tag) })
}
func (k killable) CreateDraft(ctx context.Context, d forge.Draft) (forge.Release, error) {
	return call(k.w, func() (forge.Release, error) { return k.Forge.CreateDraft(ctx, d) })
}
func (k killable) Update(ctx context.Context, id string, u forge.Update) (forge.Release, error) {
	return call(k.w, func() (forge.Release, error) { return k.Forge.Update(ctx, id, u) })
}
func (k killable) Upload(ctx context.Context, id string, u forge.Upload) (forge.Asset, error) {
	return call(k.w, func() (forge.Asset, error) {
		a, err := k.Forge.Upload(ctx, id, u)
		if err == nil {
			k.w.mu.Lock()
			k.w.uploads[u.Name]++
			k.w.mu.Unlock()
		}
		return a, err
	})
}
func (k killable) OpenAsset(ctx context.Context, id string, a forge.Asset) (io.ReadCloser, error) {
	return call(k.w, func() (io.ReadCloser, error) {
		k.w.mu.Lock()
		if id == k.w.source {
			k.w.opens[a.Name]++
		}
		k.w.mu.Unlock()
		return k.Forge.OpenAsset(ctx, id, a)
	})
}

// maker puts an index into the registry that says what slipway's makers say.
type maker struct{ to *registry.Registry }

func (maker) Way(_ context.Context, img release.PlanImage) (release.ImageWay, error) {
	return release.ImageWay{Image: img.ID}, nil
}
func (maker) Check(context.Context, release.PlanImage, string) error { return nil }
func (m maker) Make(_ context.Context, o image.Order) (release.MadeImage, error) {
	made := release.MadeImage{ID: o.Image.ID, Repositories: o.Image.Repositories, MediaType: "application/vnd.oci.image.index.v1+json"}
	for _, t := range o.Image.Tags {
		if !t.Moving {
			made.Tags = append(made.Tags, t.Name)
		}
	}
	for _, b := range o.Binaries {
		made.Manifests = append(made.Manifests, release.ImageManifest{Platform: b.Platform, Digest: b.Digest, Size: b.Size})
	}
	raw, err := json.Marshal(map[string]any{"annotations": o.Image.Annotations, "manifests": made.Manifests})
	if err != nil {
		return made, err
	}
	made.Size = int64(len(raw))
	for _, r := range made.Repositories {
		if made.Digest, err = m.to.Put(r, made.MediaType, raw); err != nil {
			return made, err
		}
	}
	return made, nil
}

// seen is what a reader sees: digests of assets by tag and name, and the image
// tags.
func (w *world) seen() map[string]map[string]string {
	out := map[string]map[string]string{"image": w.images.Tags(imageRepository)}
	for _, r := range w.repo.PublicReleases() {
		assets := map[string]string{}
		for _, a := range r.Assets {
			rc, err := w.repo.Forge(memory.Anonymous).OpenAsset(context.Background(), r.ID, a)
			if err != nil {
				w.t.Fatal(err)
			}
			h := sha256.New()
			_, err = io.Copy(h, rc)
			if err = errors.Join(err, rc.Close()); err != nil || assets[a.Name] != "" {
				w.t.Fatalf("asset %s of %s: %v, %d of that name", a.Name, r.Tag, err, len(assets[a.Name]))
			}
			assets[a.Name] = hex.EncodeToString(h.Sum(nil))
		}
		out[r.Tag] = assets
	}
	return out
}

func (w *world) manifest(tag string) release.Manifest {
	w.t.Helper()
	for _, r := range w.repo.PublicReleases() {
		i := slices.IndexFunc(r.Assets, func(a forge.Asset) bool { return a.Name == release.ManifestName })
		if r.Tag != tag || i < 0 {
			continue
		}
		rc, err := w.repo.Forge(memory.Writer).OpenAsset(w.t.Context(), r.ID, r.Assets[i])
		if err != nil {
			w.t.Fatal(err)
		}
		defer rc.Close()
		b, err := io.ReadAll(rc)
		if err != nil {
			w.t.Fatal(err)
		}
		m, err := release.DecodeManifest(b)
		if err != nil {
			w.t.Fatal(err)
		}
		return m
	}
	w.t.Fatalf("%s has no manifest", tag)
	return release.Manifest{}
}
