package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// Withdrawal asks to take a public release back.
type Withdrawal struct {
	Event  release.Event // of its tag
	Why    release.Withdrawn
	Config release.Config // completed
	Target *release.Target
}

// Withdraw marks a release everywhere as one that nobody should take any more:
// on the forge, in the places it went to. What is called the latest goes back to
// the newest release that is left. Nothing is deleted; said again, it does what is
// missing.
func (e *Engine) Withdraw(ctx context.Context, w Withdrawal) (release.ReportWithdrawal, error) {
	w.Why.Reason = strings.Join(strings.Fields(w.Why.Reason), " ")
	r := &withdrawing{run: &run{Engine: e, req: Request{Event: w.Event, Config: w.Config, Target: w.Target}}, Withdrawal: w,
		report: release.ReportWithdrawal{Schema: release.WithdrawalSchema, Tag: w.Event.Tag, Reason: w.Why.Reason}}
	err := r.way(ctx)
	return r.report, err
}

type withdrawing struct {
	*run
	Withdrawal
	report release.ReportWithdrawal
	left   []leftRelease // of its class, newest first
}

// leftRelease is a public release that is not withdrawn.
type leftRelease struct {
	tag      release.HistoryTag
	release  forge.Release
	manifest release.Manifest
}

func (r *withdrawing) way(ctx context.Context) error {
	if r.Why.Reason == "" {
		return release.Invalidf("say it with --reason: users read it", "the withdrawal of %s has no reason", r.Event.Tag)
	}
	if r.Target == nil {
		return release.Invalidf("give --server and --repo, or add a git remote", "no forge repository is known")
	}
	d, err := release.Classify(r.Event, r.Config)
	if err != nil {
		return err
	}
	if d.Skip {
		return release.Invalidf("", "%s is no release: %s", r.Event.Tag, d.Reason)
	}
	if err := r.stage("forge", func(progress.Stage) (string, error) { return r.onForge(ctx, d) }); err != nil {
		return explain(err, release.Plan{Target: r.Target, Tag: r.Event.Tag})
	}
	if err := r.stage("images", func(progress.Stage) (string, error) { return r.imagesBack(ctx, d) }); err != nil {
		return err
	}
	name := release.Plan{Tag: d.Tag, Branch: d.Branch, Commit: d.Commit}.ReleaseName()
	for _, place := range r.Places {
		err := r.stage(place.Kind(), func(st progress.Stage) (string, error) {
			changed, err := place.Withdraw(ctx, name, r.Why, st)
			if errors.Is(err, publish.ErrNotFound) {
				return "it never went there", nil
			}
			r.report.Places = append(r.report.Places, release.PlaceChanged{Kind: place.Kind(), Changed: changed})
			r.report.Changed = r.report.Changed || changed
			return map[bool]string{true: "marked", false: "marked before"}[changed], err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// onForge marks the release on the forge, and makes the newest one that is left
// the latest.
func (r *withdrawing) onForge(ctx context.Context, d release.Decision) (string, error) {
	if err := r.connect(ctx); err != nil {
		return "", err
	}
	found, err := r.forge.Releases(ctx, d.Tag)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(found, func(f forge.Release) bool { return !f.Draft })
	if i < 0 {
		return "", release.Invalidf("a draft can be deleted on the forge", "%s has no public release on %s", d.Tag, r.Target)
	}
	rel := found[i]
	r.report.Release = forgeRelease(rel)
	if err := r.findLeft(ctx, d); err != nil {
		return "", err
	}
	said := "marked before"
	if want := r.Why.Mark(rel.Body); !release.IsWithdrawn(rel.Body) || !strings.Contains(rel.Body, ": "+r.Why.Reason+"\n") {
		// A prerelease is no forge's latest release.
		_, err := r.forge.Update(ctx, rel.ID, forge.Update{Publish: true, Draft: forge.Draft{Tag: rel.Tag, Commit: rel.Target, Title: withdrawnTitle(rel.Title), Body: want, Prerelease: true}})
		if err != nil {
			return "", err
		}
		said, r.report.Changed = "marked", true
	}
	if len(r.left) == 0 {
		return said + "; no release of class " + d.Class + " is left", nil
	}
	newest := r.left[0]
	r.report.Latest = newest.tag.Name
	if r.report.Changed && !d.Prerelease && d.Branch == "" && !newest.release.Prerelease {
		n := newest.release
		if _, err := r.forge.Update(ctx, n.ID, forge.Update{Publish: true, Latest: true, Draft: forge.Draft{Tag: n.Tag, Commit: n.Target, Title: n.Title, Body: n.Body}}); err != nil {
			return "", err
		}
	}
	return said + "; the newest that is left is " + newest.tag.Name, nil
}

func withdrawnTitle(title string) string {
	const mark = " (withdrawn)"
	return strings.TrimSuffix(title, mark) + mark
}

// mostLeft is how many releases that are left are looked at: as far back as a tag
// such as 1.2 may have to go.
const mostLeft = 50

// findLeft finds the public releases of the same class that are not withdrawn.
func (r *withdrawing) findLeft(ctx context.Context, d release.Decision) error {
	if d.Branch != "" {
		return nil
	}
	c, err := release.NewClassifier(r.Config.Classes)
	if err != nil {
		return err
	}
	tags, err := r.readTagNames(ctx)
	if err != nil {
		return err
	}
	for _, t := range c.OfClass(d.Class, d.Tag, tags) {
		if len(r.left) == mostLeft {
			return nil
		}
		found, err := r.forge.Releases(ctx, t.Name)
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Draft || release.IsWithdrawn(f.Body) {
				continue
			}
			l := leftRelease{tag: t, release: f}
			if l.manifest, err = r.readManifest(ctx, f); err != nil && !errors.Is(err, forge.ErrNoManifest) {
				return err
			}
			r.left = append(r.left, l)
		}
		if len(r.Config.Images) == 0 && len(r.left) > 0 {
			return nil // only tags of images need more than the newest
		}
	}
	return nil
}

// imagesBack gives moving tags that point at the release's images to the newest
// release that is left and would have them; a tag that nobody would have goes.
func (r *withdrawing) imagesBack(ctx context.Context, d release.Decision) (string, error) {
	if len(r.Config.Images) == 0 {
		return "the config has none", nil
	}
	own, err := r.planOf(ctx, d.Tag, d.Commit)
	if err != nil {
		return "", err
	}
	moved := 0
	for _, img := range own.Images {
		for _, repository := range img.Repositories {
			for _, t := range img.Tags {
				if !t.Moving {
					continue
				}
				state, err := r.tagBack(ctx, img, repository, t)
				if err != nil {
					return "", err
				}
				if state.State != "" {
					moved++
					r.report.Changed = true
					r.report.Tags = append(r.report.Tags, state)
				}
			}
		}
	}
	return fmt.Sprintf("%d tags went back", moved), nil
}

// planOf plans a public release as a promotion of itself: so its images come with
// the tags that they would have.
func (r *withdrawing) planOf(ctx context.Context, tag, commit string) (release.Plan, error) {
	var none release.Plan
	found, err := r.forge.Releases(ctx, tag)
	if err != nil {
		return none, err
	}
	i := slices.IndexFunc(found, func(f forge.Release) bool { return !f.Draft })
	if i < 0 {
		return none, nil
	}
	m, err := r.readManifest(ctx, found[i])
	if errors.Is(err, forge.ErrNoManifest) {
		return none, nil
	}
	if err == nil {
		err = m.CheckPromotable(tag, commit)
	}
	if err != nil {
		return none, err
	}
	ev := release.Event{Tag: tag, Commit: commit, Time: r.Event.Time}
	d, err := release.Classify(ev, r.Config)
	if err != nil || d.Skip {
		return none, err
	}
	facts, err := r.imageFacts(ctx)
	if err != nil {
		return none, err
	}
	return release.NewPlan(release.PlanInput{Event: ev, Decision: d, Config: r.Config, Target: r.Target, Images: facts, Promote: &m})
}

// tagBack puts one moving tag back, if it points at the release's image. The state
// is empty when it does not.
func (r *withdrawing) tagBack(ctx context.Context, img release.PlanImage, repository string, t release.ImageTag) (release.TagState, error) {
	registry := r.Images.Registry
	found, err := registry.Find(ctx, repository, t.Name)
	if errors.Is(err, image.ErrNotFound) || err == nil && found.Digest != img.Digest {
		return release.TagState{}, nil
	}
	if err != nil {
		return release.TagState{}, err
	}
	for _, l := range r.left {
		p, err := r.planOf(ctx, l.tag.Name, l.tag.Commit)
		if err != nil {
			r.Progress.Note(fmt.Sprintf("%s is passed over for %s:%s: %v", l.tag.Name, repository, t.Name, err))
			continue
		}
		for _, other := range p.Images {
			has := slices.ContainsFunc(other.Tags, func(o release.ImageTag) bool { return o.Moving && o.Name == t.Name })
			if other.ID == img.ID && has && slices.Contains(other.Repositories, repository) {
				return release.TagState{Repository: repository, Name: t.Name, State: "set", Reason: "of " + l.tag.Name}, registry.Tag(ctx, repository, other.Digest, t.Name)
			}
		}
	}
	err = registry.Untag(ctx, repository, t.Name)
	if errors.Is(err, image.ErrUnsupported) {
		return release.TagState{Repository: repository, Name: t.Name, State: "left", Reason: "no release that is left would have it, and the registry deletes no tags"}, nil
	}
	return release.TagState{Repository: repository, Name: t.Name, State: "removed", Reason: "no release that is left would have it"}, err
}
