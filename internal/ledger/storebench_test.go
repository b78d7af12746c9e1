package ledger_test

import (
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/state"
)

// How long a database takes to name and to read 100,000 documents, and to take
// batches of three.
func BenchmarkStore(b *testing.B) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + b.TempDir() + "/state.db", "PostgreSQL": realtest.PostgreSQL(b)} {
		b.Run(name, func(b *testing.B) {
			s, closing, err := ledger.OpenState(b.Context(), url)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { closing.Close() })
			ref := func(i int) string {
				return fmt.Sprintf("github.com/acme/app/-/release.ocu.star/@r%d/call/build-%d", i/100, i)
			}
			for i := 0; i < 100_000; i += 1000 {
				var changes []state.Change
				for k := range 1000 {
					changes = append(changes, state.Change{Ref: ref(i + k), Value: []byte(`{"status":"complete"}`)})
				}
				if _, err := s.Apply(b.Context(), "", changes...); err != nil {
					b.Fatal(err)
				}
			}
			for _, prefix := range []string{"", "github.com/acme/app", "github.com/acme/app/-/release.ocu.star/@r7"} {
				b.Run("List "+prefix, func(b *testing.B) {
					for b.Loop() {
						if refs, err := s.List(b.Context(), prefix); err != nil || len(refs) < 100 {
							b.Fatal(len(refs), err)
						}
					}
				})
			}
			b.Run("Scan", func(b *testing.B) {
				for b.Loop() {
					for _, err := range s.Scan(b.Context(), "github.com") {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
			n := 0
			b.Run("Apply", func(b *testing.B) {
				for b.Loop() {
					n++
					if _, err := s.Apply(b.Context(), "", state.Change{Ref: fmt.Sprint("a/", n), Value: []byte("1")},
						state.Change{Ref: fmt.Sprint("b/", n), Value: []byte("1")}, state.Change{Ref: fmt.Sprint("c/", n), Value: []byte("1")}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
