package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/state"
)

// childOf tells a test binary that Kill has started it, and on which store.
const childOf = "SLIPWAY_STATETEST_CHILD"

// Child is for the TestMain of a package that calls Kill: in the process that
// Kill starts it works on the store, and never returns nil.
func Child(open func(ctx context.Context, where string) (state.Store, error)) (isChild bool, err error) {
	where := os.Getenv(childOf)
	if where == "" {
		return false, nil
	}
	ctx := context.Background()
	s, err := open(ctx, where)
	if err != nil {
		return true, err
	}
	errs := make([]error, killWriters)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range killWriters {
		wg.Go(func() { errs[w] = write(ctx, s, w, &mu, os.Stdout) })
	}
	wg.Wait()
	return true, errors.Join(errs...)
}

const killWriters = 3

// write makes batches for ever: each counts two documents up and adds one.
func write(ctx context.Context, s state.Store, writer int, mu *sync.Mutex, out io.Writer) error {
	var pair [2]state.Change
	n := 0
	for i, name := range []string{"left", "right"} {
		pair[i].Ref = fmt.Sprintf("pair/%d/%s", writer, name)
		d, err := s.Get(ctx, pair[i].Ref)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		pair[i].Version = d.Version
		n, _ = strconv.Atoi(string(d.Value))
	}
	for {
		n++
		pair[0].Value, pair[1].Value = fmt.Append(nil, n), fmt.Append(nil, n)
		added := state.Change{Ref: fmt.Sprintf("added/%d/%d", writer, n), Value: bytes.Repeat([]byte("x"), n*997%20000)}
		versions, err := s.Apply(ctx, fmt.Sprintf("batch %d of writer %d", n, writer), pair[0], added, pair[1])
		if err != nil {
			return err
		}
		pair[0].Version, pair[1].Version = versions[0], versions[2]
		mu.Lock()
		_, err = fmt.Fprintf(out, "%d %d\n", writer, n)
		mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// Kill kills processes that write to the store at where, again and again, for
// about as long as it is told. After each, what open gives has every batch in
// whole or not at all, and those that were acknowledged.
func Kill(t *testing.T, where string, budget time.Duration, open func(t *testing.T) state.Store) {
	t.Helper()
	var acknowledged [killWriters]int
	kills, batches := 0, 0
	for end := time.Now().Add(budget); time.Now().Before(end); kills++ {
		batches += killOne(t, where, &acknowledged)
		// A program of the killed one's, or its server, may just be finishing.
		var wrong string
		for try := range 20 {
			if wrong = torn(t, open(t), acknowledged); wrong == "" {
				break
			}
			time.Sleep(time.Duration(try) * 10 * time.Millisecond)
		}
		if wrong != "" {
			t.Fatalf("after %d kills: %s", kills+1, wrong)
		}
	}
	t.Logf("%d kills, %d batches acknowledged", kills, batches)
	if kills < 3 || batches < 10 {
		t.Errorf("%d kills and %d acknowledged batches are no test", kills, batches)
	}
}

// killOne lets a process write for a moment, kills it, and notes what it has
// acknowledged.
func killOne(t *testing.T, where string, acknowledged *[killWriters]int) (batches int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	child, err := proc.Start(t.Context(), proc.Cmd{Args: []string{exe}, Env: []string{childOf + "=" + where}, Stdout: out})
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	first, said := make(chan struct{}), make(chan []byte)
	go func() {
		b := make([]byte, 1)
		n, _ := io.ReadFull(in, b)
		close(first)
		rest, _ := io.ReadAll(in)
		said <- append(b[:n], rest...)
	}()
	select {
	case <-first:
	case <-time.After(30 * time.Second):
		t.Error("the process that is to be killed does nothing")
	}
	time.Sleep(rand.N(150 * time.Millisecond))
	child.Kill()
	err = child.Wait()
	text := string(<-said)
	var ended *proc.Error
	if errors.As(err, &ended) && ended.Code >= 0 {
		t.Errorf("it ended by itself: %v", err)
	}
	for line := range strings.Lines(text) {
		var w, n int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &n); err != nil || !strings.HasSuffix(line, "\n") {
			continue // the line was cut
		}
		acknowledged[w] = max(acknowledged[w], n)
		batches++
	}
	return batches
}

// torn says what is wrong with what the writers left.
func torn(t *testing.T, s state.Store, acknowledged [killWriters]int) string {
	t.Helper()
	got := all(t, s)
	for w := range killWriters {
		left, right := got[fmt.Sprintf("pair/%d/left", w)], got[fmt.Sprintf("pair/%d/right", w)]
		n, _ := strconv.Atoi(left)
		if left != right || n < acknowledged[w] {
			return fmt.Sprintf("writer %d has %q and %q, and acknowledged %d", w, left, right, acknowledged[w])
		}
		for i := 1; i <= n+1; i++ {
			value, there := got[fmt.Sprintf("added/%d/%d", w, i)]
			if there != (i <= n) || there && len(value) != i*997%20000 {
				return fmt.Sprintf("writer %d is at %d; document %d is there: %t, with %d bytes", w, n, i, there, len(value))
			}
		}
	}
	return ""
}
