package rollout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Kind is a kind of outstanding work.
type Kind string

// The kinds of outstanding work, in the order in which they are done.
const (
	ApplyIntent     Kind = "apply"    // a wish is brought about
	ContinueRelease Kind = "continue" // items of a release can run
	DeployAgain     Kind = "redeploy" // what is deployed has other inputs now
)

// Task is a piece of outstanding work.
type Task struct {
	Kind    Kind     `json:"kind"`
	Ref     ref.Ref  `json:"ref"`              // the intent, the release, or the deploy
	Commit  string   `json:"commit,omitempty"` // that the work is done at
	Items   []string `json:"items,omitempty"`  // that can run now
	Reason  string   `json:"reason"`
	release ref.Ref
	inputs  map[string]json.RawMessage
}

// Standing is what there is to do, and what waits.
type Standing struct {
	Tasks   []Task   `json:"tasks"`
	Waiting []string `json:"waiting,omitempty"` // in words, by release
	// Elsewhere are the commits of other repositories that have outstanding work.
	Elsewhere []Elsewhere `json:"elsewhere,omitempty"`
	waitsFor  map[string][]string
}

// Elsewhere is a release of another repository that has not ended.
type Elsewhere struct {
	Release ref.Ref `json:"release"`
	Commit  string  `json:"commit"`
}

// Scope says how far Outstanding and Continue look.
type Scope struct {
	Intents bool // wishes are brought about, too
	Commit  string
	// Rounds bounds how often one deploy may run in one Continue; 0 for 5.
	Rounds int
	// Skip leaves a release out that nothing is to be done of; nil for none.
	Skip func(release ref.Ref) bool
}

// Outstanding says what can be done now. Nothing is changed.
func (r *Runner) Outstanding(ctx context.Context, in Scope) (Standing, error) {
	s := Standing{Tasks: []Task{}, waitsFor: map[string][]string{}}
	if in.Intents {
		wishes, err := r.Wishes(ctx)
		if err != nil {
			return s, err
		}
		for _, w := range wishes {
			s.Tasks = append(s.Tasks, Task{Kind: ApplyIntent, Ref: w.Ref, Reason: wished(w)})
		}
	}
	packages, err := r.Packages(ctx)
	if err != nil {
		return s, err
	}
	for _, pkg := range packages {
		if err := r.outstandingOf(ctx, pkg, in, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func wished(w Wish) string {
	what := "it is to be set"
	if w.Intent.Delete {
		what = "it is to go"
	}
	if w.Intent.By != "" {
		what += ", says " + w.Intent.By
	}
	return what
}

// outstandingOf looks at a package: at its releases that have not ended, at the
// newest one for environments that are new, and at what is deployed.
func (r *Runner) outstandingOf(ctx context.Context, pkg ref.Ref, in Scope, s *Standing) error {
	releases, err := r.Releases(ctx, pkg)
	if err != nil {
		return err
	}
	envs, err := r.Environments(ctx)
	if err != nil {
		return err
	}
	known := hashOf(envs)
	for i, doc := range slices.Backward(releases) { // the oldest first
		newest := i == 0
		if doc.Status == Complete && (!newest || doc.Environments == known) || in.Commit != "" && doc.Commit != in.Commit {
			continue
		}
		name := releaseName(doc.Number)
		if in.Skip != nil && in.Skip(pkg.InRelease(name)) {
			continue
		}
		if pkg.Repo != r.Repo {
			if doc.Status != Complete && doc.Status != Failed {
				s.Elsewhere = append(s.Elsewhere, Elsewhere{pkg.InRelease(name), doc.Commit})
			}
			continue
		}
		o, err := r.open(ctx, pkg, name)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, errState) {
				return err
			}
			if doc.Status != Failed && doc.Status != Complete {
				s.Waiting = append(s.Waiting, fmt.Sprintf("%s can't be evaluated: %v", pkg.InRelease(name), err))
			}
			continue
		}
		if err := r.canGoOn(ctx, o, s); err != nil {
			return err
		}
	}
	if pkg.Repo != r.Repo {
		return nil
	}
	return r.changedDeploys(ctx, pkg, in, s)
}

// canGoOn looks which items of a release can run now.
func (r *Runner) canGoOn(ctx context.Context, o *opened, s *Standing) error {
	since := o.doc.Created
	for i, entries := range o.phases {
		l := r.resolver(o.self, since)
		l.looks = true
		var can []string
		ended := true
		p := &phaseRun{r: r, o: o}
		for _, e := range entries {
			if e.doc.Status.ended() {
				if e.doc.Ended != nil && e.doc.Ended.After(since) {
					since = *e.doc.Ended
				}
				continue
			}
			ended = false
			if e.doc.Status == Failed || r.Owner.counts(o.claims.Items[p.claimKey(e)], r.now()) {
				continue
			}
			ready, err := p.prepare(ctx, l, e)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if ready || err != nil { // an error is told by running it
				can = append(can, e.key)
				continue
			}
			for _, w := range e.waits {
				s.Waiting = append(s.Waiting, o.self.String()+": "+e.key+": "+w.String())
				s.waitsFor[o.self.Package().String()+"/@/"+e.key] = append(s.waitsFor[o.self.Package().String()+"/@/"+e.key], w.Ref)
			}
		}
		if len(can) > 0 {
			s.Tasks = append(s.Tasks, Task{Kind: ContinueRelease, Ref: o.self, release: o.self, Commit: o.doc.Commit, Items: can,
				Reason: "phase " + phaseName(o.pkg.Phases[i], i) + " can go on"})
		}
		if !ended {
			return nil
		}
	}
	if o.doc.Status != Complete {
		s.Tasks = append(s.Tasks, Task{Kind: ContinueRelease, Ref: o.self, release: o.self, Commit: o.doc.Commit, Reason: "all of it is done, and that is not written down yet"})
	}
	return nil
}

func phaseName(p lang.Phase, i int) string {
	switch {
	case p.Name != "":
		return p.Name
	case len(p.Items) == 1:
		return p.Items[0].Name
	}
	return fmt.Sprint(i + 1)
}

// changedDeploys looks which deploys of a package have other inputs now than
// when they ran.
func (r *Runner) changedDeploys(ctx context.Context, pkg ref.Ref, in Scope, s *Standing) error {
	cache := map[string]*opened{}
	prefix := packageDoc(pkg) + "/" + string(ref.Deploy)
	for d, err := range r.Store.Scan(ctx, prefix) {
		if err != nil {
			return err
		}
		var live Item
		if json.Unmarshal(d.Value, &live) != nil || live.Pinned || in.Commit != "" && live.Commit != in.Commit {
			continue
		}
		if same, err := r.follows(ctx, pkg, live); err != nil || same {
			if err != nil {
				return err
			}
			continue
		}
		name := releaseName(numberOf(live.Release))
		o := cache[name]
		if o == nil {
			if o, err = r.open(ctx, pkg, name); err != nil {
				if ctx.Err() != nil {
					return err
				}
				continue // told where the release is looked at
			}
			cache[name] = o
		}
		key := strings.TrimPrefix(d.Ref, packageDoc(pkg)+"/")
		e, err := o.entry(key)
		if err != nil || o.claims.deploying(r.Owner, key, r.now()) {
			continue
		}
		why, values, err := r.changed(ctx, o, e, live)
		if err != nil {
			return err
		}
		if why != "" {
			s.Tasks = append(s.Tasks, Task{Kind: DeployAgain, Ref: o.self.Sub(ref.Deploy, e.def.Name), release: o.self, Commit: live.Commit,
				Items: []string{key}, Reason: why, inputs: values})
		}
	}
	return nil
}

// follows says whether what is deployed has the inputs that it would have now, by
// its documents alone. Where they do not tell, the package does.
func (r *Runner) follows(ctx context.Context, pkg ref.Ref, live Item) (bool, error) {
	if live.Follows == nil {
		return false, nil
	}
	l := r.resolver(pkg.Package().InRelease(releaseName(numberOf(live.Release))), time.Time{})
	for name, in := range live.Follows {
		v, w, err := l.one(ctx, in)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil, w == nil && !sameJSON(live.Inputs[name], v):
			return false, nil //nolint:nilerr // the package tells what is wrong, or what to do
		}
	}
	return true, nil
}

