package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Start works deliveries and operations with the handler until Stop. On SQLite
// it takes over at once what a process left that was killed.
func (l *Ledger) Start(ctx context.Context, h Handler) error {
	if !l.options.Serving {
		return errors.New("this ledger was not opened for serving")
	}
	l.mu.Lock()
	if l.handler != nil {
		l.mu.Unlock()
		return errors.New("the ledger was started already")
	}
	l.handler, l.draining = h, false
	l.mu.Unlock()
	// What outlives this call must not end with its context.
	ctx = context.WithoutCancel(ctx)
	err := l.takeOver(ctx, true)
	if err == nil {
		err = l.queue.start(ctx)
	}
	if err != nil {
		l.mu.Lock()
		l.handler = nil
		l.mu.Unlock()
		return fmt.Errorf("start the bot's workers: %w", err)
	}
	keep, end := context.WithCancel(ctx)
	l.mu.Lock()
	l.endKeep = end
	l.mu.Unlock()
	l.kept.Go(func() { l.keepLeases(keep) })
	l.kept.Go(func() { l.keepHouse(keep) })
	return nil
}

// How long handlers have to end once they were cancelled.
const drainGrace = 5 * time.Second

// Stop begins nothing new, and waits for what runs until the context ends. Then
// handlers are cancelled with ErrDraining, and what they have not finished is
// queued for the next process.
func (l *Ledger) Stop(ctx context.Context) error {
	l.mu.Lock()
	if l.handler == nil || l.draining {
		l.mu.Unlock()
		return nil
	}
	l.draining = true
	l.mu.Unlock()

	err := l.queue.stop(ctx)
	if err != nil {
		l.running.cancelAll(ErrDraining)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
		err = l.queue.stop(grace)
		cancel()
	}
	// Who does not hear loses the lease.
	for _, le := range l.running.all() {
		give, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		lost := l.db.write(give, false, func(ctx context.Context, t *tx) error { return l.giveBack(ctx, t, le.op) })
		cancel()
		if lost != nil && !errors.Is(lost, ErrLeaseLost) {
			err = errors.Join(err, lost)
		}
	}
	l.mu.Lock()
	l.handler = nil
	l.endKeep()
	l.mu.Unlock()
	l.kept.Wait()
	if err != nil {
		return fmt.Errorf("stop the bot's workers: %w", err)
	}
	return nil
}

func (l *Ledger) isDraining() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// keepLeases renews leases and hears requests to cancel.
func (l *Ledger) keepLeases(ctx context.Context) {
	renew := time.NewTicker(l.options.Lease / 3)
	defer renew.Stop()
	cancels := time.NewTicker(time.Second)
	defer cancels.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			l.renew(ctx)
		case <-cancels.C:
			l.hearCancels(ctx)
		}
	}
}

// keepHouse queues what has waited long enough and what dead processes left.
func (l *Ledger) keepHouse(ctx context.Context) {
	sweep := time.NewTicker(min(max(l.options.Lease/4, 500*time.Millisecond), 5*time.Second))
	defer sweep.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wakeup:
			due.Reset(0)
		case <-due.C:
			next, err := l.queueDue(ctx)
			if err != nil {
				l.log.Error("waiting operations can't be queued", "error", err)
				continue // the sweep does it
			}
			if !next.IsZero() {
				due.Reset(max(time.Until(next), 0))
			}
		case <-sweep.C:
			if err := l.takeOver(ctx, false); err != nil && ctx.Err() == nil {
				l.log.Error("abandoned work can't be taken over", "error", err)
			}
			due.Reset(0)
		}
	}
}

// wake looks at the waiting operations anew.
func (l *Ledger) wake() {
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

// queueDue queues the operations that have waited long enough, and gives the
// time of the next.
func (l *Ledger) queueDue(ctx context.Context) (next time.Time, err error) {
	due, err := selectOperations(ctx, l.db, `SELECT `+operationColumns+` FROM slipway_operations
		WHERE state = 'waiting' AND next_try <= $1 ORDER BY next_try LIMIT 500`, micros(time.Now()))
	if err != nil {
		return time.Time{}, err
	}
	for _, op := range due {
		err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
			if err := l.lockRepositories(ctx, t, []repositoryOf{op.repository()}); err != nil {
				return err
			}
			if _, err := t.exec(ctx, `UPDATE slipway_operations SET state = 'queued', next_try = 0
				WHERE id = $1 AND state = 'waiting' AND attempt = $2`, op.ID, op.Attempt); err != nil {
				return err
			}
			return l.advance(ctx, t, op.repository())
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	var earliest int64
	_, err = one(ctx, l.db, []any{&earliest}, `SELECT COALESCE(MIN(next_try), 0) FROM slipway_operations WHERE state = 'waiting'`)
	return fromMicros(earliest), err
}

// takeOver queues again what was begun by processes that are gone: their leases
// have run out, or, where this process is alone, it has just started.
func (l *Ledger) takeOver(ctx context.Context, starting bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	alone := starting && l.db.dialect().alone
	condition, args := `lease_until < `+l.db.dialect().now, []any(nil)
	if alone {
		condition, args = `owner <> $2`, []any{l.owner}
	}
	gone, err := selectOperations(ctx, l.db, `SELECT `+operationColumns+` FROM slipway_operations
		WHERE state = $1 AND `+condition, append([]any{string(OpRunning)}, args...)...)
	if err != nil {
		return err
	}
	for _, op := range gone {
		l.log.Warn("an operation is taken over from a process that is gone", "operation", op.ID, "attempt", op.Attempt)
		err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
			if err := l.lockRepositories(ctx, t, []repositoryOf{op.repository()}); err != nil {
				return err
			}
			return l.requeue(ctx, t, op, condition, args...)
		})
		if err != nil && !errors.Is(err, ErrLeaseLost) {
			return err
		}
	}
	if err := l.takeOverReconciles(ctx, alone); err != nil {
		return err
	}
	// A job ends within moments, however long its operation takes.
	before := time.Now().Add(-l.options.Lease)
	if alone {
		before = time.Now().Add(time.Second)
	}
	return l.queue.free(ctx, before)
}
