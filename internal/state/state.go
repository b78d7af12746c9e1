// Package state keeps JSON documents by ref, with compare-and-swap: a release's
// journal lives here, so that any edge can go on with what another began.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Store keeps documents by ref. A ref is a path of non-empty segments joined by
// slashes ("releases/v1.2.3/journal"); a segment may hold any character but a
// slash and NUL.
//
// Every method may be called from several goroutines and processes at once. A
// document that Put has returned for survives a crash of the machine, and a
// reader sees the old document or the new one, never part of one.
type Store interface {
	// Get reads a document. ErrNotFound when there is none.
	Get(ctx context.Context, ref string) (Document, error)

	// Put writes a document if its version is still the given one; the version
	// of a document that does not exist is "". ErrConflict when another writer
	// was first: nothing is written then. It returns the new version.
	Put(ctx context.Context, ref string, value []byte, version string) (string, error)

	// Delete removes a document if its version is still the given one.
	// ErrConflict when it is not; a document that is gone already is no error.
	Delete(ctx context.Context, ref, version string) error

	// List names every document whose ref is prefix or lies below it, sorted.
	// An empty prefix names all.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Document is a value and its version.
type Document struct {
	Value   []byte
	Version string // opaque; equal versions mean equal values
}

// What a store's methods fail with, for errors.Is.
var (
	ErrNotFound = errors.New("no such document")
	ErrConflict = errors.New("the document was changed by another writer")
)

// Load reads a document into v; a document that does not exist leaves v as it
// is and has version "".
func Load(ctx context.Context, s Store, ref string, v any) (version string, err error) {
	d, err := s.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(d.Value, v); err != nil {
		return d.Version, fmt.Errorf("read state %s: %w", ref, err)
	}
	return d.Version, nil
}

// Save writes v as a document.
func Save(ctx context.Context, s Store, ref string, v any, version string) (string, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", err
	}
	return s.Put(ctx, ref, append(b, '\n'), version)
}
