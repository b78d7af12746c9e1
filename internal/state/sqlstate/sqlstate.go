// Package sqlstate keeps state's documents in a table of a SQL database.
package sqlstate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/state"
)

// DB is a database with the table
//
//	slipway_documents (ref TEXT PRIMARY KEY, version TEXT, value BLOB)
//
// whose refs are ordered by their bytes. Parameters are $1, $2 ….
type DB interface {
	// Exec runs one statement that writes. What it wrote is on the disk when it
	// returns.
	Exec(ctx context.Context, sql string, args ...any) (affected int64, err error)
	// Query calls row for each row.
	Query(ctx context.Context, row func(scan func(into ...any) error) error, sql string, args ...any) error
}

// Store is a state.Store in a database. A version is the hash of the document's
// bytes.
type Store struct{ db DB }

// New makes a Store.
func New(db DB) *Store { return &Store{db} }

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, ref string) (state.Document, error) {
	if err := check(ref); err != nil {
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

// Put implements state.Store.
func (s *Store) Put(ctx context.Context, ref string, value []byte, version string) (string, error) {
	if err := check(ref); err != nil {
		return "", err
	}
	if value == nil {
		value = []byte{} // NULL otherwise
	}
	next := versionOf(value)
	sql, args := `UPDATE slipway_documents SET value = $2, version = $3 WHERE ref = $1 AND version = $4`, []any{ref, value, next, version}
	if version == "" {
		sql, args = `INSERT INTO slipway_documents (ref, value, version) VALUES ($1, $2, $3) ON CONFLICT (ref) DO NOTHING`, args[:3]
	}
	n, err := s.db.Exec(ctx, sql, args...)
	if err == nil && n == 0 {
		err = state.ErrConflict
	}
	if err != nil {
		return "", fmt.Errorf("write state %s: %w", ref, err)
	}
	return next, nil
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, ref, version string) error {
	if err := check(ref); err != nil {
		return err
	}
	n, err := s.db.Exec(ctx, `DELETE FROM slipway_documents WHERE ref = $1 AND version = $2`, ref, version)
	if err != nil {
		return fmt.Errorf("delete state %s: %w", ref, err)
	}
	if n == 1 {
		return nil
	}
	if _, err := s.Get(ctx, ref); err == nil {
		return fmt.Errorf("delete state %s: %w", ref, state.ErrConflict)
	} else if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return nil
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	sql, args := `SELECT ref FROM slipway_documents`, []any(nil)
	if prefix != "" {
		// What lies below begins with "prefix/" and ends before "prefix0", the
		// character after the slash.
		sql += ` WHERE ref = $1 OR (ref > $2 AND ref < $3)`
		args = []any{prefix, prefix + "/", prefix + "0"}
	}
	refs := []string{}
	err := s.db.Query(ctx, func(scan func(...any) error) error {
		var ref string
		err := scan(&ref)
		refs = append(refs, ref)
		return err
	}, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	slices.Sort(refs)
	return refs, nil
}

func check(ref string) error {
	if !utf8.ValidString(ref) || strings.ContainsRune(ref, 0) || slices.Contains(strings.Split(ref, "/"), "") {
		return fmt.Errorf("%q is not a ref of a state document: non-empty segments joined by slashes", ref)
	}
	return nil
}

func versionOf(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}
