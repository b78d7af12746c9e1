package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// The jobs that River keeps. Each ends with the transaction of what it began:
// an operation's job when the operation has its lease. So a job that runs for
// long is one whose process is gone.
type (
	deliveryJob struct {
		ID int64 `json:"id"`
	}
	operationJob struct {
		ID      int64  `json:"id"`
		Attempt int    `json:"attempt"` // how often it was begun before
		Queue   string `json:"-"`
	}
	reconcileJob struct {
		Forge      string `json:"forge"`
		Repository string `json:"repository"`
	}
	// anyJob stands for all of them where only the row matters.
	anyJob struct{}
)

func (deliveryJob) Kind() string  { return "slipway_delivery" }
func (operationJob) Kind() string { return "slipway_operation" }
func (reconcileJob) Kind() string { return "slipway_reconcile" }
func (anyJob) Kind() string       { return "slipway" }

// River's queues. Commands have one of their own, so that a /cancel never waits
// for the release that it is to end.
const (
	deliveryQueue  = "slipway_deliveries"
	releaseQueue   = "slipway_releases"
	commandQueue   = "slipway_commands"
	rolloutQueue   = "slipway_rollouts"
	reconcileQueue = "slipway_reconciles"
)

func (deliveryJob) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: deliveryQueue} }
func (j operationJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: j.Queue}
}
func (reconcileJob) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: reconcileQueue} }

func queueOf(lane Lane) string {
	switch lane {
	case Releases:
		return releaseQueue
	case Rollouts:
		return rolloutQueue
	default:
		return commandQueue
	}
}

// maxAttempts is how often a job is tried that ends in an error: with a minute
// between the tries, about sixteen hours.
const maxAttempts = 1000

// queue is River, whatever its driver's transactions are.
type queue interface {
	insert(ctx context.Context, t *tx, jobs ...river.JobArgs) error
	// complete ends the job that the context belongs to, with the transaction.
	complete(ctx context.Context, t *tx, job *rivertype.JobRow) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// free gives back jobs that have been running since before, so that they
	// are run again.
	free(ctx context.Context, before time.Time) error
}

type queueConfig struct {
	log     *slog.Logger
	replica string
	// workers is nil for a queue that only takes jobs.
	workers *river.Workers
	sizes   map[string]int
}

type riverQueue[TDriver riverdriver.Driver[TTx], TTx any] struct {
	client *river.Client[TTx]
	driver TDriver
	unwrap func(raw any) (TTx, bool)
	ring   func(jobs []river.JobArgs) // has River fetch what was committed
}

func newRiverQueue[TDriver riverdriver.Driver[TTx], TTx any](driver TDriver, c queueConfig, unwrap func(any) (TTx, bool), ring func([]river.JobArgs)) (queue, error) {
	config := &river.Config{
		ID: c.replica, Logger: c.log,
		MaxAttempts: maxAttempts, RetryPolicy: retryPolicy{},
		JobTimeout:    -1,
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 2 * time.Second,
		// What ended stays for a look at it, the deliveries themselves stay longer.
		CompletedJobRetentionPeriod: 10 * time.Minute,
	}
	if c.workers != nil {
		config.Workers = c.workers
		config.Queues = map[string]river.QueueConfig{}
		for name, n := range c.sizes {
			config.Queues[name] = river.QueueConfig{MaxWorkers: n}
		}
		// Deliveries come in crowds, and each fetch is a commit: the first of a
		// crowd is fetched at once, the others together.
		config.Queues[deliveryQueue] = river.QueueConfig{MaxWorkers: c.sizes[deliveryQueue], FetchCooldown: 10 * time.Millisecond}
	}
	client, err := river.NewClient[TTx](driver, config)
	if err != nil {
		return nil, err
	}
	return &riverQueue[TDriver, TTx]{client, driver, unwrap, ring}, nil
}

var errForeignTx = errors.New("the transaction is another database's")

func (q *riverQueue[TDriver, TTx]) insert(ctx context.Context, t *tx, jobs ...river.JobArgs) error {
	if len(jobs) == 0 {
		return nil
	}
	raw, ok := q.unwrap(t.raw)
	if !ok {
		return errForeignTx
	}
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		params[i].Args = job
	}
	if _, err := q.client.InsertManyFastTx(ctx, raw, params); err != nil {
		return err
	}
	t.after = append(t.after, func() { q.ring(jobs) })
	return nil
}

// queuesOf names the queues that jobs go to, each once.
func queuesOf(jobs []river.JobArgs) (names []string) {
	for _, job := range jobs {
		if with, ok := job.(river.JobArgsWithInsertOpts); ok && !slices.Contains(names, with.InsertOpts().Queue) {
			names = append(names, with.InsertOpts().Queue)
		}
	}
	return names
}

func (q *riverQueue[TDriver, TTx]) complete(ctx context.Context, t *tx, job *rivertype.JobRow) error {
	raw, ok := q.unwrap(t.raw)
	if !ok {
		return errForeignTx
	}
	_, err := river.JobCompleteTx[TDriver](ctx, raw, &river.Job[anyJob]{JobRow: job})
	return err
}

func (q *riverQueue[TDriver, TTx]) start(ctx context.Context) error { return q.client.Start(ctx) }

func (q *riverQueue[TDriver, TTx]) stop(ctx context.Context) error { return q.client.Stop(ctx) }

// free does what River's rescuer does after an hour.
func (q *riverQueue[TDriver, TTx]) free(ctx context.Context, before time.Time) error {
	exec := q.driver.GetExecutor()
	for {
		stuck, err := exec.JobGetStuck(ctx, &riverdriver.JobGetStuckParams{Max: 1000, StuckHorizon: before})
		if err != nil || len(stuck) == 0 {
			return err
		}
		var rescue riverdriver.JobRescueManyParams
		for _, job := range stuck {
			rescue.ID = append(rescue.ID, job.ID)
			rescue.Error = append(rescue.Error, []byte(`{"error":"its process ended"}`))
			rescue.FinalizedAt = append(rescue.FinalizedAt, nil)
			rescue.ScheduledAt = append(rescue.ScheduledAt, time.Now())
			rescue.State = append(rescue.State, string(rivertype.JobStateAvailable))
		}
		if _, err := exec.JobRescueMany(ctx, &rescue); err != nil || len(stuck) < 1000 {
			return err
		}
	}
}

// retryPolicy waits 1, 2, 4 … seconds, at most a minute.
type retryPolicy struct{}

func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	wait := time.Minute
	if n := len(job.Errors); n < 6 {
		wait = time.Second << n
	}
	return time.Now().Add(wait)
}

// quiet logs nothing.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
