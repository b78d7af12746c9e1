package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // the database of the bare handler
)

// bareMode is the argument that has the benchmark be the bare handler: what a
// receiver of webhooks does at the least. It checks the HMAC of a body and, with
// a database, answers once a row with it is on the disk.
const bareMode = "bare-handler"

// serveBare prints its address and serves until ctx ends. Without a database it
// only checks the HMAC.
func serveBare(ctx context.Context, database string, out io.Writer) error {
	store := func([]byte) error { return nil }
	if database != "" {
		db, err := openBare(ctx, database)
		if err != nil {
			return err
		}
		defer db.close()
		store = db.store
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha256.New, []byte(floodSecret))
		mac.Write(body)
		given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
		switch {
		case err != nil || !hmac.Equal(given, mac.Sum(nil)):
			w.WriteHeader(http.StatusUnauthorized)
		case store(body) != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})}
	fmt.Fprintln(out, l.Addr())
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bareDB stores rows by group commit: all that wait are one transaction.
type bareDB struct {
	insert func(rows []any) error
	queue  chan bareRow
	close  func()
}

type bareRow struct {
	body []byte
	done chan error
}

func openBare(ctx context.Context, database string) (*bareDB, error) {
	db, committers := &bareDB{queue: make(chan bareRow, 1024)}, 1
	var err error
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		err = db.openSQLite(ctx, path)
	} else {
		committers = 2 // one fills its transaction while the other waits for the disk
		err = db.openPostgres(ctx, database)
	}
	if err != nil {
		return nil, err
	}
	for range committers {
		go db.commit()
	}
	return db, nil
}

func (db *bareDB) openSQLite(ctx context.Context, path string) error {
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=page_size(8192)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(2000)&_txlock=immediate")
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	_, err = pool.ExecContext(ctx, `CREATE TABLE bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL)`)
	db.close = func() { _ = pool.Close() }
	db.insert = func(rows []any) error {
		_, err := pool.Exec(insertBare(len(rows)), rows...) // is a transaction by itself
		return err
	}
	return err
}

func (db *bareDB) openPostgres(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `CREATE TABLE bare (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA NOT NULL)`)
	db.close = pool.Close
	db.insert = func(rows []any) error {
		_, err := pool.Exec(context.WithoutCancel(ctx), insertBare(len(rows)), rows...)
		return err
	}
	return err
}

func insertBare(rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, ", ($%d)", i+1)
	}
	return "INSERT INTO bare (body) VALUES " + b.String()[2:]
}

func (db *bareDB) store(body []byte) error {
	row := bareRow{body, make(chan error, 1)}
	db.queue <- row
	return <-row.done
}

func (db *bareDB) commit() {
	for first := range db.queue {
		rows := []bareRow{first}
		for more := true; more && len(rows) < 256; {
			select {
			case r := <-db.queue:
				rows = append(rows, r)
			default:
				more = false
			}
		}
		bodies := make([]any, len(rows))
		for i, r := range rows {
			bodies[i] = r.body
		}
		err := db.insert(bodies)
		for _, r := range rows {
			r.done <- err
		}
	}
}
