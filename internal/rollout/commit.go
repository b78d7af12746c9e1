package rollout

import (
	"context"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

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
