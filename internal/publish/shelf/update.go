package shelf

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// pruned marks, behind the version of a record in the list, an entry that is not
// all that the record says: a refresh found that files were gone, or more.
const pruned = "*"

// Update brings the list up to date with the records that changed since it was
// written, and then page and feed with the list. It says whether it wrote
// anything. What is not there yet is made by a Refresh.
func (s *Shelf) Update(ctx context.Context, st progress.Stage) (changed bool, err error) {
	for try := 0; ; try++ {
		ix, version, err := s.readList(ctx)
		if errors.Is(err, publish.ErrNotFound) {
			_, err := s.Refresh(ctx, st)
			return true, err
		}
		if err != nil {
			return changed, err
		}
		stale, err := s.apply(ctx, ix)
		if err != nil {
			return changed, err
		}
		if stale {
			changed = true
			if err := s.notes(ctx, ix); err != nil {
				return changed, err
			}
			if version, err = s.writeList(ctx, ix, version, st); errors.Is(err, publish.ErrConflict) && try < changes {
				continue
			}
			if err != nil {
				return changed, err
			}
			// A place without conditions may have let another writer's list be
			// overwritten by this one; its record is there, and is seen now.
			if sure, err := s.Store.Conditional(ctx); err != nil || !sure {
				if err == nil && try < changes {
					continue
				}
				return changed, err
			}
		}
		last, err := s.pages(ctx, ix, version, false, st)
		if err != nil || last || try >= changes {
			return changed, err
		}
	}
}

// errSpoiled marks a list or a record that somebody else has written to.
var errSpoiled = errors.New("it can't be read")

// readList reads the list and its version; publish.ErrNotFound when there is none.
func (s *Shelf) readList(ctx context.Context) (*site.Index, string, error) {
	from, object, err := s.Store.Open(ctx, s.Site.JSON)
	if err != nil {
		return nil, "", err
	}
	defer from.Close()
	ix, err := site.DecodeList(bufio.NewReaderSize(from, 1<<16), s.Site)
	if err != nil {
		return nil, object.Version, &release.Error{Kind: release.Failed, Message: fmt.Sprintf("%s in %s", s.Site.JSON, s.Store), Err: fmt.Errorf("%w: %w", errSpoiled, err),
			Hint: "have it made anew with `slipway index refresh`"}
	}
	return ix, object.Version, nil
}

// writeList puts the list if it is still as it was read.
func (s *Shelf) writeList(ctx context.Context, ix *site.Index, version string, st progress.Stage) (string, error) {
	return s.spooled(ctx, s.Site.JSON, "application/json", orAbsent(version), st, func(w io.Writer) error { return site.EncodeList(w, s.Site, ix) })
}

// spooled writes an object that may be large by way of a temporary file.
func (s *Shelf) spooled(ctx context.Context, key, mediaType, condition string, st progress.Stage, write func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp("", "slipway-list-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := newSum()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	if err := write(w); err != nil {
		return "", err
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	task := st.Task(key, sum.size)
	o, err := s.Store.Put(ctx, key, publish.Content{Size: sum.size, Digest: sum.digest(), Type: mediaType, Progress: task.At,
		Open: func(context.Context) (io.ReadCloser, error) { return os.Open(f.Name()) }},
		publish.PutOptions{If: condition, Cache: "no-cache"})
	task.Done(progress.Bytes(sum.size), err)
	return o.Version, err
}

// apply puts the records that an index does not have as they are into it.
func (s *Shelf) apply(ctx context.Context, ix *site.Index) (bool, error) {
	known := map[string]site.Release{}
	for r := range ix.All() {
		known[s.recordKey(r.Name)] = r
	}
	var stale []string
	for o, err := range s.Store.List(ctx, s.recordsPrefix()) {
		if err != nil {
			return false, err
		}
		if r, ok := known[o.Key]; !ok || strings.TrimSuffix(r.Stamp, pruned) != o.Version {
			stale = append(stale, o.Key)
		}
	}
	changed := false
	err := s.records(ctx, stale, func(r record, version string) {
		if len(r.Files) == 0 && len(r.Pending) > 0 {
			return // it is on its way
		}
		r.Stamp, changed = version, true
		ix.Put(r.Release)
	})
	return changed, err
}

// records reads records, several at a time, and gives them one at a time.
func (s *Shelf) records(ctx context.Context, keys []string, each func(record, string)) error {
	var mu sync.Mutex
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(2 * atOnce)
	for _, key := range keys {
		g.Go(func() error {
			r, version, err := s.readRecordAt(inGroup, key)
			if errors.Is(err, publish.ErrNotFound) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, errSpoiled) { // one release must not stand in the way of all others
				s.Note(err.Error() + "; " + release.HintOf(err))
				return nil
			}
			if err != nil {
				return err
			}
			each(r, version)
			return nil
		})
	}
	return g.Wait()
}

