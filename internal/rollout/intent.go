package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Wish is an intent that has not been brought about.
type Wish struct {
	Ref    ref.Ref // with Intent set
	Intent Intent
}

// Set writes an intent: what a document is to be.
func (r *Runner) Set(ctx context.Context, to ref.Ref, value json.RawMessage) error {
	to, err := r.settable(ctx, to)
	if err != nil {
		return err
	}
	if err := checkWish(to, value); err != nil {
		return err
	}
	to.Intent = true
	return r.setDocument(ctx, DocumentOf(to), Intent{Set: value, By: r.By, At: r.now()}, "wish "+to.String())
}

// Delete writes the intent that a document is to go.
func (r *Runner) Delete(ctx context.Context, to ref.Ref) error {
	to, err := r.settable(ctx, to)
	if err != nil {
		return err
	}
	to.Intent = true
	return r.setDocument(ctx, DocumentOf(to), Intent{Delete: true, By: r.By, At: r.now()}, "wish away "+to.String())
}

// settable refuses references whose documents only work writes, and those of
// releases that are not there. It gives the release by its number.
func (r *Runner) settable(ctx context.Context, to ref.Ref) (ref.Ref, error) {
	if err := canSet(to); err != nil || to.Global || to.Release == "" {
		return to, err
	}
	doc, _, err := r.FindRelease(ctx, to, to.Release)
	to.Release = releaseName(doc.Number)
	return to, err
}

func canSet(to ref.Ref) error {
	switch {
	case to.Fragment != "":
		return release.Invalidf("leave "+"#"+to.Fragment+" out and give the whole value", "%s is a part of a document", to)
	case to.Kind == ref.Custom, to.Kind == ref.Environment, to.Kind == ref.Freeze:
		return nil
	case to.Kind == ref.Deploy && to.Versioned && to.Release == "" && !strings.Contains(to.Name, "/"):
		return nil
	}
	return release.Invalidf("custom values, environments, freezes and PACKAGE/+/deploy/ENVIRONMENT can be set", "%s is written by the work itself", to)
}

// checkWish looks whether a value can be what is wished for.
func checkWish(to ref.Ref, value json.RawMessage) error {
	if !json.Valid(value) {
		return release.Invalidf("", "the value of %s is not JSON", to)
	}
	strict := func(into any, example string) error {
		d := json.NewDecoder(strings.NewReader(string(value)))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return release.Invalidf("such as "+example, "the value of %s can't be read: %v", to, err)
		}
		return nil
	}
	switch to.Kind {
	case ref.Environment:
		var e lang.Environment
		if err := strict(&e, `{"name": "`+to.Name+`", "attributes": {"type": "prod"}}`); err != nil {
			return err
		}
		if e.Name != "" && e.Name != to.Name {
			return release.Invalidf("", "the environment's name is %q, and its ref says %q", e.Name, to.Name)
		}
	case ref.Freeze:
		return strict(&FreezeDoc{}, `{"until": "2027-01-02T08:00:00Z", "reason": "holidays"}`)
	case ref.Deploy:
		return strict(&DeployIntent{}, `{"release": "r6"}`)
	}
	return nil
}

// Wishes are the intents that have not been brought about, by name.
func (r *Runner) Wishes(ctx context.Context) ([]Wish, error) {
	var all []Wish
	for e, err := range r.Store.Scan(ctx, strings.TrimSuffix(intents, "/")) {
		if err != nil {
			return nil, err
		}
		to, err := ref.Parse(strings.TrimPrefix(e.Ref, intents))
		if err != nil {
			return nil, fmt.Errorf("read the intent %s: %w", e.Ref, err)
		}
		var in Intent
		if err := json.Unmarshal(e.Value, &in); err != nil {
			return nil, release.Failf("slipway state delete "+to.String(), "the intent %s can't be read: %v", to, err)
		}
		all = append(all, Wish{Ref: to, Intent: in})
	}
	return all, nil
}

// Apply brings one intent about, with the work that this takes.
func (r *Runner) Apply(ctx context.Context, to ref.Ref) error {
	to, err := r.settable(ctx, to)
	if err != nil {
		return err
	}
	to.Intent = true
	doc := DocumentOf(to)
	in, version, found, err := read[Intent](ctx, r.Store, doc)
	if err != nil {
		return err
	}
	if !found {
		return release.Invalidf("see `slipway state diff`", "there is no intent %s", to)
	}
	if err := r.bringAbout(ctx, to, in); err != nil {
		return err
	}
	_, err = r.Store.Apply(ctx, "as wished: "+to.String(), state.Change{Ref: doc, Version: version})
	if errors.Is(err, state.ErrConflict) {
		return nil // it was wished anew meanwhile: that is for the next time
	}
	return err
}

func (r *Runner) bringAbout(ctx context.Context, to ref.Ref, in Intent) error {
	actual := to
	actual.Intent = false
	doc := actual.Document()
	switch {
	case to.Kind == ref.Deploy:
		return r.bringDeploy(ctx, actual, in)
	case to.Kind == ref.Environment && in.Delete:
		return r.removeEnvironment(ctx, to.Name)
	case to.Kind == ref.Environment:
		var e lang.Environment
		if err := json.Unmarshal(in.Set, &e); err != nil {
			return err
		}
		e.Name = to.Name
		return r.setDocument(ctx, doc, e, "environment "+e.Name+" is set")
	case in.Delete:
		return r.deleteDocument(ctx, doc, to.String()+" is deleted")
	}
	return r.setDocument(ctx, doc, in.Set, actual.String()+" is set")
}

