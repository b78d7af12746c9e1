package state_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

func TestMain(m *testing.M) {
	isChild, err := statetest.Child(func(_ context.Context, where string) (state.Store, error) { return state.OpenDir(where), nil })
	if isChild {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestDirKeepsTheContract(t *testing.T) {
	t.Parallel()
	statetest.Run(t, func(t *testing.T) func() state.Store {
		root := t.TempDir() + "/made/with the first document"
		return func() state.Store { return state.OpenDir(root) }
	})
}

// A process that is killed at any moment leaves each batch in whole or not at
// all.
func TestDirKilled(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	statetest.Kill(t, root, 4*time.Second, func(*testing.T) state.Store { return state.OpenDir(root) })
}
