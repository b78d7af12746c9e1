package worker_test

import (
	"context"
	"io"
	"testing"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

// A worker's state, which another process keeps for it, is a store.
func TestStoreOverPipes(t *testing.T) {
	t.Parallel()
	statetest.Run(t, func(t *testing.T) func() state.Store {
		dir := t.TempDir()
		return func() state.Store { return linked(t, state.OpenDir(dir)) }
	})
}

// linked is a store as a worker in this process sees it.
func linked(t *testing.T, s state.Store) state.Store {
	t.Helper()
	toWorker, in := io.Pipe()
	out, fromWorker := io.Pipe()
	got, end := make(chan *worker.Link), make(chan struct{})
	go func() {
		_ = worker.Serve(context.WithoutCancel(t.Context()), toWorker, fromWorker, func(_ context.Context, _ worker.Request, l *worker.Link) (worker.Outcome, error) {
			got <- l
			<-end
			return worker.Outcome{}, nil
		})
		fromWorker.Close()
	}()
	go worker.Answer(context.WithoutCancel(t.Context()), out, in, worker.Request{}, worker.Hooks{Store: s, Progress: progress.Discard})
	t.Cleanup(func() { close(end) })
	return <-got
}
