package statetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/state"
)

func atOnce(t *testing.T, open func(t *testing.T) func() state.Store) {
	// Two documents that each batch counts up together stay equal.
	for _, handles := range []int{1, 4} {
		t.Run(fmt.Sprintf("writers at once lose nothing, with %d handles", handles), func(t *testing.T) {
			again := open(t)
			const writers, each = 4, 6
			stores := make([]state.Store, handles)
			for i := range stores {
				stores[i] = again()
			}
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						if err := increment(t.Context(), stores[w%handles], fmt.Sprintf("log/%d/%d", w, i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			got := all(t, again())
			if want := fmt.Sprint(writers * each); got["n"] != want || got["twin/of/n"] != want || len(got) != 2+writers*each {
				t.Errorf("the counters are %s and %s, and there are %d documents; want %s, %s and %d",
					got["n"], got["twin/of/n"], len(got), want, want, 2+writers*each)
			}
		})
	}
	t.Run("writers of different documents don't hinder each other", func(t *testing.T) {
		s := open(t)()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				version := ""
				for i := range 4 {
					v, err := state.Put(t.Context(), s, fmt.Sprint("own/", w), fmt.Append(nil, i), version)
					if err != nil {
						t.Error(err)
					}
					version = v
				}
			})
		}
		wg.Wait()
		for ref, value := range all(t, s) {
			if value != "3" {
				t.Errorf("%s is %s, want 3", ref, value)
			}
		}
	})
	t.Run("a caller that gives up does not take others along", func(t *testing.T) {
		s := open(t)()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if w%2 == 0 {
					go cancel()
				}
				_, err := state.Put(ctx, s, fmt.Sprint("own/", w), []byte("1"), "")
				if err != nil && (w%2 == 1 || !errors.Is(err, context.Canceled)) {
					t.Errorf("writer %d: %v", w, err)
				}
			})
		}
		wg.Wait()
		got := all(t, s)
		for w := 1; w < 8; w += 2 {
			if got[fmt.Sprint("own/", w)] != "1" {
				t.Errorf("writer %d's document is not there", w)
			}
		}
	})
}

// increment adds one to two counters by compare-and-swap, and a document of its
// own, until it gets through.
func increment(ctx context.Context, s state.Store, log string) error {
	for {
		var change [2]state.Change
		for i, ref := range []string{"n", "twin/of/n"} {
			d, err := s.Get(ctx, ref)
			if err != nil && !errors.Is(err, state.ErrNotFound) {
				return err
			}
			n, _ := strconv.Atoi(string(d.Value))
			change[i] = state.Change{Ref: ref, Value: fmt.Append(nil, n+1), Version: d.Version}
		}
		_, err := s.Apply(ctx, "count to "+string(change[0].Value), change[0], state.Change{Ref: log, Value: []byte("{}")}, change[1])
		if err == nil || !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}
