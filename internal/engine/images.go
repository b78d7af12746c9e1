package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Images is what the engine needs for a plan with images.
type Images struct {
	Maker    image.Maker
	Registry image.Registry
	// Facts says what the config leaves out; it is asked when there are images.
	Facts func(context.Context, release.Config) (release.ImageFacts, error)
}

// imageWays says how each image of the plan will be made.
func (r *run) imageWays(ctx context.Context, p release.Plan) error {
	if p.Promoted != nil {
		return nil // none is made
	}
	for _, img := range p.Images {
		way, err := r.Images.Maker.Way(ctx, img)
		if err != nil {
			return err
		}
		r.report.Ways = append(r.report.Ways, way)
	}
	return nil
}

// checkImages finds, before anything is built, why an image could not be made,
// pushed or tagged.
func (r *run) checkImages(ctx context.Context, p release.Plan) error {
	if len(p.Images) == 0 {
		return nil
	}
	asked := map[string]bool{}
	for _, img := range p.Images {
		for _, repository := range img.Repositories {
			if !asked[repository] {
				if err := r.Images.Registry.CheckPush(ctx, repository); err != nil {
					return err
				}
			}
			asked[repository] = true
			if err := r.checkFixedTags(ctx, p, img, repository); err != nil {
				return err
			}
		}
	}
	if p.Promoted != nil {
		return r.checkPromotedImages(ctx, p)
	}
	source, err := r.req.Source(ctx)
	if err != nil {
		return err
	}
	for _, img := range p.Images {
		if err := r.Images.Maker.Check(ctx, img, source); err != nil {
			return err
		}
	}
	return nil
}

// checkFixedTags refuses to take a tag away from an image of another commit.
func (r *run) checkFixedTags(ctx context.Context, p release.Plan, img release.PlanImage, repository string) error {
	for _, t := range img.Tags {
		if t.Moving {
			continue
		}
		found, err := r.Images.Registry.Find(ctx, repository, t.Name)
		if errors.Is(err, image.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if found.Annotations[release.AnnotationRevision] != p.Commit {
			return namesAnother(repository, t.Name, found)
		}
	}
	return nil
}

func namesAnother(repository, tag string, found image.Found) error {
	from := "and nothing says that it was made from this commit"
	if revision := found.Annotations[release.AnnotationRevision]; revision != "" {
		from = "made from commit " + release.ShortCommit(revision)
	}
	return release.Refuse("a tag that names a release is never moved: make a new tag, or delete it in the registry",
		"%s:%s is there already, %s", repository, tag, from)
}

// images makes every image and puts it, untagged, into its registries. One that
// an earlier run put there is not made again.
func (r *run) images(ctx context.Context, p release.Plan, source string, binaries []release.Binary, j *journal) ([]release.MadeImage, error) {
	if len(p.Images) == 0 {
		return nil, nil
	}
	var made []release.MadeImage
	var mu sync.Mutex
	warn := func(p release.Problem) {
		mu.Lock()
		defer mu.Unlock()
		r.report.Warnings = append(r.report.Warnings, p)
	}
	err := r.stage("images", func(st progress.Stage) (string, error) {
		kept := 0
		for i, img := range p.Images {
			o := image.Order{Image: img, Project: p.Project, Time: p.Time, Source: source, Binaries: ofImage(binaries, img),
				NoCache: r.req.Rebuild, Stage: st, Warn: warn}
			m, reused, err := r.oneImage(ctx, o, r.report.Ways[i], j)
			if err != nil {
				return "", err
			}
			made = append(made, m)
			if reused {
				kept++
			}
			r.report.Images = append(r.report.Images, release.ReportImage{MadeImage: m, Kept: reused, Way: r.report.Ways[i]})
		}
		s := fmt.Sprintf("%d pushed by digest", len(made)-kept)
		if kept > 0 {
			s += fmt.Sprintf(", %d kept", kept)
		}
		return s, nil
	})
	return made, err
}

// ofImage is the binaries that an image is made of.
func ofImage(binaries []release.Binary, img release.PlanImage) []release.Binary {
	var out []release.Binary
	for _, b := range binaries {
		if slices.Contains(img.Builds, b.ID) && slices.Contains(img.Platforms, b.Platform) {
			out = append(out, b)
		}
	}
	return out
}

func (r *run) oneImage(ctx context.Context, o image.Order, way release.ImageWay, j *journal) (made release.MadeImage, reused bool, err error) {
	identity := imageIdentity(o, way)
	if known, ok := j.read().Images[identity]; ok && !r.req.Rebuild {
		there, err := r.inRegistries(ctx, known)
		if err != nil || there {
			return known, there, err
		}
	}
	if made, err = r.Images.Maker.Make(ctx, o); err != nil {
		return made, false, err
	}
	return made, false, j.update(ctx, func(v *Journal) {
		if v.Images == nil {
			v.Images = map[string]release.MadeImage{}
		}
		v.Images[identity] = made
	})
}

// imageIdentity stands for everything that an image is made of.
func imageIdentity(o image.Order, way release.ImageWay) string {
	o.Image.Tags, o.Image.Kept = nil, nil
	// It encodes: it holds strings, bools, numbers and maps of strings.
	b, _ := json.Marshal([]any{o.Image, o.Project, o.Time, o.Binaries, way.Buildx})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// inRegistries reports whether an image lies in all its repositories.
func (r *run) inRegistries(ctx context.Context, m release.MadeImage) (bool, error) {
	for _, repository := range m.Repositories {
		_, err := r.Images.Registry.Find(ctx, repository, m.Digest)
		if errors.Is(err, image.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// verifyImages looks once more at what was staged, before anything is public.
func (r *run) verifyImages(ctx context.Context, images []release.MadeImage) error {
	for _, m := range images {
		there, err := r.inRegistries(ctx, m)
		if err != nil {
			return err
		}
		if !there {
			return release.Failf("run the same command again: it pushes what is gone", "image %s, %s, was taken out of a registry meanwhile", m.ID, m.Digest)
		}
	}
	return nil
}

// digests is the text of digests.txt: one line "<digest>  <repository>:<tag>"
// for each image in each repository, and one with its platform for each part.
func digests(images []release.MadeImage) []byte {
	var b strings.Builder
	for _, m := range images {
		for _, repository := range m.Repositories {
			for _, t := range m.Tags {
				fmt.Fprintf(&b, "%s  %s:%s\n", m.Digest, repository, t)
			}
			if len(m.Tags) == 0 {
				fmt.Fprintf(&b, "%s  %s\n", m.Digest, repository)
			}
			for _, part := range m.Manifests {
				fmt.Fprintf(&b, "%s  %s  %s\n", part.Digest, repository, part.Platform)
			}
		}
	}
	return []byte(b.String())
}
