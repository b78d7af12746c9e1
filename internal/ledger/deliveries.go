package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// DeliveryFilter chooses deliveries; what is empty does not matter.
type DeliveryFilter struct {
	Forge      string
	Event      string
	GUID       string
	Repository string
	Outcome    DeliveryOutcome
	Since      time.Time
	Before     int64 // an id: older than this one
	Limit      int   // 0 is 100
}

const deliveryColumns = `id, forge, event, guid, repository, received, outcome, reason, operations, processed`

func scanDelivery(r rows, more ...any) (d Delivery, err error) {
	var received, processed int64
	var operations string
	err = r.Scan(append([]any{&d.ID, &d.Forge, &d.Event, &d.GUID, &d.Repository, &received, &d.Outcome, &d.Reason,
		&operations, &processed}, more...)...)
	if err == nil && operations != "" {
		err = json.Unmarshal([]byte(operations), &d.Operations)
	}
	d.Received, d.Processed = fromMicros(received), fromMicros(processed)
	return d, err
}

// Deliveries lists deliveries without their bodies, newest first.
func (l *Ledger) Deliveries(ctx context.Context, f DeliveryFilter) (found []Delivery, err error) {
	var w where
	w.equal("forge", f.Forge)
	w.equal("event", f.Event)
	w.equal("guid", f.GUID)
	w.equal("repository", f.Repository)
	w.equal("outcome", string(f.Outcome))
	if !f.Since.IsZero() {
		w.and("received >= ?", micros(f.Since))
	}
	if f.Before != 0 {
		w.and("id < ?", f.Before)
	}
	err = each(ctx, l.db, func(r rows) error {
		d, err := scanDelivery(r)
		found = append(found, d)
		return err
	}, `SELECT `+deliveryColumns+` FROM slipway_deliveries`+w.String()+
		` ORDER BY id DESC LIMIT `+w.value(cmp.Or(f.Limit, 100)), w.args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return found, nil
}

// Delivery reads a delivery with its body. ErrNotFound when there is none.
func (l *Ledger) Delivery(ctx context.Context, id int64) (d Delivery, err error) {
	found := false
	err = each(ctx, l.db, func(r rows) error {
		found = true
		var stored []byte
		if d, err = scanDelivery(r, &stored); err != nil {
			return err
		}
		d.Body, err = uncompress(stored)
		return err
	}, `SELECT `+deliveryColumns+`, body FROM slipway_deliveries JOIN slipway_bodies ON delivery = id WHERE id = $1`, id)
	if err != nil {
		return Delivery{}, fmt.Errorf("read delivery %d: %w", id, err)
	}
	if !found {
		return Delivery{}, fmt.Errorf("delivery %d: %w", id, ErrNotFound)
	}
	return d, nil
}

// Replay has a stored delivery processed once more.
func (l *Ledger) Replay(ctx context.Context, id int64) error {
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE slipway_deliveries SET outcome = 'pending', reason = '', processed = 0 WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return l.queue.insert(ctx, t, deliveryJob{id})
	})
	if err != nil {
		return fmt.Errorf("replay delivery %d: %w", id, err)
	}
	return nil
}

// Prune forgets processed deliveries that were received longer ago than keep,
// and says how many. Others write meanwhile.
func (l *Ledger) Prune(ctx context.Context, keep time.Duration) (pruned int64, err error) {
	const batch = 200
	before := micros(time.Now().Add(-keep))
	for {
		var n int64
		err := l.db.write(ctx, false, func(ctx context.Context, t *tx) (err error) {
			const old = `(SELECT id FROM slipway_deliveries WHERE received < $1 AND outcome <> 'pending' ORDER BY id LIMIT $2)`
			if _, err = t.exec(ctx, `DELETE FROM slipway_bodies WHERE delivery IN `+old, before, batch); err != nil {
				return err
			}
			n, err = t.exec(ctx, `DELETE FROM slipway_deliveries WHERE id IN `+old, before, batch)
			return err
		})
		if err != nil {
			return pruned, fmt.Errorf("prune deliveries: %w", err)
		}
		pruned += n
		if n < batch {
			return pruned, nil
		}
	}
}
