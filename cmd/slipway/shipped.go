package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/onforge"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// shipped finds what a release of a package has to deploy: the published release
// of its tag, or of its commit; where the forge has none or can't be asked, what
// was built from the same commit in the folder dist. known says that the forge
// and a token for it are known.
func (a *app) shipped(r *rollouts, known bool, open func() (forge.Forge, error)) func(context.Context, ref.Ref, rollout.Release) ([]byte, error) {
	var mu sync.Mutex
	found := map[string][]byte{} // by release: one that is there stays as it is
	return func(ctx context.Context, _ ref.Ref, doc rollout.Release) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if b := found[doc.Release]; b != nil {
			return b, nil
		}
		b, err := a.shippedOnForge(ctx, r, doc, known, open)
		if err != nil && release.KindOf(err) == release.Waiting {
			local, lerr := a.shippedInDist(r, doc)
			if local != nil || lerr != nil {
				b, err = local, lerr
			}
		}
		if err == nil {
			found[doc.Release] = b
		}
		return b, err
	}
}

func (a *app) shippedOnForge(ctx context.Context, r *rollouts, doc rollout.Release, known bool, open func() (forge.Forge, error)) ([]byte, error) {
	if !known {
		return nil, &release.Error{Kind: release.Waiting, Message: "no release of commit " + release.ShortCommit(doc.Commit) + " is known: no forge with a token for it is given",
			Hint: "set SLIPWAY_TOKEN for the forge's release, or build one here: slipway build; then go on: slipway work continue"}
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	at, err := r.repo.TagsAt(ctx, doc.Commit)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, t := range at {
		tags = append(tags, t.Name)
	}
	return onforge.Shipped(ctx, f, doc, tags)
}

// shippedInDist is what lies in the folder dist, when it is of the same commit and
// tag; nil when it is not.
func (a *app) shippedInDist(r *rollouts, doc rollout.Release) ([]byte, error) {
	dir := a.distFolder(r.repo)
	b, err := os.ReadFile(filepath.Join(dir, release.ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := release.DecodeManifest(b)
	if err != nil {
		return nil, err
	}
	if m.Commit != doc.Commit || doc.Tag != "" && m.Tag != doc.Tag {
		return nil, nil
	}
	p := rollout.Published{Assets: map[string]string{}}
	for _, x := range m.Artifacts {
		at, err := filepath.Abs(filepath.Join(dir, x.Name))
		if err != nil {
			return nil, err
		}
		p.Assets[x.Name] = (&url.URL{Scheme: "file", Path: filepath.ToSlash(at)}).String()
	}
	r.Progress.Note("./release is what lies in " + dir + ": no release of the commit is published")
	return rollout.ShippedDocument(m, p)
}
