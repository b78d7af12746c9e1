package ledger_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

// The documents in the bot's database keep the contract of all stores; several
// handles on one database are as several processes are.
func TestStore(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		statetest.Run(t, func(t *testing.T) func() state.Store {
			url := url
			if isSQLite(url) {
				url = "sqlite:" + t.TempDir() + "/bot.db"
			}
			first := open(t, url)
			if !isSQLite(url) {
				empty(t, first.Store())
			}
			return func() state.Store {
				return open(t, url, func(o *ledger.Options) { o.Serving = false }).Store()
			}
		})
	})
}

func empty(t *testing.T, s state.Store) {
	t.Helper()
	refs, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		d, err := s.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), ref, d.Version); err != nil {
			t.Fatal(err)
		}
	}
}
