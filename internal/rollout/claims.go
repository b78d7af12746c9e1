package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// claims is the document that says who works on a package: one for all its
// releases. Whoever begins or ends an item writes it in the same batch, so what
// was read of a package's items is still so as long as this document is the
// same. Its serial makes each one different.
type claims struct {
	Serial uint64           `json:"serial"`
	Items  map[string]Claim `json:"items,omitempty"` // by "r7/call/build"
}

// Claim says who runs an item. It counts until its time, unless its process is
// known to have ended.
type Claim struct {
	Owner   string    `json:"owner"`             // one of each process
	Host    string    `json:"host,omitempty"`    // a running kernel and its process numbers
	PID     int       `json:"pid,omitempty"`     // of the host
	Job     string    `json:"job,omitempty"`     // a workflow's run and job
	Attempt int       `json:"attempt,omitempty"` // of that job, from 1
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}

func claimsDoc(pkg ref.Ref) string { return "claims/" + pkg.Package().String() }

func (r *Runner) readClaims(ctx context.Context, pkg ref.Ref) (claims, string, error) {
	c, version, _, err := read[claims](ctx, r.Store, claimsDoc(pkg))
	return c, version, err
}

// with gives the claims without some and with others.
func (c claims) with(without []string, add map[string]Claim) claims {
	next := claims{Serial: c.Serial + 1, Items: maps.Clone(c.Items)}
	if next.Items == nil {
		next.Items = map[string]Claim{}
	}
	for _, key := range without {
		delete(next.Items, key)
	}
	maps.Copy(next.Items, add)
	return next
}

// deploying says whether another process works on a deploy into an environment,
// of whichever release.
func (c claims) deploying(o Owner, key string, now time.Time) bool {
	for name, claim := range c.Items {
		if name[len(name)-min(len(name), len(key)+1):] == "/"+key && o.counts(claim, now) {
			return true
		}
	}
	return false
}

func (p *phaseRun) claimKey(e *entry) string { return p.o.self.Release + "/" + e.key }

// mostAlone is how often a batch may meet a conflict that no other process has
// brought about, as when a claim was renewed meanwhile.
const mostAlone = 30

// cycle writes down what runs came to and claims the next items, in one batch.
func (p *phaseRun) cycle(ctx context.Context, outs []outcome) error {
	for alone := 0; ; {
		batch, err := p.choose(ctx, len(outs))
		if err != nil {
			p.lost(outs, err)
			return err
		}
		if len(outs) == 0 && len(batch) == 0 {
			return nil
		}
		err = p.write(ctx, outs, batch)
		if !errors.Is(err, state.ErrConflict) {
			if err != nil {
				p.lost(outs, err)
				p.ready = slices.Concat(batch, p.ready)
			}
			return err
		}
		// Others work on the package, too: what is theirs is found out anew. Who works
		// on it claims it; another hand in the state is not to be waited out.
		before := p.claimsVersion
		p.todo = append(p.todo, batch...)
		p.todo = append(p.todo, p.ready...)
		p.ready = nil
		if outs, err = p.stillOurs(ctx, outs); err == nil && p.claimsVersion == before {
			if alone++; alone == mostAlone {
				err = fmt.Errorf("%w: what belongs to %s was changed, and nobody who claims it did", errState, p.o.self)
			}
		}
		if err != nil {
			p.lost(outs, err)
			return err
		}
		if err := p.look(ctx); err != nil {
			p.lost(outs, err)
			return err
		}
	}
}

// write applies one batch.
func (p *phaseRun) write(ctx context.Context, outs []outcome, batch []*entry) error {
	changes, err := p.changes(ctx, outs)
	if err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	now := p.r.now()
	claim := p.r.Owner.claim(now, now.Add(p.r.lease()))
	var ended []string
	for _, out := range outs {
		ended = append(ended, p.claimKey(out.entry))
	}
	began := map[string]Claim{}
	for _, e := range batch {
		began[p.claimKey(e)] = claim
	}
	next := p.claims.with(ended, began)
	changes = append(changes, change(claimsDoc(p.o.self), next, p.claimsVersion))
	versions, err := p.r.Store.Apply(ctx, p.history(outs, batch), changes...)
	if err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	p.claims, p.claimsVersion = next, versions[len(versions)-1]
	byRef := map[string]string{}
	for i, c := range changes {
		byRef[c.Ref] = versions[i]
	}
	for _, out := range outs {
		p.ended(ctx, out, byRef)
	}
	for _, e := range batch {
		p.begin(ctx, e, now)
	}
	return nil
}

