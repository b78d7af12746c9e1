// Package state keeps JSON documents by ref, with compare-and-swap: a release's
// journal lives here, so that any edge can go on with what another began.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Store keeps documents by ref. A ref is a path of non-empty segments joined by
// slashes ("releases/v1.2.3/journal"); a segment may hold any character but a
// slash and NUL, and is valid UTF-8.
//
// Every method may be called from several goroutines and processes at once.
// What Apply has returned for survives a crash of the machine, and a reader
// sees the old document or the new one, never part of one.
type Store interface {
	// Get reads a document. ErrNotFound when there is none.
	Get(ctx context.Context, ref string) (Document, error)

	// Apply makes all changes or none, as one. A *ConflictError (ErrConflict)
	// names a document whose version is no longer the given one: nothing is
	// written then. To delete a document that is gone already is no conflict; two
	// changes of one ref are an error.
	//
	// The message is one line for the store's history, where it keeps one; it may
	// be empty. Apply returns the new versions in the changes' order, "" for a
	// deletion.
	Apply(ctx context.Context, message string, changes ...Change) ([]string, error)

	// List names every document whose ref is prefix or lies below it, sorted.
	// An empty prefix names all.
	List(ctx context.Context, prefix string) ([]string, error)

	// Scan gives every document that List names, in the same order, without
	// holding all of them in memory. An error is the last that it gives. What is
	// written meanwhile may be in it or not.
	Scan(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// Document is a value and its version.
type Document struct {
	Value   []byte
	Version string // opaque; equal versions mean equal values
}

// Entry is a document and where it is.
type Entry struct {
	Ref string
	Document
}

// Change is what Apply does to one document.
type Change struct {
	Ref     string
	Value   []byte // nil deletes the document; an empty one is none, but empty
	Version string // that the document must have; "" when it must not exist
}

// What a store's methods fail with, for errors.Is.
var (
	ErrNotFound = errors.New("no such document")
	ErrConflict = errors.New("the document was changed by another writer")
)

// ConflictError is an Apply that came too late; it is an ErrConflict.
type ConflictError struct{ Ref string }

func (e *ConflictError) Error() string { return fmt.Sprintf("state %s: %v", e.Ref, ErrConflict) }

// Unwrap gives ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Put writes a document if its version is still the given one; the version of a
// document that does not exist is "". ErrConflict when another writer was first:
// nothing is written then. It returns the new version.
func Put(ctx context.Context, s Store, ref string, value []byte, version string) (string, error) {
	if value == nil {
		value = []byte{}
	}
	versions, err := s.Apply(ctx, "write "+ref, Change{Ref: ref, Value: value, Version: version})
	if err != nil {
		return "", err
	}
	return versions[0], nil
}

// Delete removes a document if its version is still the given one. ErrConflict
// when it is not; a document that is gone already is no error.
func Delete(ctx context.Context, s Store, ref, version string) error {
	_, err := s.Apply(ctx, "delete "+ref, Change{Ref: ref, Version: version})
	return err
}

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
	b, err := Marshal(v)
	if err != nil {
		return "", err
	}
	return Put(ctx, s, ref, b, version)
}

// Marshal is v as Save writes it: JSON that a person can read, and that shows
// what changed in a history.
func Marshal(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// Below reports whether List of prefix names ref.
func Below(ref, prefix string) bool {
	return prefix == "" || ref == prefix || len(ref) > len(prefix) && ref[len(prefix)] == '/' && strings.HasPrefix(ref, prefix)
}
