// Package engine is the one way from an event to a release: classify, plan,
// make, stage, commit, report. It is the only sequencer; every edge calls it.
package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/build"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

// Engine carries releases out for one repository.
type Engine struct {
	Repo   *git.Repo
	Remote string // the git remote to deepen a shallow clone from
	// Connect opens the forge's repository. It is called when there is something
	// to publish, and not before: an event that asks for nothing needs no token.
	Connect func(context.Context) (forge.Forge, error)
	Store   state.Store
	Images  Images
	// Places are where releases go besides the forge, in the plan's order.
	Places []publish.Place
	// Containers runs the builds and checks that name a builder image.
	Containers build.Containers
	Progress   progress.Reporter
}

// Goal is how far a request goes.
type Goal int

const (
	ToPlan    Goal = iota // say what would exist: a dry run
	ToTest                // run all checks, with the binaries that some of them need
	ToBuild               // make the artifacts
	ToPart                // build some platforms, for another machine to make the release of
	ToStage               // the same, and leave the binaries in the release's draft
	ToPlaces              // bring the release's files to places besides the forge, and nothing else
	ToRelease             // publish it
)

// Request is one event and what to do about it.
type Request struct {
	Event release.Event
	// Class lets only an event of this class go on; empty means any.
	Class  string
	Config release.Config // completed: every default filled in
	Target *release.Target
	Goal   Goal
	// Promote moves the bits of another release instead of building; it goes to
	// ToPlan or ToRelease.
	Promote *Promotion
	// AnyPlan takes a public release of the commit that Slipway has made for
	// done, by whatever plan: another door may have made it, with its own view of
	// what is on the machine.
	AnyPlan bool
	// Snapshot builds the folder as it is instead of the commit; it can't go
	// as far as ToRelease.
	Snapshot bool
	// Platforms builds only these, or brings only these to places; empty means
	// all. It can't go as far as ToRelease.
	Platforms []release.Platform
	// Merge makes the release of the parts that others have left, on disk or
	// in the draft, and builds no binary itself.
	Merge bool
	// Only names the kinds of places to go to; empty means all.
	Only []string
	// SkipChecks leaves the checks out; it can't go as far as ToRelease.
	SkipChecks bool
	// Rebuild makes everything anew, even what is there and unchanged.
	Rebuild bool
	// Dist is the folder for the artifacts.
	Dist string
	// Source gives a folder with the files to build from.
	Source func(context.Context) (string, error)
}

// Promotion says whose bits a release gets. The source must be a public release
// of the same commit that Slipway made.
type Promotion struct {
	From string // its tag
}

// Run takes a request as far as its goal. The Report is whole in every case;
// the error is the one inside it.
func (e *Engine) Run(ctx context.Context, req Request) (release.Report, error) {
	r := &run{Engine: e, req: req, report: release.Report{Schema: release.ReportSchema, Outcome: release.Stopped}}
	err := r.way(ctx)
	if err != nil {
		r.report.Outcome = release.Stopped
	}
	return r.report, err
}

// run is one request on its way.
type run struct {
	*Engine
	req    Request
	report release.Report
	forge  forge.Forge // from preflight on; in a promotion, from the plan on
	source *source     // of a promotion

	fetching sync.Mutex // one asset is brought to disk at a time
}

// way is the one way through.
func (r *run) way(ctx context.Context) error {
	d, err := r.classify(ctx)
	if err != nil {
		return err
	}
	r.report.Decision = d
	if d.Skip {
		r.report.Outcome = release.Skipped
		return nil
	}
	if err := r.readSource(ctx); err != nil {
		return err
	}
	p, err := r.plan(ctx, d)
	if err != nil {
		return err
	}
	if r.partial() {
		_, _, err = p.Only(r.req.Platforms)
	} else {
		err = r.imageWays(ctx, p)
	}
	if err != nil {
		return err
	}
	if r.report.Outcome = release.Planned; r.req.Goal == ToPlan {
		return nil
	}
	if r.req.Goal == ToPlaces {
		return r.toPlaces(ctx, p)
	}
	var repo forge.Repository
	if r.req.Goal == ToRelease || r.req.Goal == ToStage {
		var done *forge.Release
		if repo, done, err = r.preflighted(ctx, p); err != nil || done != nil {
			return err
		}
	}
	j, err := openJournal(ctx, r.Store, p)
	if err != nil {
		return err
	}
	if r.partial() {
		return r.makeParts(ctx, p, j)
	}
	if r.req.Goal == ToTest {
		return r.test(ctx, p, j)
	}
	m, err := r.makeOrMove(ctx, p, repo.Limits, j)
	if err != nil {
		return err
	}
	if r.report.Outcome = release.Built; r.req.Goal == ToBuild {
		return nil
	}
	goods := r.delivery(p, m)
	s, err := r.staged(ctx, p, m, j)
	if err == nil {
		err = r.stagePlaces(ctx, p, goods)
	}
	if err == nil {
		err = r.committed(ctx, p, m, s, j)
	}
	if err != nil && !r.publishedByAnother(ctx, p) {
		return err
	}
	return r.commitPlaces(ctx, p, goods)
}

