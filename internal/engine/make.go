package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/slipway-dev/slipway/internal/build"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// made is everything that will be an asset, on disk, and the release's text.
type made struct {
	artifacts []release.Artifact
	binaries  []release.ManifestBinary
	images    []release.MadeImage
	body      string
}

// make builds what the plan says: checks, binaries, checks on the binaries,
// images, archives, notes, checksums, manifest.
func (r *run) make(ctx context.Context, p release.Plan, limits forge.Limits, j *journal) (made, error) {
	source, err := r.req.Source(ctx)
	if err != nil {
		return made{}, err
	}
	if err := pack.CheckSource(p, source, r.req.Dist); err != nil {
		return made{}, err
	}
	if err := ignored(r.req.Dist); err != nil {
		return made{}, err
	}
	if err := r.check(ctx, p, source, nil, j); err != nil {
		return made{}, err
	}
	var binaries []release.Binary
	if r.req.Merge {
		binaries, err = r.merged(ctx, p)
	} else {
		binaries, err = r.binaries(ctx, p, source)
	}
	if err != nil {
		return made{}, err
	}
	if err := r.check(ctx, p, source, binaries, j); err != nil {
		return made{}, err
	}
	var m made
	var full string
	if m.images, err = r.images(ctx, p, source, binaries, j); err != nil {
		return made{}, err
	}
	if p.Target != nil || r.req.Goal == ToPlaces {
		if m.body, full, err = r.notes(ctx, p, limits); err != nil {
			return made{}, err
		}
	}
	if m.artifacts, err = r.pack(ctx, p, source, binaries, m.images, full); err != nil {
		return made{}, err
	}
	m.binaries = release.BinariesIn(p, binaries)
	r.report.Dist = r.req.Dist
	for _, a := range m.artifacts {
		r.report.Assets = append(r.report.Assets, release.ReportAsset{Artifact: a, File: a.Path})
	}
	return m, checkSizes(m.artifacts, limits)
}

// ignored makes the folder for the artifacts so that `git status` does not tell
// of it; a folder that is there already is the user's affair.
func ignored(dist string) error {
	if _, err := os.Stat(dist); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dist, ".gitignore"), []byte("*\n"), 0o644)
}

// check runs the checks that come before the builds, or, with binaries, those
// of a release that come after. Checks that passed for this plan and these
// binaries are not run again.
func (r *run) check(ctx context.Context, p release.Plan, source string, binaries []release.Binary, j *journal) error {
	after := binaries != nil
	var steps []release.PlanStep
	for _, s := range p.Steps {
		if s.Release == after {
			steps = append(steps, s)
		}
	}
	if len(steps) == 0 || r.req.SkipChecks || after && r.req.Goal == ToBuild && !r.req.Snapshot {
		return nil
	}
	identity := checksIdentity(steps, binaries)
	if j.read().Checks[identity] && !r.req.Rebuild && !r.req.Snapshot {
		for _, s := range steps {
			r.report.Steps = append(r.report.Steps, release.StepResult{Name: s.Name, Platform: s.Platform,
				Outcome: build.StepPassed, Reason: "it passed in an earlier run of this plan"})
		}
		return nil
	}
	err := r.stage("check", func(st progress.Stage) (string, error) {
		results, err := build.Steps(ctx, build.StepOptions{Source: source, Time: p.Time, Vars: vars(p), Binaries: binaries, Stage: st,
			Fresh: r.req.Rebuild, Containers: r.Containers}, steps)
		r.report.Steps = append(r.report.Steps, results...)
		return summary(results), err
	})
	if err != nil || r.req.Snapshot {
		return err
	}
	return j.passed(ctx, identity)
}

// test runs every check, with the binaries that some of them are run on.
func (r *run) test(ctx context.Context, p release.Plan, j *journal) error {
	source, err := r.req.Source(ctx)
	if err != nil {
		return err
	}
	if err := r.check(ctx, p, source, nil, j); err != nil {
		return err
	}
	r.report.Outcome = release.Checked
	if !slices.ContainsFunc(p.Steps, func(s release.PlanStep) bool { return s.Release }) {
		return nil
	}
	if err := ignored(r.req.Dist); err != nil {
		return err
	}
	binaries, err := r.binaries(ctx, p, source)
	if err != nil {
		return err
	}
	return r.check(ctx, p, source, binaries, j)
}

