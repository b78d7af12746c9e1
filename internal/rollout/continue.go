package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Continued is what Continue did.
type Continued struct {
	Done    []Task   `json:"done"`
	Failed  []string `json:"failed,omitempty"` // in words
	Waiting []string `json:"waiting,omitempty"`
	Circle  string   `json:"circle,omitempty"` // items that wait for each other, in words; empty for none
	// Elsewhere are commits of other repositories with outstanding work.
	Elsewhere []Elsewhere `json:"elsewhere,omitempty"`
}

// Continue does all outstanding work, also what becomes possible by it.
func (r *Runner) Continue(ctx context.Context, in Scope) (Continued, error) {
	all := Continued{Done: []Task{}}
	most := in.Rounds
	if most == 0 {
		most = 5
	}
	times := map[string]int{}
	failed := map[string]bool{}
	var held []string // by a freeze, or by what they refer to
	for {
		s, err := r.Outstanding(ctx, in)
		if err != nil {
			return all, err
		}
		all.Waiting, all.Elsewhere = append(s.Waiting, held...), s.Elsewhere
		worked := false
		for _, t := range s.Tasks {
			id := string(t.Kind) + " " + t.Ref.String()
			if failed[id] {
				continue
			}
			if times[id]++; t.Kind == DeployAgain && times[id] > most {
				failed[id] = true
				all.Failed = append(all.Failed, fmt.Sprintf("%s: it ran %d times and its inputs still change: do deploys refer to each other in a circle?", t.Ref, most))
				continue
			}
			worked = true
			if err := r.task(ctx, t); err != nil {
				if ctx.Err() != nil || errors.Is(err, errState) {
					return all, err
				}
				failed[id] = true
				if release.KindOf(err) == release.Waiting {
					held = append(held, err.Error())
					continue
				}
				all.Failed = append(all.Failed, t.Ref.String()+": "+err.Error())
				continue
			}
			all.Done = append(all.Done, t)
			if t.Kind == ApplyIntent {
				continue
			}
			break // what it put out may be what others need, or what they no longer do
		}
		if !worked {
			if c := s.circle(); c != "" {
				all.Circle = c
				all.Waiting = append(all.Waiting, c)
			}
			return all, nil
		}
	}
}

// task does one piece of outstanding work.
func (r *Runner) task(ctx context.Context, t Task) error {
	switch t.Kind {
	case ApplyIntent:
		return r.Apply(ctx, t.Ref)
	case DeployAgain:
		o, err := r.open(ctx, t.release, t.release.Release)
		if err != nil {
			return err
		}
		_, err = r.again(ctx, o, t.Items[0], deployAgain, t.inputs)
		return err
	}
	doc, err := r.Advance(ctx, t.release, t.release.Release)
	if err == nil && doc.Status == Failed {
		return r.FailureOf(ctx, t.release, doc)
	}
	return err
}

// FailureOf is the error that tells what failed of a release.
func (r *Runner) FailureOf(ctx context.Context, pkg ref.Ref, doc Release) error {
	items, err := r.Items(ctx, pkg, doc)
	if err != nil {
		return err
	}
	var lines []string
	hint := ""
	for _, it := range items {
		if it.Item.Status == Failed && it.Item.Error != nil {
			lines = append(lines, it.Key+": "+it.Item.Error.Message)
			if hint == "" {
				hint = it.Item.Error.Hint
			}
		}
	}
	if hint == "" {
		hint = "mend it, and go on: slipway release retry " + pkg.Path
	}
	return release.Failf(hint, "release %s of %s failed\n  %s", releaseName(doc.Number), pkg.Path, strings.Join(lines, "\n  "))
}

// circle names items that wait for each other, so that none of them can ever run.
func (s Standing) circle() string {
	for start := range s.waitsFor {
		if path := s.follow(start, start, nil); path != nil {
			slices.Reverse(path)
			return "these wait for each other: " + strings.Join(append(path, path[0]), " → ")
		}
	}
	return ""
}

// follow looks for a way over what items wait for back to the first one.
func (s Standing) follow(from, to string, seen []string) []string {
	seen = append(seen, from)
	for _, w := range s.waitsFor[from] {
		name, _, _ := strings.Cut(w, "#")
		if name == to {
			return []string{from}
		}
		if _, waits := s.waitsFor[name]; waits && !slices.Contains(seen, name) {
			if path := s.follow(name, to, seen); path != nil {
				return append(path, from)
			}
		}
	}
	return nil
}
