package folder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// leftAfter is how long a file that was being written lies before it is taken for
// one that a killed process has left.
const leftAfter = 24 * time.Hour

// Put implements publish.Store. The bytes go to a file of their own, which then
// takes its place in one step.
func (s *Store) Put(ctx context.Context, key string, c publish.Content, o publish.PutOptions) (publish.Object, error) {
	local, err := name(key)
	if err != nil {
		return publish.Object{}, err
	}
	if err := c.Check(); err != nil {
		return publish.Object{}, fmt.Errorf("put %s: %w", key, err)
	}
	put, err := s.write(ctx, key, local, o.If, func() (io.ReadCloser, error) { return c.Reader(ctx) }, c.Progress)
	if err != nil {
		return publish.Object{}, err
	}
	put.Digest = c.Digest
	s.remember(key, known{put.Version, c.Digest})
	return put, nil
}

// Copy implements publish.Store.
func (s *Store) Copy(ctx context.Context, from, to string) (publish.Object, error) {
	local, err := name(to)
	if err != nil {
		return publish.Object{}, err
	}
	f, o, err := s.open(ctx, from)
	if err != nil {
		return publish.Object{}, err
	}
	copied, err := s.write(ctx, to, local, publish.IfAny, func() (io.ReadCloser, error) { return f, nil }, nil)
	_ = f.Close() // it is only read, and closed already where it was
	if err != nil {
		return publish.Object{}, err
	}
	copied.Digest = o.Digest
	s.remember(to, known{copied.Version, o.Digest})
	return copied, nil
}

// write makes the file of a key of what open gives.
func (s *Store) write(ctx context.Context, key, local, condition string, open func() (io.ReadCloser, error), progress func(int64)) (publish.Object, error) {
	what := "put " + key + " in " + s.String()
	if err := s.ready(); err != nil {
		return publish.Object{}, explain(what, err)
	}
	temp := filepath.Join(private, "writing-"+rand.Text())
	defer func() { _ = s.root.Remove(temp) }() // it has moved when all went well
	if err := s.fillTemp(ctx, temp, open, progress); err != nil {
		return publish.Object{}, explain(what, err)
	}
	unlock, err := s.alone(ctx)
	if err != nil {
		return publish.Object{}, err
	}
	defer unlock()
	if err := s.met(local, condition); err != nil {
		return publish.Object{}, explain(what, err)
	}
	if err := s.place(temp, local); err != nil {
		return publish.Object{}, explain(what, err)
	}
	info, err := s.root.Lstat(local)
	if err != nil {
		return publish.Object{}, explain(what, err)
	}
	return object(key, info), nil
}

// ready makes the private folder, and clears it of what killed processes have left.
func (s *Store) ready() error {
	err := s.root.Mkdir(private, 0o755)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := s.root.Open(private)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.Name() != "lock" && time.Since(info.ModTime()) > leftAfter {
			_ = s.root.Remove(filepath.Join(private, e.Name())) // or another process does
		}
	}
	return nil
}

// fillTemp writes a file, to the disk.
func (s *Store) fillTemp(ctx context.Context, temp string, open func() (io.ReadCloser, error), progress func(int64)) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it is only read
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = copyTo(ctx, f, r, progress)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	// The file system's own clock ticks too slowly to tell two writes apart.
	now := time.Now()
	return s.root.Chtimes(temp, now, now)
}

func copyTo(ctx context.Context, w io.Writer, r io.Reader, progress func(int64)) error {
	buf, sent := make([]byte, 256<<10), int64(0)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if sent += int64(n); progress != nil && n > 0 {
			progress(sent)
		}
		if errors.Is(err, io.EOF) {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// met compares what lies at a path with a condition.
func (s *Store) met(local, condition string) error {
	if condition == publish.IfAny {
		return nil
	}
	info, err := s.root.Lstat(local)
	there := err == nil && info.Mode().IsRegular()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !isNoFolder(err) {
		return err
	}
	if !there && condition == publish.IfAbsent || there && condition == version(info) {
		return nil
	}
	return publish.ErrConflict
}

// place moves a written file to its path, below folders that are made.
func (s *Store) place(temp, local string) error {
	for range 3 { // a Delete may take an empty folder away in between
		dir := filepath.Dir(local)
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			if isNoFolder(err) || errors.Is(err, fs.ErrExist) {
				return release.Invalidf("give another path", "a part of %s is a file, so nothing can lie below it", filepath.ToSlash(local))
			}
			return err
		}
		info, err := s.root.Lstat(local)
		if err == nil && info.IsDir() {
			return release.Invalidf("give another path", "%s is a folder", filepath.ToSlash(local))
		}
		err = s.root.Rename(temp, local)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return s.sync(dir)
	}
	return fmt.Errorf("the folder %s is taken away again and again", filepath.Dir(local))
}

// sync has a folder's entries on the disk.
func (s *Store) sync(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Delete implements publish.Store. Folders that become empty go, too.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		local, err := name(key)
		if err != nil {
			return err
		}
		if err := s.ready(); err != nil {
			return explain("delete "+key+" in "+s.String(), err)
		}
		unlock, err := s.alone(ctx)
		if err != nil {
			return err
		}
		err = s.remove(local)
		unlock()
		if err != nil {
			return explain("delete "+key+" in "+s.String(), err)
		}
		s.mu.Lock()
		delete(s.digests, key)
		s.mu.Unlock()
	}
	return nil
}

func (s *Store) remove(local string) error {
	info, err := s.root.Lstat(local)
	switch {
	case err == nil && info.IsDir(), errors.Is(err, fs.ErrNotExist), isNoFolder(err):
		return nil // there is no such file
	case err != nil:
		return err
	}
	if err := s.root.Remove(local); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.prune(filepath.Dir(local))
	return nil
}

// prune removes a folder and those above it, up to one that has other files.
func (s *Store) prune(dir string) {
	for dir != "." && s.root.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
}

// CheckWrite implements publish.Store.
func (s *Store) CheckWrite(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	_, err := s.root.Lstat(private)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := s.ready(); err != nil {
		return explain("write to "+s.String(), err)
	}
	temp := filepath.Join(private, "writing-"+rand.Text())
	err = s.root.WriteFile(temp, nil, 0o644)
	if err == nil {
		err = s.root.Remove(temp)
	}
	if fresh {
		_ = s.root.Remove(private) // unless another process writes already
	}
	return explain("write to "+s.String(), err)
}