func summary(results []release.StepResult) string {
	passed, skipped := 0, 0
	for _, s := range results {
		if s.Outcome == build.StepSkipped {
			skipped++
		} else {
			passed++
		}
	}
	if skipped > 0 {
		return fmt.Sprintf("%d passed, %d skipped", passed, skipped)
	}
	return fmt.Sprintf("%d passed", passed)
}

// checksIdentity tells a set of checks on a set of binaries from any other.
func checksIdentity(steps []release.PlanStep, binaries []release.Binary) string {
	// Both encode: they hold strings, bools and numbers.
	b, _ := json.Marshal(struct {
		Steps    []release.PlanStep
		Binaries []release.Binary
	}{steps, binaries})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (r *run) binaries(ctx context.Context, p release.Plan, source string) (made []release.Binary, err error) {
	made = []release.Binary{}
	if len(p.Builds) == 0 {
		return made, nil
	}
	err = r.stage("build", func(st progress.Stage) (string, error) {
		made, err = build.Binaries(ctx, build.Options{
			Source: source, Dist: r.req.Dist, Builds: p.Builds, Commit: p.Commit, Time: p.Time, Vars: vars(p),
			Rebuild: r.req.Rebuild || r.req.Snapshot, Stage: st, Containers: r.Containers,
		})
		var bytes int64
		reused := 0
		for _, b := range made {
			bytes += b.Size
			if b.Reused {
				reused++
			}
		}
		s := fmt.Sprintf("%d binaries, %s", len(made), progress.Bytes(bytes))
		if reused > 0 {
			s += fmt.Sprintf(", %d unchanged", reused)
		}
		return s, err
	})
	return made, err
}

// vars are the plan's values that commands see as SLIPWAY_….
func vars(p release.Plan) map[string]string {
	return map[string]string{"project": p.Project, "version": p.Version, "tag": p.Tag, "class": p.Class,
		"commit": p.Commit, "branch": p.Branch, "date": p.Time.Format("20060102")}
}

func (r *run) notes(ctx context.Context, p release.Plan, limits forge.Limits) (text, full string, err error) {
	err = r.stage("notes", func(progress.Stage) (string, error) {
		n, markdown, err := Notes(ctx, r.Repo, p)
		if err != nil {
			return "", err
		}
		text, full = body(p, markdown, limits.NotesSize)
		r.report.Notes = markdown
		return fmt.Sprintf("%d of %d commits are told", n.Counts.Listed, n.Counts.Commits), nil
	})
	return text, full, err
}

func (r *run) pack(ctx context.Context, p release.Plan, source string, binaries []release.Binary, images []release.MadeImage, fullNotes string) (artifacts []release.Artifact, err error) {
	err = r.stage("pack", func(st progress.Stage) (string, error) {
		o := pack.Options{Source: source, Dist: r.req.Dist, Plan: p, Binaries: binaries, Images: images, Stage: st}
		if len(images) > 0 {
			o.Texts = append(o.Texts, pack.Text{Name: release.DigestsName, Kind: release.KindDigests, Content: digests(images)})
		}
		if fullNotes != "" {
			o.Texts = append(o.Texts, pack.Text{Name: p.NotesName(), Kind: release.KindNotes, Content: []byte(fullNotes)})
		}
		artifacts, err = pack.Artifacts(ctx, o)
		var bytes int64
		for _, a := range artifacts {
			bytes += a.Size
		}
		return fmt.Sprintf("%d assets, %s", len(artifacts), progress.Bytes(bytes)), err
	})
	return artifacts, err
}

// checkSizes refuses, before anything is sent, what the forge won't take.
func checkSizes(artifacts []release.Artifact, limits forge.Limits) error {
	var ps release.Problems
	for _, a := range artifacts {
		if a.Size == 0 {
			ps = append(ps, release.Problem{Message: fmt.Sprintf("asset %s is empty", a.Name), Hint: "GitHub takes no empty assets, and nobody has a use for one"})
		}
		if limits.AssetSize > 0 && a.Size > limits.AssetSize {
			ps = append(ps, release.Problem{Message: fmt.Sprintf("asset %s has %s; the forge takes %s", a.Name, progress.Bytes(a.Size), progress.Bytes(limits.AssetSize))})
		}
	}
	if limits.Assets > 0 && len(artifacts) > limits.Assets {
		ps = append(ps, release.Problem{Message: fmt.Sprintf("the release has %d assets; the forge takes %d", len(artifacts), limits.Assets)})
	}
	if len(ps) > 0 {
		return ps
	}
	return nil
}
