package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List implements Store.
func (d *Dir) List(ctx context.Context, prefix string) ([]string, error) {
	refs := []string{}
	err := d.walk(ctx, prefix, func(ref, _ string) error {
		refs = append(refs, ref)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	return refs, nil
}

// Scan implements Store.
func (d *Dir) Scan(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		enough := errors.New("enough")
		err := d.walk(ctx, prefix, func(ref, path string) error {
			doc, err := read(ref, path)
			if errors.Is(err, ErrNotFound) {
				return nil // deleted meanwhile
			}
			if err == nil && !yield(Entry{ref, doc}, nil) {
				err = enough
			}
			return err
		})
		if err != nil && !errors.Is(err, enough) {
			yield(Entry{}, fmt.Errorf("read the state below %q: %w", prefix, err))
		}
	}
}

// walk calls visit for each document below a prefix, in order of refs.
func (d *Dir) walk(ctx context.Context, prefix string, visit func(ref, path string) error) error {
	if err := d.look(ctx); err != nil {
		return err
	}
	if prefix == "" {
		return d.walkFolder(ctx, d.root, "", visit)
	}
	if !IsRef(prefix) {
		return nil // and no ref begins so
	}
	folder, name, err := d.place(prefix)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, name) + ending
	switch info, err := os.Lstat(path); {
	case err == nil && !info.IsDir():
		if err := visit(prefix, path); err != nil {
			return err
		}
	case err != nil && !absent(err):
		return err
	}
	return d.walkFolder(ctx, d.folder(folder, name), prefix+"/", visit)
}

// walkFolder visits what is in a folder, whose documents' refs begin with
// prefix.
func (d *Dir) walkFolder(ctx context.Context, folder, prefix string, visit func(ref, path string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// A folder is in its place among refs by its name with a slash: "b-1" comes
	// before "b/1".
	type child struct {
		key   string
		entry fs.DirEntry
	}
	children := make([]child, 0, len(entries))
	for _, e := range entries {
		name, isDocument := e.Name(), false
		if !e.IsDir() {
			if name, isDocument = strings.CutSuffix(name, ending); !isDocument {
				continue
			}
		}
		segment, ours := unescape(name, !isDocument)
		if !ours {
			continue
		}
		if !isDocument {
			segment += "/"
		}
		children = append(children, child{segment, e})
	}
	slices.SortFunc(children, func(a, b child) int { return strings.Compare(a.key, b.key) })
	for _, c := range children {
		path := filepath.Join(folder, c.entry.Name())
		if c.entry.IsDir() {
			err = d.walkFolder(ctx, path, prefix+c.key, visit)
		} else {
			err = visit(prefix+c.key, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
