package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/state"
)

// Start says how the worker's process is started.
type Start struct {
	Args []string // program and arguments
	Env  []string // all of its environment
	// Grace is for how long one that is to stop may write down where it is.
	Grace time.Duration
}

// Hooks are what a worker may ask for.
type Hooks struct {
	Store       state.Store
	Member      func(ctx context.Context, team, who string) (bool, error)
	Shipped     func(ctx context.Context, doc rollout.Release) ([]byte, error)
	Deployments rollout.Deployments // nil for none
	Progress    progress.Reporter
}

// Run has a worker do a request. When the context ends it is asked to end, and
// then killed with all that it started; what it has written down stays. An
// overrun of its memory or time is an error that says so.
func Run(ctx context.Context, s Start, req Request, h Hooks) (Outcome, error) {
	in, tell, err := os.Pipe()
	if err != nil {
		return Outcome{}, err
	}
	hear, out := io.Pipe()
	within, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	said := &head{most: 4 << 10}
	p, err := proc.Start(within, proc.Cmd{Args: s.Args, Env: s.Env, Unset: names(os.Environ()), Stdin: in, Stdout: out, Stderr: said, Outlives: true})
	_ = in.Close() // the worker has it: what is written to one that is gone fails, and does not wait
	if err != nil {
		_ = tell.Close()
		return Outcome{}, fmt.Errorf("start the rollout's process: %w", err)
	}
	w := newRunning(hear, tell, h)
	over := make(chan error, 1)
	go func() {
		err := w.serve(context.WithoutCancel(ctx), req)
		_ = hear.Close() // nobody listens any more
		if !errors.Is(err, io.EOF) {
			p.Kill() // what it says makes no sense
		}
		over <- err
	}()
	ended := make(chan struct{})
	go func() {
		<-p.Done()
		_ = out.Close()
		close(ended)
	}()
	late := w.watch(ctx, p, s, req.Limits.Time, ended)
	_ = tell.Close()
	heard := <-over
	w.answering.Wait()
	switch {
	case ctx.Err() != nil:
		return Outcome{}, context.Cause(ctx)
	case late:
		return Outcome{}, release.Failf("what it did is kept: go on with /retry; the bot's config has a longer time with rollout-time",
			"the rollout took longer than %s, and was stopped", req.Limits.Time)
	case w.outcome != nil:
		return *w.outcome, nil
	case w.fault != nil:
		return Outcome{}, w.fault.err()
	}
	return Outcome{}, broken(p.Wait(), heard, said.text(), req)
}

// watch waits for the process's end, and ends it when it is to stop. It reports
// whether its time was over.
func (w *running) watch(ctx context.Context, p *proc.Process, s Start, most time.Duration, ended <-chan struct{}) (late bool) {
	var timer <-chan time.Time
	if most > 0 {
		timer = time.After(most)
	}
	select {
	case <-ended:
		return false
	case <-ctx.Done():
	case <-timer:
		late = true
	}
	p.Terminate()
	select {
	case <-ended:
	case <-time.After(s.Grace):
	}
	p.Kill() // and what it left behind
	<-ended
	return late
}

// broken tells of a process that ended without an answer.
func broken(err, heard error, said string, req Request) error {
	var exit *proc.Error
	senseless := heard != nil && !errors.Is(heard, io.EOF) // then it was killed
	if errors.As(err, &exit) && !senseless {
		for _, sign := range []string{"out of memory", "cannot allocate memory", "cannot reserve arena"} {
			if strings.Contains(said, sign) {
				return release.Failf("keep large data in files; the bot's config allows more with rollout-memory",
					"the release package took more memory than %d MiB, and was stopped", req.Limits.Memory>>20)
			}
		}
		said, _, _ = strings.Cut(said, "\n\n") // what follows are its stacks
		return release.Failf("/retry goes on where it was", "the rollout's process ended by itself: %v: %s", exit.Err, said)
	}
	if err == nil || senseless {
		err = heard
	}
	return release.Failf("/retry goes on where it was", "the rollout's process ended without an answer: %v", err)
}

// head keeps the beginning of what is written to it: a process that fails says
// why first.
type head struct {
	most int
	mu   sync.Mutex
	kept []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = append(h.kept, p[:min(len(p), h.most-len(h.kept))]...)
	return len(p), nil
}

