// Package shelf keeps releases in a place for files: staged by their content,
// committed by one write of the list, and told of by page and feed. What the list
// says is made from records, one a release, and from what really lies there.
package shelf

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// Shelf is the releases of one project in one place. Any number of them, in any
// number of processes, may work on the same place.
type Shelf struct {
	Options
}

// Options say what a shelf is of.
type Options struct {
	Store publish.Store
	What  string // the plan's kind of the place: s3 or folder
	Site  site.Site
	// Root is the folder of all releases, Layout where a binary lies below it.
	Root, Layout string
	// Class says of which class a release is that nobody recorded, by its name.
	Class func(name string) string
	// Note hears what a person should know.
	Note func(string)
	Now  func() time.Time
}

// New makes a shelf.
func New(o Options) *Shelf { return &Shelf{o} }

// Kind is the plan's kind of the place.
func (s *Shelf) Kind() string { return s.What }

// private is where a shelf keeps what no reader is to see.
func (s *Shelf) private(elem ...string) string {
	return path.Join(append([]string{s.Root, ".slipway"}, elem...)...)
}

// stagedKey is where content waits to be copied to its place.
func (s *Shelf) stagedKey(digest string) string {
	return s.private("staged", strings.TrimPrefix(digest, "sha256:"))
}

// recordKey is where the record of a release lies.
func (s *Shelf) recordKey(name string) string {
	return s.private("releases", release.KeySegments(name)+".json")
}

// recordsPrefix is the folder of the records.
func (s *Shelf) recordsPrefix() string { return s.private("releases") + "/" }

// url is the whole address of a key.
func (s *Shelf) url(key string) string {
	if key == "" {
		return ""
	}
	return s.Site.URL(key)
}

// wanted is a file of a delivery, and where it will lie.
type wanted struct {
	publish.File
	key string
}

// wanted are the files that a delivery brings to this place.
func (s *Shelf) wanted(d publish.Delivery) ([]wanted, *release.PlanPlace) {
	var place *release.PlanPlace
	for i := range d.Plan.Places {
		if d.Plan.Places[i].Kind == s.What {
			place = &d.Plan.Places[i]
		}
	}
	if place == nil {
		return nil, nil
	}
	var out []wanted
	for _, f := range d.Files {
		if f.Build == "" {
			out = append(out, wanted{f, path.Join(place.Assets, f.Name)})
			continue
		}
		for _, b := range place.Binaries {
			if b.Build == f.Build && f.Platform != nil && b.Platform == *f.Platform {
				out = append(out, wanted{f, b.Key})
			}
		}
	}
	return out, place
}

// Addresses are the whole URLs of page, list and feed.
func (s *Shelf) Addresses() (page, list, feed string) {
	return s.url(s.Site.HTML), s.url(s.Site.JSON), s.url(s.Site.Atom)
}

// Published says whether a release, by its name, is there with all its files.
func (s *Shelf) Published(ctx context.Context, name string) error {
	r, _, err := s.readRecord(ctx, name)
	switch {
	case err != nil:
		return err
	case len(r.Files) == 0 && len(r.Pending) == 0:
		return release.Invalidf(fmt.Sprintf("put it there first: slipway publish %s --tag %s", s.What, name), "%s is not in %s", name, s.Store)
	case len(r.Pending) > 0:
		return release.Failf(fmt.Sprintf("bring the rest: slipway publish %s --tag %s", s.What, name), "%s is half published in %s: %d of its files are on their way", name, s.Store, len(r.Pending))
	}
	return nil
}
