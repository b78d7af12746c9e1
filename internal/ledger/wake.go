package ledger

import "context"

// Wake has an operation that waits for its next try begin it now. One that does
// not wait is left as it is.
func (l *Ledger) Wake(ctx context.Context, id int64) error {
	return l.change(ctx, "wake", id, func(ctx context.Context, t *tx, op Operation) error {
		if op.State != OpWaiting {
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE slipway_operations SET state = 'queued', ready = 0, next_try = 0 WHERE id = $1 AND state = 'waiting'`, id); err != nil {
			return err
		}
		return l.advance(ctx, t, op.repository())
	})
}