func (h *head) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(string(h.kept), "")
}

func names(environ []string) []string {
	all := make([]string, len(environ))
	for i, kv := range environ {
		all[i], _, _ = strings.Cut(kv, "=")
	}
	return all
}

// running is a worker at work.
type running struct {
	lines     *lines
	hooks     Hooks
	answering sync.WaitGroup
	stages    map[int]progress.Stage
	tasks     map[int]progress.Task

	outcome *Outcome
	fault   *Fault
}

// serve hears a worker out.
func (w *running) serve(ctx context.Context, req Request) error {
	if err := w.lines.send(message{Request: &req}); errors.Is(err, errLong) {
		return err
	} // one that has ended already has said why
	slots := make(chan struct{}, 16)
	for {
		m, err := w.lines.receive()
		if err != nil {
			return err
		}
		switch {
		case m.Ask != nil:
			slots <- struct{}{}
			w.answering.Go(func() {
				a := w.answer(ctx, *m.Ask)
				_ = w.lines.send(message{ID: m.ID, Answer: &a}) // one that is gone needs none
				<-slots
			})
		case m.Event != nil:
			w.hear(*m.Event)
		case m.Outcome != nil:
			w.outcome = m.Outcome
		case m.Fault != nil:
			w.fault = m.Fault
		}
	}
}

func (w *running) answer(ctx context.Context, q ask) (a answer) {
	var err error
	defer func() {
		if a.Fault != nil && (q.What == "get" || q.What == "list" || q.What == "apply") {
			a.Fault.Kind = int(release.Waiting) // no item fails because the state is away
		}
	}()
	switch {
	case q.What == "get":
		a.Entries, a.Read, err = w.get(ctx, q.Refs)
	case q.What == "list" && len(q.Refs) == 1:
		a.Refs, err = w.hooks.Store.List(ctx, q.Refs[0])
	case q.What == "apply":
		a.Versions, err = w.hooks.Store.Apply(ctx, q.Message, q.Changes...)
	case q.What == "member" && w.hooks.Member != nil:
		a.Yes, err = w.hooks.Member(ctx, q.Team, q.Who)
	case q.What == "shipped" && w.hooks.Shipped != nil && q.Release != nil:
		a.Value, err = w.hooks.Shipped(ctx, *q.Release)
	case q.What == "deployment" && q.Deployment != nil:
		if w.hooks.Deployments != nil {
			err = w.hooks.Deployments.Deployment(ctx, *q.Deployment)
		}
	default:
		err = fmt.Errorf("nobody knows what %q is", q.What)
	}
	var conflict *state.ConflictError
	if errors.As(err, &conflict) {
		a.Conflict = &conflict.Ref
		return a
	}
	a.Fault = faultOf(err)
	return a
}

func (w *running) get(ctx context.Context, refs []string) (all []state.Entry, read int, err error) {
	for size := 0; read < len(refs) && size < mostEntries; read++ {
		d, err := w.hooks.Store.Get(ctx, refs[read])
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, read, err
		}
		size += len(d.Value)
		all = append(all, state.Entry{Ref: refs[read], Document: d})
	}
	return all, read, nil
}

// hear tells on what the worker tells.
func (w *running) hear(e Event) {
	var err error
	if e.Error != "" {
		err = errors.New(e.Error)
	}
	stage, task := w.stages[e.Stage], w.tasks[e.Task]
	switch {
	case e.Kind == "note":
		w.hooks.Progress.Note(e.Text)
	case e.Kind == "stage" && stage == nil:
		w.stages[e.Stage] = w.hooks.Progress.Stage(e.Text)
	case e.Kind == "task" && stage != nil && task == nil:
		w.tasks[e.Task] = stage.Task(e.Text, 0)
	case e.Kind == "output" && task != nil:
		task.Output(e.Text)
	case e.Kind == "task-done" && task != nil:
		task.Done(e.Text, err)
		delete(w.tasks, e.Task)
	case e.Kind == "stage-done" && stage != nil:
		stage.Done(e.Text, err)
		delete(w.stages, e.Stage)
	}
}

func newRunning(from io.Reader, to io.Writer, h Hooks) *running {
	return &running{lines: newLines(from, to), hooks: h, stages: map[int]progress.Stage{}, tasks: map[int]progress.Task{}}
}
