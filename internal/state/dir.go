package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// Dir is a Store in a directory: one file a document. A version is the hash of
// the document's bytes.
type Dir struct{ root string }

// OpenDir makes a Store in a directory, which is made with the first document.
func OpenDir(root string) *Dir { return &Dir{root: root} }

// ending tells a document's file from the folder of the documents below it.
const ending = ".json"

func (d *Dir) Get(_ context.Context, ref string) (Document, error) {
	path, err := d.path(ref)
	if err != nil {
		return Document{}, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Document{}, fmt.Errorf("state %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return Document{}, fmt.Errorf("read state %s: %w", ref, err)
	}
	return Document{Value: b, Version: versionOf(b)}, nil
}

func (d *Dir) Put(ctx context.Context, ref string, value []byte, version string) (string, error) {
	path, err := d.path(ref)
	if err != nil {
		return "", err
	}
	err = d.locked(ctx, func() error {
		if err := d.expect(ctx, ref, version); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// Written beside, synced, then renamed: readers see old or new.
		return renameio.WriteFile(path, value, 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("write state %s: %w", ref, err)
	}
	return versionOf(value), nil
}

func (d *Dir) Delete(ctx context.Context, ref, version string) error {
	path, err := d.path(ref)
	if err != nil {
		return err
	}
	err = d.locked(ctx, func() error {
		if err := d.expect(ctx, ref, version); err != nil {
			if _, gone := d.Get(ctx, ref); errors.Is(gone, ErrNotFound) {
				return nil
			}
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete state %s: %w", ref, err)
	}
	return nil
}

func (d *Dir) List(_ context.Context, prefix string) ([]string, error) {
	refs := []string{}
	err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ending) {
			return err
		}
		rel, err := filepath.Rel(d.root, strings.TrimSuffix(path, ending))
		if err != nil {
			return err
		}
		ref, ours := refOf(rel)
		if ours && (prefix == "" || ref == prefix || strings.HasPrefix(ref, prefix+"/")) {
			refs = append(refs, ref)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	slices.Sort(refs)
	return refs, nil
}

// refOf is the ref that a file's path stands for, without its ending; ours is
// false for a path that no ref has.
func refOf(path string) (ref string, ours bool) {
	segments := strings.Split(filepath.ToSlash(path), "/")
	for i, s := range segments {
		var err error
		if segments[i], err = url.PathUnescape(s); err != nil {
			return "", false
		}
	}
	return strings.Join(segments, "/"), true
}

// expect checks, under the lock, that a document's version is the given one.
func (d *Dir) expect(ctx context.Context, ref, version string) error {
	now, err := d.Get(ctx, ref)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if now.Version != version {
		return ErrConflict
	}
	return nil
}

func (d *Dir) locked(ctx context.Context, do func() error) error {
	if err := os.MkdirAll(d.root, 0o755); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(d.root, ".lock"))
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return err
	}
	defer lock.Close()
	return do()
}

// path is the file of a ref. Segments are escaped, so that no ref leaves the
// directory or falls together with another.
func (d *Dir) path(ref string) (string, error) {
	segments := strings.Split(ref, "/")
	for i, s := range segments {
		if s == "" || strings.ContainsRune(s, 0) {
			return "", fmt.Errorf("state ref %q has an empty or unprintable part", ref)
		}
		s = url.PathEscape(s)
		if strings.Trim(s, ".") == "" || strings.HasPrefix(s, ".") {
			s = "%2E" + s[1:]
		}
		if len(s) > 200 {
			return "", fmt.Errorf("state ref %q… has a part that is too long", ref[:40])
		}
		segments[i] = s
	}
	return filepath.Join(d.root, filepath.Join(segments...)) + ending, nil
}

func versionOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
