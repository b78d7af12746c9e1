package assemble

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Prune takes layers out of the cache in dir: those that nobody has used for
// olderThan, and then the least recently used until at most keepBytes are left;
// a negative keepBytes keeps all of them. It gives how many bytes and layers it
// took. A layer that a running process still needs is made again there.
func Prune(dir string, olderThan time.Duration, keepBytes int64) (freed int64, n int, err error) {
	folder := filepath.Join(dir, layersFolder)
	blobs, err := kept(folder)
	if err != nil {
		return 0, 0, err
	}
	if err := removeLayouts(filepath.Join(dir, layoutsFolder)); err != nil {
		return 0, 0, err
	}
	limit := time.Now().Add(-olderThan)
	var left int64
	for _, b := range blobs { // the most recently used first
		if b.used.After(limit) && (keepBytes < 0 || left+b.size <= keepBytes) {
			left += b.size
			continue
		}
		keepBytes = min(keepBytes, left) // what is older than one that had to go, goes too
		if err := b.remove(folder); err != nil {
			return freed, n, err
		}
		freed += b.size
		n += b.layers
	}
	return freed, n, nil
}

// abandoned is how long nobody has written to a file that a killed run left
// behind, and not one that still runs.
const abandoned = time.Hour

// removeLayouts takes away what killed runs left of Layout. The bytes are those of
// the layers.
func removeLayouts(folder string) error {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, d := range list {
		info, gone := d.Info()
		if gone == nil && time.Since(info.ModTime()) > longestBuild {
			err = errors.Join(err, os.RemoveAll(filepath.Join(folder, d.Name())))
		}
	}
	return err
}

// longestBuild is how long a layout may be in use.
const longestBuild = 24 * time.Hour

// blob is a file of the cache with what belongs to it.
type blob struct {
	files  []string
	used   time.Time
	size   int64 // bytes of all its files
	layers int   // 0 for what is only left over
}

func (b blob) remove(folder string) error {
	for _, f := range b.files {
		if err := os.Remove(filepath.Join(folder, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// kept lists the cache, the most recently used first.
func kept(folder string) ([]blob, error) {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byKey := map[string]*blob{}
	for _, d := range list {
		info, err := d.Info()
		switch {
		case err != nil, !info.Mode().IsRegular(): // another process has just removed it, or it is no file of ours
			continue
		case strings.HasPrefix(d.Name(), unfinished) && time.Since(info.ModTime()) < abandoned:
			continue
		}
		key := strings.TrimSuffix(strings.TrimSuffix(d.Name(), blobSuffix), recordSuffix)
		b := byKey[key]
		if b == nil {
			b = &blob{}
			byKey[key] = b
		}
		b.files = append(b.files, d.Name())
		b.size += info.Size()
		if strings.HasSuffix(d.Name(), blobSuffix) {
			b.layers = 1
		}
		// A record is never touched after it was made; its blob is.
		if info.ModTime().After(b.used) {
			b.used = info.ModTime()
		}
	}
	var out []blob
	for _, b := range byKey {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b blob) int { return b.used.Compare(a.used) })
	return out, nil
}
