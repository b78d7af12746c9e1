package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// idleFor is how long a bot is left alone before and while it is watched.
const idleFor = 30 * time.Second

// measureIdle watches bots that have nothing to do, on both databases at once.
func (g *botGitea) measureIdle(ctx context.Context, postgres string) ([]row, error) {
	databases := []string{"sqlite:" + filepath.Join(g.dir, "idle.db"), postgres}
	bots := make([]*receiver, len(databases))
	for i, database := range databases {
		s, err := g.startBot(ctx, filepath.Join(g.dir, fmt.Sprint("idle", i)), database, g.forge())
		if err != nil {
			return nil, err
		}
		defer s.end()
		bots[i] = s
	}
	fmt.Fprintf(g.log, "bot: idles for twice %v\n", idleFor)
	if err := pause(ctx, idleFor); err != nil {
		return nil, err
	}
	begun, before, rows := time.Now(), make([]time.Duration, len(bots)), make([]row, len(bots))
	asked, err := transactions(ctx, postgres)
	if err != nil {
		return nil, err
	}
	for i, name := range []string{"SQLite", "PostgreSQL"} {
		var resident, own int64
		if before[i], resident, own, err = bots[i].usage(); err != nil {
			return nil, err
		}
		rows[i] = memoryRow("bot idle on "+name+": resident memory", resident, 80*mega)
		rows[i].figure += ", " + megabytes(own) + " of it its own"
	}
	if err := pause(ctx, idleFor); err != nil {
		return nil, err
	}
	for i, name := range []string{"SQLite", "PostgreSQL"} {
		after, _, _, err := bots[i].usage()
		if err != nil {
			return nil, err
		}
		share := 100 * (after - before[i]).Seconds() / time.Since(begun).Seconds()
		rows = append(rows, row{what: "bot idle on " + name + ": processor time", figure: fmt.Sprintf("%.2f %% of a core", share), goal: "< 1 %", met: share < 1})
	}
	more, err := transactions(ctx, postgres)
	last := &rows[len(rows)-1]
	last.figure += fmt.Sprintf(", %.1f transactions/s", float64(more-asked)/time.Since(begun).Seconds())
	return rows, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// transactions counts those of a PostgreSQL database.
func transactions(ctx context.Context, database string) (n int64, err error) {
	db, err := sql.Open("pgx", database)
	if err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`).Scan(&n)
	return n, errors.Join(err, db.Close())
}

// usage is the processor time that a process has had, and its resident size in
// bytes: all of it, and what is its own, without the pages of the program's file.
func (s *receiver) usage() (cpu time.Duration, resident, own int64, err error) {
	folder := filepath.Join("/proc", strconv.Itoa(s.pid))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return 0, 0, 0, err
	}
	// After the name, which is in brackets, fields 14 and 15 are times in ticks
	// of a hundredth of a second.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range []int{14, 15} {
		n, err := strconv.ParseInt(fields[field-3], 10, 64)
		if err != nil {
			return 0, 0, 0, err
		}
		cpu += time.Duration(n) * 10 * time.Millisecond
	}
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return 0, 0, 0, err
	}
	if resident, err = kibibytes(status, "VmRSS:"); err == nil {
		own, err = kibibytes(status, "RssAnon:")
	}
	return cpu, resident, own, err
}
