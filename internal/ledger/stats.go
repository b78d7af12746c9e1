package ledger

import (
	"context"
	"fmt"
	"time"
)

// Stats is how much there is to do.
type Stats struct {
	// Operations that are not final, by lane, kind and state.
	Operations []OperationStats
	// Deliveries that are yet to be processed.
	Deliveries int
	// OldestDelivery is the age of the oldest of them.
	OldestDelivery time.Duration
}

// OperationStats is a number of operations.
type OperationStats struct {
	Lane   Lane
	Kind   string
	State  OperationState
	Count  int
	Oldest time.Duration // since the oldest was asked for
}

// Stats counts what is to be done.
func (l *Ledger) Stats(ctx context.Context) (s Stats, err error) {
	now := time.Now()
	age := func(oldest int64) time.Duration {
		if oldest == 0 {
			return 0
		}
		return max(now.Sub(fromMicros(oldest)), 0)
	}
	// Three conditions, each of which has its index.
	for _, state := range []OperationState{OpQueued, OpRunning, OpWaiting} {
		err := each(ctx, l.db, func(r rows) error {
			o := OperationStats{State: state}
			var oldest int64
			err := r.Scan(&o.Lane, &o.Kind, &o.Count, &oldest)
			o.Oldest = age(oldest)
			s.Operations = append(s.Operations, o)
			return err
		}, `SELECT lane, kind, COUNT(*), MIN(created) FROM slipway_operations WHERE state = '`+string(state)+`' GROUP BY lane, kind ORDER BY lane, kind`)
		if err != nil {
			return Stats{}, fmt.Errorf("count operations: %w", err)
		}
	}
	var oldest int64
	_, err = one(ctx, l.db, []any{&s.Deliveries, &oldest}, `SELECT COUNT(*), COALESCE(MIN(received), 0) FROM slipway_deliveries WHERE outcome = 'pending'`)
	if err != nil {
		return Stats{}, fmt.Errorf("count deliveries: %w", err)
	}
	s.OldestDelivery = age(oldest)
	return s, nil
}
