package shelf

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/site"
)

// Refreshed is what a refresh found.
type Refreshed struct {
	Releases int      `json:"releases"`          // that the list names now
	Files    int      `json:"files"`             // that lie there for them
	Gone     []string `json:"gone,omitempty"`    // keys that records name and that are not there, or not as recorded
	Pending  []string `json:"pending,omitempty"` // releases that are half published
	Found    []string `json:"found,omitempty"`   // releases that nobody recorded
	Dropped  int      `json:"dropped,omitempty"` // staged objects that nobody came back for
	Changed  bool     `json:"changed"`           // the list is another one now
}

// stagedFor is how long staged content waits for its release.
const stagedFor = 7 * 24 * time.Hour

// Refresh makes the list from what really lies there: records count as far as
// their files are there, files that nobody recorded are found by the layout.
func (s *Shelf) Refresh(ctx context.Context, st progress.Stage) (Refreshed, error) {
	for try := 0; ; try++ {
		old, version, err := s.readList(ctx)
		switch {
		case errors.Is(err, publish.ErrNotFound):
			old, version, err = site.NewIndex(), "", nil
		case errors.Is(err, errSpoiled):
			s.Note(fmt.Sprintf("%v; it is made anew", err))
			old, err = site.NewIndex(), nil
		}
		if err != nil {
			return Refreshed{}, err
		}
		w := &walk{shelf: s, old: old, objects: map[string]object{}, found: Refreshed{}}
		ix, err := w.index(ctx)
		if err != nil {
			return w.found, err
		}
		written, err := s.rewriteList(ctx, ix, version, st)
		if errors.Is(err, publish.ErrConflict) && try < changes {
			continue
		}
		if err != nil {
			return w.found, err
		}
		w.found.Changed = written != version
		last, err := s.pages(ctx, ix, written, true, st)
		if err == nil && !last && try < changes {
			continue
		}
		return w.found, err
	}
}

// rewriteList writes the list unless it would be the same.
func (s *Shelf) rewriteList(ctx context.Context, ix *site.Index, version string, st progress.Stage) (string, error) {
	if version != "" {
		sum := newSum()
		if err := site.EncodeList(sum, s.Site, ix); err != nil {
			return "", err
		}
		if o, err := s.Store.Stat(ctx, s.Site.JSON); err == nil && o.Version == version && o.Size == sum.size && o.Digest == sum.digest() {
			return version, nil
		}
	}
	return s.writeList(ctx, ix, version, st)
}

// walk is one look at everything that lies there.
type walk struct {
	shelf   *Shelf
	old     *site.Index
	objects map[string]object // below the root, but what is private
	found   Refreshed
}

type object struct {
	size    int64
	time    time.Time
	claimed bool // by a record
}

func (w *walk) index(ctx context.Context) (*site.Index, error) {
	s := w.shelf
	private, staged := s.private()+"/", s.private("staged")+"/"
	records := map[string]string{} // key → version
	var abandoned []string
	for o, err := range s.Store.List(ctx, s.Root+"/") {
		switch {
		case err != nil:
			return nil, err
		case strings.HasPrefix(o.Key, s.recordsPrefix()):
			records[o.Key] = o.Version
		case strings.HasPrefix(o.Key, staged):
			if s.Now().Sub(o.Modified) > stagedFor {
				abandoned = append(abandoned, o.Key)
			}
		case !strings.HasPrefix(o.Key, private):
			w.objects[o.Key] = object{size: o.Size, time: o.Modified}
		}
	}
	ix := site.NewIndex()
	if err := w.recorded(ctx, ix, records); err != nil {
		return nil, err
	}
	if err := w.unrecorded(ctx, ix); err != nil {
		return nil, err
	}
	if err := s.notes(ctx, ix); err != nil {
		return nil, err
	}
	for r := range ix.All() {
		w.found.Releases++
		w.found.Files += len(r.Files)
	}
	slices.Sort(w.found.Gone)
	slices.Sort(w.found.Pending)
	slices.Sort(w.found.Found)
	w.found.Dropped = len(abandoned)
	return ix, s.Store.Delete(ctx, abandoned...)
}

