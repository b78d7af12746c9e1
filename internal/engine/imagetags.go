package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// tagMove is one tag of one image in one repository, and where it is to point.
type tagMove struct {
	image      int
	repository string
	tag        release.ImageTag
	digest     string
}

func (m tagMove) String() string { return m.repository + ":" + m.tag.Name }

// tagMoves lists the tags of all images: those that name the release first, so
// that latest never points at something that has no name of its own.
func tagMoves(p release.Plan, images []release.MadeImage) []tagMove {
	var out []tagMove
	for _, moving := range []bool{false, true} {
		for i, img := range p.Images {
			for _, repository := range img.Repositories {
				for _, t := range img.Tags {
					if j := slices.IndexFunc(images, func(m release.MadeImage) bool { return m.ID == img.ID }); t.Moving == moving && j >= 0 {
						out = append(out, tagMove{image: i, repository: repository, tag: t, digest: images[j].Digest})
					}
				}
			}
		}
	}
	return out
}

// moveTags gives all images in all registries their tags. Where each pointed
// before is written down first, so that this run or a later one can put them
// back as long as the release is not public.
func (r *run) moveTags(ctx context.Context, p release.Plan, images []release.MadeImage, j *journal) error {
	for _, m := range tagMoves(p, images) {
		found, err := r.Images.Registry.Find(ctx, m.repository, m.tag.Name)
		if err != nil && !errors.Is(err, image.ErrNotFound) {
			return err
		}
		if err == nil && found.Digest == m.digest {
			r.noteTag(p, m, "kept", "")
			continue
		}
		if err == nil && !m.tag.Moving && found.Annotations[release.AnnotationRevision] != p.Commit {
			return namesAnother(m.repository, m.tag.Name, found)
		}
		if why := release.KeepTag(p, m.tag, found.Annotations); why != "" {
			r.noteTag(p, m, "left", why)
			continue
		}
		if err := j.tagged(ctx, m.String(), found.Digest); err != nil {
			return err
		}
		if err := r.Images.Registry.Tag(ctx, m.repository, m.digest, m.tag.Name); err != nil {
			return err
		}
		r.noteTag(p, m, "set", "")
	}
	return nil
}

// tagPublished rolls a published release forward: a run that was stopped may
// have made it public while a registry could not be reached.
func (r *run) tagPublished(ctx context.Context, p release.Plan, published forge.Release) error {
	if len(p.Images) == 0 {
		return nil
	}
	m, err := r.readManifest(ctx, published)
	if err != nil {
		return explain(err, p)
	}
	for _, img := range m.Images {
		r.report.Images = append(r.report.Images, release.ReportImage{MadeImage: img, Kept: true, Way: r.wayOf(img.ID)})
	}
	if err := r.verifyPublished(ctx, m.Images); err != nil {
		return err
	}
	j, err := openJournal(ctx, r.Store, p)
	if err != nil {
		return err
	}
	return r.moveTags(ctx, p, m.Images, j)
}

func (r *run) wayOf(id string) release.ImageWay {
	if i := slices.IndexFunc(r.report.Ways, func(w release.ImageWay) bool { return w.Image == id }); i >= 0 {
		return r.report.Ways[i]
	}
	return release.ImageWay{Image: id}
}

// verifyPublished tells of an image of a published release that is gone.
func (r *run) verifyPublished(ctx context.Context, images []release.MadeImage) error {
	for _, m := range images {
		there, err := r.inRegistries(ctx, m)
		if err != nil {
			return err
		}
		if !there {
			return release.Failf("push it again from a copy: a published release is never made anew",
				"image %s of the published release, %s, is gone from a registry", m.ID, m.Digest)
		}
	}
	return nil
}

// noteTag puts what became of a tag into the report.
func (r *run) noteTag(p release.Plan, m tagMove, state, reason string) {
	id := p.Images[m.image].ID
	for i := range r.report.Images {
		if r.report.Images[i].ID == id {
			r.report.Images[i].States = append(r.report.Images[i].States, release.TagState{Repository: m.repository, Name: m.tag.Name, State: state, Reason: reason})
		}
	}
}

// backTime bounds putting tags back after a failure, also when it was ctx that
// ended.
const backTime = 30 * time.Second

// moveTagsBack puts every tag where it was before this release. It is called
// only while the release is not public.
func (r *run) moveTagsBack(ctx context.Context, p release.Plan, images []release.MadeImage, j *journal) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	var faults []error
	before := j.read().Tags
	for _, m := range slices.Backward(tagMoves(p, images)) {
		was, touched := before[m.String()]
		if !touched {
			continue
		}
		if err := r.moveBack(ctx, m, was); err != nil {
			faults = append(faults, fmt.Errorf("put tag %s back: %w", m, err))
			continue
		}
		if err := j.untagged(ctx, m.String()); err != nil {
			faults = append(faults, err)
		}
	}
	for i := range r.report.Images {
		r.report.Images[i].States = nil
	}
	return errors.Join(faults...)
}

func (r *run) moveBack(ctx context.Context, m tagMove, was string) error {
	found, err := r.Images.Registry.Find(ctx, m.repository, m.tag.Name)
	switch {
	case errors.Is(err, image.ErrNotFound), err == nil && found.Digest != m.digest:
		return nil // it was never moved, or somebody else has it now
	case err != nil:
		return err
	case was == "":
		return r.Images.Registry.Untag(ctx, m.repository, m.tag.Name)
	}
	return r.Images.Registry.Tag(ctx, m.repository, was, m.tag.Name)
}
