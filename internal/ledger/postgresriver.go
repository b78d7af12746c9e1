package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// postgresDriver is River's driver, which does not notify of new jobs in the
// transactions that insert them: PostgreSQL has such transactions wait for the
// disk one after another.
type postgresDriver struct{ *riverpgxv5.Driver }

// SupportsListenNotify is about notifying; River listens nonetheless.
func (*postgresDriver) SupportsListenNotify() bool { return false }

// postgresBell tells all replicas of jobs that were committed.
type postgresBell struct {
	pool *pgxpool.Pool
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu     sync.Mutex
	queues map[string]bool
}

func newPostgresBell(pool *pgxpool.Pool) *postgresBell {
	b := &postgresBell{pool: pool, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), queues: map[string]bool{}}
	go b.loop()
	return b
}

func (b *postgresBell) ring(jobs []river.JobArgs) {
	b.mu.Lock()
	for _, name := range queuesOf(jobs) {
		b.queues[name] = true
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// loop notifies in River's words. What gets lost is found by River's polls.
func (b *postgresBell) loop() {
	defer close(b.done)
	for {
		select {
		case <-b.quit:
			return
		case <-b.wake:
		}
		b.mu.Lock()
		queues := slices.Collect(maps.Keys(b.queues))
		clear(b.queues)
		b.mu.Unlock()
		for i, name := range queues {
			queues[i] = fmt.Sprintf(`{"queue": %q}`, name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = b.pool.Exec(ctx, `SELECT pg_notify(current_schema() || '.river_insert', payload) FROM unnest($1::text[]) AS payload`, queues)
		cancel()
	}
}

func (b *postgresBell) close() {
	close(b.quit)
	<-b.done
}
