package shelf

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// Index has the list name what was shelved, and page and feed follow.
func (s *Shelf) Index(ctx context.Context, report release.ReportPlace, st progress.Stage) (release.ReportPlace, error) {
	_, err := s.Update(ctx, st)
	report.Page, report.List, report.Feed = s.Addresses()
	return report, err
}

// Shelve puts a release's files where they belong: the record calls them pending
// meanwhile, and says at the end that they are there.
func (s *Shelf) Shelve(ctx context.Context, d publish.Delivery, st progress.Stage) (release.ReportPlace, error) {
	files, place := s.wanted(d)
	if place == nil {
		return release.ReportPlace{}, nil
	}
	report := release.ReportPlace{Kind: s.What, Where: place.Where}
	missing, err := s.missing(ctx, files)
	if err != nil {
		return report, err
	}
	if len(missing) > 0 {
		if err := s.announce(ctx, d, files, missing); err != nil {
			return report, err
		}
		if err := s.place(ctx, missing, st); err != nil {
			return report, err
		}
	}
	if err := s.unstage(ctx, d.Plan.ReleaseName(), files); err != nil {
		return report, err
	}
	if err := s.settle(ctx, d, files); err != nil {
		return report, err
	}
	for _, w := range files {
		f := release.PlaceFile{Name: w.Name, Platform: w.Platform, URL: s.url(w.key), Size: w.Size, Digest: w.Digest, Action: "kept"}
		if slices.ContainsFunc(missing, func(m wanted) bool { return m.key == w.key }) {
			f.Action = "put"
		}
		report.Files = append(report.Files, f)
	}
	return report, nil
}

// missing are the files that do not lie in their places yet.
func (s *Shelf) missing(ctx context.Context, files []wanted) ([]wanted, error) {
	var mu sync.Mutex
	var out []wanted
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, w := range files {
		g.Go(func() error {
			there, err := s.there(inGroup, w)
			if err == nil && !there {
				mu.Lock()
				out = append(out, w)
				mu.Unlock()
			}
			return err
		})
	}
	err := g.Wait()
	slices.SortFunc(out, func(a, b wanted) int { return strings.Compare(a.key, b.key) })
	return out, err
}

// announce says in the record which files are on their way: from now on until
// settle nobody takes them for published ones.
func (s *Shelf) announce(ctx context.Context, d publish.Delivery, files, missing []wanted) error {
	return s.change(ctx, d.Plan.ReleaseName(), func(r record) (record, error) {
		if err := s.checkSame(r, d.Plan, files); err != nil {
			return r, err
		}
		if r.Schema == "" {
			r = merge(r, publish.Delivery{Plan: d.Plan}, nil)
		}
		pending := slices.Clone(r.Pending)
		for _, w := range missing {
			if !slices.Contains(pending, w.key) {
				pending = append(pending, w.key)
			}
		}
		slices.Sort(pending)
		r.Pending = pending
		return r, nil
	})
}

// settle records the files of a delivery, which lie in their places now.
func (s *Shelf) settle(ctx context.Context, d publish.Delivery, files []wanted) error {
	have, err := s.look(ctx, files)
	if err != nil {
		return err
	}
	return s.change(ctx, d.Plan.ReleaseName(), func(r record) (record, error) {
		if err := s.checkSame(r, d.Plan, files); err != nil {
			return r, err
		}
		r = merge(r, d, have)
		r.Pending = slices.DeleteFunc(slices.Clone(r.Pending), func(key string) bool {
			return slices.ContainsFunc(files, func(w wanted) bool { return w.key == key })
		})
		if len(r.Pending) == 0 {
			r.Pending = nil
		}
		return r, nil
	})
}

// look reads once more what lies in the places of files: what is recorded was seen.
func (s *Shelf) look(ctx context.Context, files []wanted) ([]site.File, error) {
	out := make([]site.File, len(files))
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, w := range files {
		g.Go(func() error {
			o, err := s.Store.Stat(inGroup, w.key)
			if errors.Is(err, publish.ErrNotFound) {
				return release.Failf("run the same command again: it brings what is gone", "%s was taken out of %s meanwhile", w.key, s.Store)
			}
			out[i] = site.File{Name: w.Name, Key: w.key, Kind: w.Kind, Platform: w.Platform, Size: w.Size, Digest: w.Digest, Time: o.Modified.UTC()}
			if w.Build != "" {
				out[i].Kind = release.KindBinary
			}
			return err
		})
	}
	return out, g.Wait()
}

// changes is how often a record that somebody else writes, too, is read again.
const changes = 20

// change reads a release's record, changes it and writes it, as often as another
// writer comes between. A record that stays as it is is not written.
func (s *Shelf) change(ctx context.Context, name string, do func(record) (record, error)) error {
	for try := 0; ; try++ {
		r, version, err := s.readRecord(ctx, name)
		if err != nil {
			return err
		}
		changed, err := do(r)
		if err != nil || version != "" && reflect.DeepEqual(r, changed) {
			return err
		}
		if _, err = s.writeRecord(ctx, changed, version); err == nil || !errors.Is(err, publish.ErrConflict) || try == changes {
			return err
		}
	}
}

// place copies staged content to where it belongs. Content that is no longer
// there is sent again.
func (s *Shelf) place(ctx context.Context, files []wanted, st progress.Stage) error {
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, w := range files {
		g.Go(func() error {
			for try := 0; ; try++ {
				_, err := s.Store.Copy(inGroup, s.stagedKey(w.Digest), w.key)
				if !errors.Is(err, publish.ErrNotFound) || try == 2 {
					return err
				}
				if err := s.send(inGroup, w, st); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// unstage removes the staged content of files that lie in their places now. The
// record calls them pending until it is gone, so nobody forgets it.
func (s *Shelf) unstage(ctx context.Context, name string, files []wanted) error {
	r, _, err := s.readRecord(ctx, name)
	if err != nil || len(r.Pending) == 0 {
		return err
	}
	var keys []string
	for _, w := range files {
		if slices.Contains(r.Pending, w.key) {
			keys = append(keys, s.stagedKey(w.Digest))
		}
	}
	slices.Sort(keys)
	if err := s.Store.Delete(ctx, slices.Compact(keys)...); err != nil {
		return fmt.Errorf("remove what was staged: %w", err)
	}
	return nil
}
