package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Published is what a manifest does not tell of its release.
type Published struct {
	URL    string            // of its page
	Notes  string            // Markdown
	Assets map[string]string // URLs by name
}

// shipped is the document PACKAGE/@r7/release: what Slipway shipped.
type shipped struct {
	Output shippedOutput `json:"output"`
}

type shippedOutput struct {
	Project string                  `json:"project"`
	Version string                  `json:"version"`
	Tag     string                  `json:"tag"`
	Class   string                  `json:"class"`
	Commit  string                  `json:"commit"`
	URL     string                  `json:"url,omitempty"`
	Notes   string                  `json:"notes"`
	Assets  map[string]shippedAsset `json:"assets"`
	Images  map[string]shippedImage `json:"images"`
}

type shippedAsset struct {
	URL      string               `json:"url,omitempty"`
	Kind     release.ArtifactKind `json:"kind"`
	Digest   string               `json:"digest"` // sha256:…
	Size     int64                `json:"size"`   // bytes
	Platform string               `json:"platform,omitempty"`
	OS       string               `json:"os,omitempty"`
	Arch     string               `json:"arch,omitempty"`
	Variant  string               `json:"variant,omitempty"`
}

type shippedImage struct {
	Digest       string   `json:"digest"`     // of the index, sha256:…
	Reference    string   `json:"reference"`  // repository@digest, which never means another image
	Repository   string   `json:"repository"` // the first of them
	Repositories []string `json:"repositories"`
	Tags         []string `json:"tags"` // that do not move
	Platforms    []string `json:"platforms"`
}

// ShippedDocument is the document of a release for references to "./release":
//
//	./release#output/version
//	./release#output/images/app/digest
//	./release#output/assets/app_1.2.3_linux_amd64.tar.gz/url
func ShippedDocument(m release.Manifest, p Published) ([]byte, error) {
	out := shippedOutput{Project: m.Project, Version: m.Version, Tag: m.Tag, Class: m.Class, Commit: m.Commit, URL: p.URL, Notes: p.Notes,
		Assets: map[string]shippedAsset{}, Images: map[string]shippedImage{}}
	for _, a := range m.Artifacts {
		x := shippedAsset{URL: p.Assets[a.Name], Kind: a.Kind, Digest: a.Digest, Size: a.Size}
		if a.Platform != nil {
			x.Platform, x.OS, x.Arch, x.Variant = a.Platform.String(), a.Platform.OS, a.Platform.Arch, a.Platform.Variant
		}
		out.Assets[a.Name] = x
	}
	for _, img := range m.Images {
		x := shippedImage{Digest: img.Digest, Repositories: img.Repositories, Tags: img.Tags, Platforms: []string{}}
		if len(img.Repositories) > 0 {
			x.Repository = img.Repositories[0]
			x.Reference = x.Repository + "@" + img.Digest
		}
		for _, part := range img.Manifests {
			x.Platforms = append(x.Platforms, part.Platform.String())
		}
		out.Images[img.ID] = x
	}
	b, err := json.MarshalIndent(shipped{out}, "", "  ")
	return append(b, '\n'), err
}

// shipments remembers which releases nothing was known of, and since when, so
// that a forge is not asked for each of a thousand items.
type shipments struct {
	mu     sync.Mutex
	asked  map[string]time.Time
	reason map[string]error
}

// askAgain is how long a forge's answer that there is nothing counts.
const askAgain = 10 * time.Second

// shipped looks for what a release's document "release" does not tell yet, and
// writes it down, unless the resolver only looks. wait tells why there is
// nothing.
func (l *resolver) shipped(ctx context.Context, doc string, wait *Wait) (json.RawMessage, error) {
	if l.r.Shipped == nil {
		wait.Reason, wait.Hint = "no release of the forge is known for it", "publish one: slipway release; then go on: slipway work continue"
		return nil, nil
	}
	at, err := ref.Parse(doc)
	if err != nil || at.Repo != l.r.Repo {
		return nil, err // another repository's: those who work there know it
	}
	s := &l.r.shipments
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked, s.reason = map[string]time.Time{}, map[string]error{}
	}
	if last, ok := s.asked[doc]; !ok || l.r.now().Sub(last) >= askAgain {
		value, err := l.ship(ctx, at, doc)
		if err == nil && value != nil {
			l.docs[doc] = value
			delete(s.asked, doc)
			return value, nil
		}
		if ctx.Err() != nil || errors.Is(err, errState) {
			return nil, err
		}
		s.asked[doc], s.reason[doc] = l.r.now(), err
	}
	if err := s.reason[doc]; err != nil {
		wait.Reason, wait.Hint = err.Error(), release.HintOf(err)
	}
	return nil, nil
}

func (l *resolver) ship(ctx context.Context, at ref.Ref, doc string) (json.RawMessage, error) {
	rel, _, found, err := read[Release](ctx, l.r.Store, releaseDoc(at, at.Release))
	if err != nil || !found {
		return nil, err
	}
	value, err := l.r.Shipped(ctx, at.Package(), rel)
	if err != nil || value == nil || l.looks {
		return value, err
	}
	_, err = l.r.Store.Apply(ctx, at.Path+": what "+at.Release+" has to deploy is known", state.Change{Ref: doc, Value: value})
	if errors.Is(err, state.ErrConflict) { // another process was faster
		value, _, _, err = read[json.RawMessage](ctx, l.r.Store, doc)
	}
	if err != nil {
		return nil, errors.Join(errState, err)
	}
	return value, nil
}
