package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// A promotion: the bits of a release become another one, under a new tag.
// Nothing is built; what is staged and committed goes the way of all releases.

// source is the release whose bits are moved.
type source struct {
	release  forge.Release
	manifest release.Manifest
}

func (s *source) manifestOf() *release.Manifest {
	if s == nil {
		return nil
	}
	return &s.manifest
}

// checkRequest refuses what can't be, before anything is read.
func (r *run) checkRequest() error {
	ev := r.req.Event
	if ev.MakesTag {
		if err := git.CheckTagName(ev.Tag); err != nil {
			return err
		}
		if !forge.ValidTag(ev.Tag) || looksLikeHash(ev.Tag) {
			return release.Invalidf("give another name, such as v1.2.3", "%.80q can't be a tag: forges refuse such names", ev.Tag)
		}
	}
	if r.req.Promote == nil {
		return nil
	}
	switch {
	case r.req.Goal != ToPlan && r.req.Goal != ToRelease, r.req.Snapshot, r.req.Merge, len(r.req.Platforms) > 0:
		return release.Invalidf("plan it or release it, whole", "a promotion builds nothing")
	case ev.Tag == "" || ev.Tag == r.req.Promote.From:
		return release.Invalidf("give another tag for the new release", "%s can't be promoted to itself", r.req.Promote.From)
	case r.req.Target == nil:
		return release.Invalidf("give --server and --repo, or add a git remote", "no forge repository is known")
	}
	return nil
}

