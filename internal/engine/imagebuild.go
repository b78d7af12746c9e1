package engine

import (
	"context"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// ImageRequest is one image to make by hand, outside of any release.
type ImageRequest struct {
	Project string
	Event   release.Event // the commit, and the tag or branch it is on
	Image   release.Image // of kind source, s2i or dockerfile
	Tag     string        // of the image
	Facts   release.ImageFacts
	Order   image.Order // where it goes and what seeds it; the rest is filled in
	// Source gives the folder with the files.
	Source func(context.Context) (string, error)
}

// PlanImage says what the image will be.
func PlanImage(req ImageRequest) (release.Plan, error) {
	req.Image.Tags = map[string][]string{"*": {req.Tag}}
	cfg := release.Config{Project: req.Project, Images: []release.Image{req.Image}}.WithDefaults()
	cfg.Builds, cfg.Archives = []release.Build{}, []release.Archive{}
	version := req.Tag
	if version == "latest" {
		version = release.ShortCommit(req.Event.Commit)
	}
	return release.NewPlan(release.PlanInput{
		Event:    req.Event,
		Decision: release.Decision{Class: "image", Version: version, Tag: req.Tag, Branch: orElse(req.Event.Branch, "HEAD"), Commit: req.Event.Commit, Prerelease: true, Reason: "asked for by hand"},
		Config:   cfg, Images: req.Facts,
	})
}

// BuildImage makes one image and puts it where it was asked for: into its
// repository, under its tag, into the docker engine or into a file.
func (e *Engine) BuildImage(ctx context.Context, req ImageRequest) (release.Report, error) {
	r := run{Engine: e, report: release.Report{Schema: release.ReportSchema, Outcome: release.Stopped}}
	p, err := PlanImage(req)
	if err != nil {
		return r.report, err
	}
	r.report.Plan, r.report.PlanHash = &p, p.Hash()
	if err := r.imageWays(ctx, p); err != nil {
		return r.report, err
	}
	source, err := req.Source(ctx)
	if err != nil {
		return r.report, err
	}
	img, o := p.Images[0], req.Order
	elsewhere := o.Load != "" || o.Archive != ""
	if !elsewhere {
		err = r.stage("preflight", func(progress.Stage) (string, error) {
			return img.Repositories[0] + " takes pushes", r.Images.Registry.CheckPush(ctx, img.Repositories[0])
		})
		if err != nil {
			return r.report, err
		}
	}
	err = r.stage("image", func(st progress.Stage) (string, error) {
		o.Image, o.Project, o.Time, o.Source, o.Stage = img, p.Project, p.Time, source, st
		o.Warn = func(p release.Problem) { r.report.Warnings = append(r.report.Warnings, p) }
		if err := r.Images.Maker.Check(ctx, img, source); err != nil {
			return "", err
		}
		made, err := r.Images.Maker.Make(ctx, o)
		if err != nil {
			return "", err
		}
		r.report.Images = []release.ReportImage{{MadeImage: made, Way: r.report.Ways[0]}}
		return made.Digest, nil
	})
	if err != nil {
		return r.report, err
	}
	if r.report.Outcome = release.Built; elsewhere {
		return r.report, nil
	}
	return r.report, r.stage("tag", func(progress.Stage) (string, error) {
		return img.Repositories[0] + ":" + req.Tag, r.tagByHand(ctx, p, r.report.Images[0].MadeImage)
	})
}

// tagByHand points the asked-for tag at the image, wherever it was: a person
// said so.
func (r *run) tagByHand(ctx context.Context, p release.Plan, made release.MadeImage) error {
	for _, m := range tagMoves(p, []release.MadeImage{made}) {
		if err := r.Images.Registry.Tag(ctx, m.repository, m.digest, m.tag.Name); err != nil {
			return err
		}
		r.noteTag(p, m, "set", "")
	}
	return nil
}
