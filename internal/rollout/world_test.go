package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// world is a repository, its machine and a clock, for Runners on a Store.
type world struct {
	files fstest.MapFS
	// shell answers a script; nil: every script succeeds.
	shell func(script string) (stdout string, code int)

	mu  sync.Mutex
	ran []string // scripts, in the order in which they began
	now time.Time

	evaluated atomic.Int64 // how often a commit was opened
}

func newWorld(files map[string]string) *world {
	w := &world{files: fstest.MapFS{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	for name, text := range files {
		w.files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) scripts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.ran...)
}

func (w *world) At(context.Context, string) (rollout.Checkout, error) {
	w.evaluated.Add(1)
	return rollout.Checkout{Root: w.files, Host: func(string) lang.Host { return machine{w} }}, nil
}

var owners atomic.Int64

// runner is a process that works on a store.
func (w *world) runner(s state.Store) *rollout.Runner {
	n := owners.Add(1)
	return &rollout.Runner{Store: s, Source: w, Repo: "example.com/acme/app", By: "tester", Progress: progress.Discard, Now: w.clock,
		Owner: rollout.Owner{ID: fmt.Sprint("owner-", n)}, Lease: time.Minute, Poll: time.Millisecond}
}

type machine struct{ w *world }

func (machine) OS() string             { return "linux" }
func (machine) Arch() string           { return "amd64" }
func (machine) Env() map[string]string { return nil }

func (m machine) Shell(_ context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	m.w.mu.Lock()
	m.w.ran = append(m.w.ran, s.Text)
	shell := m.w.shell
	m.w.mu.Unlock()
	if shell == nil {
		return lang.Shell{}, nil
	}
	out, code := shell(s.Text)
	for line := range strings.Lines(out) {
		log.Stdout(strings.TrimSuffix(line, "\n"))
	}
	return lang.Shell{Stdout: out, Combined: out, ExitCode: code}, nil
}

func (m machine) ReadFile(context.Context, string) ([]byte, error) {
	return nil, errors.New("no files here")
}
func (m machine) WriteFile(context.Context, string, []byte) error { return errors.New("no files here") }

func pkg(file string) ref.Ref { return ref.Ref{Repo: "example.com/acme/app", Path: file} }

// carriedOut makes a release of release.ocu.star and carries it out.
func carriedOut(t *testing.T, r *rollout.Runner) rollout.Release {
	t.Helper()
	return releaseOf(t, r, "release.ocu.star")
}

// releaseOf makes a release of a file and carries it out.
func releaseOf(t *testing.T, r *rollout.Runner, file string) rollout.Release {
	t.Helper()
	doc, _, err := r.New(t.Context(), rollout.NewRelease{Package: pkg(file), Commit: strings.Repeat("c", 40), Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if doc == nil {
		return rollout.Release{}
	}
	done, err := r.Advance(t.Context(), pkg(file), fmt.Sprint("r", doc.Number))
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// mortal is a store that dies at a write: before it, or right after it.
type mortal struct {
	state.Store
	left  atomic.Int64 // writes until it dies; negative: dead
	after bool
	dead  atomic.Bool
}

var errDead = errors.New("the process was killed")

func (m *mortal) Apply(ctx context.Context, message string, changes ...state.Change) ([]string, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	if m.left.Add(-1) < 0 {
		m.dead.Store(true)
		if m.after {
			_, _ = m.Store.Apply(ctx, message, changes...)
		}
		return nil, errDead
	}
	return m.Store.Apply(ctx, message, changes...)
}

func (m *mortal) Get(ctx context.Context, ref string) (state.Document, error) {
	if m.dead.Load() {
		return state.Document{}, errDead
	}
	return m.Store.Get(ctx, ref)
}

func (m *mortal) Scan(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	if m.dead.Load() {
		return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, errDead) }
	}
	return m.Store.Scan(ctx, prefix)
}
