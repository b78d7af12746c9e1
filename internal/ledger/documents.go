package ledger

import (
	"context"
	"fmt"
	"io"

	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/sqlstate"
)

// OpenState opens the documents of a database alone, for a process that is no
// bot; it may be the bot's database or another, whose tables are made if need
// be. The address is as in Options.URL. Several processes may have it open.
func OpenState(ctx context.Context, url string) (state.Store, io.Closer, error) {
	db, err := openDatabase(ctx, url, sqliteShared)
	if err != nil {
		return nil, nil, fmt.Errorf("open the state's database: %w", err)
	}
	var version int
	found, err := one(ctx, db, []any{&version}, `SELECT version FROM slipway_schema`)
	if err != nil || !found || version != len(schema) {
		err = db.migrateOwn(ctx) // and it tells of a database that is not there
	}
	if err != nil {
		_ = db.close()
		return nil, nil, fmt.Errorf("open the state's database: %w", err)
	}
	return sqlstate.New(documents{db}), closer(db.close), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// documents gives the state store its database.
type documents struct{ db database }

func (d documents) Write(ctx context.Context, do func(ctx context.Context, exec sqlstate.Exec) error) error {
	return d.db.write(ctx, false, func(ctx context.Context, t *tx) error { return do(ctx, t.exec) })
}

func (d documents) Query(ctx context.Context, scan func(scan func(into ...any) error) error, sql string, args ...any) error {
	return each(ctx, d.db, func(r rows) error { return scan(r.Scan) }, sql, args...)
}