// rendered says of which list the pages were made, and what each consisted of.
type rendered struct {
	List  string            `json:"list"`  // its version
	Pages map[string]string `json:"pages"` // key → digest
}

// pages writes page and feed where they are not what the list gives. It says
// whether that list is still the one that is there: a writer who comes later
// makes them of a newer one.
func (s *Shelf) pages(ctx context.Context, ix *site.Index, list string, anew bool, st progress.Stage) (last bool, err error) {
	var before rendered
	key := s.private("pages.json")
	if err := s.readJSON(ctx, key, &before); err != nil {
		return false, err
	}
	if before.List == list && !anew {
		return true, nil
	}
	now := rendered{List: list, Pages: map[string]string{}}
	for p, err := range site.Pages(s.Site, ix) {
		if err != nil {
			return false, err
		}
		c := publish.Bytes(p.Content)
		c.Type = p.Type
		now.Pages[p.Key] = c.Digest
		same, err := s.same(ctx, p.Key, c.Digest, before, anew)
		if err != nil {
			return false, err
		}
		if same {
			continue
		}
		task := st.Task(p.Key, c.Size)
		_, err = s.Store.Put(ctx, p.Key, c, publish.PutOptions{Cache: "no-cache"})
		if task.Done(progress.Bytes(c.Size), err); err != nil {
			return false, err
		}
	}
	if err := s.script(ctx, ix, before, now, anew); err != nil {
		return false, err
	}
	var gone []string
	for key := range before.Pages {
		if now.Pages[key] == "" {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	if err := s.Store.Delete(ctx, gone...); err != nil {
		return false, err
	}
	b, err := encode(now)
	if err != nil {
		return false, err
	}
	if _, err := s.Store.Put(ctx, key, publish.Bytes(b), publish.PutOptions{}); err != nil {
		return false, err
	}
	o, err := s.Store.Stat(ctx, s.Site.JSON)
	return err == nil && o.Version == list, err
}

// script keeps the newest release's installer at an address that stays.
func (s *Shelf) script(ctx context.Context, ix *site.Index, before, now rendered, anew bool) error {
	if len(s.Site.Groups) == 0 {
		return nil
	}
	r, ok := ix.Latest(s.Site.Groups[0].Class)
	i := slices.IndexFunc(r.Files, func(f site.File) bool { return f.Kind == release.KindInstaller && f.Key != "" })
	if !ok || i < 0 {
		return nil
	}
	f := r.Files[i]
	key := path.Join(s.Root, f.Name)
	now.Pages[key] = f.Digest
	same, err := s.same(ctx, key, f.Digest, before, anew)
	if err != nil || same {
		return err
	}
	_, err = s.Store.Copy(ctx, f.Key, key)
	return err
}

// same says whether a page is as it should be: as the last writer left it, or,
// anew, as it lies there.
func (s *Shelf) same(ctx context.Context, key, digest string, before rendered, anew bool) (bool, error) {
	if !anew || before.Pages[key] != digest {
		return before.Pages[key] == digest, nil
	}
	o, err := s.Store.Stat(ctx, key)
	if errors.Is(err, publish.ErrNotFound) {
		return false, nil
	}
	return o.Digest == digest, err
}

// notes reads the notes of the releases that the pages show, where the list did
// not have them: so the list that is written has.
func (s *Shelf) notes(ctx context.Context, ix *site.Index) error {
	var keys []string
	for _, name := range ix.Wanted(s.Site) {
		if r, ok := ix.Get(name); ok && r.Notes == "" && r.Stamp != "" {
			keys = append(keys, s.recordKey(name))
		}
	}
	return s.records(ctx, keys, func(r record, _ string) {
		if shown, ok := ix.Get(r.Name); ok && r.Notes != "" {
			shown.Notes = r.Notes
			ix.Put(shown)
		}
	})
}

// readJSON reads a small document; one that is not there, or can't be read, is
// empty: it only saves work.
func (s *Shelf) readJSON(ctx context.Context, key string, v any) error {
	from, _, err := s.Store.Open(ctx, key)
	if errors.Is(err, publish.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(from, maxRecord)); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return decodeOrNothing(b.Bytes(), v)
}
