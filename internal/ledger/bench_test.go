package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/realtest"
)

const (
	benchClients = 64
	benchBody    = 30 << 10
)

// BenchmarkAccept stores deliveries of 30 KB from 64 goroutines, beside a bare
// group commit of one row each, and prints the ratio.
func BenchmarkAccept(b *testing.B) {
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		b.Run(name, func(b *testing.B) {
			url := func() string { return "sqlite:" + filepath.Join(b.TempDir(), "bot.db") }
			if name == "PostgreSQL" {
				url = func() string { return realtest.PostgreSQL(b) }
			}
			// In turns, so that what else the machine does meets both.
			var bare, ours, busy time.Duration
			const rounds = 3
			n := max(b.N/rounds, benchClients)
			for range rounds {
				store, closeStore := bareStore(b, url())
				bare += flood(b, n, store)
				closeStore()

				l := open(b, url())
				ours += flood(b, n, accept(l))

				l = open(b, url())
				start(b, l, handler{})
				busy += flood(b, n, accept(l))
			}
			per := func(d time.Duration) float64 { return float64(n*rounds) / d.Seconds() }
			b.ReportMetric(per(bare), "bare/s")
			b.ReportMetric(per(ours), "accepted/s")
			b.ReportMetric(per(busy), "accepted-while-working/s")
			b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(bare.Seconds()/busy.Seconds(), "ratio-while-working")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func accept(l *ledger.Ledger) func(ctx context.Context, i int, body []byte) error {
	return func(ctx context.Context, i int, body []byte) error {
		_, err := l.Accept(ctx, ledger.Delivery{Forge: "gitea", Event: "push", GUID: fmt.Sprint(i),
			Repository: fmt.Sprintf("acme/r%d", i%20), Body: body})
		return err
	}
}

// flood stores n bodies from many goroutines.
func flood(b *testing.B, n int, store func(ctx context.Context, i int, body []byte) error) time.Duration {
	bodies := pushes(16)
	next := make(chan int)
	var wg sync.WaitGroup
	for range benchClients {
		wg.Go(func() {
			for i := range next {
				if err := store(b.Context(), i, bodies[i%len(bodies)]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	begun := time.Now()
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return time.Since(begun)
}

// pushes are bodies as those of a push of many commits: hashes and words, which
// can be made smaller as real ones can.
func pushes(n int) [][]byte {
	random := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields("fix the build when a tag moves add tests for slow readers docs say which release notes came from whom use less memory on large trees")
	bodies := make([][]byte, n)
	for i := range bodies {
		b := []byte(`{"ref":"refs/heads/main","commits":[`)
		for len(b) < benchBody-1000 {
			b = fmt.Appendf(b, `{"id":"%016x%016x%08x","tree_id":"%016x%016x%08x","distinct":true,"message":"`,
				random.Uint64(), random.Uint64(), random.Uint32(), random.Uint64(), random.Uint64(), random.Uint32())
			for range 12 {
				b = append(append(b, words[random.IntN(len(words))]...), ' ')
			}
			b = fmt.Appendf(b, `","timestamp":"2026-11-%02dT%02d:%02d:%02dZ","author":{"name":"Harbour Master","email":"harbour@example.org","username":"harbour"},"added":[],"removed":[],"modified":["cmd/%s/%s.go"]},`,
				1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60), words[random.IntN(len(words))], words[random.IntN(len(words))])
		}
		bodies[i] = append(b, `{}],"repository":{"full_name":"acme/hello"}}`...)
	}
	return bodies
}

// bareStore is what could be done at best: a group commit of one row a body.
func bareStore(b *testing.B, url string) (store func(ctx context.Context, i int, body []byte) error, end func()) {
	type waiting struct {
		body []byte
		done chan error
	}
	queue := make(chan waiting, 1024)
	store = func(_ context.Context, _ int, body []byte) error {
		w := waiting{body, make(chan error, 1)}
		queue <- w
		return <-w.done
	}
	commit, committers, closeDB := bareCommit(b, url)
	var wg sync.WaitGroup
	for range committers {
		wg.Go(func() {
			for first := range queue {
				batch := []waiting{first}
				for more := true; more && len(batch) < 256; {
					select {
					case w, ok := <-queue:
						if more = ok; ok {
							batch = append(batch, w)
						}
					default:
						more = false
					}
				}
				bodies := make([]any, len(batch))
				for i, w := range batch {
					bodies[i] = w.body
				}
				err := commit(bodies)
				for _, w := range batch {
					w.done <- err
				}
			}
		})
	}
	return store, func() { close(queue); wg.Wait(); closeDB() }
}

func bareCommit(b *testing.B, url string) (commit func(bodies []any) error, committers int, end func()) {
	ctx := context.Background()
	rows := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf("($%d)", i+1))
		}
		return "INSERT INTO bare (body) VALUES " + strings.Join(s, ",")
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(2000)&_txlock=immediate")
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`CREATE TABLE bare (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB)`); err != nil {
			b.Fatal(err)
		}
		return func(bodies []any) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(rows(len(bodies)), bodies...); err != nil {
				return err
			}
			return tx.Commit()
		}, 1, func() { _ = db.Close() }
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `CREATE TABLE bare (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA)`); err != nil {
		b.Fatal(err)
	}
	return func(bodies []any) error {
		_, err := pool.Exec(ctx, rows(len(bodies)), bodies...)
		return err
	}, 2, pool.Close
}

// BenchmarkBacklog works off deliveries that wait, of which each asks for an
// operation of its own; those are done at once.
func BenchmarkBacklog(b *testing.B) {
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		b.Run(name, func(b *testing.B) {
			url := "sqlite:" + filepath.Join(b.TempDir(), "bot.db")
			if name == "PostgreSQL" {
				url = realtest.PostgreSQL(b)
			}
			l := open(b, url)
			n := max(b.N, 500)
			flood(b, n, accept(l))
			begun := time.Now()
			start(b, l, handler{deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
				return ledger.Verdict{Operations: []ledger.NewOperation{release(fmt.Sprint(d.ID), d.Repository)}}, nil
			}})
			var decided time.Duration
			for {
				s, err := l.Stats(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if s.Deliveries == 0 && decided == 0 {
					decided = time.Since(begun)
				}
				if s.Deliveries == 0 && len(s.Operations) == 0 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			b.ReportMetric(float64(n)/decided.Seconds(), "deliveries/s")
			b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "operations/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
