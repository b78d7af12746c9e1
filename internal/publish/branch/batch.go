package branch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/publish"
)

// Batch implements publish.Batcher: one commit, or none when nothing changes.
func (s *Store) Batch(ctx context.Context, message string, do func(publish.Store) error) error {
	t, err := s.newest(ctx)
	if err != nil {
		return err
	}
	b := &batch{tree: t}
	if err := do(b); err != nil {
		return err
	}
	return s.commit(ctx, message, b)
}

// Put implements publish.Store.
func (s *Store) Put(ctx context.Context, key string, c publish.Content, o publish.PutOptions) (put publish.Object, err error) {
	err = s.Batch(ctx, "publish "+key, func(b publish.Store) error {
		put, err = b.Put(ctx, key, c, o)
		return err
	})
	return put, err
}

// Copy implements publish.Store.
func (s *Store) Copy(ctx context.Context, from, to string) (o publish.Object, err error) {
	err = s.Batch(ctx, "publish "+to, func(b publish.Store) error {
		o, err = b.Copy(ctx, from, to)
		return err
	})
	return o, err
}

// Delete implements publish.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return context.Cause(ctx)
	}
	message := "remove " + keys[0]
	if len(keys) > 1 {
		message += fmt.Sprintf(" and %d more", len(keys)-1)
	}
	return s.Batch(ctx, message, func(b publish.Store) error { return b.Delete(ctx, keys...) })
}

// batch is a branch as it was, and what is written on top of it.
type batch struct {
	tree tree

	mu       sync.Mutex
	written  map[string]*blob  // by key; nil is deleted
	expected map[string]string // conditions of those keys on the branch
}

var _ publish.Store = (*batch)(nil)

func (b *batch) String() string { return b.tree.store.String() }

// find gives the blob of a key as the batch has left it.
func (b *batch) find(ctx context.Context, key string) (file, error) {
	if err := checkKey(key); err != nil {
		return file{}, err
	}
	b.mu.Lock()
	own, ours := b.written[key]
	b.mu.Unlock()
	switch {
	case !ours:
		found, err := b.tree.find(ctx, key)
		return file{key, found}, err
	case own == nil:
		return file{}, fmt.Errorf("%s in %s: %w", key, b, publish.ErrNotFound)
	}
	return file{key, *own}, context.Cause(ctx)
}

func (b *batch) write(key string, to *blob) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written == nil {
		b.written = map[string]*blob{}
	}
	b.written[key] = to
}

// Stat implements publish.Store.
func (b *batch) Stat(ctx context.Context, key string) (publish.Object, error) {
	f, err := b.find(ctx, key)
	if err != nil {
		return publish.Object{}, err
	}
	return b.tree.stat(ctx, f)
}

// Open implements publish.Store.
func (b *batch) Open(ctx context.Context, key string) (io.ReadCloser, publish.Object, error) {
	f, err := b.find(ctx, key)
	if err != nil {
		return nil, publish.Object{}, err
	}
	return b.tree.open(ctx, f)
}

// List implements publish.Store.
func (b *batch) List(ctx context.Context, prefix string) iter.Seq2[publish.Object, error] {
	return func(yield func(publish.Object, error) bool) {
		files, err := b.files(ctx)
		for _, f := range files {
			if err = context.Cause(ctx); err != nil {
				break
			}
			if strings.HasPrefix(f.key, prefix) && !yield(b.tree.object(f), nil) {
				return
			}
		}
		if err != nil {
			yield(publish.Object{}, err)
		}
	}
}

func (b *batch) files(ctx context.Context) ([]file, error) {
	there, err := b.tree.files(ctx, "")
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	written := maps.Clone(b.written)
	b.mu.Unlock()
	files := slices.DeleteFunc(there, func(f file) bool {
		_, changed := written[f.key]
		return changed
	})
	for key, own := range written {
		if own != nil {
			files = append(files, file{key, *own})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.key, b.key) })
	return files, nil
}

// Put implements publish.Store. The content goes to git at once; the branch does
// not name it yet.
func (b *batch) Put(ctx context.Context, key string, c publish.Content, o publish.PutOptions) (publish.Object, error) {
	if err := errors.Join(checkKey(key), c.Check()); err != nil {
		return publish.Object{}, err
	}
	hash, err := b.tree.store.keep(ctx, c)
	if err != nil {
		return publish.Object{}, fmt.Errorf("put %s in %s: %w", key, b, err)
	}
	if err := b.expect(ctx, key, o.If); err != nil {
		return publish.Object{}, err
	}
	b.tree.store.remember(hash, c.Digest)
	b.write(key, &blob{hash, c.Size})
	return publish.Object{Key: key, Size: c.Size, Version: hash, Digest: c.Digest, Modified: b.tree.time}, nil
}

// expect compares a condition with what the batch has; the first one of a key must
// also hold when the commit is made.
func (b *batch) expect(ctx context.Context, key, condition string) error {
	if condition == publish.IfAny {
		return nil
	}
	f, err := b.find(ctx, key)
	if err != nil && !errors.Is(err, publish.ErrNotFound) {
		return err
	}
	if !met(f.hash, condition) {
		return fmt.Errorf("put %s in %s: %w", key, b, publish.ErrConflict)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, written := b.written[key]; !written {
		if b.expected == nil {
			b.expected = map[string]string{}
		}
		b.expected[key] = condition
	}
	return nil
}

// met compares a condition with the hash of what is there, empty for nothing.
func met(hash, condition string) bool {
	return hash == condition && hash != "" || condition == publish.IfAbsent && hash == ""
}

// keep writes a content to the repository, and gives its name there.
func (s *Store) keep(ctx context.Context, c publish.Content) (string, error) {
	r, err := c.Reader(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }() // it is only read
	in := &counted{Reader: r, tell: c.Progress}
	hash := s.git.command("hash-object", "-w", "-t", "blob", "--stdin")
	hash.Stdin = in
	out, err := proc.Output(ctx, hash)
	switch {
	case context.Cause(ctx) != nil:
		return "", context.Cause(ctx)
	case in.err != nil:
		return "", in.err
	case err != nil:
		return "", s.git.readable(err)
	}
	return strings.TrimSpace(string(out)), nil
}

// counted tells how much was read, and keeps why it ended.
type counted struct {
	io.Reader
	n    int64
	tell func(int64)
	err  error
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.n += int64(n); r.tell != nil && n > 0 {
		r.tell(r.n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// Copy implements publish.Store.
func (b *batch) Copy(ctx context.Context, from, to string) (publish.Object, error) {
	if err := checkKey(to); err != nil {
		return publish.Object{}, err
	}
	f, err := b.find(ctx, from)
	if err != nil {
		return publish.Object{}, err
	}
	b.write(to, &f.blob)
	f.key = to
	return b.tree.stat(ctx, f)
}

// Delete implements publish.Store.
func (b *batch) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := errors.Join(checkKey(key), context.Cause(ctx)); err != nil {
			return err
		}
	}
	for _, key := range keys {
		b.write(key, nil)
	}
	return nil
}

// Conditional implements publish.Store.
func (b *batch) Conditional(ctx context.Context) (bool, error) {
	return b.tree.store.Conditional(ctx)
}

// CheckWrite implements publish.Store.
func (b *batch) CheckWrite(ctx context.Context) error { return b.tree.store.CheckWrite(ctx) }
