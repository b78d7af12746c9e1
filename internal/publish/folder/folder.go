// Package folder is a folder of this machine, such as a web server's, as a
// publish.Store.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// private is the folder of the store's own: its lock and what is being written. No
// key is in it.
const private = ".slipway-folder"

// Store is a folder. Any number of processes of a machine may write to it at once;
// on a network's file system, those of one machine.
type Store struct {
	dir  string
	root *os.Root
	turn chan struct{} // of this process; the lock's file is for the others

	mu      sync.Mutex
	digests map[string]known // by key
}

// known is a digest that need not be summed up again while the file is the same.
type known struct{ version, digest string }

var _ publish.Store = (*Store)(nil)

// Open opens a folder, and makes it when its parent is there. A Close ends it.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(abs, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, unusable("make the folder "+abs, err, "make the folder above it, or give another path")
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, unusable("open the folder "+abs, err, "give the path of a folder that may be written to")
	}
	return &Store{dir: abs, root: root, turn: make(chan struct{}, 1), digests: map[string]known{}}, nil
}

// unusable says why a folder can't be a store.
func unusable(what string, err error, hint string) error {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return explain(what, err)
	case errors.Is(err, fs.ErrNotExist):
		err = publish.ErrNotFound
	case errors.As(err, &at):
		err = at.Err // the path is told already
	}
	return &release.Error{Kind: release.Invalid, Message: what, Err: err, Hint: hint}
}

// Close gives the folder back.
func (s *Store) Close() error { return s.root.Close() }

// String implements publish.Store.
func (s *Store) String() string { return "folder " + s.dir }

// name is the path of a key below the folder.
func name(key string) (string, error) {
	if err := publish.CheckKey(key); err != nil {
		return "", err
	}
	local, err := filepath.Localize(key)
	if first, _, _ := strings.Cut(key, "/"); err != nil || strings.EqualFold(first, private) {
		return "", release.Invalidf("give another path", "%q can't be the name of a file in the folder", key)
	}
	return local, nil
}

// explain makes an error of the file system one of a store.
func explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", what, publish.ErrNotFound)
	case errors.Is(err, fs.ErrPermission):
		return &release.Error{Kind: release.Refused, Message: what, Err: errors.Join(publish.ErrForbidden, err), Hint: "let this user write to the folder"}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// version is opaque, and changes with each write: every one makes a new file.
func version(info fs.FileInfo) string {
	return fmt.Sprintf("%x-%x-%x", info.ModTime().UnixNano(), info.Size(), inode(info))
}

func object(key string, info fs.FileInfo) publish.Object {
	return publish.Object{Key: key, Size: info.Size(), Version: version(info), Modified: info.ModTime().UTC()}
}

// Stat implements publish.Store.
func (s *Store) Stat(ctx context.Context, key string) (publish.Object, error) {
	f, o, err := s.open(ctx, key)
	if err != nil {
		return publish.Object{}, err
	}
	return o, f.Close()
}

// Open implements publish.Store.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, publish.Object, error) {
	f, o, err := s.open(ctx, key)
	if err != nil {
		return nil, publish.Object{}, err
	}
	return f, o, nil
}

// open opens the file of a key at its beginning, and knows its digest.
func (s *Store) open(ctx context.Context, key string) (*os.File, publish.Object, error) {
	what := "read " + key + " in " + s.String()
	local, err := name(key)
	if err != nil {
		return nil, publish.Object{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, publish.Object{}, err
	}
	f, err := s.root.Open(local)
	if err != nil {
		if isNoFolder(err) {
			err = fs.ErrNotExist // a segment is a file
		}
		return nil, publish.Object{}, explain(what, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	o := publish.Object{}
	if err == nil {
		o = object(key, info)
		o.Digest, err = s.digest(ctx, key, o.Version, f)
	}
	if err != nil {
		_ = f.Close() // it is only read
		return nil, publish.Object{}, explain(what, err)
	}
	return f, o, nil
}

// digest gives what the file at a key has, which is summed up once.
func (s *Store) digest(ctx context.Context, key, version string, f *os.File) (string, error) {
	s.mu.Lock()
	have := s.digests[key]
	s.mu.Unlock()
	if have.version == version {
		return have.digest, nil
	}
	sum, err := sumUp(ctx, f)
	if err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	s.remember(key, known{version, sum})
	return sum, nil
}

func (s *Store) remember(key string, k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digests[key] = k
}

// List implements publish.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[publish.Object, error] {
	return func(yield func(publish.Object, error) bool) {
		w := walk{store: s, prefix: prefix, yield: yield}
		if err := w.folder(ctx, ""); err != nil && !errors.Is(err, fs.SkipAll) {
			yield(publish.Object{}, explain("list "+prefix+" in "+s.String(), err))
		}
	}
}

// walk goes through folders in the order of keys.
type walk struct {
	store  *Store
	prefix string
	yield  func(publish.Object, error) bool
}

func (w *walk) folder(ctx context.Context, at string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := w.store.entries(at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		key := path.Join(at, e.name)
		switch {
		case e.dir && overlap(key+"/", w.prefix):
			err = w.folder(ctx, key)
		case !e.dir && strings.HasPrefix(key, w.prefix):
			err = w.file(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overlap reports whether keys that begin with a may begin with b.
func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func (w *walk) file(key string) error {
	info, err := w.store.root.Lstat(filepath.FromSlash(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since
	}
	if err != nil {
		return err
	}
	if !w.yield(object(key, info), nil) {
		return fs.SkipAll
	}
	return nil
}

// Conditional implements publish.Store: writers of other machines are not known,
// but those of this one wait for each other.
func (s *Store) Conditional(ctx context.Context) (bool, error) { return true, context.Cause(ctx) }

// alone has one process at a time compare and write.
func (s *Store) alone(ctx context.Context) (unlock func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	lock := flock.New(filepath.Join(s.dir, private, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		<-s.turn
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, explain("lock "+s.String(), err)
	}
	return func() {
		_ = lock.Close() // which unlocks
		<-s.turn
	}, nil
}
