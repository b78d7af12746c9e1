package rollout

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// resolver finds what inputs stand for. It reads each document once, so it is
// made anew for each look at the state.
type resolver struct {
	r     *Runner
	self  ref.Ref   // the package, and the release that the references are read in
	since time.Time // when the phase before was complete, for a soak
	docs  map[string]json.RawMessage
	looks bool // it is only looked what could be done: nothing is written
}

func (r *Runner) resolver(self ref.Ref, since time.Time) *resolver {
	return &resolver{r: r, self: self, since: since, docs: map[string]json.RawMessage{}}
}

// all gives the values of inputs, or what they wait for. The error is one that
// no waiting mends.
func (l *resolver) all(ctx context.Context, inputs map[string]lang.Input) (map[string]json.RawMessage, []Wait, error) {
	values := make(map[string]json.RawMessage, len(inputs))
	var waits []Wait
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		v, w, err := l.one(ctx, inputs[name])
		if err != nil {
			return nil, nil, fmt.Errorf("input %s: %w", name, err)
		}
		if w != nil {
			w.Input = name
			if w.Hint == "" {
				w.Hint = inputs[name].Doc
			}
			waits = append(waits, *w)
			continue
		}
		values[name] = v
	}
	return values, waits, nil
}

func (l *resolver) one(ctx context.Context, in lang.Input) (json.RawMessage, *Wait, error) {
	switch {
	case in.Gate != nil && in.Gate.Soak > 0:
		return l.soak(*in.Gate)
	case in.Gate != nil:
		return l.approval(ctx, *in.Gate)
	case in.Ref == nil && in.Value != nil:
		return in.Value, nil, nil
	case in.Ref == nil:
		return in.Default, nil, nil
	}
	v, w, err := l.ref(ctx, *in.Ref)
	if w != nil && in.Default != nil {
		return in.Default, nil, nil
	}
	return v, w, err
}

