package rollout

import (
	"context"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Name is the release's name in references: "r7".
func (d Release) Name() string { return releaseName(d.Number) }

// Begun is what Begin came to.
type Begun struct {
	Release      *Release // nil for a file that only registers environments
	Environments []lang.Environment
	Found        bool     // the release was there already
	Again        []string // items of it that are ready to run again
}

// Begin makes a package's release at a commit, or finds the one that is there,
// however often and by however many processes it is asked. What failed of one
// that is found is made ready to run again with the given inputs; "" leaves it.
func (r *Runner) Begin(ctx context.Context, in NewRelease, with Inputs) (Begun, error) {
	found, err := r.found(ctx, in, with)
	if err != nil || found.Found {
		return found, err
	}
	doc, envs, err := r.New(ctx, in)
	if release.KindOf(err) == release.Refused {
		if found, ferr := r.found(ctx, in, with); ferr != nil || found.Found {
			return found, ferr // another process was faster
		}
	}
	return Begun{Release: doc, Environments: envs}, err
}

func (r *Runner) found(ctx context.Context, in NewRelease, with Inputs) (Begun, error) {
	if in.Force {
		return Begun{}, nil
	}
	doc, found, err := r.ReleaseOf(ctx, in.Package, in.Commit)
	if err != nil || !found {
		return Begun{}, err
	}
	b := Begun{Release: &doc, Found: true}
	if with == "" || doc.Status == Complete {
		return b, nil
	}
	b.Again, err = r.Retry(ctx, in.Package, doc.Name(), with)
	if release.KindOf(err) == release.Refused {
		err = nil // it is complete meanwhile
	}
	return b, err
}

// CarryOut does the work of releases, and what becomes possible by it elsewhere.
// It waits so long for what is missing.
func (r *Runner) CarryOut(ctx context.Context, wait time.Duration, releases ...ref.Ref) (Continued, error) {
	until := time.Now().Add(wait)
	for _, rel := range releases {
		if _, err := r.Advance(ctx, rel.Package(), rel.Release); err != nil {
			return Continued{}, err
		}
	}
	done, err := r.Continue(ctx, Scope{})
	for err == nil && wait > 0 && time.Now().Before(until) {
		var ended bool
		if ended, err = r.haveEnded(ctx, releases); ended || err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(min(2*time.Second, time.Until(until))):
		}
		_, err = r.Continue(ctx, Scope{Intents: true})
	}
	return done, err
}

// haveEnded says whether releases are complete or failed.
func (r *Runner) haveEnded(ctx context.Context, releases []ref.Ref) (bool, error) {
	for _, rel := range releases {
		doc, _, err := r.FindRelease(ctx, rel.Package(), rel.Release)
		if err != nil || doc.Status != Complete && doc.Status != Failed {
			return false, err
		}
	}
	return true, nil
}

// ReleaseOf reads the newest release of a package at a commit; found is false
// when there is none.
func (r *Runner) ReleaseOf(ctx context.Context, pkg ref.Ref, commit string) (doc Release, found bool, err error) {
	p, _, found, err := read[pointer](ctx, r.Store, packageDoc(pkg)+"/commit/"+commit)
	if err != nil || !found {
		return Release{}, false, err
	}
	doc, _, err = r.FindRelease(ctx, pkg, p.Release)
	return doc, err == nil, err
}

// Names are the names of environments.
func Names(envs []lang.Environment) []string {
	names := make([]string, 0, len(envs))
	for _, e := range envs {
		names = append(names, e.Name)
	}
	return names
}
