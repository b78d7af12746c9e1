package rollout_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/state"
)

// stores are all that a rollout may keep its state in.
func stores(t *testing.T) map[string]func(t *testing.T) state.Store {
	t.Helper()
	return map[string]func(t *testing.T) state.Store{
		"folder": func(t *testing.T) state.Store { return state.OpenDir(t.TempDir()) },
	}
}
