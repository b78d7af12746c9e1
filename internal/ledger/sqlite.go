package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// sqliteDB is one file: a connection that writes, several that read.
type sqliteDB struct {
	path    string
	writer  *sql.DB
	reader  *sql.DB
	group   *groupWriter
	driver  *sqliteDriver
	serving *flock.Flock // nil when this process does not serve
}

var sqliteDialect = dialect{
	alone:     true,
	accepters: 1,
	now:       "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	types:     strings.NewReplacer("{id}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{bytes}", "BLOB", "{ref}", "TEXT", "{bodies as they are}", ""),
}

// sqliteUse is what a process does with a file.
type sqliteUse int

const (
	sqliteServing sqliteUse = iota // it is the one bot
	sqliteBeside                   // it looks into what a bot made
	sqliteShared                   // it keeps documents there, as others do
)

func openSQLite(path string, use sqliteUse) (_ database, err error) {
	if use == sqliteBeside {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database %s; the bot makes it when it starts", path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	db := &sqliteDB{path: path}
	defer func() {
		if err != nil {
			_ = db.close()
		}
	}()
	if use == sqliteServing {
		lock := flock.New(path + ".lock")
		got, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !got {
			return nil, fmt.Errorf("another bot serves with the database %s; stop it, or give both a PostgreSQL database", path)
		}
		db.serving = lock
	}
	// A bot has its file to itself.
	patience := "busy_timeout(2000)"
	if use == sqliteShared {
		patience = "busy_timeout(30000)"
	}
	// A commit is on the disk when it returns (synchronous=FULL).
	db.writer, err = openPool(sqliteDSN(path, "journal_mode(WAL)", "synchronous(FULL)",
		patience, "wal_autocheckpoint(2000)", "journal_size_limit(67108864)")+"&_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	db.reader, err = openPool(sqliteDSN(path, patience, "query_only(1)"), 4)
	if err != nil {
		return nil, err
	}
	db.driver = &sqliteDriver{Driver: riversqlite.New(db.writer), bell: &bell{}}
	db.group = newGroupWriter(db.writer)
	return db, nil
}

func sqliteDSN(path string, pragmas ...string) string {
	u := url.URL{Path: path}
	return "file:" + u.EscapedPath() + "?_pragma=" + strings.Join(pragmas, "&_pragma=")
}

func (db *sqliteDB) dialect() dialect { return sqliteDialect }

func (db *sqliteDB) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	return sqlQuerier{db.reader}.exec(ctx, sql, args...)
}

func (db *sqliteDB) query(ctx context.Context, sql string, args ...any) (rows, error) {
	return sqlQuerier{db.reader}.query(ctx, sql, args...)
}

func (db *sqliteDB) write(ctx context.Context, urgent bool, do func(context.Context, *tx) error) error {
	return db.group.write(ctx, urgent, do)
}

func (db *sqliteDB) migrate(ctx context.Context) error {
	return db.migrating(ctx, func() error {
		m, err := rivermigrate.New(riverdriver.Driver[*sql.Tx](db.driver), &rivermigrate.Config{Logger: quiet()})
		if err != nil {
			return err
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("make River's tables: %w", err)
		}
		return db.migrateTables(ctx)
	})
}

func (db *sqliteDB) migrateOwn(ctx context.Context) error {
	return db.migrating(ctx, func() error { return db.migrateTables(ctx) })
}

func (db *sqliteDB) migrateTables(ctx context.Context) error {
	return db.write(ctx, false, func(ctx context.Context, t *tx) error { return migrateSchema(ctx, t, sqliteDialect) })
}

// migrating has one process at a time change the tables: River's migrations are
// several transactions.
func (db *sqliteDB) migrating(ctx context.Context, do func() error) error {
	lock := flock.New(db.path + ".migrate")
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return fmt.Errorf("lock %s: %w", db.path, err)
	}
	defer func() { _ = lock.Close() }()
	return do()
}

func (db *sqliteDB) newQueue(c queueConfig) (queue, error) {
	return newRiverQueue(db.driver, c, func(raw any) (*sql.Tx, bool) { t, ok := raw.(*sql.Tx); return t, ok }, db.driver.bell.ring)
}

func (db *sqliteDB) close() error {
	var errs []error
	if db.group != nil {
		db.group.close()
	}
	if db.reader != nil {
		errs = append(errs, db.reader.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	if db.serving != nil {
		errs = append(errs, db.serving.Close())
	}
	return errors.Join(errs...)
}

// sqlQuerier is a pool or a transaction.
type sqlQuerier struct {
	sql interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (q sqlQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := q.sql.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (q sqlQuerier) query(ctx context.Context, query string, args ...any) (rows, error) {
	r, err := q.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{r}, nil
}

type sqlRows struct{ *sql.Rows }

func (r sqlRows) close() { _ = r.Close() }
