package state

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Group has callers of Apply that come at the same time share one write: one of
// them does it for all. The zero value is ready for use.
type Group struct {
	mu      sync.Mutex
	waiting []*Batch
	leading bool // one of the callers is at work
}

// Batch is what one caller wants.
type Batch struct {
	Message string
	Changes []Change
	// Versions and Err are the answer, when this batch's is another than that of
	// all.
	Versions []string
	Err      error

	ctx  context.Context //nolint:containedctx // it is the caller's, who waits
	lead chan struct{}   // it is this caller's turn to work for all
	done chan error      // has room for the answer
}

const groupBatches = 128 // at most so many share a write

// Apply hands a batch in and waits for its answer. lead is called by the caller
// whose turn it is: when it is ready to write it calls take once, for all that
// wait by then and a context that ends when none of them waits any more. What
// lead returns is the error of all that it took, but those with an Err.
func (g *Group) Apply(ctx context.Context, message string, changes []Change, lead func(ctx context.Context, take func() (context.Context, []*Batch)) error) ([]string, error) {
	if err := CheckChanges(changes); err != nil || len(changes) == 0 {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b := &Batch{Message: message, Changes: changes, ctx: ctx, lead: make(chan struct{}, 1), done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, b)
	if !g.leading {
		g.leading = true
		b.lead <- struct{}{}
	}
	g.mu.Unlock()
	select {
	case <-b.lead:
		g.work(ctx, b, lead)
	case err := <-b.done:
		return b.answer(err)
	case <-ctx.Done():
		if g.withdraw(b) {
			return nil, context.Cause(ctx)
		}
	}
	return b.answer(<-b.done) // it is among those that are worked on
}

func (b *Batch) answer(err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	return b.Versions, nil
}

// withdraw takes back a batch that nobody works on.
func (g *Group) withdraw(b *Batch) bool {
	if !g.remove(b) {
		return false
	}
	select {
	case <-b.lead:
		g.handOver()
	default:
	}
	return true
}

func (g *Group) remove(b *Batch) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.waiting, b)
	if at >= 0 {
		g.waiting = slices.Delete(g.waiting, at, at+1)
	}
	return at >= 0
}

// handOver has the next caller lead.
func (g *Group) handOver() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leading = len(g.waiting) > 0; g.leading {
		g.waiting[0].lead <- struct{}{}
	}
}

// work leads, and answers all that were taken.
func (g *Group) work(ctx context.Context, own *Batch, lead func(context.Context, func() (context.Context, []*Batch)) error) {
	defer g.handOver()
	var group []*Batch
	stop := func() {}
	err := lead(ctx, func() (joint context.Context, _ []*Batch) {
		g.mu.Lock()
		defer g.mu.Unlock()
		n := min(len(g.waiting), groupBatches) // its own is the first
		group = slices.Clone(g.waiting[:n])
		g.waiting = slices.Delete(g.waiting, 0, n)
		joint, stop = together(group)
		return joint, group
	})
	stop()
	if group == nil {
		g.remove(own) // the others try for themselves
		group = []*Batch{own}
	}
	for _, b := range group {
		if b.Err != nil {
			b.done <- b.Err
		} else {
			b.done <- err
		}
	}
}

// together is a context that ends when those of all callers have ended.
func together(group []*Batch) (joint context.Context, stop func()) {
	joint, cancel := context.WithCancel(context.WithoutCancel(group[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(group)))
	stops := make([]func() bool, len(group))
	for i, b := range group {
		stops[i] = context.AfterFunc(b.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return joint, func() {
		for _, s := range stops {
			s()
		}
		cancel()
	}
}