// partial reports whether only a part of the release is asked for.
func (r *run) partial() bool { return r.req.Goal == ToPart || r.req.Goal == ToStage }

// publishedByAnother looks, after a failure, whether a run elsewhere has
// published this very plan meanwhile: then all is well.
func (r *run) publishedByAnother(ctx context.Context, p release.Plan) bool {
	found, err := r.forge.Releases(ctx, p.Tag)
	if err != nil {
		return false
	}
	for _, f := range found {
		if !f.Draft && r.checkPublished(ctx, p, f) == nil {
			r.report.Outcome, r.report.Release = release.Unchanged, forgeRelease(f)
			r.Progress.Note("another run has published the same release meanwhile")
			return true
		}
	}
	return false
}

func (r *run) classify(ctx context.Context) (release.Decision, error) {
	var d release.Decision
	err := r.stage("classify", func(progress.Stage) (string, error) {
		if err := r.checkRequest(); err != nil {
			return "", err
		}
		var err error
		if d, err = release.Classify(r.req.Event, r.req.Config); err != nil {
			return "", err
		}
		if only := r.req.Class; only != "" && !d.Skip && d.Class != only {
			d = release.Decision{Skip: true, Tag: d.Tag, Branch: d.Branch, Commit: d.Commit,
				Reason: fmt.Sprintf("it is %s (%s), and only %s was asked for", d.Class, d.Reason, only)}
			return d.Reason, nil
		}
		if r.req.Snapshot || d.Skip && (r.req.Goal == ToBuild || r.req.Goal == ToTest) {
			if d, err = r.snapshot(ctx); err != nil {
				return "", err
			}
		}
		if d.Skip {
			return d.Reason, nil
		}
		return fmt.Sprintf("%s, version %s: %s", d.Class, d.Version, d.Reason), nil
	})
	return d, err
}

// snapshot is the decision for a commit that nobody will publish: its version
// goes on from the last one.
func (r *run) snapshot(ctx context.Context) (release.Decision, error) {
	tags, err := r.readTags(ctx)
	if err != nil {
		return release.Decision{}, err
	}
	return release.SnapshotDecision(r.req.Event, release.LastVersion(tags)), nil
}

func (r *run) plan(ctx context.Context, d release.Decision) (release.Plan, error) {
	var p release.Plan
	err := r.stage("plan", func(progress.Stage) (string, error) {
		var err error
		if p, err = r.newPlan(ctx, d); err != nil {
			return "", err
		}
		if err = pack.Check(p); err != nil {
			return "", err
		}
		r.report.Plan, r.report.PlanHash = &p, p.Hash()
		what := fmt.Sprintf("%d builds", len(p.Builds))
		if p.Promoted != nil {
			what = "the bits of " + p.Promoted.From
		}
		return fmt.Sprintf("%s, %d assets, %snotes since %s", what, len(p.Assets), countImages(p), orElse(p.Notes.Previous, "the first commit")), nil
	})
	return p, err
}

func countImages(p release.Plan) string {
	switch len(p.Images) {
	case 0:
		return ""
	case 1:
		return "1 image, "
	}
	return fmt.Sprintf("%d images, ", len(p.Images))
}

// newPlan plans, and when a shallow clone lacks a part of the history that the
// plan tells of, gets it and plans again.
func (r *run) newPlan(ctx context.Context, d release.Decision) (release.Plan, error) {
	var facts release.ImageFacts
	if r.req.Goal == ToBuild || r.req.Goal == ToTest || r.req.Snapshot || r.req.Goal == ToPlaces && !slices.Contains(r.req.Only, release.PlaceImages) {
		r.req.Config.Images = nil // an image lies in registries, and nothing goes there
	}
	if len(r.req.Config.Images) > 0 {
		var err error
		if facts, err = r.imageFacts(ctx); err != nil {
			return release.Plan{}, err
		}
	}
	platforms := r.req.Platforms
	if r.partial() {
		platforms = nil // a part is of the whole release's plan
	}
	for {
		h, err := r.history(ctx, d)
		if err != nil {
			return release.Plan{}, err
		}
		p, err := release.NewPlan(release.PlanInput{
			Event: r.req.Event, Decision: d, Config: r.req.Config, History: h,
			Target: r.req.Target, Snapshot: r.req.Snapshot, Platforms: platforms, Images: facts, Promote: r.source.manifestOf(),
		})
		if err != nil || r.req.Goal == ToBuild || r.req.Goal == ToTest {
			return p, err
		}
		whole, err := r.Repo.Complete(ctx, p.Notes.From, p.Notes.To)
		if err != nil || whole {
			return p, err
		}
		r.Progress.Note("the clone is shallow: fetching the history since the previous release")
		if err := r.Repo.Deepen(ctx, r.Remote); err != nil {
			return p, err
		}
	}
}

