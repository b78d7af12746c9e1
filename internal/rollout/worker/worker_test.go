package worker_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

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

// A worker that goes beyond its bounds, or ends without an answer, is told of;
// one that is to stop is, with what it has started.
func TestRun(t *testing.T) {
	t.Parallel()
	const outcome = `printf '{"outcome":{"status":"complete","summary":"done"}}\n'`
	for name, tt := range map[string]struct{ script, want string }{
		"done":      {"read line; " + outcome, ""},
		"fault":     {`printf '{"fault":{"kind":4,"message":"no","hint":"ask"}}\n'`, "no"},
		"memory":    {`echo "fatal error: runtime: out of memory" >&2; yes | head -c 100000 >&2; exit 2`, "took more memory than 64 MiB"},
		"panic":     {`printf 'panic: oh\n\ngoroutine 1' >&2; exit 2`, "ended by itself: exit status 2: panic: oh"},
		"silence":   {"exit 0", "ended without an answer: EOF"},
		"nonsense":  {"echo nonsense", "ended without an answer: invalid"},
		"too long":  {"sleep 60 & wait", "took longer than 300ms"},
		"deaf":      {"trap '' TERM; while :; do sleep 0.05; done", "took longer than 300ms"},
		"questions": {`read line; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf '{"id":1,"ask":{"what":"list","refs":[""]}}\n'; done; ` + outcome, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			most := 20 * time.Second
			if strings.Contains(tt.want, "longer") {
				most = 300 * time.Millisecond
			}
			begun := time.Now()
			out, err := worker.Run(t.Context(), worker.Start{Args: []string{"sh", "-c", tt.script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Grace: 300 * time.Millisecond},
				worker.Request{Limits: worker.Limits{Memory: 64 << 20, Time: most}}, worker.Hooks{Store: state.OpenDir(t.TempDir()), Progress: progress.Discard})
			if tt.want == "" && (err != nil || out.Summary != "done") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%+v, %v", out, err)
			}
			if d := time.Since(begun); d > 15*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := worker.Run(ctx, worker.Start{Args: []string{"sleep", "60"}}, worker.Request{}, worker.Hooks{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cancelled one: %v", err)
	}
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
	go func() {
		_, _ = worker.Answer(context.WithoutCancel(t.Context()), out, in, worker.Request{}, worker.Hooks{Store: s, Progress: progress.Discard})
	}()
	t.Cleanup(func() { close(end) })
	return <-got
}
