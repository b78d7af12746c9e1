// Package memory is a publish.Store in memory that behaves, for tests.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
)

// Options say how a store differs from a good one.
type Options struct {
	// Unconditional makes it like Garage: Conditional is false, and a condition of
	// Put is compared with what is there, but another writer may come between.
	Unconditional bool
	// Between is called after an unconditional store has compared and before it
	// writes, with the key: the place for that other writer. May be nil.
	Between func(key string)
	// Fault is asked before each operation ("stat", "open", "list", "put", "copy",
	// "delete", "check") and may make it fail; then nothing happens. May be nil.
	Fault func(op, key string) error
	// After is called after each operation that wrote, before it returns. May be nil.
	After func(op, key string)
	Now   func() time.Time // nil: a clock that goes on by a second a write
}

// Store is a publish.Store in memory.
type Store struct {
	o Options

	mu      sync.Mutex
	objects map[string]object
	writes  int64
}

type object struct {
	publish.Object
	data        []byte
	typ, cached string
}

// New makes an empty store.
func New(o Options) *Store { return &Store{o: o, objects: map[string]object{}} }

var _ publish.Store = (*Store)(nil)

// String implements publish.Store.
func (s *Store) String() string { return "store in memory" }

func (s *Store) enter(ctx context.Context, op, key string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := publish.CheckKey(key); err != nil {
		return err
	}
	return s.fault(op, key)
}

func (s *Store) fault(op, key string) error {
	if s.o.Fault == nil {
		return nil
	}
	return s.o.Fault(op, key)
}

func (s *Store) done(op, key string) {
	if s.o.After != nil {
		s.o.After(op, key)
	}
}

func (s *Store) get(key string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return object{}, fmt.Errorf("%s in memory: %w", key, publish.ErrNotFound)
	}
	return o, nil
}

// Stat implements publish.Store.
func (s *Store) Stat(ctx context.Context, key string) (publish.Object, error) {
	if err := s.enter(ctx, "stat", key); err != nil {
		return publish.Object{}, err
	}
	o, err := s.get(key)
	return o.Object, err
}

// Open implements publish.Store.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, publish.Object, error) {
	if err := s.enter(ctx, "open", key); err != nil {
		return nil, publish.Object{}, err
	}
	o, err := s.get(key)
	if err != nil {
		return nil, publish.Object{}, err
	}
	return io.NopCloser(bytes.NewReader(o.data)), o.Object, nil
}

// Served is how an object is served to browsers.
func (s *Store) Served(key string) (mediaType, cacheControl string, err error) {
	o, err := s.get(key)
	return o.typ, o.cached, err
}

// List implements publish.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[publish.Object, error] {
	return func(yield func(publish.Object, error) bool) {
		if err := s.fault("list", prefix); err != nil {
			yield(publish.Object{}, err)
			return
		}
		s.mu.Lock()
		all := maps.Clone(s.objects)
		s.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if err := context.Cause(ctx); err != nil {
				yield(publish.Object{}, err)
				return
			}
			o := all[key].Object
			o.Digest = ""
			if strings.HasPrefix(key, prefix) && !yield(o, nil) {
				return
			}
		}
	}
}

// Put implements publish.Store.
func (s *Store) Put(ctx context.Context, key string, c publish.Content, o publish.PutOptions) (publish.Object, error) {
	if err := s.enter(ctx, "put", key); err != nil {
		return publish.Object{}, err
	}
	r, err := c.Reader(ctx)
	if err != nil {
		return publish.Object{}, err
	}
	data, err := io.ReadAll(r)
	_ = r.Close() // it was read to its end
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return publish.Object{}, err
	}
	if c.Progress != nil {
		c.Progress(c.Size)
	}
	fresh := object{data: data, typ: c.MediaType(key), cached: o.Cache, Object: publish.Object{
		Size: c.Size, Digest: c.Digest, Version: strings.TrimPrefix(c.Digest, "sha256:")[:32],
	}}
	if s.o.Unconditional {
		if err := s.compare(key, o.If); err != nil {
			return publish.Object{}, err
		}
		if s.o.Between != nil {
			s.o.Between(key)
		}
		o.If = publish.IfAny
	}
	written, err := s.set(key, fresh, o.If)
	if err != nil {
		return publish.Object{}, err
	}
	s.done("put", key)
	return written, nil
}

func (s *Store) compare(key, condition string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met(key, condition)
}

func (s *Store) met(key, condition string) error {
	now, there := s.objects[key]
	if condition == publish.IfAny || condition == publish.IfAbsent && !there || there && now.Version == condition {
		return nil
	}
	return fmt.Errorf("put %s in memory: %w", key, publish.ErrConflict)
}

func (s *Store) set(key string, o object, condition string) (publish.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.met(key, condition); err != nil {
		return publish.Object{}, err
	}
	s.writes++
	o.Key, o.Modified = key, time.Unix(1_700_000_000+s.writes, 0).UTC()
	if s.o.Now != nil {
		o.Modified = s.o.Now().UTC()
	}
	s.objects[key] = o
	return o.Object, nil
}

// Copy implements publish.Store.
func (s *Store) Copy(ctx context.Context, from, to string) (publish.Object, error) {
	if err := publish.CheckKey(from); err != nil {
		return publish.Object{}, err
	}
	if err := s.enter(ctx, "copy", to); err != nil {
		return publish.Object{}, err
	}
	o, err := s.get(from)
	if err != nil {
		return publish.Object{}, err
	}
	written, err := s.set(to, o, publish.IfAny)
	if err != nil {
		return publish.Object{}, err
	}
	s.done("copy", to)
	return written, nil
}

// Delete implements publish.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.enter(ctx, "delete", key); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.objects, key)
		s.mu.Unlock()
		s.done("delete", key)
	}
	return nil
}

// Conditional implements publish.Store.
func (s *Store) Conditional(ctx context.Context) (bool, error) {
	return !s.o.Unconditional, context.Cause(ctx)
}

// CheckWrite implements publish.Store.
func (s *Store) CheckWrite(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.fault("check", "")
}
