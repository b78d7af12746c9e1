package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
)

// workers are what River calls.
func (l *Ledger) workers() *river.Workers {
	w := river.NewWorkers()
	river.AddWorker(w, river.WorkFunc(l.workDelivery))
	river.AddWorker(w, river.WorkFunc(l.workOperation))
	river.AddWorker(w, river.WorkFunc(l.workReconcile))
	return w
}

// workDelivery has the handler decide what a delivery asks for, and writes that
// down, together with the end of the job.
func (l *Ledger) workDelivery(ctx context.Context, job *river.Job[deliveryJob]) error {
	handler, ok := l.taking()
	if !ok {
		return river.JobSnooze(0)
	}
	l.accepts.giveWay(ctx)
	d, err := l.Delivery(ctx, job.Args.ID)
	if err != nil {
		return err
	}
	var v Verdict
	if d.Outcome == Pending {
		v, err = deliver(ctx, handler, d)
	}
	if err != nil && job.Attempt < job.MaxAttempts {
		return l.deliveryFailed(ctx, d, err)
	}
	if err != nil {
		v = Verdict{Outcome: Invalid, Reason: fmt.Sprintf("it could not be processed in %d tries; the last one: %v", job.Attempt, err)}
	}
	return l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		if d.Outcome == Pending {
			if err := l.decide(ctx, t, d, v); err != nil {
				return err
			}
		}
		return l.queue.complete(ctx, t, job.JobRow)
	})
}

// taking is the handler while new work may begin.
func (l *Ledger) taking() (Handler, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handler, l.handler != nil && !l.draining
}

func deliver(ctx context.Context, h Handler, d Delivery) (_ Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h.Deliver(ctx, d)
}

// decide writes a verdict down, unless somebody else has.
func (l *Ledger) decide(ctx context.Context, t *tx, d Delivery, v Verdict) error {
	of := repositoryOf{clean(d.Forge), clean(d.Repository)}
	if err := l.lockRepositories(ctx, t, append(repositoriesOf(v.Operations), of)); err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE slipway_deliveries SET outcome = $2, reason = $3, processed = $4 WHERE id = $1 AND outcome = 'pending'`,
		d.ID, string(v.Outcome), clean(v.Reason), micros(time.Now()))
	if err != nil || n == 0 {
		return err
	}
	if err := supersede(ctx, t, d.Forge, d.Repository, v.Supersede); err != nil {
		return err
	}
	for i := range v.Operations {
		v.Operations[i].Delivery = d.ID
	}
	proposed, err := l.propose(ctx, t, v.Operations, []repositoryOf{of})
	if err != nil || len(proposed) == 0 {
		return err
	}
	ids, outcome := make([]int64, len(proposed)), Folded
	for i, p := range proposed {
		ids[i] = p.ID
		if p.New {
			outcome = Queued
		}
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE slipway_deliveries SET outcome = $2, operations = $3 WHERE id = $1`, d.ID, string(outcome), string(list))
	return err
}

// deliveryFailed leaves a delivery to River's next try. The operations of later
// ones wait for it no longer.
func (l *Ledger) deliveryFailed(ctx context.Context, d Delivery, cause error) error {
	l.log.Error("a delivery can't be processed yet", "forge", d.Forge, "delivery", d.ID, "error", cause)
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		of := repositoryOf{clean(d.Forge), clean(d.Repository)}
		if err := l.lockRepositories(ctx, t, []repositoryOf{of}); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE slipway_deliveries SET tries = tries + 1, reason = $2 WHERE id = $1 AND outcome = 'pending'`,
			d.ID, clean(cause.Error())); err != nil {
			return err
		}
		return l.advance(ctx, t, of)
	})
	if err != nil {
		l.log.Error("a delivery's failure can't be written down", "delivery", d.ID, "error", err)
	}
	return cause
}
