package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Names of documents. A release's number is written as in "r7".

func releaseName(number int) string { return "r" + strconv.Itoa(number) }

// packageDoc is PACKAGE/@, which counts a package's releases.
func packageDoc(pkg ref.Ref) string { return pkg.Package().String() + "/@" }

func releaseDoc(pkg ref.Ref, name string) string { return packageDoc(pkg) + name }

// itemDoc is an item's document in a release, by its key ("call/build").
func itemDoc(pkg ref.Ref, name, key string) string { return releaseDoc(pkg, name) + "/" + key }

// latestDoc is the document of the last success: what a call put out, what is
// deployed.
func latestDoc(pkg ref.Ref, key string) string { return packageDoc(pkg) + "/" + key }

func environmentDoc(name string) string { return "@/" + string(ref.Environment) + "/" + name }

// Wishes and runs are kept apart from what they are about, so that a look at
// the items of a release reads no more than those.
const (
	intents = "intent/"
	runs    = "runs/"
)

// DocumentOf names the document of a reference in the store.
func DocumentOf(r ref.Ref) string {
	doc := r.Document()
	if r.Intent {
		return intents + doc
	}
	if item, run, ok := strings.Cut(r.Name, "/"); ok && (r.Kind == ref.Call || r.Kind == ref.Deploy) {
		return runs + r.Sub(r.Kind, item).Document() + "@" + strings.ReplaceAll(run, "/", "@")
	}
	return doc
}

// runDoc is the document of an item's run.
func runDoc(item string, run int) string { return runs + item + "@" + strconv.Itoa(run) }

// RefOfDocument is the reference that a document has, or false where it is no
// document of a rollout.
func RefOfDocument(doc string) (string, bool) {
	if name, ok := strings.CutPrefix(doc, intents); ok {
		return name, true
	}
	if name, ok := strings.CutPrefix(doc, runs); ok {
		i := strings.LastIndexByte(name, '/') + 1
		return name[:i] + strings.ReplaceAll(name[i:], "@", "/"), true
	}
	if strings.HasPrefix(doc, "claims/") {
		return "", false
	}
	for s := range strings.SplitSeq(doc, "/") {
		if strings.HasPrefix(s, "@") {
			return doc, true
		}
	}
	return "", false
}

func keyOf(it lang.Item) string { return string(it.Kind) + "/" + it.Name }

// entry is an item of a release that is worked on.
type entry struct {
	key     string
	def     lang.Item
	doc     Item
	version string // of doc; empty when it was never written

	mode   mode
	given  map[string]json.RawMessage // inputs that are not looked up
	inputs map[string]json.RawMessage // as they were found
	waits  []Wait
	result Item // doc, once the run's end is written
}

// read gives a document as T; false when there is none.
func read[T any](ctx context.Context, s state.Store, doc string) (v T, version string, found bool, err error) {
	d, err := s.Get(ctx, doc)
	if errors.Is(err, state.ErrNotFound) {
		return v, "", false, nil
	}
	if err != nil {
		return v, "", false, err
	}
	if err := json.Unmarshal(d.Value, &v); err != nil {
		return v, d.Version, true, release.Failf("look at it with `slipway state get`, and delete it or set it right", "the document %s in the state can't be read: %v", doc, err)
	}
	return v, d.Version, true, nil
}

// change is a document to write.
func change(doc string, v any, version string) state.Change {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // JSON that came from elsewhere and is none: no store takes a change without a ref
		return state.Change{}
	}
	return state.Change{Ref: doc, Value: append(b, '\n'), Version: version}
}

// FindRelease reads a release by its name ("r7"), by a tag that it was given,
// or the newest one for "".
func (r *Runner) FindRelease(ctx context.Context, pkg ref.Ref, name string) (Release, string, error) {
	resolved, err := r.releaseNamed(ctx, pkg, name)
	if err != nil {
		return Release{}, "", err
	}
	doc, version, found, err := read[Release](ctx, r.Store, releaseDoc(pkg, resolved))
	if err == nil && !found {
		err = release.Invalidf("see `slipway release list "+pkg.Path+"`", "there is no release %s of %s", resolved, pkg.Path)
	}
	return doc, version, err
}

// releaseNamed gives the number's form of a release's name.
func (r *Runner) releaseNamed(ctx context.Context, pkg ref.Ref, name string) (string, error) {
	if name == "" {
		newest, _, found, err := read[latest](ctx, r.Store, packageDoc(pkg))
		if err == nil && !found {
			err = release.Invalidf("make one: slipway release new "+pkg.Path, "%s has no release yet", pkg.Path)
		}
		return releaseName(newest.Number), err
	}
	if _, ok := ref.Number(name); ok {
		return name, nil
	}
	p, _, found, err := read[pointer](ctx, r.Store, packageDoc(pkg)+name)
	if err == nil && !found {
		err = release.Invalidf("see `slipway release list "+pkg.Path+"`", "no release of %s has the tag %q", pkg.Path, name)
	}
	return p.Release, err
}

// Environments are the registered ones, by name.
func (r *Runner) Environments(ctx context.Context) ([]lang.Environment, error) {
	var all []lang.Environment
	for e, err := range r.Store.Scan(ctx, "@/"+string(ref.Environment)) {
		if err != nil {
			return nil, err
		}
		var env lang.Environment
		if err := json.Unmarshal(e.Value, &env); err != nil {
			return nil, release.Failf("set it right with `slipway state set`", "the environment in %s can't be read: %v", e.Ref, err)
		}
		all = append(all, env)
	}
	return all, nil
}

// items reads the documents of a release's items into entries, in the order of
// the package.
func (r *Runner) items(ctx context.Context, pkg ref.Ref, name string, p *lang.Package) ([][]*entry, error) {
	byKey := map[string]*entry{}
	phases := make([][]*entry, len(p.Phases))
	for i, ph := range p.Phases {
		for _, it := range ph.Items {
			if it.Kind == ref.Deploy { // its environment is an input: what is deployed follows it
				env := ref.Global(ref.Environment, it.Name)
				it.Inputs = maps.Clone(it.Inputs)
				if it.Inputs == nil {
					it.Inputs = map[string]lang.Input{}
				}
				it.Inputs["environment"] = lang.Input{Ref: &env}
			}
			e := &entry{key: keyOf(it), def: it, doc: Item{Status: Pending}}
			byKey[e.key] = e
			phases[i] = append(phases[i], e)
		}
	}
	prefix := releaseDoc(pkg, name)
	for _, kind := range []ref.Kind{ref.Call, ref.Deploy} {
		for d, err := range r.Store.Scan(ctx, prefix+"/"+string(kind)) {
			if err != nil {
				return nil, err
			}
			e := byKey[strings.TrimPrefix(d.Ref, prefix+"/")]
			if e == nil {
				continue // a run of one, or an item that is no longer in the package
			}
			if err := json.Unmarshal(d.Value, &e.doc); err != nil {
				return nil, release.Failf("delete it with `slipway state delete`, and its work is done again", "the document %s in the state can't be read: %v", d.Ref, err)
			}
			e.version = d.Version
		}
	}
	return phases, nil
}
