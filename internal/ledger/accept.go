package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/riverqueue/river"
)

// How much waits to be written, how much is written at once, and how long
// somebody waits for it: a forge gives up after five seconds.
const (
	acceptQueue    = 4096
	acceptBytes    = 512 << 20
	acceptBatch    = 256
	acceptMaxBytes = 32 << 20
	acceptPatience = 3 * time.Second
)

// accepts writes deliveries that arrive together in one transaction.
type accepts struct {
	ledger *Ledger
	queue  chan *accepting
	quit   chan struct{}
	once   sync.Once
	ended  sync.WaitGroup
	bytes  atomic.Int64 // of all bodies that wait
	crowds atomic.Int64 // batches of many that are being written
	// crowded is when the last such batch was written.
	crowded atomic.Int64
}

type accepting struct {
	delivery Delivery
	body     []byte // as it is stored
	id       int64
	done     chan error // has room for the answer
}

func newAccepts(l *Ledger) *accepts {
	a := &accepts{ledger: l, queue: make(chan *accepting, acceptQueue), quit: make(chan struct{})}
	for range l.db.dialect().accepters {
		a.ended.Go(a.loop)
	}
	return a
}

// Accept stores a delivery and the job that will process it. When it returns
// nil both are on the disk. It fails with ErrBusy, within three seconds, when
// the database takes nothing: the delivery may be stored nonetheless, so the
// forge may send it again.
func (l *Ledger) Accept(ctx context.Context, d Delivery) (id int64, err error) {
	a := l.accepts
	if d.Received.IsZero() {
		d.Received = time.Now()
	}
	size := int64(len(d.Body))
	if a.bytes.Add(size) > acceptBytes {
		a.bytes.Add(-size)
		return 0, fmt.Errorf("%w: too many deliveries wait to be stored", ErrBusy)
	}
	defer a.bytes.Add(-size)
	w := &accepting{delivery: d, body: compress(d.Body), done: make(chan error, 1)}
	select {
	case <-a.quit:
		return 0, errClosed
	default:
	}
	select {
	case a.queue <- w:
	default:
		return 0, fmt.Errorf("%w: too many deliveries wait to be stored", ErrBusy)
	}
	patience := time.NewTimer(acceptPatience)
	defer patience.Stop()
	select {
	case err := <-w.done:
		return w.id, err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-patience.C:
		return 0, fmt.Errorf("%w: the database does not answer", ErrBusy)
	case <-a.quit:
		return 0, errClosed
	}
}

func (a *accepts) close() {
	a.once.Do(func() { close(a.quit) })
	a.ended.Wait()
}

func (a *accepts) loop() {
	for {
		var first *accepting
		select {
		case first = <-a.queue:
		case <-a.quit:
			return
		}
		batch := a.gather(first)
		ids, err := a.writeAhead(batch)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrBusy, err)
			a.ledger.log.Error("deliveries can't be stored", "deliveries", len(batch), "error", err)
		}
		for i, w := range batch {
			if err == nil {
				w.id = ids[i]
			}
			w.done <- err
		}
	}
}

// gather takes all that waits already: nobody waits for others to come.
func (a *accepts) gather(first *accepting) []*accepting {
	batch, size := []*accepting{first}, len(first.body)
	for len(batch) < acceptBatch && size < acceptMaxBytes {
		select {
		case w := <-a.queue:
			batch = append(batch, w)
			size += len(w.body)
			continue
		default:
		}
		break
	}
	return batch
}

// giveWay lets deliveries that arrive go first, for a while: a forge waits for
// them, and nobody for those that are stored.
func (a *accepts) giveWay(ctx context.Context) {
	for range 10 {
		if a.crowds.Load() == 0 && time.Since(time.Unix(0, a.crowded.Load())) > 20*time.Millisecond {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// writeAhead writes a batch, and has others wait if it is of many.
func (a *accepts) writeAhead(batch []*accepting) ([]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), acceptPatience)
	defer cancel()
	const many = 8
	if len(batch) >= many {
		a.crowds.Add(1)
		defer func() {
			a.crowded.Store(time.Now().UnixNano())
			a.crowds.Add(-1)
		}()
	}
	return a.write(ctx, batch)
}

func (a *accepts) write(ctx context.Context, batch []*accepting) (ids []int64, err error) {
	err = a.ledger.db.write(ctx, true, func(ctx context.Context, t *tx) error {
		ids = make([]int64, 0, len(batch))
		for rest := batch; len(rest) > 0; {
			n := chunk(len(rest))
			got, err := insertDeliveries(ctx, t, rest[:n])
			if err != nil {
				return err
			}
			ids, rest = append(ids, got...), rest[n:]
		}
		jobs := make([]river.JobArgs, len(ids))
		for i, id := range ids {
			jobs[i] = deliveryJob{id}
		}
		return a.ledger.queue.insert(ctx, t, jobs...)
	})
	return ids, err
}

// chunk is how many rows of n one statement writes. They are few numbers, so
// that each statement is prepared once.
func chunk(n int) int {
	for _, size := range []int{64, 16, 4} {
		if n >= size {
			return size
		}
	}
	return 1
}

var errRows = errors.New("the database gave another number of ids than rows")

func insertDeliveries(ctx context.Context, t *tx, batch []*accepting) (ids []int64, err error) {
	args := make([]any, 0, 5*len(batch))
	for _, w := range batch {
		d := &w.delivery
		args = append(args, clean(d.Forge), clean(d.Event), clean(d.GUID), clean(d.Repository), micros(d.Received))
	}
	err = each(ctx, t, func(r rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, insertRows("slipway_deliveries (forge, event, guid, repository, received)", 5, len(batch))+" RETURNING id", args...)
	if err != nil {
		return nil, err
	}
	if len(ids) != len(batch) {
		return nil, errRows
	}
	args = args[:0]
	for i, w := range batch {
		args = append(args, ids[i], w.body)
	}
	_, err = t.exec(ctx, insertRows("slipway_bodies (delivery, body)", 2, len(batch)), args...)
	return ids, err
}

// compress makes a body a third of its size or less, which the disk takes so
// much sooner; it costs a few microseconds.
func compress(body []byte) []byte { return s2.Encode(nil, body) }

func uncompress(stored []byte) ([]byte, error) {
	body, err := s2.Decode(nil, stored)
	if err != nil {
		return nil, fmt.Errorf("uncompress the body: %w", err)
	}
	return body, nil
}

// insertRows is an INSERT of several rows.
func insertRows(into string, columns, rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + into + " VALUES ")
	for i := range rows * columns {
		switch {
		case i%columns != 0:
			b.WriteString(", ")
		case i == 0:
			b.WriteString("(")
		default:
			b.WriteString("), (")
		}
		b.WriteString(placeholder(i + 1))
	}
	b.WriteString(")")
	return b.String()
}
