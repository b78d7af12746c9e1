package ledger

import (
	"context"
	"maps"
	"sync"
	"time"
)

// running is what this process holds leases of.
type running struct {
	mu     sync.Mutex
	leases map[int64]*lease
	// reconciles are few, and short.
	reconciles map[reconcileJob]*lease
}

// lease is one attempt of an operation at work. Its handler is cancelled when
// the lease has run out, whether or not the database can be asked.
type lease struct {
	op     Operation
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	until time.Time
	timer *time.Timer
}

func newRunning() *running {
	return &running{leases: map[int64]*lease{}, reconciles: map[reconcileJob]*lease{}}
}

func (r *running) add(op Operation, cancel context.CancelCauseFunc, until time.Time) *lease {
	le := newLease(cancel, until)
	le.op = op
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases[op.ID] = le
	return le
}

func newLease(cancel context.CancelCauseFunc, until time.Time) *lease {
	return &lease{cancel: cancel, until: until,
		timer: time.AfterFunc(time.Until(until), func() { cancel(ErrLeaseLost) })}
}

func (r *running) addReconcile(of reconcileJob, cancel context.CancelCauseFunc, until time.Time) *lease {
	le := newLease(cancel, until)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reconciles[of] = le
	return le
}

func (r *running) removeReconcile(of reconcileJob, le *lease) {
	le.timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reconciles[of] == le {
		delete(r.reconciles, of)
	}
}

// cancelAll ends all that runs here.
func (r *running) cancelAll(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, le := range r.leases {
		le.cancel(cause)
	}
	for _, le := range r.reconciles {
		le.cancel(cause)
	}
}

func (r *running) remove(le *lease) {
	le.timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leases[le.op.ID] == le { // a later attempt may have begun here
		delete(r.leases, le.op.ID)
	}
}

func (r *running) get(id int64) *lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leases[id]
}

func (r *running) all() []*lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*lease, 0, len(r.leases))
	for _, le := range r.leases {
		all = append(all, le)
	}
	return all
}

func (r *running) allReconciles() map[reconcileJob]*lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.reconciles)
}

func (le *lease) renewed(until time.Time) {
	le.mu.Lock()
	defer le.mu.Unlock()
	// A timer that has fired has cancelled the handler; it stays cancelled.
	if le.timer.Stop() {
		le.until = until
		le.timer.Reset(time.Until(until))
	}
}

func (le *lease) over() bool {
	le.mu.Lock()
	defer le.mu.Unlock()
	return time.Now().After(le.until)
}

// renew makes all leases longer, and cancels the handlers of those that others
// have taken.
func (l *Ledger) renew(ctx context.Context) {
	before, reconciles := l.running.all(), l.running.allReconciles()
	if len(before)+len(reconciles) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.options.Lease/3)
	defer cancel()
	asked := time.Now()
	ours, reconciled := map[int64]int{}, map[reconcileJob]bool{}
	err := l.db.write(ctx, true, func(ctx context.Context, t *tx) error {
		clear(ours)
		clear(reconciled)
		err := each(ctx, t, func(r rows) error {
			var id int64
			var attempt int
			err := r.Scan(&id, &attempt)
			ours[id] = attempt
			return err
		}, `UPDATE slipway_operations SET lease_until = `+l.db.dialect().now+` + $2
			WHERE owner = $1 AND state = 'running' RETURNING id, attempt`, l.owner, l.options.Lease.Microseconds())
		if err != nil {
			return err
		}
		return each(ctx, t, func(r rows) error {
			var of reconcileJob
			err := r.Scan(&of.Forge, &of.Repository)
			reconciled[of] = true
			return err
		}, `UPDATE slipway_reconciles SET lease_until = `+l.db.dialect().now+` + $2
			WHERE owner = $1 RETURNING forge, repository`, l.owner, l.options.Lease.Microseconds())
	})
	if err != nil {
		l.log.Error("leases can't be renewed", "operations", len(before), "error", err)
		return
	}
	for _, le := range before {
		if ours[le.op.ID] == le.op.Attempt {
			le.renewed(asked.Add(l.options.Lease))
		} else {
			le.cancel(ErrLeaseLost) // or it has just ended
		}
	}
	for of, le := range reconciles {
		if reconciled[of] {
			le.renewed(asked.Add(l.options.Lease))
		} else {
			le.cancel(ErrLeaseLost)
		}
	}
}

// hearCancels ends what another process was asked to cancel.
func (l *Ledger) hearCancels(ctx context.Context) {
	if len(l.running.all()) == 0 {
		return
	}
	var ids []int64
	err := each(ctx, l.db, func(r rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM slipway_operations WHERE owner = $1 AND state = 'running' AND cancelled_by <> ''`, l.owner)
	if err != nil {
		l.log.Error("requests to cancel can't be read", "error", err)
		return
	}
	for _, id := range ids {
		if le := l.running.get(id); le != nil {
			le.cancel(ErrCancelled)
		}
	}
}
