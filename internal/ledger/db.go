package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// querier runs SQL. Parameters are written $1, $2 … in both dialects.
type querier interface {
	exec(ctx context.Context, sql string, args ...any) (affected int64, err error)
	query(ctx context.Context, sql string, args ...any) (rows, error)
}

// rows is what *sql.Rows and pgx.Rows have in common.
type rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
	close()
}

// tx is a transaction, with what is to happen once it is committed.
type tx struct {
	querier
	raw   any // *sql.Tx or pgx.Tx, for River
	after []func()
}

func (t *tx) committed() {
	for _, do := range t.after {
		do()
	}
}

// database is a SQLite file or a PostgreSQL server.
type database interface {
	// querier reads, outside of any transaction.
	querier
	// write runs do in a transaction, which is committed when write returns nil.
	// do may be called again after a conflict. Urgent writes go first.
	write(ctx context.Context, urgent bool, do func(ctx context.Context, t *tx) error) error
	// migrate brings River's and our own tables up to date.
	migrate(ctx context.Context) error
	// migrateOwn brings our own tables up to date, and leaves River's.
	migrateOwn(ctx context.Context) error
	// newQueue makes River's client.
	newQueue(c queueConfig) (queue, error)
	dialect() dialect
	close() error
}

// dialect is where the two databases differ.
type dialect struct {
	// alone: no other process works on this database.
	alone bool
	// accepters is how many batches of deliveries are written at once.
	accepters int
	// now is the database's clock in microseconds, which leases go by.
	now string
	// lock takes a lock by name until the transaction ends; empty when a
	// transaction is alone anyway.
	lock string
	// types are the words for what stands in braces in the schema.
	types *strings.Replacer
}

// lockRepositories has all that changes what may run in a repository go one
// after another. A transaction takes all its locks at once.
func (l *Ledger) lockRepositories(ctx context.Context, t *tx, all []repositoryOf) error {
	if l.db.dialect().lock == "" {
		return nil
	}
	for _, r := range inOrder(all) {
		if _, err := t.exec(ctx, l.db.dialect().lock, "slipway/"+r.forge+"/"+r.repository); err != nil {
			return err
		}
	}
	return nil
}

// each calls scan for each row.
func each(ctx context.Context, q querier, scan func(r rows) error, sql string, args ...any) error {
	r, err := q.query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer r.close()
	for r.Next() {
		if err := scan(r); err != nil {
			return err
		}
	}
	return r.Err()
}

// one reads the first row into the given places; found is false when there is
// none.
func one(ctx context.Context, q querier, into []any, sql string, args ...any) (found bool, err error) {
	err = each(ctx, q, func(r rows) error {
		found = true
		return r.Scan(into...)
	}, sql, args...)
	return found, err
}

// Times are kept as microseconds, 0 for none.

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// clean is text that both databases take: PostgreSQL has no NUL in it.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// where puts conditions together.
type where struct {
	conditions []string
	args       []any
}

// and adds a condition that has one ? for its value, or none.
func (w *where) and(condition string, value ...any) {
	for _, v := range value {
		condition = strings.Replace(condition, "?", w.value(v), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// equal adds a condition on a column, unless the value is empty.
func (w *where) equal(column, value string) {
	if value != "" {
		w.and(column+" = ?", clean(value))
	}
}

// value adds a parameter and gives its name.
func (w *where) value(v any) string {
	w.args = append(w.args, v)
	return placeholder(len(w.args))
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// nullable is NULL for no document.
func nullable(document []byte) any {
	if len(document) == 0 {
		return nil
	}
	return document
}
