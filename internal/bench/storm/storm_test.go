package storm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/bench/storm"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/realtest"
)

func TestMain(m *testing.M) {
	if was, err := storm.Bot(os.Stdout, os.Stderr); was {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := gittest.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Every delivery comes five times, in any order, and bots are killed meanwhile:
// every operation is done exactly once, and nothing that was acknowledged is
// lost. The long form of it is `go run ./internal/bench storm`.
func TestStorm(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		weather(t, "sqlite:"+filepath.Join(t.TempDir(), "bot.db"), 1)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		weather(t, realtest.PostgreSQL(t), 4)
	})
}

func weather(t *testing.T, database string, replicas int) {
	var log strings.Builder
	o := storm.Options{Database: database, Replicas: replicas, Deliveries: 200, Times: 5, Kills: 3, Repositories: 20, Workers: 4,
		Lease: 2 * time.Second, Seed: 2026, Log: &log}
	r, err := storm.Run(t.Context(), o)
	t.Logf("%s%+v", &log, r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kills != o.Kills || r.Operations != o.Deliveries || r.Acknowledged != o.Deliveries*o.Times {
		t.Errorf("%d operations of %d deliveries that were acknowledged %d times, %d kills", r.Operations, o.Deliveries, r.Acknowledged, r.Kills)
	}
	if r.Lost > 0 || r.Twice > 0 || len(r.Faults) > 0 {
		t.Errorf("%d lost, %d twice:\n%s", r.Lost, r.Twice, strings.Join(r.Faults, "\n"))
	}
}
