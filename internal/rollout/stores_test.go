package rollout_test

import (
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// stores are all that a rollout may keep its state in.
func stores(t *testing.T) map[string]func(t *testing.T) state.Store {
	t.Helper()
	return map[string]func(t *testing.T) state.Store{
		"folder": func(t *testing.T) state.Store { return state.OpenDir(t.TempDir()) },
		"branch": func(t *testing.T) state.Store {
			s, err := gitstate.Open(t.Context(), gitstate.Options{Repo: gittest.New(t).Dir})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
		"database": func(t *testing.T) state.Store {
			s, c, err := ledger.OpenState(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return s
		},
	}
}
