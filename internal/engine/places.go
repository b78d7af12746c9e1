package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// places are those of the plan that this run brings the release to.
func (r *run) places(p release.Plan) []publish.Place {
	var out []publish.Place
	for _, place := range r.Places {
		planned := slices.ContainsFunc(p.Places, func(pl release.PlanPlace) bool { return pl.Kind == place.Kind() })
		if planned && (len(r.req.Only) == 0 || slices.Contains(r.req.Only, place.Kind())) {
			out = append(out, place)
		}
	}
	return out
}

func (r *run) checkPlaces(ctx context.Context, p release.Plan) error {
	for _, place := range r.places(p) {
		if err := place.Check(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// stagePlaces brings everything to the places, where nobody sees it.
func (r *run) stagePlaces(ctx context.Context, p release.Plan, d publish.Delivery) error {
	for _, place := range r.places(p) {
		if err := r.stage("stage "+place.Kind(), func(st progress.Stage) (string, error) { return place.Stage(ctx, d, st) }); err != nil {
			return err
		}
	}
	return nil
}

// commitPlaces rolls forward: the release is public, and now it is so in its
// places, too.
func (r *run) commitPlaces(ctx context.Context, p release.Plan, d publish.Delivery) error {
	if rel := r.report.Release; rel != nil && !rel.Draft {
		d.Page = rel.URL
	}
	for _, place := range r.places(p) {
		err := r.stage(place.Kind(), func(st progress.Stage) (string, error) {
			report, err := place.Shelve(ctx, d, st)
			if err == nil && r.req.Goal != ToPlaces {
				report, err = place.Index(ctx, report, st)
			}
			if err != nil {
				return "", r.behind(p, place, err)
			}
			r.report.Places = append(r.report.Places, report)
			return fmt.Sprintf("%d files, %s", len(report.Files), orElse(report.List, report.Where)), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// behind says that the release is public while a place lacks it.
func (r *run) behind(p release.Plan, place publish.Place, err error) error {
	if r.report.Release == nil || r.report.Release.Draft || release.KindOf(err) != release.Failed {
		return err
	}
	return &release.Error{Kind: release.Failed, Err: err, Message: fmt.Sprintf("%s is public at %s, but not yet in %s", p.Tag, r.report.Release.URL, place.Kind()),
		Hint: orElse(release.HintOf(err), "run the same command again: it brings what is missing, and touches nothing else")}
}

// delivery is what was made, as places get it.
func (r *run) delivery(p release.Plan, m made) publish.Delivery {
	d := publish.Delivery{Plan: p, Images: m.images, Notes: strings.TrimRight(r.report.Notes, "\n")}
	for _, a := range m.artifacts {
		d.Files = append(d.Files, asset(a, func(context.Context) (io.ReadCloser, error) { return os.Open(a.Path) }))
	}
	for _, b := range m.binaries {
		f := bare(b)
		if f.Open = func(context.Context) (io.ReadCloser, error) { return os.Open(b.Path) }; b.Path == "" {
			f.Open = func(context.Context) (io.ReadCloser, error) {
				return pack.OpenBinary(filepath.Join(r.req.Dist, b.Asset), b.Name)
			}
		}
		d.Files = append(d.Files, f)
	}
	return r.only(d)
}

func asset(a release.Artifact, open func(context.Context) (io.ReadCloser, error)) publish.File {
	return publish.File{Name: a.Name, Kind: a.Kind, Platform: a.Platform, Size: a.Size, Digest: a.Digest, Open: open}
}

func bare(b release.ManifestBinary) publish.File {
	return publish.File{Name: b.Name, Kind: release.KindBinary, Platform: &b.Platform, Build: b.ID, Size: b.Size, Digest: b.Digest}
}

// only leaves the files of the platforms that were asked for.
func (r *run) only(d publish.Delivery) publish.Delivery {
	if len(r.req.Platforms) > 0 {
		d.Files = slices.DeleteFunc(d.Files, func(f publish.File) bool { return f.Platform == nil || !slices.Contains(r.req.Platforms, *f.Platform) })
	}
	return d
}

// publishedDelivery is a public release, as places get it: what they lack is read
// from the forge.
func (r *run) publishedDelivery(ctx context.Context, p release.Plan, published forge.Release) (publish.Delivery, error) {
	m, err := r.readManifest(ctx, published)
	if err != nil {
		return publish.Delivery{}, explain(err, p)
	}
	if err := m.CheckPromotable(m.Tag, p.Commit); err != nil {
		return publish.Delivery{}, err
	}
	d := publish.Delivery{Plan: p, Images: m.Images, Page: published.URL, Notes: textOf(published.Body)}
	open := func(a release.Artifact) func(context.Context) (io.ReadCloser, error) {
		return func(ctx context.Context) (io.ReadCloser, error) { return r.openPublished(ctx, published, a) }
	}
	for _, a := range m.Artifacts {
		d.Files = append(d.Files, asset(a, open(a)))
	}
	// The manifest is no artifact of its own.
	if a, ok, err := r.manifestArtifact(ctx, published, m); err != nil {
		return d, err
	} else if ok {
		d.Files = append(d.Files, asset(a, open(a)))
	}
	for _, b := range m.Binaries {
		f := bare(b)
		i := slices.IndexFunc(m.Artifacts, func(a release.Artifact) bool { return a.Name == b.Asset && a.Name != "" })
		f.Open = func(ctx context.Context) (io.ReadCloser, error) {
			if i < 0 {
				return nil, release.Refuse("publish it with the next release", "binary %s for %s is in no asset of %s", b.ID, b.Platform, published.Tag)
			}
			path, err := r.fetched(ctx, published, m.Artifacts[i])
			if err != nil {
				return nil, err
			}
			return pack.OpenBinary(path, b.Name)
		}
		d.Files = append(d.Files, f)
	}
	return r.only(d), nil
}

// manifestArtifact is the manifest of a public release as a file.
func (r *run) manifestArtifact(ctx context.Context, published forge.Release, m release.Manifest) (release.Artifact, bool, error) {
	if slices.ContainsFunc(m.Artifacts, func(a release.Artifact) bool { return a.Name == release.ManifestName }) {
		return release.Artifact{}, false, nil
	}
	for _, a := range published.Assets {
		if a.Name != release.ManifestName || a.Broken {
			continue
		}
		from, err := r.forge.OpenAsset(ctx, published.ID, a)
		if err != nil {
			return release.Artifact{}, false, explain(err, release.Plan{Target: r.req.Target, Tag: published.Tag})
		}
		defer from.Close()
		h := sha256.New()
		n, err := io.Copy(h, from)
		if err != nil {
			return release.Artifact{}, false, fmt.Errorf("read asset %s: %w", a.Name, err)
		}
		return release.Artifact{Name: a.Name, Kind: release.KindManifest, Size: n, Digest: "sha256:" + hex.EncodeToString(h.Sum(nil))}, true, nil
	}
	return release.Artifact{}, false, nil
}

func (r *run) openPublished(ctx context.Context, published forge.Release, a release.Artifact) (io.ReadCloser, error) {
	i := slices.IndexFunc(published.Assets, func(x forge.Asset) bool { return x.Name == a.Name && !x.Broken })
	if i < 0 {
		return nil, release.Failf("a published release is never made anew", "asset %s of %s is gone from the forge", a.Name, published.Tag)
	}
	return r.forge.OpenAsset(ctx, published.ID, published.Assets[i])
}

// fetched is an asset of a public release on disk; one that is not what the
// manifest names is refused.
func (r *run) fetched(ctx context.Context, published forge.Release, a release.Artifact) (string, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	if err := ignored(r.req.Dist); err != nil {
		return "", err
	}
	err := pack.Fetch(ctx, r.req.Dist, a, func(ctx context.Context) (io.ReadCloser, error) { return r.openPublished(ctx, published, a) })
	if err != nil {
		return "", fmt.Errorf("bring asset %s of %s: %w", a.Name, published.Tag, err)
	}
	return filepath.Join(r.req.Dist, a.Name), nil
}

// rollForward brings a public release to the places that lack it.
func (r *run) rollForward(ctx context.Context, p release.Plan, published forge.Release) error {
	if len(r.places(p)) == 0 {
		return nil
	}
	d, err := r.publishedDelivery(ctx, p, published)
	if err != nil {
		return err
	}
	return r.commitPlaces(ctx, p, d)
}

// toPlaces is a publication by hand: of the public release where there is one,
// else of what is made of the commit.
func (r *run) toPlaces(ctx context.Context, p release.Plan) error {
	if slices.Contains(r.req.Only, release.PlaceImages) {
		return r.toRegistries(ctx, p)
	}
	if len(r.places(p)) == 0 {
		return r.goesNowhere(p)
	}
	if err := r.checkPlaces(ctx, p); err != nil {
		return err
	}
	published, err := r.findPublished(ctx, p)
	if err != nil {
		return err
	}
	var d publish.Delivery
	if published != nil {
		r.report.Release = forgeRelease(*published)
		d, err = r.publishedDelivery(ctx, p, *published)
	} else {
		d, err = r.madeDelivery(ctx, p)
	}
	if err != nil {
		return err
	}
	if err := r.stagePlaces(ctx, p, d); err != nil {
		return err
	}
	r.report.Outcome = release.Placed
	return r.commitPlaces(ctx, p, d)
}

// goesNowhere says why there is nothing to do.
func (r *run) goesNowhere(p release.Plan) error {
	for _, kind := range r.req.Only {
		if !slices.ContainsFunc(r.Places, func(place publish.Place) bool { return place.Kind() == kind }) {
			return release.Invalidf("write it (docs/publishing.md)", "the config has no `publish: {%s: …}`", kind)
		}
	}
	return release.Invalidf("see its `classes`", "nothing of %s goes there: it is %s", p.Tag, p.Class)
}

// madeDelivery makes what is for a platform, and leaves out what only the whole
// release can say: its checksums, its manifest.
func (r *run) madeDelivery(ctx context.Context, p release.Plan) (publish.Delivery, error) {
	j, err := openJournal(ctx, r.Store, p)
	if err != nil {
		return publish.Delivery{}, err
	}
	m, err := r.make(ctx, p, forge.Limits{}, j)
	d := r.delivery(p, m)
	if p.Target != nil { // the forge will have the whole of it
		d.Files = slices.DeleteFunc(d.Files, func(f publish.File) bool { return f.Platform == nil })
	}
	return d, err
}

// toRegistries pushes and tags the images by hand: those of the public release
// where there is one, else what is made of the commit.
func (r *run) toRegistries(ctx context.Context, p release.Plan) error {
	if len(p.Images) == 0 {
		return release.Invalidf("write `images:` into the config (docs/images.md)", "%s has no images", p.Tag)
	}
	published, err := r.findPublished(ctx, p)
	if err != nil {
		return err
	}
	r.report.Outcome = release.Placed
	if published != nil {
		r.report.Release = forgeRelease(*published)
		return r.stage("images", func(progress.Stage) (string, error) {
			return "those of " + published.URL, r.tagPublished(ctx, p, *published)
		})
	}
	if err := r.stage("preflight", func(progress.Stage) (string, error) { return "the registries take them", r.checkImages(ctx, p) }); err != nil {
		return err
	}
	j, err := openJournal(ctx, r.Store, p)
	if err != nil {
		return err
	}
	m, err := r.make(ctx, p, forge.Limits{}, j)
	if err != nil {
		return err
	}
	return r.stage("tags", func(progress.Stage) (string, error) {
		return countImages(p) + "tagged", r.moveTags(ctx, p, m.images, j)
	})
}

// findPublished is the public release of the tag, if Slipway made one of this
// commit; without a forge there is none.
func (r *run) findPublished(ctx context.Context, p release.Plan) (*forge.Release, error) {
	if p.Target == nil {
		return nil, nil
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	found, err := r.forge.Releases(ctx, p.Tag)
	if err != nil {
		return nil, explain(err, p)
	}
	i := slices.IndexFunc(found, func(f forge.Release) bool { return !f.Draft })
	if i < 0 {
		return nil, nil
	}
	m, err := r.readManifest(ctx, found[i])
	if errors.Is(err, forge.ErrNoManifest) {
		return nil, release.Refuse("what Slipway publishes elsewhere is what it released", "the release of %s was not made by Slipway: it has no %s", p.Tag, release.ManifestName)
	}
	if err != nil {
		return nil, explain(err, p)
	}
	if m.Commit != p.Commit {
		return nil, release.Refuse("fetch the tag again (git fetch --tags --force)", "%s is released from commit %s, not %s", p.Tag, release.ShortCommit(m.Commit), release.ShortCommit(p.Commit))
	}
	return &found[i], nil
}
