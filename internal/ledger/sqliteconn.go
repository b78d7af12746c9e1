package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// openPool opens connections that keep their prepared statements: most of the
// time of a small statement goes into reading its text, and River has them read
// each time.
func openPool(dsn string, connections int) (*sql.DB, error) {
	inner, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(preparing{inner})
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

type preparing struct{ driver.Connector }

func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := inner.(wholeConn)
	if !ok {
		return nil, errors.Join(errors.New("SQLite's driver lacks a method"), inner.Close())
	}
	return &preparedConn{wholeConn: conn, statements: map[string]*preparedStmt{}}, nil
}

// wholeConn is all that database/sql makes use of.
type wholeConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparedConn is used by one goroutine at a time, but may have rows open
// while another statement runs.
type preparedConn struct {
	wholeConn
	statements map[string]*preparedStmt
}

type preparedStmt struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	busy  bool // its rows are being read
}

// Texts are few, but filters make some dozens, and batches some more.
const keptStatements = 300

// get is nil for what is not to be kept.
func (c *preparedConn) get(ctx context.Context, query string) (*preparedStmt, error) {
	if s := c.statements[query]; s != nil {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(c.statements) >= keptStatements {
		return nil, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &preparedStmt{Stmt: stmt}
	var canExec, canQuery bool
	s.exec, canExec = stmt.(driver.StmtExecContext)
	s.query, canQuery = stmt.(driver.StmtQueryContext)
	if !canExec || !canQuery {
		return nil, stmt.Close()
	}
	c.statements[query] = s
	return s, nil
}

func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.wholeConn.ExecContext(ctx, query, args)
	}
	return s.exec.ExecContext(ctx, args)
}

func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.wholeConn.QueryContext(ctx, query, args)
	}
	r, err := s.query.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &preparedRows{Rows: r, stmt: s}, nil
}

func (c *preparedConn) Close() error {
	for _, s := range c.statements {
		_ = s.Close()
	}
	return c.wholeConn.Close()
}

// preparedRows gives its statement back.
type preparedRows struct {
	driver.Rows
	stmt *preparedStmt
}

func (r *preparedRows) Close() error {
	r.stmt.busy = false
	return r.Rows.Close()
}
