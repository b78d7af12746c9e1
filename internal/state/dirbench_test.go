package state_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipway-dev/slipway/internal/state"
)

// How many batches of small documents a directory takes in a second: two new
// documents and one that each worker's batches change.
func BenchmarkDirApply(b *testing.B) {
	for _, workers := range []int{1, 8} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			s := state.OpenDir(b.TempDir())
			value := []byte(`{"text":"` + strings.Repeat("x", 200) + `"}`)
			var n atomic.Int64
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					mine, version := fmt.Sprintf("repo/-/a.ocu.star/@r1/work/%d", w), ""
					for {
						i := n.Add(1)
						if i > int64(b.N) {
							return
						}
						got, err := s.Apply(b.Context(), "bench",
							state.Change{Ref: mine, Value: fmt.Append(nil, i), Version: version},
							state.Change{Ref: fmt.Sprintf("repo/-/a.ocu.star/@r1/call/%d/%d", i%100, i), Value: value},
							state.Change{Ref: fmt.Sprintf("repo/-/a.ocu.star/@r1/call/%d/%d-log", i%100, i), Value: value})
						if err != nil {
							b.Error(err)
							return
						}
						version = got[0]
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
		})
	}
}
