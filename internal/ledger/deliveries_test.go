package ledger_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// Deliveries can be listed, replayed, and are forgotten after a time, but not
// before they were processed.
func TestDeliveries(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		var last int64
		for i := range 5 {
			d := ledger.Delivery{Forge: "gitea", Event: "push", GUID: "old", Repository: "acme/a", Received: time.Now().Add(-48 * time.Hour), Body: []byte("{}")}
			if i >= 3 {
				d.GUID, d.Received, d.Repository = "new", time.Now(), "acme/b"
			}
			var err error
			if last, err = l.Accept(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		list := func(f ledger.DeliveryFilter, want int) []ledger.Delivery {
			t.Helper()
			ds, err := l.Deliveries(t.Context(), f)
			if err != nil || len(ds) != want {
				t.Fatalf("%+v gives %d, %v; want %d", f, len(ds), err, want)
			}
			return ds
		}
		if s, err := l.Stats(t.Context()); err != nil || s.Deliveries != 5 || s.OldestDelivery < 47*time.Hour {
			t.Errorf("Stats = %+v, %v", s, err)
		}
		if n, err := l.Prune(t.Context(), 24*time.Hour); n != 0 || err != nil {
			t.Errorf("Prune took %d that nobody has seen, %v", n, err)
		}
		var decided atomic.Int32
		start(t, l, handler{deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
			decided.Add(1)
			return ledger.Verdict{Outcome: ledger.Ignored, Reason: "of no interest", Operations: nil}, nil
		}})
		await(t, "all are processed", func() bool {
			ds, err := l.Deliveries(t.Context(), ledger.DeliveryFilter{Outcome: ledger.Ignored})
			return err == nil && len(ds) == 5
		})
		ds := list(ledger.DeliveryFilter{Repository: "acme/b", Since: time.Now().Add(-time.Hour)}, 2)
		if ds[0].ID != last || ds[0].Reason != "of no interest" || ds[0].Processed.IsZero() {
			t.Errorf("the newest is %+v", ds[0])
		}
		list(ledger.DeliveryFilter{GUID: "old", Limit: 2}, 2)
		list(ledger.DeliveryFilter{Before: last, Limit: 10}, 4)
		if err := l.Replay(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		await(t, "it was processed again", func() bool { return decided.Load() == 6 })
		if err := l.Replay(t.Context(), 999); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("replay of nothing: %v", err)
		}
		if n, err := l.Prune(t.Context(), 24*time.Hour); n != 3 || err != nil {
			t.Errorf("Prune = %d, %v; want 3", n, err)
		}
		list(ledger.DeliveryFilter{}, 2)
		if _, err := l.Delivery(t.Context(), 1); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a forgotten one: %v", err)
		}
	})
}

// A repository is compared once, however often that is asked for meanwhile.
func TestReconcileOnce(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		var n atomic.Int32
		begun, end := make(chan string, 9), make(chan error)
		start(t, l, handler{reconcile: func(_ context.Context, forge, repository string) error {
			n.Add(1)
			begun <- forge + "/" + repository
			return <-end
		}})
		ask := func() {
			t.Helper()
			if err := l.Reconcile(t.Context(), "gitea", "acme/a"); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		ask()
		if of := <-begun; of != "gitea/acme/a" {
			t.Errorf("it is of %s", of)
		}
		ask()
		end <- errors.New("the forge is down")
		await(t, "it can be asked for again", func() bool { ask(); return n.Load() == 2 })
		end <- nil
	})
}

// A SQLite file has one bot; other processes read and ask.
func TestOneServesASQLiteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "some %23?# folder", "bot.db")
	if _, err := ledger.Open(t.Context(), ledger.Options{URL: path}); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("a database was made by who only looks: %v", err)
	}
	l := open(t, path)
	if _, err := ledger.Open(t.Context(), ledger.Options{URL: "sqlite:" + path, Serving: true}); err == nil || !strings.Contains(err.Error(), "another bot serves") {
		t.Errorf("two serve: %v", err)
	}
	start(t, l, handler{})
	cli := open(t, path, func(o *ledger.Options) { o.Serving = false })
	if err := cli.Start(t.Context(), handler{}); err == nil {
		t.Error("what does not serve was started")
	}
	p := propose(t, cli, release("v1", "acme/a"))
	awaitState(t, cli, p[0].ID, ledger.OpDone)
}

// An address that is none says what one looks like, and tells no password.
func TestBadAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "mysql://x", "postgres://u:sesame@[::1", "postgres://u:sesame@127.0.0.1:1/none?sslmode=disable"} {
		_, err := ledger.Open(t.Context(), ledger.Options{URL: url, Serving: true})
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", url, err)
		}
		t.Log(err)
	}
}
