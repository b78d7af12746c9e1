package shelf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// record is what a shelf remembers of a release. One that has files is
// published; what is in Pending is on its way, and no list names it.
type record struct {
	site.Release
	Pending []string `json:"pending,omitempty"` // keys
}

// maxRecord bounds what is read of a record: notes are part of it.
const maxRecord = 16 << 20

// readRecord gives a release's record and its version; version "" and an empty
// record when there is none.
func (s *Shelf) readRecord(ctx context.Context, name string) (record, string, error) {
	r, version, err := s.readRecordAt(ctx, s.recordKey(name))
	if errors.Is(err, publish.ErrNotFound) {
		return record{}, "", nil
	}
	return r, version, err
}

func (s *Shelf) readRecordAt(ctx context.Context, key string) (record, string, error) {
	var r record
	from, object, err := s.Store.Open(ctx, key)
	if err != nil {
		return r, "", err
	}
	defer from.Close()
	b, err := io.ReadAll(io.LimitReader(from, maxRecord+1))
	if err != nil {
		return r, "", fmt.Errorf("read %s: %w", key, err)
	}
	if len(b) > maxRecord {
		err = errors.New("it is too large")
	} else if err = json.Unmarshal(b, &r); err == nil && r.Schema != site.RecordSchema {
		err = fmt.Errorf("its schema is %q, and this slipway reads %q", r.Schema, site.RecordSchema)
	}
	if err != nil {
		return r, "", &release.Error{Kind: release.Failed, Message: fmt.Sprintf("%s in %s is no record of a release", key, s.Store), Err: fmt.Errorf("%w: %w", errSpoiled, err),
			Hint: "delete it, and publish the release there again (slipway publish " + s.What + ")"}
	}
	return r, object.Version, nil
}

// writeRecord puts a record if it is still as it was read; it gives the new
// version.
func (s *Shelf) writeRecord(ctx context.Context, r record, version string) (string, error) {
	b, err := encode(r)
	if err != nil {
		return "", err
	}
	o, err := s.Store.Put(ctx, s.recordKey(r.Name), publish.Bytes(b), publish.PutOptions{If: orAbsent(version)})
	return o.Version, err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func orAbsent(version string) string {
	if version == "" {
		return publish.IfAbsent
	}
	return version
}

// merge adds a delivery to what is recorded of its release. Files that the record
// has already, and that did not change, keep their time.
func merge(r record, d publish.Delivery, files []site.File) record {
	p := d.Plan
	r.Schema, r.Name, r.Version, r.Class, r.Commit = site.RecordSchema, p.ReleaseName(), p.Version, p.Class, p.Commit
	r.Tag, r.Prerelease, r.Time, r.PlanHash = p.Tag, p.Prerelease, p.Time, p.Hash()
	if r.Notes == "" {
		r.Notes = d.Notes
	}
	if d.Page != "" {
		r.Page = d.Page
	}
	if len(r.Images) == 0 {
		r.Images = d.Images
	}
	r.Files = slices.Clone(r.Files)
	for _, f := range files {
		i := slices.IndexFunc(r.Files, func(have site.File) bool { return have.Key == f.Key })
		switch {
		case i < 0:
			r.Files = append(r.Files, f)
		case r.Files[i].Digest != f.Digest || r.Files[i].Size != f.Size:
			r.Files[i] = f
		}
	}
	slices.SortFunc(r.Files, func(a, b site.File) int { return strings.Compare(a.Key, b.Key) })
	return r
}

// checkSame refuses a release whose record is of another commit, or has another
// file in the place of one of its own: what is published is never changed.
func (s *Shelf) checkSame(r record, p release.Plan, files []wanted) error {
	if r.Schema == "" {
		return nil
	}
	const hint = "a published release is never changed: make a new tag"
	if r.Commit != p.Commit {
		return release.Refuse(hint, "%s is published already in %s, from commit %s, not %s",
			p.ReleaseName(), s.Store, release.ShortCommit(r.Commit), release.ShortCommit(p.Commit))
	}
	for _, w := range files {
		i := slices.IndexFunc(r.Files, func(f site.File) bool { return f.Key == w.key })
		if i >= 0 && r.Files[i].Digest != "" && r.Files[i].Digest != w.Digest {
			return release.Refuse(hint, "%s is published already in %s, and its %s is another file (%.19s…, not %.19s…)",
				p.ReleaseName(), s.Store, w.key, r.Files[i].Digest, w.Digest)
		}
	}
	return nil
}
