package state_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

// A part of a store is a store, whatever is beside it.
func TestBelow(t *testing.T) {
	t.Parallel()
	statetest.Run(t, func(t *testing.T) func() state.Store {
		dir := t.TempDir()
		for _, ref := range []string{"rollouts/forge/acme", "rollouts/forge/acme/hello", "rollouts/forge/acme/hello2/x", "z"} {
			if _, err := state.Put(t.Context(), state.OpenDir(dir), ref, []byte("beside"), ""); err != nil {
				t.Fatal(err)
			}
		}
		return func() state.Store { return state.At(state.OpenDir(dir), "rollouts/forge/acme/hello") }
	})
}
