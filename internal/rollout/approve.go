package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Approve writes down that somebody approves a release. It is refused where the
// package names others, and where no such approval is asked for.
func (r *Runner) Approve(ctx context.Context, pkg ref.Ref, doc Release, name, who string) error {
	if who == "" {
		return release.Invalidf("set SLIPWAY_USER", "it is not known who approves")
	}
	o, err := r.open(ctx, pkg, releaseName(doc.Number))
	if err != nil {
		return err
	}
	at := ApprovalDoc(o.self, name)
	gate, asked := o.asksFor(at)
	if !asked {
		return release.Refuse("see `slipway release show "+pkg.Path+"`", "%s asks for no approval %q%s", o.self, name, o.approvals())
	}
	if gate != nil && !r.mayApprove(ctx, who, gate.By) {
		return release.Refuse("", "%s may not approve %s: it needs an approval%s", who, o.self, byWhom(gate.By))
	}
	for {
		old, version, found, err := read[json.RawMessage](ctx, r.Store, at.Document())
		if err != nil {
			return err
		}
		var given Approval
		if found {
			if by, named := approvers(old); named && slices.Contains(by, who) {
				return nil
			}
			_ = json.Unmarshal(old, &given) // a plain value names nobody: this one does
		}
		given.Approvals = append(given.Approvals, Approved{By: who, At: r.now()})
		_, err = r.Store.Apply(ctx, who+" approves "+o.self.String(), change(at.Document(), given, version))
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// asksFor says whether a package's release waits for a custom value, and with
// which gate.
func (o *opened) asksFor(at ref.Ref) (*lang.Gate, bool) {
	for _, in := range o.inputs() {
		switch {
		case in.Gate != nil && in.Gate.Soak == 0 && ApprovalDoc(o.self, in.Gate.Name) == at:
			return in.Gate, true
		case in.Ref != nil && in.Ref.Kind == ref.Custom && ownOf(o.self, *in.Ref) && in.Ref.Name == at.Name:
			return nil, true
		}
	}
	return nil, false
}

// inputs are all that a release's items have, those that chains wait with too.
func (o *opened) inputs() (all []lang.Input) {
	for _, entries := range o.phases {
		for _, e := range entries {
			for _, in := range e.def.Inputs {
				all = append(all, in)
			}
			if e.doc.Next != nil {
				for _, in := range e.doc.Next.Inputs {
					all = append(all, in)
				}
			}
		}
	}
	return all
}

// approvals names what can be approved.
func (o *opened) approvals() string {
	var names []string
	for _, in := range o.inputs() {
		switch {
		case in.Gate != nil && in.Gate.Soak == 0:
			names = append(names, in.Gate.Name)
		case in.Ref != nil && in.Ref.Kind == ref.Custom && ownOf(o.self, *in.Ref):
			names = append(names, in.Ref.Name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return ""
	}
	return "; it has " + oneOf(names)
}

func oneOf(names []string) string {
	text := names[0]
	for _, n := range names[1:] {
		text += ", " + n
	}
	return text
}
