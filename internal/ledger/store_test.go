package ledger_test

import (
	"strings"
	"testing"
	"time"

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

// So do those that are opened without a bot, in a database that none has made.
func TestStoreAlone(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		statetest.Run(t, func(t *testing.T) func() state.Store {
			url := url
			if isSQLite(url) {
				url = "sqlite:" + t.TempDir() + "/made/state.db"
			}
			empty(t, openState(t, url))
			return func() state.Store { return openState(t, url) }
		})
	})
}

// A bot may be given a database that had but documents, and both go on.
func TestStoreBecomesABots(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		before := openState(t, url)
		if _, err := state.Put(t.Context(), before, "a/b", []byte("1"), ""); err != nil {
			t.Fatal(err)
		}
		bot := open(t, url)
		d, err := bot.Store().Get(t.Context(), "a/b")
		if err != nil || string(d.Value) != "1" {
			t.Fatalf("the bot reads %q, %v", d.Value, err)
		}
		start(t, bot, handler{})
		if _, err := state.Put(t.Context(), before, "a/b", []byte("2"), d.Version); err != nil {
			t.Error(err)
		}
	})
}

// A process that is killed at any moment leaves each batch in whole or not at
// all.
func TestStoreKilled(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		statetest.Kill(t, url, 4*time.Second, func(t *testing.T) state.Store { return openState(t, url) })
	})
}

// What can't be opened is named, but for its password.
func TestOpenStateErrors(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "mysql://root:sekret@host/db", "postgres://a:sekret@127.0.0.1:1/db", "postgres://a:sek ret@[/", "sqlite:/proc/no/such.db"} {
		_, _, err := ledger.OpenState(t.Context(), url)
		if err == nil || strings.Contains(err.Error(), "sek") {
			t.Errorf("OpenState(%q) = %v", url, err)
		}
	}
}

func openState(t *testing.T, url string) state.Store {
	t.Helper()
	s, closing, err := ledger.OpenState(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closing.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func empty(t *testing.T, s state.Store) {
	t.Helper()
	for e, err := range s.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Delete(t.Context(), s, e.Ref, e.Version); err != nil {
			t.Fatal(err)
		}
	}
}
