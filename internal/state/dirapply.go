package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// staged is a change that only needs to be given its name.
type staged struct {
	path     string
	from     string // the new file; empty to delete
	replaces bool   // a document is there
}

const journalLimit = 8 << 20 // bytes, after which the journal is emptied

// Apply implements Store. Callers that wait at the same time share one write of
// the journal.
func (d *Dir) Apply(ctx context.Context, message string, changes ...Change) ([]string, error) {
	return d.group.Apply(ctx, message, changes, func(ctx context.Context, take func() (context.Context, []*Batch)) error {
		err := d.alone(ctx, func() error {
			_, group := take()
			return d.commit(group)
		})
		if err != nil {
			return fmt.Errorf("write the state in %s: %w", d.root, err)
		}
		return nil
	})
}

// alone runs do while no other process, and nobody else in this one, changes
// the directory, and after what a crash left is put right.
func (d *Dir) alone(ctx context.Context, do func() error) error {
	if err := os.MkdirAll(d.root, 0o755); err != nil {
		return err
	}
	// Whoever has had the lock queues again behind those who wait for their turn.
	turn, lock := flock.New(filepath.Join(d.root, turnFile)), flock.New(filepath.Join(d.root, lockFile))
	defer turn.Close()
	if err := acquire(ctx, turn); err != nil {
		return err
	}
	defer lock.Close()
	if err := acquire(ctx, lock); err != nil {
		return err
	}
	if err := turn.Close(); err != nil {
		return err
	}
	d.held.Lock() // as the lock, in words of this process
	defer d.held.Unlock()
	if err := d.recover(); err != nil {
		return err
	}
	d.looked.Store(true)
	return do()
}

func acquire(ctx context.Context, lock *flock.Flock) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		if got, err := lock.TryLock(); err != nil || got {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// commit writes a group's changes down together. A batch that can't be applied
// fails alone.
func (d *Dir) commit(group []*Batch) error {
	var changes []Change
	var all []staged
	versions := map[string]string{} // that the group's batches give
	for _, b := range group {
		files, err := d.stage(b, versions, len(all))
		if err != nil {
			b.Err = err
			continue
		}
		changes, all = append(changes, b.Changes...), append(all, files...)
	}
	if len(all) == 0 {
		return nil
	}
	if err := d.journal.append(changes); err != nil {
		drop(all)
		return err
	}
	for _, f := range all {
		// From here on it will happen: if not now, then when the directory is used
		// next.
		if err := f.finish(); err != nil {
			return err
		}
	}
	if d.journal.writeHeader() == nil && d.journal.end > journalLimit {
		// The changes are safe in the journal; the next to come tries again.
		_ = d.checkpoint()
	}
	return nil
}

// stage compares a batch's versions and writes its new files beside the
// documents, so that a disk which is full says so now. The first file is number
// n.
func (d *Dir) stage(b *Batch, versions map[string]string, n int) (files []staged, err error) {
	defer func() {
		if err != nil {
			drop(files)
		}
	}()
	b.Versions = make([]string, len(b.Changes))
	for i, c := range b.Changes {
		path, err := d.path(c.Ref)
		if err != nil {
			return files, err
		}
		now, known := versions[c.Ref]
		if !known {
			doc, err := read(c.Ref, path)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return files, err
			}
			now = doc.Version
		}
		switch {
		case c.Value == nil && now == "":
			continue // it is gone already
		case now != c.Version:
			return files, &ConflictError{Ref: c.Ref}
		case c.Value == nil:
			files = append(files, staged{path: path})
			continue
		}
		if b.Versions[i] = versionOf(c.Value); b.Versions[i] == now {
			continue
		}
		f, err := d.stageFile(n+len(files), path, c.Value)
		if err != nil {
			return files, fmt.Errorf("write state %s in %s: %w", c.Ref, d.root, err)
		}
		f.replaces = now != ""
		files = append(files, f)
	}
	for i, c := range b.Changes {
		versions[c.Ref] = b.Versions[i]
	}
	return files, nil
}

func (d *Dir) stageFile(number int, path string, value []byte) (staged, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return staged{}, err
	}
	from := filepath.Join(d.root, stageFolder, strconv.Itoa(number))
	err := os.WriteFile(from, value, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(from), 0o755); err == nil {
			err = os.WriteFile(from, value, 0o644)
		}
	}
	if err != nil {
		os.Remove(from)
	}
	return staged{path: path, from: from}, err
}

func (f staged) finish() error {
	if f.from != "" {
		// What is replaced is taken out and then removed: of a file that another is
		// renamed to, some file systems want the data on the disk at once.
		if f.replaces && exchange(f.from, f.path) == nil {
			os.Remove(f.from)
			return nil
		}
		return os.Rename(f.from, f.path)
	}
	if err := os.Remove(f.path); err != nil && !absent(err) {
		return err
	}
	return nil
}

func drop(files []staged) {
	for _, f := range files {
		if f.from != "" {
			os.Remove(f.from)
		}
	}
}
