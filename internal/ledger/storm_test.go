package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// A thousand operations (or $SLIPWAY_STORM), each asked for five times,
// shuffled, by many at once; on PostgreSQL over four replicas: each is operated
// exactly once.
func TestStorm(t *testing.T) {
	alone(t, func(t *testing.T, url string) {
		const times, together, askers = 5, 25, 16
		operations := 1000
		if n := os.Getenv("SLIPWAY_STORM"); n != "" {
			var err error
			if operations, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
		replicas := 4
		if isSQLite(url) {
			replicas = 1
		}
		counts := make([]atomic.Int32, operations)
		var done atomic.Int32
		h := handler{operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			var i int
			if _, err := fmt.Sscanf(op.Identity, "op %d", &i); err != nil {
				t.Error(err)
			}
			if counts[i].Add(1) == 1 {
				done.Add(1)
			}
			return ledger.Result{State: ledger.OpDone}
		}}
		var ledgers []*ledger.Ledger
		for range replicas {
			l := open(t, url, func(o *ledger.Options) { o.Workers = 16 })
			start(t, l, h)
			ledgers = append(ledgers, l)
		}
		var asked []ledger.NewOperation
		for i := range operations {
			for range times {
				asked = append(asked, release(fmt.Sprint("op ", i), fmt.Sprint("acme/r", i%200)))
			}
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
		begun := time.Now()
		next := make(chan []ledger.NewOperation)
		var wg sync.WaitGroup
		var made atomic.Int32
		for i := range askers {
			wg.Go(func() {
				for some := range next {
					proposed, err := ledgers[i%replicas].Propose(t.Context(), some)
					if err != nil {
						t.Error(err)
					}
					for _, p := range proposed {
						if p.New {
							made.Add(1)
						}
					}
				}
			})
		}
		for i := 0; i < len(asked); i += together {
			next <- asked[i:min(i+together, len(asked))]
		}
		close(next)
		wg.Wait()
		t.Logf("%d asked for in %v", len(asked), time.Since(begun))
		for end := time.Now().Add(3 * time.Minute); int(done.Load()) < operations && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("%d operated after %v", done.Load(), time.Since(begun))
		wrong := 0
		for i := range counts {
			if counts[i].Load() != 1 {
				wrong++
			}
		}
		if wrong > 0 || int(made.Load()) != operations {
			t.Errorf("%d operations were not operated exactly once; %d were new, want %d", wrong, made.Load(), operations)
		}
	})
}