// ref gives the value of a reference.
func (l *resolver) ref(ctx context.Context, to ref.Ref) (json.RawMessage, *Wait, error) {
	doc, err := l.document(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	wait := &Wait{Ref: l.named(to), Reason: "it is not there yet"}
	if doc == "" {
		return nil, wait, nil
	}
	value, err := l.read(ctx, doc)
	if err == nil && value == nil && to.Kind == ref.Release {
		value, err = l.shipped(ctx, doc, wait)
	}
	if err != nil || value == nil {
		return nil, wait, err
	}
	if to.Kind == ref.Call || to.Kind == ref.Deploy {
		var it Item
		if err := json.Unmarshal(value, &it); err == nil && it.Status != Complete && !strings.Contains(to.Name, "/") && !l.isLatest(doc) {
			wait.Reason = "it is " + string(it.Status)
			return nil, wait, nil
		}
	}
	if to.Fragment == "" {
		return value, nil, nil
	}
	found, ok := ref.Field(value, to.Fragment)
	if ok {
		return found, nil, nil
	}
	if ownOf(l.self, to) && (to.Kind == ref.Call || to.Kind == ref.Deploy || to.Kind == ref.Release) {
		return nil, nil, release.Failf("", "%s is complete and has no %s%s", l.named(to.Sub(to.Kind, to.Name)), to.Fragment, outputsOf(value))
	}
	wait.Reason = "it has no " + to.Fragment
	return nil, wait, nil
}

// ownOf tells references to what a release itself does. Package files' own
// references have its name already.
func ownOf(self, to ref.Ref) bool {
	return !to.Global && to.Package() == self.Package() && (!to.Versioned || to.Release == self.Release)
}

// outputsOf lists what an item did put out.
func outputsOf(doc json.RawMessage) string {
	var it Item
	if json.Unmarshal(doc, &it) != nil || len(it.Output) == 0 {
		return ""
	}
	return "; it has output/" + strings.Join(slices.Sorted(maps.Keys(it.Output)), ", output/")
}

// isLatest tells documents of the last success, which say what is deployed even
// while the next deploy runs.
func (l *resolver) isLatest(doc string) bool { return strings.Contains(doc, "/@/") }

// named is a reference as it is told to a person: without what is the package's
// own.
func (l *resolver) named(to ref.Ref) string {
	if !to.Global && !to.Versioned {
		to.Versioned, to.Release = true, l.self.Release
	}
	return to.String()
}

// document is the name of the document that a reference leads to, or empty when
// its release is not there.
func (l *resolver) document(ctx context.Context, to ref.Ref) (string, error) {
	to.Fragment = ""
	switch {
	case to.Global:
		return DocumentOf(to), nil
	case !to.Versioned:
		to.Versioned, to.Release = true, l.self.Release
		return DocumentOf(to), nil
	case to.Release == "" && (to.Kind == ref.Call || to.Kind == ref.Deploy || to.Kind == ref.Custom || to.Kind == ref.Commit):
		return DocumentOf(to), nil
	}
	if _, ok := ref.Number(to.Release); ok {
		return DocumentOf(to), nil
	}
	name, err := l.r.releaseNamed(ctx, to, to.Release)
	if release.KindOf(err) == release.Invalid {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	to.Release = name
	return DocumentOf(to), nil
}

func (l *resolver) read(ctx context.Context, doc string) (json.RawMessage, error) {
	if v, ok := l.docs[doc]; ok {
		return v, nil
	}
	v, _, _, err := read[json.RawMessage](ctx, l.r.Store, doc)
	if err != nil {
		return nil, err
	}
	l.docs[doc] = v
	return v, nil
}

// goes says whether an environment is wished away: then nothing is deployed there,
// also where a down that failed keeps it.
func (l *resolver) goes(ctx context.Context, environment string) (bool, error) {
	wish, err := l.read(ctx, DocumentOf(ref.Ref{Global: true, Versioned: true, Intent: true, Kind: ref.Environment, Name: environment}))
	var in Intent
	return wish != nil && json.Unmarshal(wish, &in) == nil && in.Delete, err
}

func (l *resolver) soak(g lang.Gate) (json.RawMessage, *Wait, error) {
	until := l.since.Add(g.Soak)
	if now := l.r.now(); now.Before(until) {
		return nil, &Wait{Reason: fmt.Sprintf("it soaks for %s, until %s", g.Soak, until.Format(time.RFC3339)), Until: until}, nil
	}
	v, err := json.Marshal(until)
	return v, nil, err
}

// ApprovalDoc is the reference of an approval of a release.
func ApprovalDoc(self ref.Ref, name string) ref.Ref {
	return self.Sub(ref.Custom, name)
}

func (l *resolver) approval(ctx context.Context, g lang.Gate) (json.RawMessage, *Wait, error) {
	at := ApprovalDoc(l.self, g.Name)
	wait := &Wait{Ref: at.String(), Reason: "it waits for an approval" + byWhom(g.By)}
	value, err := l.read(ctx, at.Document())
	if err != nil || value == nil {
		return nil, wait, err
	}
	given, named := approvers(value)
	if !named {
		if len(g.By) == 0 {
			return value, nil, nil
		}
		wait.Reason = "it was approved without a name, and needs" + byWhom(g.By)
		return nil, wait, nil
	}
	good := 0
	for _, by := range given {
		if l.r.mayApprove(ctx, by, g.By) {
			good++
		}
	}
	if need := max(g.Count, 1); good < need {
		wait.Reason = fmt.Sprintf("it has %d of %d approvals%s", good, need, byWhom(g.By))
		if good < len(given) {
			wait.Reason += "; it was approved by " + strings.Join(given, ", ")
		}
		return nil, wait, nil
	}
	return value, nil, nil
}

func byWhom(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return " by " + strings.Join(by, " or ")
}

// approvers are the people that an approval's document names; named is false for
// a plain value, which names nobody.
func approvers(value json.RawMessage) (by []string, named bool) {
	var list Approval
	if json.Unmarshal(value, &list) == nil && len(list.Approvals) > 0 {
		for _, a := range list.Approvals {
			if !slices.Contains(by, a.By) {
				by = append(by, a.By)
			}
		}
		return by, true
	}
	var one Approved
	if json.Unmarshal(value, &one) == nil && one.By != "" {
		return []string{one.By}, true
	}
	return nil, false
}

// mayApprove says whether a person is one of those that are named. A team's
// members are asked of the forge.
func (r *Runner) mayApprove(ctx context.Context, who string, by []string) bool {
	return len(by) == 0 || slices.ContainsFunc(by, func(name string) bool {
		if strings.Contains(name, "/") {
			return r.Member != nil && r.Member(ctx, strings.TrimPrefix(name, "@"), who)
		}
		return strings.EqualFold(strings.TrimPrefix(name, "@"), strings.TrimPrefix(who, "@"))
	})
}
