package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/build"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// A split build: several machines build some platforms each, and leave their
// binaries as parts, in the release's draft or on disk; one more makes the
// release of all parts, byte for byte as if it had built them itself.

// makeParts builds the requested platforms and leaves a part for each.
func (r *run) makeParts(ctx context.Context, p release.Plan, j *journal) error {
	source, err := r.req.Source(ctx)
	if err != nil {
		return err
	}
	if err := ignored(r.req.Dist); err != nil {
		return err
	}
	few := p
	if few.Builds, few.Steps, err = p.Only(r.req.Platforms); err != nil {
		return err
	}
	binaries, err := r.binaries(ctx, few, source)
	if err != nil {
		return err
	}
	for _, after := range [][]release.Binary{nil, binaries} {
		if err := r.check(ctx, few, source, after, j); err != nil {
			return err
		}
	}
	var m made
	err = r.stage("pack", func(st progress.Stage) (string, error) {
		for _, platform := range platformsOf(few.Builds) {
			task := st.Task(release.PartName(platform), 0)
			a, err := pack.WritePart(ctx, r.req.Dist, p, platform, binaries)
			task.Done(progress.Bytes(a.Size), err)
			if err != nil {
				return "", err
			}
			m.artifacts = append(m.artifacts, a)
		}
		return fmt.Sprintf("%d parts", len(m.artifacts)), nil
	})
	if err != nil {
		return err
	}
	for _, a := range m.artifacts {
		r.report.Assets = append(r.report.Assets, release.ReportAsset{Artifact: a, File: a.Path})
	}
	r.report.Outcome, r.report.Dist = release.Built, r.req.Dist
	if r.req.Goal != ToStage {
		return nil
	}
	m.body = "This release is being built." + markerOf(p)
	return r.stage("stage", func(st progress.Stage) (string, error) {
		s := &stager{run: r, plan: p, made: m, journal: j, stage: st, result: staged{actions: map[string]string{}, sent: map[string]string{}}}
		err := s.fillParts(ctx)
		r.note(s.result)
		return s.result.summary(), explained(err, p)
	})
}

func platformsOf(builds []release.PlanBuild) []release.Platform {
	var out []release.Platform
	for _, b := range builds {
		if !slices.Contains(out, b.Platform) {
			out = append(out, b.Platform)
		}
	}
	return out
}

// fillParts brings the parts into the draft and leaves everything else in it as
// it is. When jobs that began at once made several drafts, one of them stays:
// so it looks again whether the parts are in that one.
func (s *stager) fillParts(ctx context.Context) error {
	for try := 1; ; try++ {
		draft, err := s.adopt(ctx)
		if err != nil {
			return err
		}
		s.result.draft = draft
		var have []forge.Asset
		for _, a := range draft.Assets {
			if slices.ContainsFunc(s.made.artifacts, func(m release.Artifact) bool { return m.Name == a.Name }) {
				have = append(have, a)
			}
		}
		if err := s.bring(ctx, reconcile(s.made.artifacts, have, s.journal.read(), nil)); err != nil {
			return err
		}
		own, err := s.ownDrafts(ctx)
		if err != nil {
			return err
		}
		if len(own) > 0 && own[0].ID == draft.ID {
			return nil
		}
		if try == settlings {
			return release.Failf("run the job again", "the draft release for %s was deleted meanwhile", s.plan.Tag)
		}
	}
}

// merged brings the binaries that other jobs have built to where this one would
// have left them. Parts that are missing make the release wait.
func (r *run) merged(ctx context.Context, p release.Plan) (made []release.Binary, err error) {
	made = []release.Binary{}
	err = r.stage("merge", func(st progress.Stage) (string, error) {
		dir := filepath.Join(r.req.Dist, dist.Private, "parts", "bin")
		defer os.RemoveAll(dir)
		paths, err := r.unpackParts(ctx, p, dir)
		if err != nil {
			return "", err
		}
		made, err = build.Adopt(ctx, build.Options{Dist: r.req.Dist, Builds: p.Builds, Commit: p.Commit, Time: p.Time, Stage: st},
			func(b release.PlanBuild) string { return paths[b.Platform][b.ID] })
		var bytes int64
		for _, b := range made {
			bytes += b.Size
		}
		return fmt.Sprintf("%d binaries, %s", len(made), progress.Bytes(bytes)), err
	})
	return made, err
}

// unpackParts gives, by platform and build, where the binaries lie.
func (r *run) unpackParts(ctx context.Context, p release.Plan, dir string) (map[release.Platform]map[string]string, error) {
	draft, err := r.draftOf(ctx, p)
	if err != nil {
		return nil, err
	}
	paths := map[release.Platform]map[string]string{}
	var missing, others []string
	for _, platform := range platformsOf(p.Builds) {
		err := r.unpackPart(ctx, p, draft, platform, filepath.Join(dir, platform.Slug()), paths)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, platform.String())
		case errors.Is(err, pack.ErrOtherPlan):
			others = append(others, platform.String())
		case err != nil:
			return nil, err
		}
	}
	if len(missing)+len(others) == 0 {
		return paths, nil
	}
	var what []string
	if len(missing) > 0 {
		what = append(what, "no part for "+strings.Join(missing, ", "))
	}
	if len(others) > 0 {
		what = append(what, "a part of another plan for "+strings.Join(others, ", "))
	}
	return nil, &release.Error{Kind: release.Waiting, Message: fmt.Sprintf("%s is not built whole: there is %s", p.Tag, strings.Join(what, ", and ")),
		Hint: "run the jobs that build them (`slipway build --stage --platforms …`), then this one again"}
}

// unpackPart takes a platform's part from the output folder, or from the draft.
func (r *run) unpackPart(ctx context.Context, p release.Plan, draft forge.Release, platform release.Platform, to string, paths map[release.Platform]map[string]string) error {
	read := func() error {
		from, err := pack.PartOnDisk(r.req.Dist, platform)
		if err != nil {
			return err
		}
		defer from.Close()
		paths[platform], err = pack.ReadPart(from, to, p, platform)
		return err
	}
	err := read()
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, pack.ErrOtherPlan) {
		return err
	}
	// It is kept on disk: before the release is made public, the draft loses it.
	if there, kerr := r.keepPart(ctx, draft, platform); kerr != nil || !there {
		return errors.Join(kerr, err)
	}
	return read()
}

// keepPart brings a part from the draft, if it is there.
func (r *run) keepPart(ctx context.Context, draft forge.Release, platform release.Platform) (bool, error) {
	for _, a := range draft.Assets {
		if a.Name != release.PartName(platform) || a.Broken {
			continue
		}
		from, err := r.forge.OpenAsset(ctx, draft.ID, a)
		if err != nil {
			return false, err
		}
		defer from.Close()
		return true, pack.KeepPart(r.req.Dist, platform, from)
	}
	return false, nil
}

// draftOf is Slipway's own draft for the tag, or none.
func (r *run) draftOf(ctx context.Context, p release.Plan) (forge.Release, error) {
	found, err := r.forge.Releases(ctx, p.Tag)
	if err != nil {
		return forge.Release{}, explain(err, p)
	}
	for _, f := range found {
		if f.Draft && isOurs(f) {
			return f, nil
		}
	}
	return forge.Release{}, nil
}

// dropParts takes the parts out of a draft that holds everything else.
func (s *stager) dropParts(ctx context.Context, draft forge.Release) error {
	for _, a := range draft.Assets {
		if release.IsPart(a.Name) {
			if err := s.forge.DeleteAsset(ctx, draft.ID, a); err != nil {
				return err
			}
		}
	}
	return nil
}
