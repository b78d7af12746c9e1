package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Inputs says which inputs a retry uses.
type Inputs string

// The inputs of a retry.
const (
	RecordedInputs Inputs = "recorded" // those that the failed run had
	CurrentInputs  Inputs = "current"  // looked up again
)

// Retry makes the failed items of a release ready to run again, and says which
// they are. Advance then runs them. A release in which nothing failed is only
// gone on with.
func (r *Runner) Retry(ctx context.Context, pkg ref.Ref, name string, with Inputs) (again []string, err error) {
	for {
		o, err := r.open(ctx, pkg, name)
		if err != nil {
			return nil, err
		}
		if o.doc.Status == Complete {
			return nil, release.Refuse("make a new one: slipway release new "+pkg.Path+" --force", "%s is complete: there is nothing to retry", o.self)
		}
		var changes []state.Change
		again = nil
		for _, entries := range o.phases {
			for _, e := range entries {
				if e.doc.Status != Failed {
					continue
				}
				next := e.doc
				next.Status, next.Error, next.Next, next.Steps, next.Ended = Pending, nil, nil, nil, nil
				next.Recorded = with == RecordedInputs && next.Inputs != nil
				if !next.Recorded {
					next.Inputs = nil
				}
				changes = append(changes, change(itemDoc(o.self, o.self.Release, e.key), next, e.version))
				again = append(again, e.key)
			}
		}
		if len(changes) == 0 {
			return nil, nil
		}
		changes = append(changes, change(claimsDoc(o.self), o.claims.with(nil, nil), o.claimsVersion))
		_, err = r.Store.Apply(ctx, fmt.Sprintf("%s: %s is retried with %s inputs", o.self.Path, o.self.Release, with), changes...)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		return again, err
	}
}
