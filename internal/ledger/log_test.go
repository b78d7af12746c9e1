package ledger_test

import (
	"log/slog"
	"sync/atomic"
	"testing"
)

// logTo logs warnings to a test, until it ends.
func logTo(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() { w.over.Store(true) })
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct {
	t    testing.TB
	over atomic.Bool
}

func (w *testWriter) Write(b []byte) (int, error) {
	if !w.over.Load() {
		w.t.Logf("%s", b)
	}
	return len(b), nil
}
