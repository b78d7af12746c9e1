package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// look puts right what a crash left, before this process reads for the first
// time.
func (d *Dir) look(ctx context.Context) error {
	if d.looked.Load() {
		return nil
	}
	clean, err := d.clean()
	if err == nil && !clean {
		err = d.alone(ctx, func() error { return nil })
	}
	if err != nil {
		return fmt.Errorf("finish what a crash left in %s: %w", d.root, err)
	}
	d.looked.Store(true)
	return nil
}

// clean reports whether the documents' files are all that there is to know. It
// needs no lock, and no right to write.
func (d *Dir) clean() (bool, error) {
	f, err := os.Open(filepath.Join(d.root, journalFile))
	if absent(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= headerSize {
		return true, err
	}
	h, ok, err := readHeader(f)
	return ok && h.applied == info.Size(), err
}

// recover opens the journal and finishes what others began, under the lock.
func (d *Dir) recover() error {
	if err := d.openJournal(); err != nil {
		return err
	}
	j := &d.journal
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < headerSize {
		return d.begin()
	}
	h, sameBoot, err := readHeader(j.file)
	if err != nil {
		return err
	}
	if sameBoot && h.applied == info.Size() {
		j.life, j.next, j.end = h.life, h.next, h.applied
		return nil
	}
	// A process was killed: what it did before is in the files. A machine was:
	// nothing needs to be.
	from, next := int64(headerSize), uint64(0)
	if sameBoot && h.applied < info.Size() {
		from, next, j.life = h.applied, h.next, h.life
	}
	last := map[string]Change{}
	if err := j.entries(from, next, func(c Change) { last[c.Ref] = c }); err != nil {
		return err
	}
	if err := d.redo(last); err != nil {
		return err
	}
	if !sameBoot {
		return d.checkpoint()
	}
	if err := j.file.Truncate(j.end); err != nil {
		return err
	}
	return j.writeHeader()
}

// openJournal opens it, unless it is open; somebody may have removed the folder.
func (d *Dir) openJournal() error {
	path := filepath.Join(d.root, journalFile)
	if d.journal.file != nil {
		there, err := os.Stat(path)
		if err == nil {
			var ours os.FileInfo
			if ours, err = d.journal.file.Stat(); err == nil && os.SameFile(ours, there) {
				return nil
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		d.journal.close()
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	d.journal.file = f
	return err
}

// begin makes the journal's file one that is found again.
func (d *Dir) begin() error {
	if err := d.journal.empty(); err != nil {
		return err
	}
	for _, folder := range []string{d.root, filepath.Dir(d.root)} {
		// The parent may be one that this user can't open.
		if err := syncFile(folder); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// redo brings the files to what the journal says.
func (d *Dir) redo(last map[string]Change) error {
	for _, ref := range slices.Sorted(maps.Keys(last)) {
		path, err := d.path(ref)
		if err != nil {
			return err
		}
		f := staged{path: path}
		if value := last[ref].Value; value != nil {
			there, err := os.ReadFile(path)
			if err == nil && bytes.Equal(there, value) {
				continue
			}
			if f, err = d.stageFile(0, path, value); err != nil {
				return err
			}
		}
		if err := f.finish(); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(d.root, stageFolder))
}

const fewFiles = 16 // that are synced one by one

// checkpoint waits until all that the journal holds is on the disk in the
// documents' files, and empties the journal.
func (d *Dir) checkpoint() error {
	j := &d.journal
	refs := map[string]bool{}
	if err := j.entries(headerSize, 0, func(c Change) { refs[c.Ref] = true }); err != nil {
		return err
	}
	if len(refs) == 0 && j.end == headerSize {
		return j.empty()
	}
	// All of a file system may be much that is not ours.
	if len(refs) > fewFiles && syncAll(j.file) == nil {
		return j.empty()
	}
	folders := map[string]bool{}
	for ref := range refs {
		path, err := d.path(ref)
		if err != nil {
			return err
		}
		if err := syncFile(path); err != nil {
			return err
		}
		for folder := filepath.Dir(path); !folders[folder]; folder = filepath.Dir(folder) {
			folders[folder] = true
			if folder == filepath.Clean(d.root) {
				break
			}
		}
	}
	for folder := range folders {
		if err := syncFile(folder); err != nil {
			return err
		}
	}
	return j.empty()
}

// syncFile waits until a file or folder is on the disk. One that is gone needs
// only its folder.
func syncFile(path string) error {
	f, err := os.Open(path)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some file systems sync no folders
	}
	return err
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
