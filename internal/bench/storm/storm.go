// Package storm sends a bot each of many deliveries several times, in any
// order, while its processes are killed, and looks whether each operation was
// done exactly once and nothing was lost.
//
// The bots are processes of their own with the real ledger, ingest and
// operations. Their forge is simforge, in the parent, which sees what they do.
// What a release does there is small: it makes a draft and publishes it, so
// that the storm is about the ledger.
package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// Options say how large a storm is.
type Options struct {
	Database     string // as in the bot's config; a new one
	Replicas     int    // bots at once; 1 on SQLite
	Deliveries   int    // each asks for something else
	Times        int    // how often each is sent
	Kills        int
	Repositories int
	Workers      int           // releases at once in each bot
	Lease        time.Duration // how long a killed bot's work waits for another
	Seed         uint64
	Log          io.Writer
}

// Result is what came of a storm.
type Result struct {
	Operations   int
	Acknowledged int           // deliveries, of Deliveries × Times and those sent again
	Again        int           // sendings that were refused or not answered, and repeated
	Kills        int           // of bots
	Restarted    int           // operations that were begun more than once
	Answered     time.Duration // until the last delivery was acknowledged
	Done         time.Duration // until the last operation had ended
	Lost         int           // deliveries that were acknowledged and are not there, or operations not done
	Twice        int           // effects that were there more than once
	Faults       []string      // the first of all that is wrong
}

// Run makes a storm. Its error is a fault of the storm itself; what the bots do
// wrong is in the result.
func Run(ctx context.Context, o Options) (r Result, err error) {
	dir, err := os.MkdirTemp("", "slipway-storm-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := newWorld(ctx, o, dir)
	if err != nil {
		return r, err
	}
	defer w.close()
	random := rand.New(rand.NewPCG(o.Seed, o.Seed))
	bots, err := startReplicas(ctx, o, w, dir)
	if err != nil {
		return r, err
	}
	defer bots.end()
	l, err := ledger.Open(ctx, ledger.Options{URL: o.Database})
	if err != nil {
		return r, err
	}
	defer l.Close()

	begun := time.Now()
	s := newSender(w, bots, o, random)
	o.Log = &lines{w: o.Log} // two tell of what goes on
	killed, ended := make(chan error, 1), make(chan struct{})
	kills, stop := context.WithCancel(ctx)
	defer func() { stop(); <-ended }()
	go func() {
		defer close(ended)
		killed <- bots.killSome(kills, o, random, func() float64 { return (s.progress() + w.progress()) / 2 })
	}()
	if err := s.run(ctx); err != nil {
		return r, err
	}
	r.Answered = time.Since(begun)
	fmt.Fprintf(o.Log, "storm: %d deliveries are acknowledged after %v, %d were sent again\n", len(s.acknowledged), r.Answered.Round(time.Millisecond), s.again)
	if err := settle(ctx, l, o.Log); err != nil {
		return r, fmt.Errorf("%w\n%s", err, bots.logs())
	}
	r.Done = time.Since(begun)
	stop()
	if err := <-killed; err != nil {
		return r, err
	}
	r.Acknowledged, r.Again, r.Kills = len(s.acknowledged), s.again, bots.kills
	return r, w.check(ctx, l, s.acknowledged, &r)
}

// lines lets several goroutines write whole lines.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// settle waits until nothing is left to do.
func settle(ctx context.Context, l *ledger.Ledger, log io.Writer) error {
	const patience = 2 * time.Minute
	var last string
	changed, told := time.Now(), time.Now()
	for {
		s, err := l.Stats(ctx)
		if err != nil {
			return err
		}
		if s.Deliveries == 0 && len(s.Operations) == 0 {
			return nil
		}
		now := summary(s)
		if now != last {
			last, changed = now, time.Now()
		}
		if time.Since(changed) > patience {
			return fmt.Errorf("nothing has happened for %v, and there is yet to do: %s", patience, now)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintln(log, "storm: to do:", now)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func summary(s ledger.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d deliveries", s.Deliveries)
	for _, o := range s.Operations {
		fmt.Fprintf(&b, ", %d %s of %s", o.Count, o.State, o.Kind)
	}
	return b.String()
}