// recorded puts the releases that have records into the index. A record that the
// list has whole, and that did not change, is not read again.
func (w *walk) recorded(ctx context.Context, ix *site.Index, records map[string]string) error {
	for r := range w.old.All() {
		key := w.shelf.recordKey(r.Name)
		if version, ok := records[key]; ok && r.Stamp == version {
			delete(records, key)
			w.put(ix, record{Release: r}, version)
		}
	}
	return w.shelf.records(ctx, slices.Sorted(maps.Keys(records)), func(r record, version string) { w.put(ix, r, version) })
}

// put adds a release as far as its files are there.
func (w *walk) put(ix *site.Index, r record, version string) {
	for _, key := range r.Pending {
		w.claim(key)
	}
	if len(r.Pending) > 0 {
		w.found.Pending = append(w.found.Pending, r.Name)
		if len(r.Files) == 0 {
			return
		}
	}
	r.Stamp = version
	all := len(r.Files)
	r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(f site.File) bool {
		o, there := w.objects[f.Key]
		w.claim(f.Key)
		if f.Key == "" || there && o.size == f.Size {
			return false
		}
		w.found.Gone = append(w.found.Gone, f.Key)
		return true
	})
	if len(r.Files) == 0 && all > 0 {
		return // nothing of it is left
	}
	if len(r.Files) < all || len(r.Pending) > 0 {
		r.Stamp += pruned
	}
	ix.Put(r.Release)
}

func (w *walk) claim(key string) {
	if o, ok := w.objects[key]; ok {
		o.claimed = true
		w.objects[key] = o
	}
}

// unrecorded finds, by the layout, files that no record names: those that were
// there before Slipway, or that somebody put there by hand.
func (w *walk) unrecorded(ctx context.Context, ix *site.Index) error {
	var before rendered
	if err := w.shelf.readJSON(ctx, w.shelf.private("pages.json"), &before); err != nil {
		return err
	}
	shape := shapeOf(w.shelf.Root, w.shelf.Layout)
	releases := map[string]site.Release{}
	for _, key := range slices.Sorted(maps.Keys(w.objects)) {
		o := w.objects[key]
		if o.claimed || before.Pages[key] != "" {
			continue
		}
		found, ok := shape.match(key)
		if !ok {
			continue
		}
		if found.version { // its tag is most likely the version with a v
			if name := "v" + found.release; w.shelf.Class(name) != w.shelf.Class(found.release) {
				found.release = name
			}
		}
		r, known := releases[found.release]
		if !known {
			if r, known = ix.Get(found.release); !known {
				r = site.Release{Schema: site.RecordSchema, Name: found.release, Class: w.shelf.Class(found.release)}
				if listed, ok := w.old.Get(found.release); ok { // what a lost record said, above all that it is withdrawn
					r = listed
					r.Files, r.Stamp = nil, ""
				}
				w.found.Found = append(w.found.Found, found.release)
			} else if r.Stamp != "" && !strings.HasSuffix(r.Stamp, pruned) {
				r.Stamp += pruned
			}
			r.Files = slices.Clone(r.Files)
		}
		r.Files = append(r.Files, site.File{Name: cmp.Or(found.binary, path.Base(key)), Key: key, Kind: found.kind, Platform: found.platform, Size: o.size, Time: o.time.UTC()})
		if r.Stamp == "" && o.time.After(r.Time) {
			r.Time = o.time.UTC()
		}
		releases[found.release] = r
	}
	for _, name := range slices.Sorted(maps.Keys(releases)) {
		ix.Put(releases[name])
	}
	return nil
}

// sum counts and hashes what is written to it.
type sum struct {
	hash hash.Hash
	size int64
}

func newSum() *sum { return &sum{hash: sha256.New()} }

func (s *sum) Write(p []byte) (int, error) {
	n, err := s.hash.Write(p)
	s.size += int64(n)
	return n, err
}

func (s *sum) digest() string { return "sha256:" + hex.EncodeToString(s.hash.Sum(nil)) }

// decodeOrNothing reads a document that only saves work: one that can't be read
// is as good as none.
func decodeOrNothing(b []byte, v any) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	err := json.Unmarshal(b, v)
	if err == nil || errors.As(err, &syntax) || errors.As(err, &kind) {
		return nil
	}
	return fmt.Errorf("read a document: %w", err)
}
