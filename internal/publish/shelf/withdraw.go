package shelf

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

var _ publish.Place = (*Shelf)(nil)

// Withdraw marks a release as one that nobody should take any more; nothing of it
// is deleted. One that was never recorded, but found, is recorded by that.
func (s *Shelf) Withdraw(ctx context.Context, name string, why release.Withdrawn, st progress.Stage) (bool, error) {
	changed := false
	err := s.change(ctx, name, func(r record) (record, error) {
		changed = false
		if r.Schema == "" {
			listed, err := s.listed(ctx, name)
			if err != nil {
				return r, err
			}
			r.Release = listed
			r.Schema, r.Stamp = site.RecordSchema, ""
		}
		if r.Withdrawn != nil && r.Withdrawn.Reason == why.Reason {
			return r, nil
		}
		r.Withdrawn, changed = &why, true
		return r, nil
	})
	if err != nil {
		return false, err
	}
	updated, err := s.Update(ctx, st)
	return changed || updated, err
}

// listed is a release as the list has it.
func (s *Shelf) listed(ctx context.Context, name string) (site.Release, error) {
	missing := fmt.Errorf("%w: there is no release %s in %s", publish.ErrNotFound, name, s.Store)
	ix, _, err := s.readList(ctx)
	if errors.Is(err, publish.ErrNotFound) {
		return site.Release{}, missing
	}
	if err != nil {
		return site.Release{}, err
	}
	r, ok := ix.Get(name)
	if !ok {
		return r, missing
	}
	return r, nil
}
