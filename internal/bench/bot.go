package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// floodTurn is how many deliveries a contender gets in a turn.
const floodTurn = 10_000

// measureBot floods the bot with deliveries beside handlers that do the least,
// and looks at it while it works and while it idles.
func measureBot(ctx context.Context, b *bench) ([]row, error) {
	server, stop, err := realtest.StartPostgreSQL(ctx, b.log)
	if err != nil {
		return nil, err
	}
	defer stop()
	rows, err := b.measureFlood(ctx, server)
	if err != nil {
		return nil, err
	}
	g, stopGitea, err := b.newBotGitea(ctx)
	if err != nil {
		return nil, err
	}
	defer stopGitea()
	compile, err := g.measureFirstCompile(ctx)
	if err != nil {
		return nil, err
	}
	idle, err := g.measureIdle(ctx, server)
	return slices.Concat(rows, compile, idle), err
}

// floods is one way to receive deliveries, over all its turns.
type floods struct {
	contender
	latencies []time.Duration
	missing   int // that were acknowledged, and are not on the disk
	refused   int
}

func (f *floods) perSecond() string {
	return fmt.Sprintf("%.0f/s", floodTurn/f.took.median().Seconds())
}

func (b *bench) measureFlood(ctx context.Context, postgres string) ([]row, error) {
	all, err := pushes()
	if err != nil {
		return nil, err
	}
	none := func(string) (string, func(), error) { return "", func() {}, nil }
	sqlite := func(dir string) (string, func(), error) {
		return "sqlite:" + filepath.Join(dir, "flood.db"), func() {}, nil // it is removed with the folder
	}
	fresh := func(dir string) (string, func(), error) { return newDatabase(ctx, postgres, filepath.Base(dir)) }
	var (
		hmac     = b.floods(ctx, "hmac", all, none, b.startBare)
		bare     = b.floods(ctx, "bare_sqlite", all, sqlite, b.startBare)
		ours     = b.floods(ctx, "bot_sqlite", all, sqlite, b.startFlooded)
		barePG   = b.floods(ctx, "bare_postgres", all, fresh, b.startBare)
		oursPG   = b.floods(ctx, "bot_postgres", all, fresh, b.startFlooded)
		everyone = []*contender{&hmac.contender, &bare.contender, &ours.contender, &barePG.contender, &oursPG.contender}
	)
	if err := b.race("bot", everyone...); err != nil {
		return nil, err
	}
	return []row{
		{what: "bot: deliveries that are only checked (HMAC)", ours: hmac.perSecond()},
		floodRow("bot: 30 KB deliveries on SQLite, beside a bare handler on SQLite", ours, bare, 0.6),
		slowRow(ours, bare),
		diskRow(ours),
		floodRow("bot: the same on PostgreSQL, beside the bare handler on SQLite", oursPG, bare, 0.4),
		floodRow("… beside a bare handler on PostgreSQL", oursPG, barePG, 0),
		slowRow(oursPG, barePG),
		diskRow(oursPG),
	}, nil
}

// floods makes a contender whose turns each have a server and a database of
// their own, which is looked through when the server was killed.
func (b *bench) floods(ctx context.Context, name string, all []delivery, database func(dir string) (address string, drop func(), err error),
	start func(ctx context.Context, dir, database string) (*receiver, error)) *floods {
	f, turn := &floods{}, 0
	f.run = func() (time.Duration, error) {
		turn++
		dir := filepath.Join(b.dir, fmt.Sprintf("%s_%d", name, turn))
		defer func() { _ = removeAll(dir) }() // all is removed in the end
		address, drop, err := database(dir)
		if err != nil {
			return 0, err
		}
		defer drop()
		s, err := start(ctx, dir, address)
		if err != nil {
			return 0, err
		}
		defer s.end()
		got, err := flood(ctx, s.address, all, floodTurn)
		if err != nil {
			return 0, fmt.Errorf("%w; the end of %s's log:\n%s", err, name, s.tail())
		}
		fmt.Fprintf(b.log, "bot: %s: %.0f/s, p99 %s, %d refused\n", name, got.perSecond(), seconds(percentile(got.latencies, 0.99)), got.refused)
		f.latencies = append(f.latencies, got.latencies...)
		f.refused += got.refused
		s.end()
		if strings.HasPrefix(name, "bot_") {
			missing, err := missingOf(ctx, address, got.accepted)
			if err != nil {
				return 0, err
			}
			f.missing += missing
		}
		return got.took, nil
	}
	return f
}

// startFlooded is a bot whose forge is not there: pushes of branches need none.
func (b *bench) startFlooded(ctx context.Context, dir, database string) (*receiver, error) {
	return b.startBot(ctx, dir, database, forgeYAML{Kind: "github", Server: "http://127.0.0.1:9", Token: "none", Secrets: []string{floodSecret},
		Repositories: []string{"acme/*"}, HostBuilds: "refuse"})
}

// floodRow holds the rates of each turn against each other, for a turn's
// contenders meet the same machine; the median counts.
func floodRow(what string, ours, rival *floods, goal float64) row {
	ratios := make([]float64, len(ours.took))
	for i, took := range ours.took {
		ratios[i] = per(rival.took[i], took)
	}
	slices.Sort(ratios)
	ratio := ratios[len(ratios)/2]
	r := row{what: what, ours: ours.perSecond(), rival: rival.perSecond(),
		figure: fmt.Sprintf("%.2f (turns %.2f to %.2f)", ratio, ratios[0], ratios[len(ratios)-1])}
	if goal > 0 {
		r.goal, r.met = fmt.Sprintf("≥ %.3g", goal), ratio >= goal
	}
	return r
}

func slowRow(ours, rival *floods) row {
	of := func(f *floods) string {
		return seconds(percentile(f.latencies, 0.5)) + ", " + seconds(percentile(f.latencies, 0.99))
	}
	p99 := percentile(ours.latencies, 0.99)
	return row{what: "… answered within (p50, p99)", ours: of(ours), rival: of(rival), figure: seconds(p99) + ", the longest " + seconds(percentile(ours.latencies, 1)),
		goal: "p99 < 100 ms", met: p99 < 100*time.Millisecond}
}

func diskRow(f *floods) row {
	return row{what: "… on the disk after SIGKILL, with their jobs",
		figure: fmt.Sprintf("%d of %d, %d refused", len(f.latencies)-f.missing, len(f.latencies), f.refused), goal: "all", met: f.missing == 0}
}

// newDatabase makes an empty database on a server, beside that of its address.
func newDatabase(ctx context.Context, server, name string) (address string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	drop = func() { _ = onServer(context.WithoutCancel(ctx), server, "DROP DATABASE "+name+" WITH (FORCE)") } // the server ends soon
	return u.String(), drop, onServer(ctx, server, "CREATE DATABASE "+name)
}

func onServer(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// missingOf counts the deliveries that are not in a bot's database, or have no
// job there.
func missingOf(ctx context.Context, database string, guids []string) (int, error) {
	driver, source, id := "pgx", database, "(args->>'id')::bigint"
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source, id = "sqlite", "file:"+path, "json_extract(args, '$.id')"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT guid FROM slipway_deliveries JOIN slipway_bodies ON delivery = id
		WHERE id IN (SELECT `+id+` FROM river_job WHERE kind = 'slipway_delivery')`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		var guid string
		if err := rows.Scan(&guid); err != nil {
			return 0, err
		}
		there[guid] = true
	}
	missing := 0
	for _, g := range guids {
		if !there[g] {
			missing++
		}
	}
	return missing, rows.Err()
}