func (r *run) preflighted(ctx context.Context, p release.Plan) (repo forge.Repository, done *forge.Release, err error) {
	err = r.stage("preflight", func(progress.Stage) (string, error) {
		if err := r.connect(ctx); err != nil {
			return "", err
		}
		if repo, done, err = r.preflight(ctx, p); err != nil {
			return "", err
		}
		if done != nil {
			r.report.Outcome = release.Unchanged
			r.report.Release = forgeRelease(*done)
			if err := r.checkPlaces(ctx, p); err != nil {
				return "", err
			}
			if release.IsWithdrawn(done.Body) {
				return "published, and withdrawn since: it stays so", nil
			}
			if from := r.report.PromotedFrom; from != nil && p.Promoted == nil {
				return "published already, with the bits of " + from.Tag, r.tagPublished(ctx, p, *done)
			}
			return "published already and equal to the plan", r.tagPublished(ctx, p, *done)
		}
		if r.req.Goal == ToStage {
			return fmt.Sprintf("%s takes parts of %s", p.Target, p.Tag), nil
		}
		if err := r.checkImages(ctx, p); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s takes %s", p.Target, p.Tag), r.checkPlaces(ctx, p)
	})
	if err == nil && done != nil && r.req.Goal == ToRelease {
		err = r.rollForward(ctx, p, *done)
	}
	return repo, done, err
}

func (r *run) staged(ctx context.Context, p release.Plan, m made, j *journal) (staged, error) {
	var s staged
	err := r.stage("stage", func(st progress.Stage) (string, error) {
		var err error
		s, err = r.stageDraft(ctx, p, m, j, st)
		r.note(s)
		return s.summary(), explained(err, p)
	})
	return s, err
}

func (r *run) committed(ctx context.Context, p release.Plan, m made, s staged, j *journal) error {
	return r.stage("commit", func(st progress.Stage) (string, error) {
		done, err := r.commit(ctx, p, m, s, j, st)
		if err != nil {
			return "", explained(err, p)
		}
		r.report.Outcome = release.Published
		r.report.Release = forgeRelease(done)
		for i := range r.report.Assets {
			for _, a := range done.Assets {
				if a.Name == r.report.Assets[i].Name {
					r.report.Assets[i].URL = a.URL
				}
			}
		}
		return "public at " + done.URL, nil
	})
}

// note puts what staging did into the report.
func (r *run) note(s staged) {
	if s.draft.ID != "" {
		r.report.Release = forgeRelease(s.draft)
	}
	for i := range r.report.Assets {
		r.report.Assets[i].Action = s.actions[r.report.Assets[i].Name]
	}
}

// stage runs one stage, shows it and keeps its time.
func (r *run) stage(name string, do func(progress.Stage) (summary string, err error)) error {
	begun := time.Now()
	st := r.Progress.Stage(name)
	summary, err := do(st)
	st.Done(summary, err)
	r.report.Stages = append(r.report.Stages, release.StageTime{Stage: name, Duration: time.Since(begun)})
	return err
}

// history reads the tags and finds, among those that may be it, the previous
// release: asking for one tag at a time costs as much as lies between, not as
// much as the whole history.
func (r *run) history(ctx context.Context, d release.Decision) (release.History, error) {
	var h release.History
	var err error
	if h.Tags, err = r.readTagNames(ctx); err == nil && release.NeedTimes(d, h.Tags) {
		h.Tags, err = r.readTags(ctx)
	}
	if err != nil {
		return h, err
	}
	c, err := release.NewClassifier(r.req.Config.Classes)
	if err != nil {
		return h, err
	}
	for _, p := range c.Predecessors(d, r.req.Event.Time, h.Tags) {
		merged, err := r.Repo.IsAncestor(ctx, p.Commit, d.Commit)
		if err != nil {
			return h, err
		}
		if merged {
			h.Previous = &p
			break
		}
	}
	return h, nil
}

func (r *run) readTagNames(ctx context.Context) ([]release.HistoryTag, error) {
	var tags []release.HistoryTag
	err := r.Repo.TagNames(ctx, func(t git.Tag) error {
		tags = append(tags, release.HistoryTag{Name: t.Name, Commit: t.Commit})
		return nil
	})
	return tags, err
}

func (r *run) readTags(ctx context.Context) ([]release.HistoryTag, error) {
	var tags []release.HistoryTag
	err := r.Repo.Tags(ctx, "", func(t git.Tag) error {
		tags = append(tags, release.HistoryTag{Name: t.Name, Commit: t.Commit, Time: t.CommitTime})
		return nil
	})
	return tags, err
}

func forgeRelease(r forge.Release) *release.ForgeRelease {
	return &release.ForgeRelease{ID: r.ID, URL: r.URL, Tag: r.Tag, Draft: r.Draft, UploadURL: r.UploadURL}
}

func explained(err error, p release.Plan) error {
	if err == nil {
		return nil
	}
	return explain(err, p)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
