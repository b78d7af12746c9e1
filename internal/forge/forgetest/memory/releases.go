package memory

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Release is a release as the forge has it. Starter assets are not in it: a
// forge hides them there.
type Release struct {
	ID         int64
	Tag        string
	Target     string
	Title      string
	Body       string
	Draft      bool
	Prerelease bool
	Immutable  bool
	Created    time.Time
	Published  time.Time // zero for a draft
	Updated    time.Time
	Assets     []Asset
}

type storedRelease struct {
	Release
	assets []*asset // in the order of their making, starters included
}

// NewRelease is a request to make a release.
type NewRelease struct {
	Tag, Target, Title, Body string
	Draft, Prerelease        bool
	Latest                   string // GitHub's make_latest: true, false, legacy or empty
}

// Edit is a request to change a release; nil leaves a field as it is.
type Edit struct {
	Tag, Target, Title, Body *string
	Draft, Prerelease        *bool
	Latest                   string
}

// view copies a release for readers.
func (rel *storedRelease) view() Release {
	out := rel.Release
	out.Assets = nil
	for _, a := range rel.assets {
		if !a.Starter {
			out.Assets = append(out.Assets, a.Asset)
		}
	}
	return out
}

// now is the forge's clock in whole seconds, as both wires write it.
func (r *Repo) now() time.Time { return r.clock().UTC().Truncate(time.Second) }

// Releases lists what the token sees, newest first, as both wires do.
func (r *Repo) Releases(a Access) ([]Release, error) {
	if err := r.Allow(a, false); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(a.seesDrafts()), nil
}

func (r *Repo) list(drafts bool) []Release {
	out := []Release{}
	for _, rel := range r.releases {
		if !rel.Draft || drafts {
			out = append(out, rel.view())
		}
	}
	slices.SortStableFunc(out, newestFirst)
	return out
}

func newestFirst(a, b Release) int {
	if c := b.Created.Compare(a.Created); c != 0 {
		return c
	}
	return int(b.ID - a.ID)
}

