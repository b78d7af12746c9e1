package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// Dir is a Store in a directory: one file a document, which a person may read
// and, while nothing runs, change. A version is the hash of the document's bytes.
//
// What is applied is in the file .journal on the disk before it is in the
// documents' files. After a crash, whoever comes next finishes from there what
// was begun.
type Dir struct {
	root string

	group   Group
	held    sync.Mutex
	journal journal     // of whoever holds the lock
	looked  atomic.Bool // at what a crash may have left
}

// OpenDir makes a Store in a directory, which is made with the first document.
func OpenDir(root string) *Dir { return &Dir{root: root} }

const (
	// Beside the documents. No ref has a file whose name begins with a dot.
	lockFile    = ".lock"
	turnFile    = ".turn"
	journalFile = ".journal"
	stageFolder = ".new"
)

// Get implements Store.
func (d *Dir) Get(ctx context.Context, ref string) (Document, error) {
	path, err := d.path(ref)
	if err != nil {
		return Document{}, err
	}
	if err := d.look(ctx); err != nil {
		return Document{}, err
	}
	return read(ref, path)
}

func read(ref, path string) (Document, error) {
	b, err := os.ReadFile(path)
	if absent(err) {
		return Document{}, fmt.Errorf("state %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return Document{}, fmt.Errorf("read state %s: %w", ref, err)
	}
	return Document{Value: b, Version: versionOf(b)}, nil
}

// Close brings what the journal holds to the disk and empties the journal, so
// that the documents' files are all that there is. A Dir that is never closed
// loses nothing, and a closed one may be used again.
func (d *Dir) Close() error {
	if _, err := os.Stat(filepath.Join(d.root, journalFile)); absent(err) {
		return nil
	}
	err := d.alone(context.Background(), func() error {
		err := d.checkpoint()
		d.journal.close()
		return err
	})
	if err != nil {
		return fmt.Errorf("close the state in %s: %w", d.root, err)
	}
	return nil
}

// path is the file of a ref. Segments are escaped, so that no ref leaves the
// directory or falls together with another.
func (d *Dir) path(ref string) (string, error) {
	folder, name, err := d.place(ref)
	return filepath.Join(folder, name) + ending, err
}

// place is the folder of a ref's file, and the file's name without its ending.
func (d *Dir) place(ref string) (folder, name string, err error) {
	if err := CheckRef(ref); err != nil {
		return "", "", err
	}
	folder = d.root
	for {
		segment, rest, more := strings.Cut(ref, "/")
		name = escape(segment)
		if len(name) > longestSegment {
			return "", "", tooLong(ref)
		}
		if !more {
			return folder, name, nil
		}
		folder, ref = d.folder(folder, name), rest
	}
}

// folder is the folder of the documents below a segment. One that ends as a
// document's file does would take that file's name; it has it only where it was
// there before this was seen to.
func (d *Dir) folder(in, name string) string {
	path := filepath.Join(in, name)
	if safe := escapeFolder(name); safe != name {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			return filepath.Join(in, safe)
		}
	}
	return path
}

// absent reports whether an error says that a file, or the folder that it would
// be in, is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotDir(err) }

func versionOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
