package worker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// mostItems is how many items are told of.
const mostItems = 60

// Look says how a release stands. It only reads the state.
func Look(ctx context.Context, r *rollout.Runner, pkg ref.Ref, name string) (Outcome, error) {
	doc, _, err := r.FindRelease(ctx, pkg, name)
	if err != nil {
		return Outcome{}, err
	}
	items, err := r.Items(ctx, pkg, doc)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Release: pkg.InRelease(name).String(), Status: doc.Status, Waits: doc.Waits}
	phase := map[string]string{}
	for _, ph := range doc.Phases {
		for _, key := range ph.Items {
			phase[key] = ph.Name
		}
	}
	done := 0
	for _, it := range items {
		for _, wait := range it.Item.Waits {
			if !wait.Until.IsZero() && (out.Until.IsZero() || wait.Until.Before(out.Until)) {
				out.Until = wait.Until
			}
		}
		if it.Item.Status == rollout.Complete {
			done++
		}
		if len(out.Items) < mostItems {
			out.Items = append(out.Items, Item{Phase: phase[it.Key], Key: it.Key, Status: it.Item.Status, Text: Told(it.Item)})
		}
	}
	out.Summary = fmt.Sprintf("%s of %s: %d of %d items are complete.", name, pkg.Path, done, len(items))
	switch doc.Status {
	case rollout.Complete:
		out.Summary = fmt.Sprintf("%s of %s is complete.", name, pkg.Path)
	case rollout.Failed:
		failed := r.FailureOf(ctx, pkg, doc)
		out.Failed, out.Hint = failed.Error(), "mend it, then /retry"
	}
	return out, nil
}

// Told is what there is to say of an item, in a few words.
func Told(it rollout.Item) string {
	switch {
	case it.Status == rollout.Failed && it.Error != nil:
		return clipped(strings.Join(strings.Fields(it.Error.Message), " "), 200)
	case len(it.Waits) > 0:
		return it.Waits[0].String()
	case it.Started != nil && it.Ended != nil:
		return it.Ended.Sub(*it.Started).Round(time.Millisecond).String()
	}
	return it.Annotation
}

func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