// followed are the references of a deploy's inputs.
func (o *opened) followed(e *entry) map[string]lang.Input {
	if e.def.Kind != ref.Deploy {
		return nil
	}
	follows := map[string]lang.Input{}
	for name, in := range e.def.Inputs {
		if in.Ref != nil && !o.own(e, *in.Ref) {
			follows[name] = lang.Input{Ref: in.Ref, Default: in.Default}
		}
	}
	return follows
}

// own says whether a reference leads to what the deploy itself put out.
func (o *opened) own(e *entry, to ref.Ref) bool {
	return to.Kind == ref.Deploy && to.Name == e.def.Name && to.Package() == o.self.Package()
}

// changed says which input of a deploy is another one now. What it put out
// itself does not count: it would never end.
func (r *Runner) changed(ctx context.Context, o *opened, e *entry, live Item) (why string, values map[string]json.RawMessage, err error) {
	l := r.resolver(o.self, time.Time{})
	l.looks = true
	values = map[string]json.RawMessage{}
	for name, in := range e.def.Inputs {
		if in.Ref != nil && o.own(e, *in.Ref) || in.Gate != nil {
			values[name] = live.Inputs[name]
			continue
		}
		v, w, err := l.one(ctx, in)
		if err != nil || w != nil {
			return "", nil, ctx.Err() // what it needs is gone: it stays as it is
		}
		values[name] = v
		if was, ok := live.Inputs[name]; !ok || !sameJSON(was, v) {
			why = "its input " + name + " has changed"
		}
	}
	if why != "" && e.doc.Status == Failed && slices.Equal(keysAndValues(e.doc.Inputs), keysAndValues(values)) {
		return "", nil, nil // that was tried
	}
	return why, values, nil
}

func keysAndValues(inputs map[string]json.RawMessage) []string {
	var all []string
	for k, v := range inputs {
		all = append(all, k+"="+string(compact(v)))
	}
	slices.Sort(all)
	return all
}

func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(compact(a), compact(b)) }

// compact is JSON in one form: without spaces, its keys sorted.
func compact(v json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var any any
	if d.Decode(&any) != nil {
		return v
	}
	b, err := json.Marshal(any)
	if err != nil {
		return v
	}
	return b
}