// deleteDocument deletes a document whatever it is.
func (r *Runner) deleteDocument(ctx context.Context, doc, message string) error {
	for {
		old, err := r.Store.Get(ctx, doc)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err = r.Store.Apply(ctx, message, state.Change{Ref: doc, Version: old.Version}); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// bringDeploy takes down what is deployed, or deploys what is wished.
func (r *Runner) bringDeploy(ctx context.Context, to ref.Ref, in Intent) error {
	live, _, found, err := read[Item](ctx, r.Store, to.Document())
	if err != nil {
		return err
	}
	key := string(ref.Deploy) + "/" + to.Name
	if in.Delete {
		if !found {
			return nil
		}
		return r.down(ctx, to, key, live, takeDown)
	}
	var wish DeployIntent
	if err := json.Unmarshal(in.Set, &wish); err != nil {
		return err
	}
	name := wish.Release
	switch {
	case name == "" && found:
		name = releaseName(numberOf(live.Release))
	case name == "":
		return release.Refuse("name one: {\"release\": \"r6\"}", "nothing of %s is deployed to %s, so there is no release to deploy again", to.Path, to.Name)
	}
	if len(wish.Inputs) == 0 {
		_, err = r.DeployTo(ctx, to, name, to.Name)
		return err
	}
	o, err := r.open(ctx, to, name)
	if err != nil {
		return err
	}
	e, err := o.entry(key)
	if err != nil {
		return err
	}
	values := e.doc.Inputs
	if !wasDeployed(e.doc) {
		var waits []Wait
		if values, waits, err = r.resolver(o.self, o.doc.Created).all(ctx, e.def.Inputs); err != nil {
			return err
		} else if len(waits) > 0 {
			return &release.Error{Kind: release.Waiting, Message: to.String() + ": " + waits[0].String()}
		}
	}
	for input, v := range wish.Inputs {
		if _, ok := e.def.Inputs[input]; !ok {
			return release.Invalidf("", "%s has no input %q", to, input)
		}
		values[input] = v
	}
	_, err = r.again(ctx, o, key, rollBack, values)
	return err
}

// down takes down what is deployed, with the inputs that it was deployed with.
func (r *Runner) down(ctx context.Context, pkg ref.Ref, key string, live Item, m mode) error {
	o, err := r.open(ctx, pkg, releaseName(numberOf(live.Release)))
	if err != nil {
		return err
	}
	e, err := o.entry(key)
	if err != nil {
		// The package no longer names it: what took it up says how it goes down.
		if live.DownWith == nil {
			return err
		}
		_, name, _ := strings.Cut(key, "/")
		e = &entry{key: key, def: lang.Item{Kind: ref.Deploy, Name: name, Down: *live.DownWith, Fn: *live.DownWith}, doc: live}
		if e.doc, e.version, _, err = read[Item](ctx, r.Store, itemDoc(o.self, o.self.Release, key)); err != nil {
			return err
		}
		o.phases = append(o.phases, []*entry{e})
	}
	if e.doc.Inputs == nil {
		e.doc.Inputs = live.Inputs
	}
	_, err = r.again(ctx, o, key, m, live.Inputs)
	return err
}

// removeEnvironment takes down all that is deployed there, and only then lets the
// environment go.
func (r *Runner) removeEnvironment(ctx context.Context, name string) error {
	deploys, err := r.Deployed(ctx)
	if err != nil {
		return err
	}
	deploys = slices.DeleteFunc(deploys, func(d Deployed) bool { return d.Environment != name })
	var failed []error
	for _, d := range dependentsFirst(deploys) {
		err := r.down(ctx, d.Package, string(ref.Deploy)+"/"+name, d.Item, takeAway)
		if err == nil {
			err = r.lookAnew(ctx, d.Package)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("the environment %s stays until all is taken down: %w", name, errors.Join(failed...))
	}
	return r.deleteDocument(ctx, environmentDoc(name), "environment "+name+" is removed")
}

// dependentsFirst orders deploys so that each one goes before those whose outputs
// it has as inputs. Of a circle, the first goes first.
func dependentsFirst(deploys []Deployed) (ordered []Deployed) {
	uses := func(d, other Deployed) bool {
		for _, in := range d.Item.Follows {
			if to := *in.Ref; to.Kind == ref.Deploy && to.Package() == other.Package.Package() && to.Package() != d.Package.Package() {
				return true
			}
		}
		return false
	}
	for len(deploys) > 0 {
		next := max(0, slices.IndexFunc(deploys, func(d Deployed) bool {
			return !slices.ContainsFunc(deploys, func(other Deployed) bool { return uses(other, d) })
		}))
		ordered = append(ordered, deploys[next])
		deploys = slices.Delete(deploys, next, next+1)
	}
	return ordered
}

// lookAnew has a package's newest release evaluated again when it is looked at
// next: the same environments may stand for other work then.
func (r *Runner) lookAnew(ctx context.Context, pkg ref.Ref) error {
	for {
		doc, version, err := r.FindRelease(ctx, pkg, "")
		if err != nil || doc.Environments == "" {
			return err
		}
		doc.Environments = ""
		_, err = r.Store.Apply(ctx, pkg.Path+": "+releaseName(doc.Number)+" is looked at anew", change(releaseDoc(pkg, releaseName(doc.Number)), doc, version))
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}
