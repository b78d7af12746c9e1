package state

import (
	"context"
	"iter"
	"strings"
)

// At is the part of a store below a prefix, as a store of its own: its refs are
// the whole store's without "prefix/". Nothing beside it can be reached. The
// prefix is a ref.
func At(s Store, prefix string) Store { return below{s, prefix + "/"} }

type below struct {
	all    Store
	prefix string // with its slash
}

func (b below) Get(ctx context.Context, ref string) (Document, error) {
	if err := CheckRef(ref); err != nil {
		return Document{}, err
	}
	return b.all.Get(ctx, b.prefix+ref)
}

func (b below) Apply(ctx context.Context, message string, changes ...Change) ([]string, error) {
	if err := CheckChanges(changes); err != nil {
		return nil, err
	}
	moved := make([]Change, len(changes))
	for i, c := range changes {
		moved[i] = c
		moved[i].Ref = b.prefix + c.Ref
	}
	versions, err := b.all.Apply(ctx, message, moved...)
	return versions, b.inside(err)
}

// inside names the documents of a conflict as this store does.
func (b below) inside(err error) error {
	if conflict, ok := err.(*ConflictError); ok { //nolint:errorlint // what wraps it would be lost
		return &ConflictError{Ref: strings.TrimPrefix(conflict.Ref, b.prefix)}
	}
	return err
}

func (b below) List(ctx context.Context, prefix string) ([]string, error) {
	if prefix != "" && !IsRef(prefix) {
		return []string{}, nil // and no ref begins so
	}
	all, err := b.all.List(ctx, b.whole(prefix))
	if err != nil {
		return nil, err
	}
	refs := make([]string, 0, len(all))
	for _, ref := range all {
		if inside, ok := strings.CutPrefix(ref, b.prefix); ok { // a document may be at the prefix itself
			refs = append(refs, inside)
		}
	}
	return refs, nil
}

func (b below) Scan(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if prefix != "" && !IsRef(prefix) {
			return
		}
		for e, err := range b.all.Scan(ctx, b.whole(prefix)) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			inside, ok := strings.CutPrefix(e.Ref, b.prefix)
			if !ok {
				continue
			}
			if e.Ref = inside; !yield(e, nil) {
				return
			}
		}
	}
}

func (b below) whole(prefix string) string { return strings.TrimSuffix(b.prefix+prefix, "/") }
