package folder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
)

const lockPoll = 5 * time.Millisecond

// entry is a file or a folder.
type entry struct {
	name string
	dir  bool
}

// entries are the files and folders of a folder that keys may name, in the order of
// the keys that they make: "a.b" is before the folder "a", whose keys go on with a slash.
func (s *Store) entries(at string) ([]entry, error) {
	f, err := s.root.Open(filepath.FromSlash(orDot(at)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // gone since
	}
	if err != nil {
		return nil, err
	}
	found, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(found))
	for _, e := range found {
		if at == "" && strings.EqualFold(e.Name(), private) || !e.IsDir() && !e.Type().IsRegular() || publish.CheckKey(e.Name()) != nil {
			continue
		}
		entries = append(entries, entry{e.Name(), e.IsDir()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.sort(), b.sort()) })
	return entries, nil
}

func (e entry) sort() string {
	if e.dir {
		return e.name + "/"
	}
	return e.name
}

func orDot(at string) string {
	if at == "" {
		return "."
	}
	return at
}

// inode tells files apart that were written in the same moment.
func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// isNoFolder is of a path that goes through a file.
func isNoFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// sumUp is the digest of a file.
func sumUp(ctx context.Context, f *os.File) (string, error) {
	h, buf := sha256.New(), make([]byte, 256<<10)
	for {
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