// choose takes the items that may begin now. freed are places of runs that have
// ended.
func (p *phaseRun) choose(ctx context.Context, freed int) ([]*entry, error) {
	var batch []*entry
	for !p.stopped && len(p.ready) > 0 && len(p.running)-freed+len(batch) < p.limit {
		e := p.ready[0]
		p.ready = p.ready[1:]
		may, err := p.mayDeploy(ctx, e)
		if err != nil {
			p.ready = append(p.ready, batch...)
			return nil, err
		}
		if may {
			batch = append(batch, e)
		}
	}
	return batch, nil
}

// mayDeploy says whether a deploy may begin: no other one of the package into its
// environment runs, and no newer release is there already. Calls always may.
func (p *phaseRun) mayDeploy(ctx context.Context, e *entry) (bool, error) {
	if e.def.Kind != ref.Deploy {
		return true, nil
	}
	if p.claims.deploying(p.r.Owner, e.key, p.r.now()) {
		p.others = append(p.others, e)
		return false, nil
	}
	live, _, found, err := read[Item](ctx, p.r.Store, latestDoc(p.o.self, e.key))
	if err != nil {
		return false, err
	}
	if found && e.mode == carryOut && numberOf(live.Release) > p.o.doc.Number && !live.Pinned {
		return false, p.supersede(ctx, e, live)
	}
	return true, nil
}

// numberOf is the number of the release that a document belongs to.
func numberOf(release string) int {
	parsed, err := ref.Parse(release)
	if err != nil {
		return 0
	}
	n, _ := ref.Number(parsed.Release)
	return n
}

// stillOurs reads the claims and the items anew, and leaves the results whose
// items no other process has taken over.
func (p *phaseRun) stillOurs(ctx context.Context, outs []outcome) ([]outcome, error) {
	var err error
	p.o.foreign = true
	if p.claims, p.claimsVersion, err = p.r.readClaims(ctx, p.o.self); err != nil {
		return outs, fmt.Errorf("%w: %w", errState, err)
	}
	for _, e := range p.todo {
		if err := p.reload(ctx, e); err != nil {
			return outs, fmt.Errorf("%w: %w", errState, err)
		}
	}
	var ours []outcome
	for _, out := range outs {
		if p.claims.Items[p.claimKey(out.entry)].Owner == p.r.Owner.ID {
			// Only its version may be another one: of what was noted beside the run.
			if _, out.entry.version, _, err = read[Item](ctx, p.r.Store, itemDoc(p.o.self, p.o.self.Release, out.entry.key)); err != nil {
				return outs, fmt.Errorf("%w: %w", errState, err)
			}
			ours = append(ours, out)
			continue
		}
		e := out.entry
		p.running[e].task.Done("", errors.New("another process has taken it over"))
		delete(p.running, e)
		if err := p.reload(ctx, e); err != nil {
			return ours, fmt.Errorf("%w: %w", errState, err)
		}
		p.others = append(p.others, e)
	}
	return ours, nil
}

// refresh looks whether others have worked on the package since this process
// knew its items.
func (p *phaseRun) refresh(ctx context.Context) error {
	c, version, err := p.r.readClaims(ctx, p.o.self)
	if err != nil {
		return err
	}
	if version != p.claimsVersion {
		p.claims, p.claimsVersion, p.o.foreign = c, version, true
		for _, e := range slices.Concat(p.todo, p.others) {
			if err := p.reload(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *phaseRun) reload(ctx context.Context, e *entry) error {
	doc, version, found, err := read[Item](ctx, p.r.Store, itemDoc(p.o.self, p.o.self.Release, e.key))
	if err != nil {
		return err
	}
	if !found {
		doc = Item{Status: Pending}
	}
	e.doc, e.version = doc, version
	return nil
}

// renew makes the claims of what runs count on.
func (p *phaseRun) renew(ctx context.Context) {
	now := p.r.now()
	add := map[string]Claim{}
	for e, f := range p.running {
		if now.Sub(f.started) >= p.r.lease()/4 {
			add[p.claimKey(e)] = p.r.Owner.claim(f.started, now.Add(p.r.lease()))
		}
	}
	if len(add) == 0 {
		return
	}
	for range 5 {
		c, version, err := p.r.readClaims(ctx, p.o.self)
		if err == nil {
			for key := range add {
				if c.Items[key].Owner != p.r.Owner.ID {
					delete(add, key) // the end of the run will tell
				}
			}
			next := c.with(nil, add)
			var versions []string
			if versions, err = p.r.Store.Apply(ctx, p.o.self.Path+": "+p.o.self.Release+" goes on", change(claimsDoc(p.o.self), next, version)); err == nil {
				if version == p.claimsVersion {
					p.claims, p.claimsVersion = next, versions[0]
				}
				return
			}
		}
		if !errors.Is(err, state.ErrConflict) {
			p.r.note("the claim of what runs could not be renewed: " + err.Error())
			return
		}
	}
}
