package rollout_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/state"
)

// late is a store whose claims are read, from the third time on, only when another
// process has done everything.
type late struct {
	state.Store
	reads    atomic.Int64
	polled   chan struct{} // closed at the second reading
	finished chan struct{}
}

func (l *late) Get(ctx context.Context, name string) (state.Document, error) {
	if strings.HasPrefix(name, "claims/") {
		switch n := l.reads.Add(1); {
		case n == 2:
			close(l.polled)
		case n > 2:
			<-l.finished
		}
	}
	return l.Store.Get(ctx, name)
}

// A process that follows a phase of another one, and then finds that the other one
// has ended all the later phases, runs nothing again.
func TestFollowsToTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(map[string]string{"release.ocu.star": `
ocuroot("0.3.0")
def first(ctx):
    host.shell("first")
    return done()
def second(ctx):
    host.shell("second")
    return done()
def third(ctx):
    host.shell("third")
    return done()
phase("one", work=[call(first, name="first")])
phase("two", work=[call(second, name="second")])
phase("three", work=[call(third, name="third")])
`})
	s := state.OpenDir(t.TempDir())
	slow := &late{Store: s, polled: make(chan struct{}), finished: make(chan struct{})}
	w.shell = func(text string) (string, int) {
		if text == "first" {
			<-slow.polled
		}
		return "", 0
	}
	if _, _, err := w.runner(s).New(t.Context(), rollout.NewRelease{Package: pkg("release.ocu.star"), Commit: strings.Repeat("c", 40)}); err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	followed := make(chan error)
	go func() {
		<-began
		_, err := w.runner(slow).Advance(t.Context(), pkg("release.ocu.star"), "r1")
		followed <- err
	}()
	leader := w.runner(&telling{Store: s, began: began})
	if doc, err := leader.Advance(t.Context(), pkg("release.ocu.star"), "r1"); err != nil || doc.Status != rollout.Complete {
		t.Fatalf("%s, %v", doc.Status, err)
	}
	close(slow.finished)
	if err := <-followed; err != nil {
		t.Error(err)
	}
	if ran := w.scripts(); !slices.Equal(ran, []string{"first", "second", "third"}) {
		t.Errorf("ran %v, want each once", ran)
	}
}

// telling is a store that says when the first item is claimed.
type telling struct {
	state.Store
	told  atomic.Bool
	began chan struct{}
}

func (s *telling) Apply(ctx context.Context, message string, changes ...state.Change) ([]string, error) {
	versions, err := s.Store.Apply(ctx, message, changes...)
	if err == nil && strings.Contains(message, "begins") && !s.told.Swap(true) {
		close(s.began)
	}
	return versions, err
}
