package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrState means that an operation is in no state for what was asked.
var ErrState = errors.New("it can't be done now")

// Retry queues an operation again that ended without being done.
func (l *Ledger) Retry(ctx context.Context, id int64, actor string) error {
	return l.change(ctx, "retry", id, func(ctx context.Context, t *tx, op Operation) error {
		switch {
		case op.State == OpDone:
			return fmt.Errorf("%w: operation %d is done", ErrState, id)
		case !op.State.Final():
			return fmt.Errorf("%w: operation %d is %s; cancel it before it is begun anew", ErrState, id, op.State)
		}
		if _, err := t.exec(ctx, `UPDATE slipway_operations SET state = 'queued', ready = 0, finished = 0, next_try = 0, cancelled_by = ''
			WHERE id = $1`, id); err != nil {
			return err
		}
		if err := audit(ctx, t, entryOf(op, actor, "retry", "queued")); err != nil {
			return err
		}
		return l.advance(ctx, t, op.repository())
	})
}

// Cancel ends an operation. One that runs is asked to end: its handler's context
// ends with cause ErrCancelled, at once in this process and within about a
// second in another.
func (l *Ledger) Cancel(ctx context.Context, id int64, actor string) error {
	return l.change(ctx, "cancel", id, func(ctx context.Context, t *tx, op Operation) error {
		switch op.State {
		case OpQueued, OpWaiting:
			ended, err := selectOperations(ctx, t, `UPDATE slipway_operations
				SET state = 'cancelled', ready = 0, next_try = 0, finished = $2, summary = $3 WHERE id = $1 RETURNING `+operationColumns,
				id, micros(time.Now()), clean("cancelled by "+actor))
			if err != nil {
				return err
			}
			if err := audit(ctx, t, entryOf(op, actor, "cancel", string(OpCancelled))); err != nil {
				return err
			}
			if err := auditEnd(ctx, t, ended[0]); err != nil {
				return err
			}
			return l.advance(ctx, t, op.repository())
		case OpRunning:
			if _, err := t.exec(ctx, `UPDATE slipway_operations SET cancelled_by = $2 WHERE id = $1`, id, clean(actor)); err != nil {
				return err
			}
			t.after = append(t.after, func() {
				if le := l.running.get(id); le != nil && le.op.Attempt == op.Attempt {
					le.cancel(ErrCancelled)
				}
			})
			return audit(ctx, t, entryOf(op, actor, "cancel", "requested"))
		default:
			return fmt.Errorf("%w: operation %d is %s already", ErrState, id, op.State)
		}
	})
}

// change changes an operation under its repository's lock.
func (l *Ledger) change(ctx context.Context, what string, id int64, do func(ctx context.Context, t *tx, op Operation) error) error {
	op, err := l.Operation(ctx, id) // its repository never changes
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		if err := l.lockRepositories(ctx, t, []repositoryOf{op.repository()}); err != nil {
			return err
		}
		op, err := l.operation(ctx, t, fmt.Sprintf("operation %d", id), "id = $1", id)
		if err != nil {
			return err
		}
		return do(ctx, t, op)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Hold is a repository's lanes Releases and Rollouts being held.
type Hold struct {
	Forge      string    `json:"forge"`
	Repository string    `json:"repository"`
	Actor      string    `json:"actor"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since"`
}

// Hold has nothing of the repository's lanes Releases and Rollouts begin until Unhold; what
// runs goes on. A second hold replaces the first.
func (l *Ledger) Hold(ctx context.Context, forge, repository, actor, reason string) error {
	return l.setHold(ctx, "hold", AuditEntry{Actor: actor, Forge: forge, Repository: repository, Outcome: "held", Detail: reason},
		`INSERT INTO slipway_holds (forge, repository, actor, reason, since) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (forge, repository) DO UPDATE SET actor = excluded.actor, reason = excluded.reason`,
		clean(actor), clean(reason), micros(time.Now()))
}

// Unhold ends a hold; where there is none it changes nothing.
func (l *Ledger) Unhold(ctx context.Context, forge, repository, actor string) error {
	return l.setHold(ctx, "unhold", AuditEntry{Actor: actor, Forge: forge, Repository: repository, Outcome: "released"},
		`DELETE FROM slipway_holds WHERE forge = $1 AND repository = $2`)
}

func (l *Ledger) setHold(ctx context.Context, action string, entry AuditEntry, sql string, args ...any) error {
	entry.Action = action
	of := repositoryOf{clean(entry.Forge), clean(entry.Repository)}
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		if err := l.lockRepositories(ctx, t, []repositoryOf{of}); err != nil {
			return err
		}
		n, err := t.exec(ctx, sql, append([]any{of.forge, of.repository}, args...)...)
		if err != nil || n == 0 {
			return err
		}
		if err := audit(ctx, t, entry); err != nil {
			return err
		}
		return l.advance(ctx, t, of)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, entry.Repository, err)
	}
	return nil
}

// Held is the hold of a repository, nil when there is none.
func (l *Ledger) Held(ctx context.Context, forge, repository string) (*Hold, error) {
	var w where
	w.and("forge = ?", clean(forge))
	w.and("repository = ?", clean(repository))
	holds, err := l.holds(ctx, w)
	if err != nil || len(holds) == 0 {
		return nil, err
	}
	return &holds[0], nil
}

// Holds lists all holds.
func (l *Ledger) Holds(ctx context.Context) ([]Hold, error) { return l.holds(ctx, where{}) }

func (l *Ledger) holds(ctx context.Context, w where) (holds []Hold, err error) {
	err = each(ctx, l.db, func(r rows) error {
		var h Hold
		var since int64
		err := r.Scan(&h.Forge, &h.Repository, &h.Actor, &h.Reason, &since)
		h.Since = fromMicros(since)
		holds = append(holds, h)
		return err
	}, `SELECT forge, repository, actor, reason, since FROM slipway_holds`+w.String()+` ORDER BY forge, repository`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return holds, nil
}
