// Package sqlstate keeps state's documents in a table of a SQL database.
package sqlstate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/state"
)

// DB is a database with the table
//
//	slipway_documents (ref TEXT PRIMARY KEY, version TEXT, value BLOB)
//
// whose refs are ordered by their bytes. Parameters are $1, $2 ….
type DB interface {
	// Write runs do in a transaction, which is on the disk when Write returns
	// nil, and undone when do fails. do may be called again.
	Write(ctx context.Context, do func(ctx context.Context, exec Exec) error) error
	// Query calls row for each row.
	Query(ctx context.Context, row func(scan func(into ...any) error) error, sql string, args ...any) error
}

// Exec runs one statement that writes.
type Exec func(ctx context.Context, sql string, args ...any) (affected int64, err error)

// Store is a state.Store in a database. A version is the hash of the document's
// bytes.
type Store struct{ db DB }

// New makes a Store.
func New(db DB) *Store { return &Store{db} }

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, ref string) (state.Document, error) {
	if err := state.CheckRef(ref); err != nil {
		return state.Document{}, err
	}
	var d state.Document
	found := false
	err := s.db.Query(ctx, func(scan func(...any) error) error {
		found = true
		return scan(&d.Value, &d.Version)
	}, `SELECT value, version FROM slipway_documents WHERE ref = $1`, ref)
	switch {
	case err != nil:
		return state.Document{}, fmt.Errorf("read state %s: %w", ref, err)
	case !found:
		return state.Document{}, fmt.Errorf("state %s: %w", ref, state.ErrNotFound)
	}
	return d, nil
}

// Apply implements state.Store.
func (s *Store) Apply(ctx context.Context, _ string, changes ...state.Change) ([]string, error) {
	if err := state.CheckChanges(changes); err != nil || len(changes) == 0 {
		return nil, err
	}
	versions := make([]string, len(changes))
	// In one order for all, so that two transactions don't wait for each other.
	order := make([]int, len(changes))
	for i, c := range changes {
		order[i] = i
		if c.Value != nil {
			versions[i] = versionOf(c.Value)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(changes[a].Ref, changes[b].Ref) })
	err := s.db.Write(ctx, func(ctx context.Context, exec Exec) error {
		for _, i := range order {
			if err := apply(ctx, exec, changes[i], versions[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, state.ErrConflict) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("write state %s: %w", changes[0].Ref, err)
	}
	return versions, nil
}

func apply(ctx context.Context, exec Exec, c state.Change, next string) error {
	var n int64
	var err error
	switch {
	case c.Value == nil:
		n, err = exec(ctx, `DELETE FROM slipway_documents WHERE ref = $1 AND version = $2`, c.Ref, c.Version)
		if err == nil && n == 0 { // gone, or another version is there
			n, err = exec(ctx, `UPDATE slipway_documents SET version = version WHERE ref = $1`, c.Ref)
			n = 1 - n
		}
	case c.Version == "":
		n, err = exec(ctx, `INSERT INTO slipway_documents (ref, value, version) VALUES ($1, $2, $3) ON CONFLICT (ref) DO NOTHING`, c.Ref, c.Value, next)
	default:
		n, err = exec(ctx, `UPDATE slipway_documents SET value = $2, version = $3 WHERE ref = $1 AND version = $4`, c.Ref, c.Value, next, c.Version)
	}
	if err == nil && n == 0 {
		err = &state.ConflictError{Ref: c.Ref}
	}
	return err
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	refs := []string{}
	if prefix != "" && !state.IsRef(prefix) {
		return refs, nil // and no ref begins so
	}
	where, args := below(prefix, "")
	err := s.db.Query(ctx, func(scan func(...any) error) error {
		var ref string
		err := scan(&ref)
		refs = append(refs, ref)
		return err
	}, `SELECT ref FROM slipway_documents WHERE `+where+` ORDER BY ref`, args...)
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	return refs, nil
}

const (
	pageRows  = 256
	pageBytes = 4 << 20
)

// Scan implements state.Store. It reads a page at a time, so that whoever takes
// its documents holds no connection.
func (s *Store) Scan(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		if prefix != "" && !state.IsRef(prefix) {
			return
		}
		for last := ""; ; {
			page, err := s.page(ctx, prefix, last)
			if err != nil {
				yield(state.Entry{}, fmt.Errorf("read the state below %q: %w", prefix, err))
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				last = e.Ref
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// page reads the documents that come after one.
func (s *Store) page(ctx context.Context, prefix, last string) ([]state.Entry, error) {
	var page []state.Entry
	full, size := errors.New("the page is full"), 0
	where, args := below(prefix, last)
	err := s.db.Query(ctx, func(scan func(...any) error) error {
		var e state.Entry
		if err := scan(&e.Ref, &e.Version, &e.Value); err != nil {
			return err
		}
		page = append(page, e)
		if size += len(e.Value); size > pageBytes {
			return full
		}
		return nil
	}, `SELECT ref, version, value FROM slipway_documents WHERE `+where+fmt.Sprintf(` ORDER BY ref LIMIT %d`, pageRows), args...)
	if errors.Is(err, full) {
		err = nil
	}
	return page, err
}

// below is the condition that a ref is the prefix or lies below it, and comes
// after last. Both ends of it are found by the index: what lies below begins
// with "prefix/" and ends before "prefix0", the character after the slash.
func below(prefix, last string) (condition string, args []any) {
	switch {
	case prefix == "":
		return `ref > $1`, []any{last}
	case last == "":
		return `(ref = $1 OR ref > $2 AND ref < $3)`, []any{prefix, prefix + "/", prefix + "0"}
	default:
		return `ref > $1 AND ref < $2`, []any{max(last, prefix+"/"), prefix + "0"}
	}
}

func versionOf(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}
