package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ocuroot"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Imported is what an import took over.
type Imported struct {
	Releases, Deploys, Environments, Values, Intents int
	// Left are packages that have releases here already, and so were not touched.
	Left []string
}

// Import takes over a state of Ocuroot's. A package is taken over whole or not at
// all; one that has releases here stays as it is, so an import may be repeated.
// logs reads the lines of a run.
func (r *Runner) Import(ctx context.Context, s ocuroot.State, logs func(ocuroot.Run) ([]Line, error)) (Imported, error) {
	var done Imported
	for _, e := range s.Environments {
		took, err := r.importDocument(ctx, environmentDoc(e.Name), lang.Environment{Name: e.Name, Attributes: e.Attributes}, "import: environment "+e.Name)
		if err != nil {
			return done, err
		}
		done.Environments += took
	}
	var packages []ref.Ref
	for _, rel := range s.Releases {
		if p := rel.Package.Package(); !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	for _, pkg := range packages {
		if _, _, found, err := read[latest](ctx, r.Store, packageDoc(pkg)); err != nil {
			return done, err
		} else if found {
			done.Left = append(done.Left, pkg.String())
			continue
		}
		changes, releases, deploys, err := r.importPackage(s, pkg, logs)
		if err != nil {
			return done, err
		}
		if _, err := r.Store.Apply(ctx, "import: "+pkg.String(), changes...); err != nil {
			return done, err
		}
		done.Releases += releases
		done.Deploys += deploys
	}
	for _, v := range s.Custom {
		took, err := r.importDocument(ctx, DocumentOf(v.Ref), v.JSON, "import: "+v.Ref.String())
		if err != nil {
			return done, err
		}
		done.Values += took
	}
	for _, in := range s.Intents {
		if slices.Contains(done.Left, in.Ref.Package().String()) {
			continue
		}
		took, err := r.importIntent(ctx, s, in)
		if err != nil {
			return done, err
		}
		if took {
			done.Intents++
		}
	}
	return done, nil
}

// importDocument writes a document that is not there, and says how many it wrote.
func (r *Runner) importDocument(ctx context.Context, doc string, v any, message string) (int, error) {
	_, err := r.Store.Apply(ctx, message, change(doc, v, ""))
	switch {
	case errors.Is(err, state.ErrConflict):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return 1, nil
}

// importIntent takes over a wish that has not been brought about: Ocuroot kept
// those that have been, too.
func (r *Runner) importIntent(ctx context.Context, s ocuroot.State, in ocuroot.Intent) (bool, error) {
	if in.Deploy != nil {
		for _, l := range s.Live {
			if l.Package.Package() == in.Ref.Package() && l.Environment == in.Ref.Name && l.Release == in.Deploy.Release {
				return false, nil
			}
		}
		v, err := json.Marshal(DeployIntent{Release: releaseName(in.Deploy.Release)})
		if err != nil {
			return false, err
		}
		return true, r.Set(ctx, in.Ref, v)
	}
	is := in.Ref
	is.Intent = false
	if now, _, found, err := read[json.RawMessage](ctx, r.Store, is.Document()); err != nil || found && sameJSON(now, in.JSON) {
		return false, err
	}
	return true, r.Set(ctx, in.Ref, in.JSON)
}

// importPackage gives the documents of a package.
func (r *Runner) importPackage(s ocuroot.State, pkg ref.Ref, logs func(ocuroot.Run) ([]Line, error)) (changes []state.Change, releases, deploys int, err error) {
	docs := map[string]any{}
	newest := 0
	for _, rel := range s.Releases { // by number, so that later ones win
		if rel.Package.Package() != pkg {
			continue
		}
		releases++
		newest = max(newest, rel.Number)
		name := releaseName(rel.Number)
		doc := Release{Release: pkg.InRelease(name).String(), Number: rel.Number, Commit: rel.Commit, Status: Complete, Tags: rel.Tags, Created: rel.Created, Updated: rel.Created, By: "ocuroot"}
		for _, it := range rel.Items {
			if err := r.importItem(docs, &doc, pkg, rel, it, logs); err != nil {
				return nil, 0, 0, err
			}
		}
		docs[releaseDoc(pkg, name)] = doc
		for _, t := range rel.Tags {
			docs[packageDoc(pkg)+t] = pointer{Release: name}
		}
		if rel.Commit != "" {
			docs[packageDoc(pkg)+"/commit/"+rel.Commit] = pointer{Release: name}
			docs[releaseDoc(pkg, name)+"/commit/"+rel.Commit] = pointer{Release: name}
		}
	}
	for _, l := range s.Live {
		if l.Package.Package() != pkg {
			continue
		}
		key := string(ref.Deploy) + "/" + l.Environment
		was, ok := docs[itemDoc(pkg, releaseName(l.Release), key)].(Item)
		if !ok {
			was = Item{Release: pkg.InRelease(releaseName(l.Release)).String(), Run: max(l.Run, 1)}
		}
		was.Status, was.Inputs, was.Output = Complete, values(l.Inputs), object(l.Output)
		docs[latestDoc(pkg, key)] = was
		deploys++
	}
	docs[packageDoc(pkg)] = latest{Number: newest, Updated: r.now()}
	for name, v := range docs {
		changes = append(changes, change(name, v, ""))
	}
	slices.SortFunc(changes, func(a, b state.Change) int { return strings.Compare(a.Ref, b.Ref) })
	return changes, releases, deploys, nil
}

// importItem gives the documents of an item and its runs.
func (r *Runner) importItem(docs map[string]any, doc *Release, pkg ref.Ref, rel ocuroot.Release, it ocuroot.Item, logs func(ocuroot.Run) ([]Line, error)) error {
	key := string(it.Kind) + "/" + it.Name
	name := itemDoc(pkg, releaseName(rel.Number), key)
	if n := len(doc.Phases); n > 0 && it.Phase != "" && doc.Phases[n-1].Name == it.Phase {
		doc.Phases[n-1].Items = append(doc.Phases[n-1].Items, key)
	} else {
		doc.Phases = append(doc.Phases, Phase{Name: it.Phase, Items: []string{key}})
	}
	item := Item{Release: doc.Release, Commit: rel.Commit, Status: Pending}
	for _, run := range it.Runs {
		item = importedRun(item, run)
		if len(run.LogFiles) > 0 {
			lines, err := logs(run)
			if err != nil {
				return fmt.Errorf("the log of %s/%d: %w", name, run.Number, err)
			}
			if len(lines) > 0 {
				docs[runDoc(name, run.Number)+"@logs"] = Logs{Lines: lines}
			}
		}
		if item.Status != Pending {
			docs[runDoc(name, run.Number)] = item
		}
	}
	if it.Output != nil && item.Status == Complete {
		item.Output = object(it.Output)
	}
	docs[name] = item
	switch {
	case item.Status == Complete && it.Kind == ref.Call:
		docs[latestDoc(pkg, key)] = item
	case item.Status == Failed:
		doc.Status = Failed
	case item.Status == Pending && doc.Status == Complete:
		doc.Status = Pending
	}
	return nil
}

func importedRun(of Item, run ocuroot.Run) Item {
	it := Item{Release: of.Release, Commit: of.Commit, Run: run.Number, Down: run.Down, Status: Pending, Output: object(run.Output)}
	if !run.Changed.IsZero() {
		at := run.Changed
		it.Ended = &at
	}
	switch run.Status {
	case ocuroot.Complete:
		it.Status = Complete
		if run.Down {
			it.Status = Removed
		}
	case ocuroot.Failed, ocuroot.Cancelled:
		it.Status, it.Error = Failed, &Failure{Message: "it " + string(run.Status) + " under Ocuroot"}
	}
	if len(run.Functions) > 0 {
		it.Inputs = values(run.Functions[0].Inputs)
		for _, f := range run.Functions {
			it.Steps = append(it.Steps, f.Name)
		}
	}
	return it
}

// values are the inputs as they were.
func values(inputs map[string]ocuroot.Input) map[string]json.RawMessage {
	if len(inputs) == 0 {
		return nil
	}
	out := map[string]json.RawMessage{}
	for name, in := range inputs {
		switch {
		case in.Value != nil:
			out[name] = in.Value
		case in.Default != nil:
			out[name] = in.Default
		}
	}
	return out
}

func object(v json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	if json.Unmarshal(v, &out) != nil {
		return nil
	}
	return out
}

// ImportedLine makes a line of a log that another system wrote.
func ImportedLine(at time.Time, stream, text string) Line {
	return Line{Time: at, Stream: stream, Text: clipped(text)}
}
