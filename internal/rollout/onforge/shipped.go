// Package onforge is what release packages have to do with a forge: it reads what
// was shipped there, and tells it what is deployed where.
package onforge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
)

// Shipped finds the published release that a package's release carries out: of
// its tag, or of any tag at its commit (a full one before prereleases, then the
// newest). tags are those at the commit that are known without the forge. The
// answer is rollout.ShippedDocument; an error of kind release.Waiting says how
// what is missing comes.
func Shipped(ctx context.Context, f forge.Forge, of rollout.Release, tags []string) ([]byte, error) {
	tags, err := candidates(ctx, f, of, tags)
	if err != nil {
		return nil, err
	}
	var found []forge.Release
	for _, tag := range tags {
		all, err := f.Releases(ctx, tag)
		if err != nil {
			return nil, err
		}
		found = append(found, slices.DeleteFunc(all, func(r forge.Release) bool { return r.Draft })...)
	}
	slices.SortStableFunc(found, func(a, b forge.Release) int {
		if a.Prerelease != b.Prerelease {
			return map[bool]int{false: -1, true: 1}[a.Prerelease]
		}
		return b.Created.Compare(a.Created)
	})
	var refused error
	for _, r := range found {
		doc, err := documentOf(ctx, f, of, r)
		if err == nil || release.KindOf(err) != release.Refused {
			return doc, err
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return nil, refused
	}
	return nil, missing(of, tags)
}

func candidates(ctx context.Context, f forge.Forge, of rollout.Release, tags []string) ([]string, error) {
	if of.Tag != "" {
		return []string{of.Tag}, nil
	}
	c, ok := f.(forge.Commits)
	if !ok {
		return tags, nil
	}
	all, err := c.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var at []string
	for _, t := range all {
		if t.Commit == of.Commit {
			at = append(at, t.Name)
		}
	}
	return at, nil
}

// documentOf makes the document of a published release. It is refused where the
// release is none of Slipway's, or of another commit.
func documentOf(ctx context.Context, f forge.Forge, of rollout.Release, r forge.Release) ([]byte, error) {
	m, err := forge.Manifest(ctx, f, r)
	if errors.Is(err, forge.ErrNoManifest) {
		return nil, release.Refuse("release it with Slipway", "the release %s was not made by Slipway: it has no %s", r.Tag, release.ManifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of %s: %w", r.Tag, err)
	}
	if m.Commit != of.Commit {
		return nil, release.Refuse("make the package's release at that commit", "the release %s is of commit %s, not %s", r.Tag, release.ShortCommit(m.Commit), release.ShortCommit(of.Commit))
	}
	p := rollout.Published{URL: r.URL, Notes: notesOf(r.Body), Assets: map[string]string{}}
	for _, a := range r.Assets {
		p.Assets[a.Name] = a.URL
	}
	return rollout.ShippedDocument(m, p)
}

// notesOf leaves out the marks that Slipway keeps in a release's text.
func notesOf(body string) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "<!-- slipway") {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}

func missing(of rollout.Release, tags []string) error {
	const then = "; then go on: slipway work continue"
	e := &release.Error{Kind: release.Waiting, Message: fmt.Sprintf("no release of commit %s is published", release.ShortCommit(of.Commit)), Hint: "publish it: slipway release" + then}
	switch {
	case of.Tag != "":
		e.Message, e.Hint = "the release "+of.Tag+" is not published", "publish it: slipway release --tag "+of.Tag+then
	case len(tags) > 0:
		e.Message, e.Hint = fmt.Sprintf("%s: %s has none", e.Message, strings.Join(tags, ", ")), "publish it: slipway release --tag "+tags[0]+then
	}
	return e
}
