package gitstate_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// How long a batch of three takes on a branch with 10,000 documents, and to read
// one and to name all; with 8 workers, how many batches a second.
func BenchmarkStore(b *testing.B) {
	for _, where := range []string{"local", "remote"} {
		b.Run(where, func(b *testing.B) {
			dir := b.TempDir()
			gittest.At(b, dir).Git("init", "--quiet", "--bare", ".")
			o := gitstate.Options{Repo: dir}
			if where == "remote" {
				o = gitstate.Options{Remote: dir, Cache: b.TempDir()}
			}
			s, err := gitstate.Open(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			var batch []state.Change
			for i := range 10_000 {
				batch = append(batch, state.Change{Ref: fmt.Sprintf("github.com/acme/app/-/release.ocu.star/@r%d/call/build-%d", i/100, i), Value: fmt.Appendf(nil, `{"n":%d}`, i)})
			}
			if _, err := s.Apply(b.Context(), "many", batch...); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			write := func() {
				i := n.Add(1)
				if _, err := s.Apply(b.Context(), fmt.Sprint("batch ", i), state.Change{Ref: fmt.Sprintf("github.com/acme/app/-/release.ocu.star/@r%d/deploy/%d", i%100, i), Value: []byte("{}")},
					state.Change{Ref: fmt.Sprint("b/", i), Value: []byte("1")}, state.Change{Ref: fmt.Sprint("c/", i), Value: []byte("1")}); err != nil {
					b.Error(err)
				}
			}
			b.Run("Apply", func(b *testing.B) {
				for b.Loop() {
					write()
				}
			})
			b.Run("Apply by 8", func(b *testing.B) {
				var wg sync.WaitGroup
				var done atomic.Int64
				for range 8 {
					wg.Go(func() {
						for done.Add(1) <= int64(b.N) {
							write()
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
			})
			b.Run("Get", func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Get(b.Context(), batch[0].Ref); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("List", func(b *testing.B) {
				for b.Loop() {
					if _, err := s.List(b.Context(), ""); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("Scan", func(b *testing.B) {
				for b.Loop() {
					for _, err := range s.Scan(b.Context(), "") {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
	}
}
