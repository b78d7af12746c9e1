package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/bench/storm"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// measureStorm sends each of 10,000 deliveries five times, while ten bots are
// killed, and counts what is lost or done twice.
func measureStorm(ctx context.Context, b *bench) ([]row, error) {
	postgres, stop, err := realtest.StartPostgreSQL(ctx, b.log)
	if err != nil {
		return nil, err
	}
	defer stop()
	var rows []row
	for _, on := range []struct {
		name, database string
		replicas       int
	}{{"SQLite, one bot", "sqlite:" + filepath.Join(b.dir, "storm.db"), 1}, {"PostgreSQL, four replicas", postgres, 4}} {
		o := storm.Options{Database: on.database, Replicas: on.replicas, Deliveries: 10_000, Times: 5, Kills: 10, Repositories: 100,
			Workers: 8 / on.replicas, Lease: 20 * time.Second, Seed: 2026, Log: b.log}
		fmt.Fprintln(b.log, "storm: on", on.name)
		r, err := storm.Run(ctx, o)
		if err != nil {
			return nil, err
		}
		for _, fault := range r.Faults {
			fmt.Fprintln(b.log, "storm:", fault)
		}
		rows = append(rows, stormRows(on.name, o, r)...)
	}
	return rows, nil
}

func stormRows(name string, o storm.Options, r storm.Result) []row {
	sent := o.Deliveries * o.Times
	rate := func(n int, took time.Duration) string { return fmt.Sprintf("%.0f/s", float64(n)/took.Seconds()) }
	whole := r.Lost == 0 && r.Twice == 0 && len(r.Faults) == 0 && r.Operations == o.Deliveries && r.Kills == o.Kills
	return []row{
		{what: "storm on " + name, figure: fmt.Sprintf("%d deliveries, %d kills", sent, r.Kills)},
		{what: "… acknowledged", ours: rate(sent, r.Answered), figure: fmt.Sprintf("all after %.0f s, %d sent again", r.Answered.Seconds(), r.Again)},
		{what: "… operations", ours: rate(r.Operations, r.Done), figure: fmt.Sprintf("%d done after %.0f s, %d taken up after a kill", r.Operations, r.Done.Seconds(), r.Restarted)},
		{what: "… lost, done twice", figure: fmt.Sprintf("%d, %d", r.Lost, r.Twice), goal: "0, 0", met: whole},
	}
}
