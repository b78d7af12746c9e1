package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// postgresDB is a database on a PostgreSQL server.
type postgresDB struct {
	pool   *pgxpool.Pool
	urgent *pgxpool.Pool // for deliveries and leases, which wait for no work
	driver *postgresDriver
	rings  *postgresBell
}

var postgresDialect = dialect{
	accepters: 2, // while one waits for the disk, another is filled
	now:       "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
	lock:      "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
	types: strings.NewReplacer("{id}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "{bytes}", "BYTEA",
		"{ref}", `TEXT COLLATE "C"`,
		"{bodies as they are}", "ALTER TABLE slipway_bodies ALTER COLUMN body SET STORAGE EXTERNAL"), // not compressed again
}

func openPostgres(ctx context.Context, url string) (database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, hidePassword(err)
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 2 * time.Second
	}
	config.HealthCheckPeriod = 10 * time.Second
	urgent := config.Copy()
	// Whoever works waits for a connection: a server takes a hundred in all.
	config.MaxConns, urgent.MaxConns = 12, 4
	db := &postgresDB{}
	if db.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, hidePassword(err)
	}
	if db.urgent, err = pgxpool.NewWithConfig(ctx, urgent); err != nil {
		db.pool.Close()
		return nil, hidePassword(err)
	}
	db.driver = &postgresDriver{riverpgxv5.New(db.pool)}
	db.rings = newPostgresBell(db.urgent)
	return db, nil
}

// hidePassword keeps what is wrong with an address, and not the address.
func hidePassword(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return fmt.Errorf("the PostgreSQL address can't be read (postgres://user:password@host:port/database): %w", errors.Unwrap(parse))
	}
	return err
}

func (db *postgresDB) dialect() dialect { return postgresDialect }

func (db *postgresDB) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	return pgxQuerier{db.pool}.exec(ctx, sql, args...)
}

func (db *postgresDB) query(ctx context.Context, sql string, args ...any) (rows, error) {
	return pgxQuerier{db.pool}.query(ctx, sql, args...)
}

func (db *postgresDB) write(ctx context.Context, urgent bool, do func(context.Context, *tx) error) error {
	pool := db.pool
	if urgent {
		pool = db.urgent
	}
	for try := 1; ; try++ {
		err := db.transact(ctx, pool, do)
		if err == nil || try == 5 || !conflict(err) {
			return err
		}
	}
}

func (db *postgresDB) transact(ctx context.Context, pool *pgxpool.Pool, do func(context.Context, *tx) error) error {
	raw, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	t := &tx{querier: pgxQuerier{raw}, raw: raw}
	if err := do(ctx, t); err != nil {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = raw.Rollback(rollback)
		return err
	}
	if err := raw.Commit(ctx); err != nil {
		return err
	}
	t.committed()
	return nil
}

// conflict reports whether the same transaction may succeed at once: it was
// chosen to end a deadlock, or could not be put in order with another.
func conflict(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40P01" || e.Code == "40001")
}

func (db *postgresDB) migrate(ctx context.Context) error {
	return db.migrating(ctx, func() error {
		m, err := rivermigrate.New(riverdriver.Driver[pgx.Tx](db.driver), &rivermigrate.Config{Logger: quiet()})
		if err != nil {
			return err
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("make River's tables: %w", err)
		}
		return db.migrateTables(ctx)
	})
}

func (db *postgresDB) migrateOwn(ctx context.Context) error {
	return db.migrating(ctx, func() error { return db.migrateTables(ctx) })
}

func (db *postgresDB) migrateTables(ctx context.Context) error {
	return db.write(ctx, true, func(ctx context.Context, t *tx) error { return migrateSchema(ctx, t, postgresDialect) })
}

// migrating has one replica at a time change the tables. The lock ends with the
// connection at the latest.
func (db *postgresDB) migrating(ctx context.Context, do func() error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	const name = "hashtextextended('slipway/migrate', 0)"
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock("+name+")"); err != nil {
		return fmt.Errorf("wait for another replica's migration: %w", err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock("+name+")") }()
	return do()
}

func (db *postgresDB) newQueue(c queueConfig) (queue, error) {
	return newRiverQueue(db.driver, c, func(raw any) (pgx.Tx, bool) { t, ok := raw.(pgx.Tx); return t, ok }, db.rings.ring)
}

func (db *postgresDB) close() error {
	db.rings.close()
	db.pool.Close()
	db.urgent.Close()
	return nil
}

// pgxQuerier is a pool or a transaction.
type pgxQuerier struct {
	pgx interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

func (q pgxQuerier) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := q.pgx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (q pgxQuerier) query(ctx context.Context, sql string, args ...any) (rows, error) {
	r, err := q.pgx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgxRows{r}, nil
}

type pgxRows struct{ pgx.Rows }

func (r pgxRows) close() { r.Close() }