// Release reads one by its id.
func (r *Repo) Release(a Access, id int64) (Release, error) {
	if err := r.Allow(a, false); err != nil {
		return Release{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel := r.find(id)
	if rel == nil || rel.Draft && !a.seesDrafts() {
		return Release{}, notFound(r.dialect)
	}
	return rel.view(), nil
}

// ReleaseByTag finds one by its tag. GitHub sees published ones only, Gitea a
// writer's drafts too.
func (r *Repo) ReleaseByTag(a Access, tag string) (Release, error) {
	if err := r.Allow(a, false); err != nil {
		return Release{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	drafts := r.dialect == Gitea && a.seesDrafts()
	for _, rel := range r.releases {
		if r.sameTag(rel.Tag, tag) && (!rel.Draft || drafts) {
			return rel.view(), nil
		}
	}
	return Release{}, notFound(r.dialect)
}

// Latest is the newest published release that is no prerelease, or on GitHub
// the one that make_latest chose.
func (r *Repo) Latest(a Access) (Release, error) {
	if err := r.Allow(a, false); err != nil {
		return Release{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rel := r.find(r.latest); rel != nil && !rel.Draft && !rel.Prerelease {
		return rel.view(), nil
	}
	for _, rel := range r.list(false) {
		if !rel.Prerelease {
			return rel, nil
		}
	}
	return Release{}, notFound(r.dialect)
}

// sameTag compares tags as the forge does: Gitea folds case.
func (r *Repo) sameTag(a, b string) bool {
	return a == b || r.dialect == Gitea && strings.EqualFold(a, b)
}

func (r *Repo) find(id int64) *storedRelease {
	for _, rel := range r.releases {
		if rel.ID == id {
			return rel
		}
	}
	return nil
}

// Create makes a release, published at once unless it is a draft.
func (r *Repo) Create(ctx context.Context, a Access, n NewRelease) (Release, error) {
	if err := r.Allow(a, true); err != nil {
		return Release{}, err
	}
	branch, err := r.refs.DefaultBranch(ctx)
	if err != nil {
		return Release{}, err
	}
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkCreate(ctx, n, branch); err != nil {
		return Release{}, err
	}
	target := n.Target
	if target == "" {
		target = branch
	}
	rel := &storedRelease{Release: Release{
		Tag: n.Tag, Target: target, Title: n.Title, Body: n.Body, Draft: true, Prerelease: n.Prerelease,
		Created: r.now(), Updated: r.now(),
	}}
	if r.dialect == Gitea {
		rel.Title = ellipsis(rel.Title)
	}
	if err := r.date(ctx, rel); err != nil {
		return Release{}, err
	}
	if !n.Draft {
		if err := r.publish(ctx, rel, true); err != nil {
			return Release{}, err
		}
	}
	rel.ID = r.newID(n.Tag)
	if !rel.Draft {
		r.chooseLatest(rel, n.Latest)
	}
	r.releases = append(r.releases, rel)
	r.changed()
	r.releaseMade(rel)
	return rel.view(), nil
}

func (r *Repo) newID(tag string) int64 {
	if id, ok := r.tagRows[strings.ToLower(tag)]; ok && r.dialect == Gitea {
		delete(r.tagRows, strings.ToLower(tag))
		return id
	}
	return r.ids.nextRelease()
}

// Edit changes a release; turning draft off publishes it.
func (r *Repo) Edit(ctx context.Context, a Access, id int64, e Edit) (Release, error) {
	if err := r.Allow(a, true); err != nil {
		return Release{}, err
	}
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	rel := r.find(id)
	if rel == nil {
		return Release{}, notFound(r.dialect)
	}
	next := *rel
	set(&next.Tag, e.Tag)
	set(&next.Target, e.Target)
	set(&next.Title, e.Title)
	set(&next.Body, e.Body)
	set(&next.Prerelease, e.Prerelease)
	toDraft := e.Draft != nil && *e.Draft
	if err := r.checkEdit(ctx, rel, &next, toDraft, e.Latest); err != nil {
		return Release{}, err
	}
	if r.dialect == Gitea {
		next.Title = ellipsis(next.Title)
	}
	switch {
	case toDraft:
		next.Draft = true
	case rel.Draft && e.Draft != nil:
		if err := r.publish(ctx, &next, false); err != nil {
			return Release{}, err
		}
		r.chooseLatest(&next, e.Latest)
	case !rel.Draft && e.Latest != "":
		r.chooseLatest(&next, e.Latest)
	}
	if next.Draft {
		if err := r.date(ctx, &next); err != nil {
			return Release{}, err
		}
	}
	next.Updated = r.now()
	published := rel.Draft && !next.Draft
	*rel = next
	r.changed()
	r.releaseChanged(rel, published)
	return rel.view(), nil
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// Delete removes a release with its assets; its tag stays.
func (r *Repo) Delete(a Access, id int64) error {
	if err := r.Allow(a, true); err != nil {
		return err
	}
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	rel := r.find(id)
	if rel == nil {
		return notFound(r.dialect)
	}
	if rel.Immutable {
		r.burnt[rel.Tag] = true
	}
	r.tagRows[strings.ToLower(rel.Tag)] = rel.ID
	r.releases = slices.DeleteFunc(r.releases, func(x *storedRelease) bool { return x == rel })
	for _, as := range rel.assets {
		as.content.remove()
	}
	r.changed()
	r.releaseTold(rel, "deleted")
	return nil
}

// PublicReleases is what a reader without a token sees, oldest first.
func (r *Repo) PublicReleases() []forge.Release {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.public()
}

func (r *Repo) public() []forge.Release {
	out := []forge.Release{}
	for _, rel := range slices.Backward(r.list(false)) {
		out = append(out, r.domain(rel, rel.Assets))
	}
	return out
}

func (r *Repo) changed() {
	if r.onChange != nil {
		r.onChange(r.public())
	}
}

// ellipsis cuts a title as Gitea does.
func ellipsis(s string) string {
	if utf8.RuneCountInString(s) <= 255 {
		return s
	}
	return string([]rune(s)[:254]) + "…"
}
