package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Deployed is what runs in an environment.
type Deployed struct {
	Package     ref.Ref `json:"package"`
	Environment string  `json:"environment"`
	Item        Item    `json:"deploy"`
}

// Deployed lists what runs where, by package and environment.
func (r *Runner) Deployed(ctx context.Context) ([]Deployed, error) {
	names, err := r.Store.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var all []Deployed
	for _, name := range names {
		pkg, env, ok := strings.Cut(name, "/@/"+string(ref.Deploy)+"/")
		if !ok || strings.Contains(env, "/") || strings.HasPrefix(name, intents) {
			continue
		}
		of, err := ref.Parse(pkg)
		if err != nil {
			continue
		}
		it, _, found, err := read[Item](ctx, r.Store, name)
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, Deployed{Package: of, Environment: env, Item: it})
		}
	}
	return all, nil
}

// Packages lists the packages that have releases.
func (r *Runner) Packages(ctx context.Context) ([]ref.Ref, error) {
	names, err := r.Store.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var all []ref.Ref
	for _, name := range names {
		if pkg, ok := strings.CutSuffix(name, "/@"); ok {
			if of, err := ref.Parse(pkg); err == nil {
				all = append(all, of)
			}
		}
	}
	return all, nil
}

// Releases lists a package's releases, newest first.
func (r *Runner) Releases(ctx context.Context, pkg ref.Ref) ([]Release, error) {
	newest, _, _, err := read[latest](ctx, r.Store, packageDoc(pkg))
	if err != nil {
		return nil, err
	}
	var all []Release
	for n := newest.Number; n > 0; n-- {
		doc, _, found, err := read[Release](ctx, r.Store, releaseDoc(pkg, releaseName(n)))
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, doc)
		}
	}
	return all, nil
}

// Shown is an item as it is looked at.
type Shown struct {
	Key  string `json:"key"` // "call/build"
	Item Item   `json:"item"`
}

// Items lists the items of a release as they were recorded, in the order of its
// phases.
func (r *Runner) Items(ctx context.Context, pkg ref.Ref, doc Release) ([]Shown, error) {
	c, _, err := r.readClaims(ctx, pkg)
	if err != nil {
		return nil, err
	}
	var all []Shown
	for _, ph := range doc.Phases {
		for _, key := range ph.Items {
			it, _, found, err := read[Item](ctx, r.Store, itemDoc(pkg, releaseName(doc.Number), key))
			if err != nil {
				return nil, err
			}
			if !found {
				it.Status = Pending
			}
			if claim, ok := c.Items[releaseName(doc.Number)+"/"+key]; ok && (claim.Owner == r.Owner.ID || r.Owner.counts(claim, r.now())) {
				it.Status, it.Started, it.Ended = Running, &claim.Since, nil
			} else if it.Status == Running {
				it.Status = Pending // its process was stopped
			}
			all = append(all, Shown{key, it})
		}
	}
	return all, nil
}

// RunLogs are the lines of an item's run; run 0 is the newest that has any.
func (r *Runner) RunLogs(ctx context.Context, pkg ref.Ref, name, key string, run int) (Logs, int, error) {
	item := itemDoc(pkg, name, key)
	if run > 0 {
		l, _, _, err := read[Logs](ctx, r.Store, runDoc(item, run)+"@logs")
		return l, run, err
	}
	it, _, _, err := read[Item](ctx, r.Store, item)
	for run = it.Run; err == nil && run > 0; run-- {
		l, _, found, err := read[Logs](ctx, r.Store, runDoc(item, run)+"@logs")
		if err != nil || found {
			return l, run, err
		}
	}
	return Logs{}, it.Run, err
}

// Value gives the document of a reference, or the part that it names. An intent
// that is not there stands for what is.
func (r *Runner) Value(ctx context.Context, to ref.Ref) (json.RawMessage, error) {
	whole := to
	whole.Fragment = ""
	value, err := r.value(ctx, whole)
	if err != nil || to.Fragment == "" {
		return value, err
	}
	part, ok := ref.Field(value, to.Fragment)
	if !ok {
		return nil, notThere(to)
	}
	return part, nil
}

func (r *Runner) value(ctx context.Context, to ref.Ref) (json.RawMessage, error) {
	if to.Intent {
		in, _, found, err := read[Intent](ctx, r.Store, DocumentOf(to))
		if err != nil {
			return nil, err
		}
		if found && in.Delete {
			return nil, notThere(to)
		}
		if found {
			return in.Set, nil
		}
		to.Intent = false
	}
	doc, err := r.resolver(to, r.now()).document(ctx, to)
	if err != nil {
		return nil, err
	}
	d, err := r.Store.Get(ctx, doc)
	if doc == "" || errors.Is(err, state.ErrNotFound) {
		return nil, notThere(to)
	}
	if err != nil {
		return nil, err
	}
	return d.Value, nil
}

// Match lists the references that a pattern fits, sorted.
func (r *Runner) Match(ctx context.Context, pattern ref.Pattern) ([]string, error) {
	var all []string
	for _, prefix := range prefixes(pattern.Prefix()) {
		names, err := r.Store.List(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if doc, ok := RefOfDocument(n); ok && pattern.Match(doc) {
				all = append(all, doc)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// prefixes are where documents may lie whose references begin with a prefix.
func prefixes(prefix string) []string {
	if prefix == "" {
		return []string{""}
	}
	segments := strings.Split(prefix, "/")
	i := slices.IndexFunc(segments, func(s string) bool { return strings.HasPrefix(s, "@") })
	if i < 0 {
		i = len(segments) - 1
	}
	return []string{prefix, intents + prefix, runs + strings.Join(segments[:i+1], "/")}
}

func notThere(to ref.Ref) error {
	return release.Failf("see what there is with `slipway state match`", "there is nothing at %s", to)
}
