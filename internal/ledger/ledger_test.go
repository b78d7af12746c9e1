package ledger_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// both runs a test on a fresh database of each kind.
func both(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "bot.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, realtest.PostgreSQL(t))
	})
}

// alone runs a test on one kind after the other, and beside no other test: it
// wants all of the machine.
func alone(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "bot.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, realtest.PostgreSQL(t)) })
}

func isSQLite(url string) bool { return strings.HasPrefix(url, "sqlite:") }

// open opens a serving ledger that ends with the test.
func open(t testing.TB, url string, change ...func(*ledger.Options)) *ledger.Ledger {
	t.Helper()
	o := ledger.Options{URL: url, Serving: true, Log: logTo(t)}
	for _, c := range change {
		c(&o)
	}
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func start(t testing.TB, l *ledger.Ledger, h ledger.Handler) {
	t.Helper()
	if err := l.Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

// handler is a Handler of functions; those that are nil do nothing of note.
type handler struct {
	deliver   func(ctx context.Context, d ledger.Delivery) (ledger.Verdict, error)
	operate   func(ctx context.Context, op ledger.Operation) ledger.Result
	reconcile func(ctx context.Context, forge, repository string) error
}

func (h handler) Deliver(ctx context.Context, d ledger.Delivery) (ledger.Verdict, error) {
	if h.deliver == nil {
		return ledger.Verdict{Outcome: ledger.Ignored, Reason: "nothing to do"}, nil
	}
	return h.deliver(ctx, d)
}

func (h handler) Operate(ctx context.Context, op ledger.Operation) ledger.Result {
	if h.operate == nil {
		return ledger.Result{State: ledger.OpDone, Summary: "done"}
	}
	return h.operate(ctx, op)
}

func (h handler) Reconcile(ctx context.Context, forge, repository string) error {
	if h.reconcile == nil {
		return nil
	}
	return h.reconcile(ctx, forge, repository)
}

// release is an operation of the lane Releases.
func release(identity, repository string) ledger.NewOperation {
	return ledger.NewOperation{Identity: identity, Lane: ledger.Releases, Kind: "release", Forge: "gitea", Repository: repository,
		Ref: "refs/tags/" + identity, Commit: strings.Repeat("a", 40), Class: "stable", Actor: "harbour", Cause: "a test"}
}

func propose(t testing.TB, l *ledger.Ledger, operations ...ledger.NewOperation) []ledger.Proposed {
	t.Helper()
	p, err := l.Propose(t.Context(), operations)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to pass: %s", what)
		}
	}
}

func awaitState(t testing.TB, l *ledger.Ledger, id int64, want ledger.OperationState) ledger.Operation {
	t.Helper()
	var op ledger.Operation
	await(t, "operation is "+string(want), func() bool {
		var err error
		if op, err = l.Operation(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return op.State == want
	})
	return op
}
