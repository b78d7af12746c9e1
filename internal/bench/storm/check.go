package storm

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/ledger"
)

// everything is more than a storm makes of anything.
const everything = 10_000_000

// check compares what is there with what should be.
func (w *world) check(ctx context.Context, l *ledger.Ledger, acknowledged map[string]int, r *Result) error {
	if err := w.checkLedger(ctx, l, acknowledged, r); err != nil {
		return err
	}
	if err := w.checkReleases(r); err != nil {
		return err
	}
	return w.checkAnswers(r)
}

func (r *Result) lost(format string, args ...any) { r.Lost++; r.fault(format, args...) }

func (r *Result) twice(n int, format string, args ...any) { r.Twice += n; r.fault(format, args...) }

func (r *Result) fault(format string, args ...any) {
	if len(r.Faults) < 20 {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// count compares how often something is there with once.
func (r *Result) count(n int, what string) {
	switch {
	case n == 0:
		r.lost("%s is not there", what)
	case n > 1:
		r.twice(n-1, "%s is there %d times", what, n)
	}
}

// checkLedger wants of each delivery what was acknowledged, and that it led to
// one operation with one end.
func (w *world) checkLedger(ctx context.Context, l *ledger.Ledger, acknowledged map[string]int, r *Result) error {
	kept, err := l.Deliveries(ctx, ledger.DeliveryFilter{Limit: everything})
	if err != nil {
		return err
	}
	there, made := map[string]bool{}, 0
	for _, d := range kept {
		there[d.GUID] = true
		switch d.Outcome {
		case ledger.Queued:
			made++
		case ledger.Folded:
		default:
			r.lost("delivery %s ended as %s: %s", d.GUID, d.Outcome, d.Reason)
		}
	}
	for guid := range acknowledged {
		if !there[guid] {
			r.lost("delivery %s was acknowledged, and is not there", guid)
		}
	}
	operations, err := l.Operations(ctx, ledger.OperationFilter{Limit: everything})
	if err != nil {
		return err
	}
	r.Operations = len(operations)
	if made > len(operations) {
		r.twice(made-len(operations), "%d deliveries made %d operations", made, len(operations))
	}
	ended, err := l.AuditLog(ctx, ledger.AuditFilter{Limit: everything})
	if err != nil {
		return err
	}
	ends := map[int64]int{}
	for _, e := range ended {
		ends[e.Operation]++
	}
	byIdentity := map[string]int{}
	for _, op := range operations {
		byIdentity[op.Identity]++
		if op.State != ledger.OpDone {
			r.lost("operation %s ended as %s: %s", op.Identity, op.State, op.Summary)
		}
		r.count(ends[op.ID], "the end of operation "+op.Identity)
		if op.Attempt > 1 {
			r.Restarted++
		}
	}
	for _, d := range w.deliveries {
		r.count(byIdentity[d.identity], "operation "+d.identity)
	}
	if len(operations) > len(w.deliveries) {
		r.twice(len(operations)-len(w.deliveries), "%d operations were asked for, and %d are there", len(w.deliveries), len(operations))
	}
	return nil
}

// checkReleases wants each tag released once: one release that is public, one
// request that made it so.
func (w *world) checkReleases(r *Result) error {
	published := 0
	for _, req := range w.forge.Recorder().Requests() {
		if req.Op == simforge.OpPublish && req.Status < 300 {
			published++
		}
	}
	if published != w.releases {
		r.twice(max(published-w.releases, 0), "%d releases were published by %d requests", w.releases, published)
	}
	public := map[string]int{}
	for _, name := range w.names {
		repo, _ := w.forge.Repo(name)
		all, err := repo.Releases(memory.Writer)
		if err != nil {
			return err
		}
		for _, rel := range all {
			public[name+" "+rel.Tag]++
			if rel.Draft {
				r.fault("%s of %s is a draft", rel.Tag, name)
			}
		}
	}
	for _, d := range w.deliveries {
		if d.tag != "" {
			r.count(public[d.repository+" "+d.tag], fmt.Sprintf("the release of %s of %s", d.tag, d.repository))
		}
	}
	return nil
}

// checkAnswers wants one answer to each comment.
func (w *world) checkAnswers(r *Result) error {
	for _, d := range w.deliveries {
		if d.issue == 0 {
			continue
		}
		repo, _ := w.forge.Repo(d.repository)
		all, err := repo.CommentsAt(forge.Place{Issue: d.issue})
		if err != nil {
			return err
		}
		answers := 0
		for _, c := range all {
			if strings.EqualFold(c.Author.Login, repo.Self()) {
				answers++
			}
		}
		r.count(answers, fmt.Sprintf("the answer in %s#%d", d.repository, d.issue))
	}
	return nil
}
