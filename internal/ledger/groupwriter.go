package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// groupWriter commits what several callers write in one transaction: SQLite
// has one writer, and its commit waits for the disk.
type groupWriter struct {
	db     *sql.DB
	urgent chan *writeRequest
	others chan *writeRequest
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
}

type writeRequest struct {
	ctx  context.Context //nolint:containedctx // it is the caller's, who waits
	do   func(ctx context.Context, t *tx) error
	done chan error // has room for the answer
}

// With urgent ones in a group, few others join them, so that they wait little.
const (
	groupUrgent         = 16
	groupOthers         = 64
	groupOthersInFlight = 8
)

// errClosed is for callers that come after Close.
var errClosed = errors.New("the ledger is closed")

func newGroupWriter(db *sql.DB) *groupWriter {
	g := &groupWriter{
		db:     db,
		urgent: make(chan *writeRequest, groupUrgent), others: make(chan *writeRequest, groupOthers),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	go g.loop()
	return g
}

func (g *groupWriter) write(ctx context.Context, urgent bool, do func(context.Context, *tx) error) error {
	r := &writeRequest{ctx: ctx, do: do, done: make(chan error, 1)}
	to := g.others
	if urgent {
		to = g.urgent
	}
	select {
	case to <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-g.quit:
		return errClosed
	}
	// Once it is taken its end is waited for: the caller must know whether it
	// was written. The writer bounds how long that takes.
	select {
	case err := <-r.done:
		return err
	case <-g.done:
		select {
		case err := <-r.done:
			return err
		default:
			return errClosed
		}
	}
}

func (g *groupWriter) close() {
	g.once.Do(func() { close(g.quit) })
	<-g.done
}

func (g *groupWriter) loop() {
	defer close(g.done)
	for {
		var first *writeRequest
		select {
		case first = <-g.urgent:
		default:
			select {
			case first = <-g.urgent:
			case first = <-g.others:
			case <-g.quit:
				return
			}
		}
		g.commit(g.gather(first))
	}
}

// gather adds all that waits already to a group.
func (g *groupWriter) gather(first *writeRequest) []*writeRequest {
	group := []*writeRequest{first}
	for len(group) < groupUrgent {
		select {
		case r := <-g.urgent:
			group = append(group, r)
			continue
		default:
		}
		break
	}
	limit := len(group) + groupOthersInFlight
	if len(group) == 1 {
		limit = groupOthers
	}
	for len(group) < limit {
		select {
		case r := <-g.others:
			group = append(group, r)
			continue
		default:
		}
		break
	}
	return group
}

// commit answers all of a group.
func (g *groupWriter) commit(group []*writeRequest) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	written := make([]*writeRequest, 0, len(group))
	transactions := make([]*tx, 0, len(group))
	err := g.transact(ctx, func(raw *sql.Tx) error {
		for _, r := range group {
			t := &tx{querier: sqlQuerier{raw}, raw: raw}
			err := apart(ctx, raw, len(group) > 1, func() error { return run(r, t) })
			var lost brokenError
			switch {
			case errors.As(err, &lost):
				return lost.error
			case err != nil && len(group) == 1:
				return err
			case err != nil:
				r.done <- err
			default:
				written, transactions = append(written, r), append(transactions, t)
			}
		}
		return nil
	})
	if err != nil {
		for _, r := range group {
			select {
			case r.done <- err:
			default: // it has an answer
			}
		}
		return
	}
	for i, r := range written {
		transactions[i].committed()
		r.done <- nil
	}
}

func (g *groupWriter) transact(ctx context.Context, do func(raw *sql.Tx) error) error {
	raw, err := g.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(raw); err != nil {
		_ = raw.Rollback()
		return err
	}
	return raw.Commit()
}

// brokenError means that the whole transaction is gone, as after a full disk.
type brokenError struct{ error }

// apart undoes what do wrote when it fails, and nothing else of the transaction.
func apart(ctx context.Context, raw *sql.Tx, among bool, do func() error) error {
	if !among {
		return do()
	}
	if _, err := raw.ExecContext(ctx, "SAVEPOINT apart"); err != nil {
		return brokenError{err}
	}
	failed := do()
	if failed != nil {
		if _, err := raw.ExecContext(ctx, "ROLLBACK TO apart"); err != nil {
			return brokenError{failed}
		}
	}
	if _, err := raw.ExecContext(ctx, "RELEASE apart"); err != nil {
		return brokenError{err}
	}
	return failed
}

// run runs one caller's part. A panic in it is the caller's error.
func run(r *writeRequest, t *tx) (err error) {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	// The statements are not to be interrupted one by one, but River finds its
	// client in the caller's context.
	return r.do(context.WithoutCancel(r.ctx), t)
}
