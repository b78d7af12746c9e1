package state_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

func TestDirKeepsTheContract(t *testing.T) {
	t.Parallel()
	statetest.Run(t, func(t *testing.T) func() state.Store {
		root := t.TempDir()
		return func() state.Store { return state.OpenDir(root) }
	})
}