// looksLikeHash finds names that GitHub refuses for a ref, as they would be
// taken for a commit.
func looksLikeHash(name string) bool {
	if len(name) != 40 && len(name) != 64 {
		return false
	}
	for _, c := range name {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// connect opens the forge's repository once.
func (r *run) connect(ctx context.Context) (err error) {
	if r.forge == nil {
		r.forge, err = r.Connect(ctx)
	}
	return err
}

// readSource finds the release whose bits are moved, and looks whether it is
// whole. A request that promotes nothing has none.
func (r *run) readSource(ctx context.Context) error {
	if r.req.Promote == nil {
		return nil
	}
	return r.stage("source", func(progress.Stage) (string, error) {
		if err := r.connect(ctx); err != nil {
			return "", err
		}
		s, err := r.findSource(ctx, r.req.Promote.From)
		if err != nil {
			return "", explain(err, release.Plan{Target: r.req.Target, Tag: r.req.Promote.From})
		}
		r.source = &s
		return fmt.Sprintf("%s, %d assets: %s", s.release.Tag, len(s.manifest.Artifacts), s.release.URL), nil
	})
}

func (r *run) findSource(ctx context.Context, tag string) (s source, err error) {
	found, err := r.forge.Releases(ctx, tag)
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(found, func(f forge.Release) bool { return !f.Draft })
	switch {
	case i < 0 && len(found) > 0:
		return s, release.Refuse("publish it first; or "+release.RebuildHint, "the release of %s is a draft still, so it has no bits to promote", tag)
	case i < 0:
		return s, release.Refuse("release it first; or "+release.RebuildHint, "%s has no public release whose bits could be promoted", tag)
	}
	s.release = found[i]
	if release.IsWithdrawn(s.release.Body) {
		return s, release.Refuse("promote another one", "%s was withdrawn: %s", tag, s.release.URL)
	}
	var fault *forge.Error
	switch s.manifest, err = r.readManifest(ctx, s.release); {
	case errors.Is(err, forge.ErrNoManifest):
		return s, release.Refuse(release.RebuildHint, "the release of %s was not made by Slipway (it has no %s), so its bits can't be promoted", tag, release.ManifestName)
	case errors.As(err, &fault) || ctx.Err() != nil:
		return s, err
	case err != nil:
		return s, release.Refuse(release.RebuildHint, "the bits of %s can't be promoted: its %s can't be read: %v", tag, release.ManifestName, err)
	}
	if err := s.manifest.CheckPromotable(tag, r.req.Event.Commit); err != nil {
		return s, err
	}
	for _, m := range reconcile(s.manifest.Artifacts, s.release.Assets, Journal{}, nil) {
		switch m.action {
		case upload:
			return s, release.Refuse(release.RebuildHint, "asset %s of %s is gone", m.artifact.Name, tag)
		case replace:
			return s, release.Refuse(release.RebuildHint, "asset %s of %s is not the one that its manifest names", m.artifact.Name, tag)
		}
	}
	return s, nil
}

// imageFacts says what the config leaves out of images. Of promoted ones only
// the repositories' names count.
func (r *run) imageFacts(ctx context.Context) (release.ImageFacts, error) {
	named := func(img release.Image) bool { return len(img.Repository) > 0 }
	if r.req.Promote != nil && !slices.ContainsFunc(r.req.Config.Images, func(img release.Image) bool { return !named(img) }) {
		return release.ImageFacts{}, nil
	}
	return r.Images.Facts(ctx, r.req.Config)
}

// checkPromotedImages finds images that are not, or no longer, what the source
// release put where it says.
func (r *run) checkPromotedImages(ctx context.Context, p release.Plan) error {
	for _, img := range p.Images {
		for _, repository := range img.Repositories {
			found, err := r.Images.Registry.Find(ctx, repository, img.Digest)
			if errors.Is(err, image.ErrNotFound) {
				return release.Refuse("push it again from a copy; or "+release.RebuildHint, "image %s of %s is gone from %s (%s)", img.ID, p.Promoted.From, repository, img.Digest)
			}
			if err != nil {
				return err
			}
			if revision := found.Annotations[release.AnnotationRevision]; revision != "" && revision != p.Commit {
				return release.Refuse(release.RebuildHint, "image %s of %s, %s@%s, was made from commit %.12q, not from %s",
					img.ID, p.Promoted.From, repository, img.Digest, revision, release.ShortCommit(p.Commit))
			}
		}
	}
	return nil
}

// makeOrMove makes what the plan says, or brings it from where it is.
func (r *run) makeOrMove(ctx context.Context, p release.Plan, limits forge.Limits, j *journal) (made, error) {
	if p.Promoted == nil {
		return r.make(ctx, p, limits, j)
	}
	if err := checkSizes(p.Promoted.Assets, limits); err != nil {
		return made{}, err
	}
	if err := ignored(r.req.Dist); err != nil {
		return made{}, err
	}
	m := made{images: r.promotedImages(p), binaries: r.source.manifest.Binaries}
	var full string
	var err error
	if m.body, full, err = r.notes(ctx, p, limits); err != nil {
		return made{}, err
	}
	if m.artifacts, err = r.bringAssets(ctx, p, m.images, full); err != nil {
		return made{}, err
	}
	r.report.Dist = r.req.Dist
	for _, a := range m.artifacts {
		r.report.Assets = append(r.report.Assets, release.ReportAsset{Artifact: a, File: a.Path})
	}
	return m, checkSizes(m.artifacts, limits)
}

// promotedImages are the source's images with the tags of the new release.
func (r *run) promotedImages(p release.Plan) []release.MadeImage {
	var out []release.MadeImage
	for _, img := range p.Images {
		i := slices.IndexFunc(r.source.manifest.Images, func(m release.MadeImage) bool { return m.ID == img.ID })
		m := r.source.manifest.Images[i] // the plan has those of the manifest alone
		m.Tags = nil
		for _, t := range img.Tags {
			if !t.Moving {
				m.Tags = append(m.Tags, t.Name)
			}
		}
		out = append(out, m)
		r.report.Images = append(r.report.Images, release.ReportImage{MadeImage: m, Kept: true, Way: release.ImageWay{Image: m.ID, Reason: "promoted from " + p.Promoted.From}})
	}
	return out
}

func (r *run) bringAssets(ctx context.Context, p release.Plan, images []release.MadeImage, fullNotes string) (artifacts []release.Artifact, err error) {
	err = r.stage("promote", func(st progress.Stage) (string, error) {
		o := pack.Promotion{Dist: r.req.Dist, Plan: p, Images: images, Binaries: r.source.manifest.Binaries, Stage: st, Open: r.openPromoted}
		if fullNotes != "" {
			o.Texts = append(o.Texts, pack.Text{Name: p.NotesName(), Kind: release.KindNotes, Content: []byte(fullNotes)})
		}
		artifacts, err = pack.Promoted(ctx, o)
		var bytes int64
		for _, a := range artifacts {
			bytes += a.Size
		}
		return fmt.Sprintf("%d assets of %s, %s", len(p.Promoted.Assets), p.Promoted.From, progress.Bytes(bytes)), explained(err, p)
	})
	r.report.PromotedFrom = &release.PromotedFrom{Tag: p.Promoted.From, Commit: p.Commit, PlanHash: p.Promoted.PlanHash, Version: p.Promoted.Version}
	return artifacts, err
}

// openPromoted reads an asset of the source; a connection that breaks off is
// taken up again.
func (r *run) openPromoted(ctx context.Context, a release.Artifact) (io.ReadCloser, error) {
	i := slices.IndexFunc(r.source.release.Assets, func(x forge.Asset) bool { return x.Name == a.Name && !x.Broken })
	if i < 0 {
		return nil, release.Refuse(release.RebuildHint, "asset %s of %s is gone", a.Name, r.source.release.Tag)
	}
	open := func() (io.ReadCloser, error) {
		return r.forge.OpenAsset(ctx, r.source.release.ID, r.source.release.Assets[i])
	}
	from, err := open()
	if err != nil {
		return nil, err
	}
	return &steady{ReadCloser: from, name: a.Name + " of " + r.source.release.Tag, open: open, wait: func(try int) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Progress.Note(fmt.Sprintf("the connection broke off while %s was read; once more", a.Name))
		return pause(ctx, try)
	}}, nil
}

// steady goes on where a reader broke off.
type steady struct {
	io.ReadCloser
	name string // of the asset, for errors
	open func() (io.ReadCloser, error)
	wait func(try int) error
	at   int64
	try  int
}

func (s *steady) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.at += int64(n)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if n > 0 {
		return n, nil // the fault is met again with the next read
	}
	for ; s.try < tries; s.try++ {
		if werr := s.wait(s.try); werr != nil {
			return 0, werr
		}
		if err = s.again(); err == nil {
			s.try++
			return 0, nil
		}
	}
	return 0, &release.Error{Kind: release.Failed, Message: "read asset " + s.name, Err: err, Hint: "run the same command again: it goes on where this one stopped"}
}

// again opens the content anew, at the place where it broke off.
func (s *steady) again() error {
	from, err := s.open()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, from, s.at); err != nil {
		return errors.Join(err, from.Close())
	}
	_ = s.Close() // what broke off has nothing more to say
	s.ReadCloser = from
	return nil
}
