package worker

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Link is a worker's connection to the process that started it: the state, what
// the forge knows, and where it tells how it goes.
type Link struct {
	lines *lines
	next  atomic.Int64
	tasks atomic.Int64

	mu    sync.Mutex
	waits map[int64]chan answer
	gone  error // once nothing answers any more
}

var (
	_ state.Store         = (*Link)(nil)
	_ rollout.Deployments = (*Link)(nil)
	_ progress.Reporter   = (*Link)(nil)
)

// Serve is the worker's side: it takes one request from in, does it, and tells
// the outcome on out. The work's context ends when in does.
func Serve(ctx context.Context, in io.Reader, out io.Writer, do func(context.Context, Request, *Link) (Outcome, error)) error {
	l := &Link{lines: newLines(in, out), waits: map[int64]chan answer{}}
	first, err := l.lines.receive()
	if err != nil {
		return err
	}
	if first.Request == nil {
		return errors.New("the first message is no request")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop() // who asked is gone
		l.hear()
	}()
	outcome, err := do(ctx, *first.Request, l)
	if err != nil {
		return l.lines.send(message{Fault: faultOf(err)})
	}
	return l.lines.send(message{Outcome: &outcome})
}

// hear hands answers to who waits for them.
func (l *Link) hear() {
	for {
		m, err := l.lines.receive()
		l.mu.Lock()
		if err != nil {
			l.gone = err
			for _, wait := range l.waits {
				close(wait)
			}
			l.waits = nil
			l.mu.Unlock()
			return
		}
		wait := l.waits[m.ID]
		delete(l.waits, m.ID)
		l.mu.Unlock()
		if wait != nil && m.Answer != nil {
			wait <- *m.Answer
		}
	}
}

var errGone = errors.New("the process that keeps the state is gone")

func (l *Link) ask(ctx context.Context, q ask) (answer, error) {
	id, wait := l.next.Add(1), make(chan answer, 1)
	l.mu.Lock()
	if l.gone != nil {
		l.mu.Unlock()
		return answer{}, errGone
	}
	l.waits[id] = wait
	l.mu.Unlock()
	if err := l.lines.send(message{ID: id, Ask: &q}); err != nil {
		return answer{}, err
	}
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case a, ok := <-wait:
		switch {
		case !ok:
			return answer{}, errGone
		case a.Conflict != nil:
			return a, &state.ConflictError{Ref: *a.Conflict}
		}
		return a, a.Fault.err()
	}
}

// Get implements state.Store.
func (l *Link) Get(ctx context.Context, ref string) (state.Document, error) {
	if err := state.CheckRef(ref); err != nil {
		return state.Document{}, err
	}
	a, err := l.ask(ctx, ask{What: "get", Refs: []string{ref}})
	if err != nil {
		return state.Document{}, err
	}
	if len(a.Entries) == 0 {
		return state.Document{}, state.ErrNotFound
	}
	return a.Entries[0].Document, nil
}

// Apply implements state.Store.
func (l *Link) Apply(ctx context.Context, message string, changes ...state.Change) ([]string, error) {
	if err := state.CheckChanges(changes); err != nil {
		return nil, err
	}
	a, err := l.ask(ctx, ask{What: "apply", Message: message, Changes: changes})
	return a.Versions, err
}

// List implements state.Store.
func (l *Link) List(ctx context.Context, prefix string) ([]string, error) {
	if prefix != "" && state.CheckRef(prefix) != nil {
		return []string{}, nil //nolint:nilerr // and no ref begins so
	}
	a, err := l.ask(ctx, ask{What: "list", Refs: []string{prefix}})
	if a.Refs == nil {
		a.Refs = []string{}
	}
	return a.Refs, err
}

// together is how many documents are asked for at once.
const together = 64

// Scan implements state.Store.
func (l *Link) Scan(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		refs, err := l.List(ctx, prefix)
		for err == nil && len(refs) > 0 {
			var a answer
			if a, err = l.ask(ctx, ask{What: "get", Refs: refs[:min(len(refs), together)]}); err != nil {
				break
			}
			for _, e := range a.Entries {
				if !yield(e, nil) {
					return
				}
			}
			refs = refs[min(len(refs), max(a.Read, 1)):]
		}
		if err != nil {
			yield(state.Entry{}, err)
		}
	}
}

// Deployment implements rollout.Deployments.
func (l *Link) Deployment(ctx context.Context, d rollout.Deployment) error {
	_, err := l.ask(ctx, ask{What: "deployment", Deployment: &d})
	return err
}

// Shipped is rollout.Runner.Shipped: the forge is asked.
func (l *Link) Shipped(ctx context.Context, _ ref.Ref, doc rollout.Release) ([]byte, error) {
	a, err := l.ask(ctx, ask{What: "shipped", Release: &doc})
	return a.Value, err
}

// Member is rollout.Runner.Member: the forge is asked.
func (l *Link) Member(ctx context.Context, team, who string) bool {
	a, err := l.ask(ctx, ask{What: "member", Team: team, Who: who})
	return err == nil && a.Yes
}

// tell sends an event. Who does not listen any more need not be told.
func (l *Link) tell(e Event) { _ = l.lines.send(message{Event: &e}) }

// Stage implements progress.Reporter.
func (l *Link) Stage(name string) progress.Stage {
	s := toldStage{l, int(l.tasks.Add(1))}
	l.tell(Event{Kind: "stage", Stage: s.id, Text: name})
	return s
}

// Note implements progress.Reporter.
func (l *Link) Note(line string) { l.tell(Event{Kind: "note", Text: line}) }

type toldStage struct {
	link *Link
	id   int
}

func (s toldStage) Task(name string, _ int64) progress.Task {
	t := toldTask{s, int(s.link.tasks.Add(1))}
	s.link.tell(Event{Kind: "task", Stage: s.id, Task: t.id, Text: name})
	return t
}

func (s toldStage) Done(summary string, err error) {
	s.link.tell(Event{Kind: "stage-done", Stage: s.id, Text: summary, Error: text(err)})
}

type toldTask struct {
	stage toldStage
	id    int
}

func (toldTask) At(int64) {}

func (t toldTask) Output(line string) {
	t.stage.link.tell(Event{Kind: "output", Stage: t.stage.id, Task: t.id, Text: line})
}

func (t toldTask) Done(summary string, err error) {
	t.stage.link.tell(Event{Kind: "task-done", Stage: t.stage.id, Task: t.id, Text: summary, Error: text(err)})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
