package ledger

import (
	"context"
	"database/sql"
	"strings"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivershared/baseservice"
	"github.com/riverqueue/river/rivershared/riverpilot"
	"github.com/riverqueue/river/rivertype"
)

// sqliteDriver is River's driver with two things added. Its pilot hands out what
// wakes River's fetchers: SQLite has no notifications, and River wakes them by
// itself only for jobs that it inserts in transactions of its own. And it
// inserts many plain jobs with one statement, which River does one by one.
type sqliteDriver struct {
	*riversqlite.Driver
	bell *bell
}

func (d *sqliteDriver) PluginInit(*baseservice.Archetype) {}
func (d *sqliteDriver) PluginPilot() riverpilot.Pilot     { return d.bell }

func (d *sqliteDriver) UnwrapExecutor(raw *sql.Tx) riverdriver.ExecutorTx {
	return sqliteExecutor{d.Driver.UnwrapExecutor(raw), raw}
}

type sqliteExecutor struct {
	riverdriver.ExecutorTx
	raw *sql.Tx
}

func (e sqliteExecutor) JobInsertFastManyNoReturning(ctx context.Context, params *riverdriver.JobInsertFastManyParams) (int, error) {
	for _, job := range params.Jobs {
		if !plain(job) {
			return e.ExecutorTx.JobInsertFastManyNoReturning(ctx, params)
		}
	}
	for rest := params.Jobs; len(rest) > 0; {
		n := chunk(len(rest))
		args := make([]any, 0, 6*n)
		for _, job := range rest[:n] {
			args = append(args, job.EncodedArgs, job.Kind, job.MaxAttempts, job.Priority, job.Queue, string(job.State))
		}
		const row = ", (?, ?, ?, ?, ?, ?, datetime('now', 'subsec'), datetime('now', 'subsec'))"
		if _, err := e.raw.ExecContext(ctx, `INSERT INTO river_job (args, kind, max_attempts, priority, queue, state, created_at, scheduled_at) VALUES `+
			strings.Repeat(row, n)[2:], args...); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(params.Jobs), nil
}

// plain reports whether a job is for now, and has but what all jobs have.
func plain(job *riverdriver.JobInsertFastParams) bool {
	return job.ID == nil && job.CreatedAt == nil && job.ScheduledAt == nil && len(job.UniqueKey) == 0 && len(job.Tags) == 0 &&
		(len(job.Metadata) == 0 || string(job.Metadata) == "{}")
}

// bell is a River pilot that changes nothing, but gets to know how River's
// fetchers are woken.
type bell struct {
	riverpilot.StandardPilot

	mu   sync.Mutex
	wake func(ctx context.Context, inserted []*rivertype.JobInsertResult)
}

// PilotInit is called by each client that is made with the driver.
func (b *bell) PilotInit(archetype *baseservice.Archetype, params *riverpilot.PilotInitParams) {
	b.StandardPilot.PilotInit(archetype, params)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake = params.NotifyNonTxJobInsert
}

// ring has River fetch jobs of the queues of these.
func (b *bell) ring(jobs []river.JobArgs) {
	b.mu.Lock()
	wake := b.wake
	b.mu.Unlock()
	var inserted []*rivertype.JobInsertResult
	for _, name := range queuesOf(jobs) {
		inserted = append(inserted, &rivertype.JobInsertResult{Job: &rivertype.JobRow{Queue: name}})
	}
	wake(context.Background(), inserted)
}
