package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// workOperation makes one attempt at an operation. The job ends when the
// operation has its lease; from then on the lease says that it is running.
func (l *Ledger) workOperation(ctx context.Context, job *river.Job[operationJob]) error {
	handler, ok := l.taking()
	if !ok {
		return river.JobSnooze(0)
	}
	begun := time.Now() // before the database's clock is asked
	op, err := l.begin(ctx, job.Args, job.JobRow)
	if err != nil || op == nil {
		return err
	}
	// The handler's context ends by its cause alone, not with River's.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	lease := l.running.add(*op, cancel, begun.Add(l.options.Lease))
	defer l.running.remove(lease)
	if l.isDraining() {
		cancel(ErrDraining)
	}
	l.end(work, lease, operate(work, l.log.With("operation", op.ID), handler, *op))
	return nil
}

// begin takes the lease of an operation that is ready to be begun for the
// given time; it is nil when it is not, or no longer.
func (l *Ledger) begin(ctx context.Context, job operationJob, row *rivertype.JobRow) (*Operation, error) {
	before, err := l.Operation(ctx, job.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var begun *Operation
	err = l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		begun = nil
		if err := l.lockRepositories(ctx, t, []repositoryOf{before.repository()}); err != nil {
			return err
		}
		got, err := selectOperations(ctx, t, `UPDATE slipway_operations
			SET state = 'running', ready = 0, attempt = attempt + 1, started = $3, next_try = 0, owner = $4, lease_until = `+l.db.dialect().now+` + $5
			WHERE id = $1 AND attempt = $2 AND state = 'queued' AND ready = 1 AND NOT (lane <> 'command' AND EXISTS (
				SELECT 1 FROM slipway_holds h WHERE h.forge = slipway_operations.forge AND h.repository = slipway_operations.repository))
			RETURNING `+operationColumns, job.ID, job.Attempt, micros(time.Now()), l.owner, l.options.Lease.Microseconds())
		if err != nil {
			return err
		}
		if len(got) == 1 {
			begun = &got[0]
		} else if _, err := t.exec(ctx, `UPDATE slipway_operations SET ready = 0 WHERE id = $1 AND attempt = $2 AND state = 'queued'`,
			job.ID, job.Attempt); err != nil { // its repository is held
			return err
		}
		return l.queue.complete(ctx, t, row)
	})
	return begun, err
}

func operate(ctx context.Context, log *slog.Logger, h Handler, op Operation) (r Result) {
	defer func() {
		if p := recover(); p != nil {
			r = Result{State: OpFailed, Summary: fmt.Sprintf("Slipway itself failed: %v", p)}
			log.Error("panic in an operation", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return h.Operate(ctx, op)
}

// end writes down how an attempt ended, for as long as it has its lease.
func (l *Ledger) end(ctx context.Context, lease *lease, r Result) {
	op, cause := lease.op, context.Cause(ctx)
	log := l.log.With("operation", op.ID, "attempt", op.Attempt)
	give := func(ctx context.Context, t *tx) error { return l.record(ctx, t, op, r) }
	switch {
	case errors.Is(cause, ErrLeaseLost):
		log.Warn("an operation's result is dropped: " + ErrLeaseLost.Error())
		return
	case errors.Is(cause, ErrDraining):
		give = func(ctx context.Context, t *tx) error { return l.giveBack(ctx, t, op) }
	case r.State == OpWaiting && errors.Is(cause, ErrCancelled):
		r.State = OpCancelled
	case r.State != OpWaiting && !r.State.Final():
		r = Result{State: OpFailed, Summary: fmt.Sprintf("Slipway itself failed: an attempt ended as %q", r.State)}
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := l.db.write(try, false, give)
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, ErrLeaseLost) || errors.Is(context.Cause(ctx), ErrLeaseLost) || lease.over() {
			log.Warn("an operation's result is dropped", "error", err)
			return
		}
		log.Error("an operation's result can't be stored yet", "error", err)
		time.Sleep(wait)
	}
	if r.State == OpWaiting {
		l.wake()
	}
}

// record is the fenced write of a result, with all that follows from it.
func (l *Ledger) record(ctx context.Context, t *tx, op Operation, r Result) error {
	of := op.repository()
	if err := l.lockRepositories(ctx, t, append(repositoriesOf(r.Next), of)); err != nil {
		return err
	}
	now := time.Now()
	nextTry := micros(now.Add(cmp.Or(r.After, backoff(op.Attempt))))
	// One that is to wait, and was cancelled meanwhile, ends.
	const waits = `CAST($4 AS TEXT) = 'waiting' AND cancelled_by = ''`
	ended, err := selectOperations(ctx, t, `UPDATE slipway_operations
		SET state = CASE WHEN CAST($4 AS TEXT) = 'waiting' AND cancelled_by <> '' THEN 'cancelled' ELSE CAST($4 AS TEXT) END,
			summary = $5, report = COALESCE($6, report),
			next_try = CASE WHEN `+waits+` THEN CAST($7 AS BIGINT) ELSE 0 END,
			finished = CASE WHEN `+waits+` THEN 0 ELSE CAST($8 AS BIGINT) END,
			owner = '', lease_until = 0, cancelled_by = ''
		WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running' RETURNING `+operationColumns,
		op.ID, l.owner, op.Attempt, string(r.State), clean(r.Summary), nullable(r.Report), nextTry, micros(now))
	if err != nil {
		return err
	}
	if len(ended) == 0 {
		return ErrLeaseLost
	}
	if ended[0].State.Final() {
		if err := auditEnd(ctx, t, ended[0]); err != nil {
			return err
		}
	}
	_, err = l.propose(ctx, t, r.Next, []repositoryOf{of})
	return err
}

// giveBack queues an operation again that this process can't finish.
func (l *Ledger) giveBack(ctx context.Context, t *tx, op Operation) error {
	if err := l.lockRepositories(ctx, t, []repositoryOf{op.repository()}); err != nil {
		return err
	}
	return l.requeue(ctx, t, op, "owner = $2 AND attempt = $3", l.owner, op.Attempt)
}

// requeue queues a running operation again if the condition, which begins with
// parameter 2, holds; one whose end somebody has asked for ends.
func (l *Ledger) requeue(ctx context.Context, t *tx, op Operation, condition string, args ...any) error {
	args = append([]any{op.ID}, args...)
	finished := placeholder(len(args) + 1)
	changed, err := selectOperations(ctx, t, `UPDATE slipway_operations SET
		state = CASE WHEN cancelled_by = '' THEN 'queued' ELSE 'cancelled' END,
		summary = CASE WHEN cancelled_by = '' THEN summary ELSE 'cancelled by ' || cancelled_by END,
		finished = CASE WHEN cancelled_by = '' THEN 0 ELSE CAST(`+finished+` AS BIGINT) END,
		cancelled_by = '', owner = '', lease_until = 0, ready = 0
		WHERE id = $1 AND state = 'running' AND `+condition+` RETURNING `+operationColumns, append(args, micros(time.Now()))...)
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		return ErrLeaseLost
	}
	if changed[0].State.Final() {
		if err := auditEnd(ctx, t, changed[0]); err != nil {
			return err
		}
	}
	return l.advance(ctx, t, op.repository())
}

// backoff is the wait after so many attempts: 15 s, doubling to 10 min, ± 10 %.
func backoff(attempt int) time.Duration {
	wait := 10 * time.Minute
	if attempt <= 6 {
		wait = min(wait, 15*time.Second<<max(attempt-1, 0))
	}
	return wait + time.Duration((rand.Float64()*0.2-0.1)*float64(wait)) //nolint:gosec // nothing secret
}
