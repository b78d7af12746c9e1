package rollout

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/schedule"
)

// frozen says why nothing may be deployed into an environment now, or nil.
func (r *Runner) frozen(ctx context.Context, o *opened, environment string) *Wait {
	now := r.now()
	for _, f := range slices.Concat(r.Freezes, o.pkg.Freezes) {
		if until, on := inFreeze(f, now); on && applies(f.Environments, environment) {
			return frozenWait(environment, until, f.Reason, "")
		}
	}
	for e, err := range r.Store.Scan(ctx, "@/"+string(ref.Freeze)) {
		if err != nil {
			return &Wait{Reason: "the freezes in the state can't be read: " + err.Error()}
		}
		var f FreezeDoc
		if err := json.Unmarshal(e.Value, &f); err != nil {
			return &Wait{Ref: e.Ref, Reason: "this freeze can't be read: " + err.Error(), Hint: "slipway state delete " + e.Ref}
		}
		if (f.Until.IsZero() || now.Before(f.Until)) && applies(f.Environments, environment) {
			return frozenWait(environment, f.Until, f.Reason, f.By)
		}
	}
	return nil
}

func applies(environments []string, name string) bool {
	return len(environments) == 0 || slices.Contains(environments, name)
}

func frozenWait(environment string, until time.Time, reason, by string) *Wait {
	text := environment + " is frozen"
	if !until.IsZero() {
		text += " until " + until.Format(time.RFC3339)
	}
	if by != "" {
		text += " by " + by
	}
	if reason != "" {
		text += ": " + reason
	}
	return &Wait{Reason: text, Until: until}
}

// inFreeze says whether a declared freeze is on, and until when.
func inFreeze(f lang.Freeze, now time.Time) (until time.Time, on bool) {
	if f.Cron == "" {
		return f.Until, !now.Before(f.From) && now.Before(f.Until)
	}
	s, err := schedule.Parse(f.Cron, f.Zone)
	if err != nil {
		return time.Time{}, false // lang has checked it
	}
	begun := s.Next(now.Add(-f.Lasts))
	if begun.IsZero() || begun.After(now) {
		return time.Time{}, false
	}
	return begun.Add(f.Lasts), true
}
