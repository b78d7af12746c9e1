package lang

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
)

func (l Limits) withDefaults() Limits {
	if l.Steps == 0 {
		l.Steps = 50_000_000
	}
	if l.Memory == 0 {
		l.Memory = 512 << 20
	}
	if l.Time == 0 {
		l.Time = 30 * time.Second
	}
	if l.Output == 0 {
		l.Output = 1 << 20
	}
	if l.Stream == 0 {
		l.Stream = 16 << 20
	}
	return l
}

// sampled is how often the memory is looked at.
const sampled = 5 * time.Millisecond

// within runs Starlark code until it ends or a limit is reached. It returns
// what Starlark returned, or why it was stopped, at the place where it was.
func (l Limits) within(ctx context.Context, e *evaluation, thread *starlark.Thread, run func() error) error {
	w := &watch{stopped: make(chan struct{}), patience: patience}
	thread.SetMaxExecutionSteps(l.Steps)
	thread.OnMaxSteps = func(t *starlark.Thread) {
		w.stop(t, &fault{message: fmt.Sprintf("it took more than %d steps: an endless loop?", l.Steps)})
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { l.watch(ctx, w, thread, done) })
	ended := make(chan error, 1)
	go func() { ended <- safely(e, run) }()
	left, err := w.await(ended)
	close(done)
	watching.Wait()
	if left {
		return &fault{at: Position{File: e.program.main}, message: w.reason().message + ", and could not be stopped", cause: w.reason().cause}
	}
	if reason := w.reason(); reason != nil && err != nil {
		return stopped(err, reason)
	}
	return err
}

// patience is how long code that was stopped may take to end. Starlark looks
// between its steps, and hosts kill what they run; a step that takes longer,
// such as comparing what was built to be compared for ever, is left behind.
const patience = 10 * time.Second

// await waits for the code to end. It reports whether it was left behind.
func (w *watch) await(ended <-chan error) (left bool, err error) {
	select {
	case err := <-ended:
		return false, err
	case <-w.stopped:
	}
	select {
	case err := <-ended:
		return false, err
	case <-time.After(w.patience):
		return true, nil
	}
}

// watch stops the thread when its context ends or the heap has grown too much.
func (l Limits) watch(ctx context.Context, w *watch, thread *starlark.Thread, done <-chan struct{}) {
	ticks := time.NewTicker(sampled)
	defer ticks.Stop()
	base := heap(live)
	var pause time.Time // no collection before it
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			w.stop(thread, l.ended(ctx))
			return
		case <-ticks.C:
			if heap(objects) <= base+l.Memory || time.Now().Before(pause) {
				continue
			}
			began := time.Now()
			runtime.GC() // garbage counts until it is collected
			pause = time.Now().Add(5 * time.Since(began))
			if heap(live) > base+l.Memory {
				w.stop(thread, &fault{
					message: fmt.Sprintf("it took more than %d MiB of memory", (l.Memory+1<<20-1)>>20),
					hint:    "keep large data in files, and hand on their paths",
				})
				return
			}
		}
	}
}

func (l Limits) ended(ctx context.Context) *fault {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &fault{message: "it took too long", cause: context.Cause(ctx)}
	}
	return &fault{message: "it was stopped", cause: context.Cause(ctx)}
}

// watch is why a thread was stopped: the first reason.
type watch struct {
	mu      sync.Mutex
	first   *fault
	stopped chan struct{} // closed when there is a reason

	patience time.Duration
}

func (w *watch) stop(thread *starlark.Thread, reason *fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = reason
		close(w.stopped)
	}
	thread.Cancel(reason.message)
}

func (w *watch) reason() *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

// stopped puts the reason in place of Starlark's own message. A built-in that
// gave up because its context ended fails for the same reason.
func stopped(err error, reason *fault) error {
	var eval *starlark.EvalError
	if !errors.As(err, &eval) {
		return reason
	}
	if !strings.Contains(eval.Msg, "computation cancelled") && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &halt{fault: reason, eval: eval}
}

// halt is a reason with the stack at which it struck.
type halt struct {
	fault *fault
	eval  *starlark.EvalError
}

func (h *halt) Error() string   { return h.fault.message }
func (h *halt) Unwrap() []error { return []error{h.fault, h.eval} }

// safely turns a panic, which would be a fault in Starlark or in a built-in of
// ours, into an error.
func safely(e *evaluation, run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f := &fault{at: Position{File: e.program.main}, message: fmt.Sprintf("a fault in Slipway: %v", r), hint: "please report it, with the file"}
			for line := range strings.SplitSeq(string(debug.Stack()), "\n") {
				e.options.Log.Print(line)
			}
			err = f
		}
	}()
	return run()
}

// What is measured of the heap: what the last collection found in use, and all
// that is not collected yet.
const (
	live    = "/gc/heap/live:bytes"
	objects = "/memory/classes/heap/objects:bytes"
)

func heap(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
