package registry

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// Base is an image to start from. Its layers are read when they are needed,
// with the context that Client.Base was given.
type Base struct {
	Reference string // canonical, as it was asked for: docker.io/library/debian:13
	Digest    string // of the index, or of the image that stands alone
	Images    map[release.Platform]v1.Image
}

// Base finds an image, or an index of them, by tag or digest, and picks one
// image for each platform. A reference that is not there and a platform that
// the base lacks are release.Invalid.
func (c *Client) Base(ctx context.Context, ref string, wanted []release.Platform) (Base, error) {
	a, err := c.available(ctx, "base image", "`base`", ref)
	if err != nil {
		return Base{}, err
	}
	b := Base{Reference: a.ref, Digest: a.digest, Images: map[release.Platform]v1.Image{}}
	var lacks []string
	for _, w := range wanted {
		i := a.pick(w)
		if i < 0 {
			lacks = append(lacks, w.String())
			continue
		}
		img, err := a.images[i].open()
		if err != nil {
			return Base{}, c.readFault(ctx, a, err)
		}
		b.Images[w] = img
	}
	if len(lacks) > 0 {
		return Base{}, a.lack(strings.Join(lacks, ", "))
	}
	return b, nil
}

// Config reads an image's config for a platform, such as the labels of a
// Source-to-Image builder. digest is that of the index, or of the image that
// stands alone. Errors are as with Base.
func (c *Client) Config(ctx context.Context, ref string, platform release.Platform) (config v1.ConfigFile, digest string, err error) {
	a, err := c.available(ctx, "image", "`s2i.builder`, `source`, --build-image", ref)
	if err != nil {
		return v1.ConfigFile{}, "", err
	}
	i := a.pick(platform)
	if i < 0 {
		return v1.ConfigFile{}, "", a.lack(platform.String())
	}
	img, err := a.images[i].open()
	if err != nil {
		return v1.ConfigFile{}, "", c.readFault(ctx, a, err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		return v1.ConfigFile{}, "", c.readFault(ctx, a, err)
	}
	return *cf, a.digest, nil
}

// available is what lies under a reference.
type available struct {
	what   string // base image
	ref    string
	repo   name.Repository
	digest string
	images []platformImage
}

type platformImage struct {
	platform specs.Platform // normalized
	open     func() (v1.Image, error)
}

func (c *Client) available(ctx context.Context, what, setting, ref string) (available, error) {
	named, err := parseReference(ref)
	if err != nil {
		return available{}, err
	}
	r, err := c.remoteReference(named)
	if err != nil {
		return available{}, err
	}
	a := available{what: what, ref: named.String(), repo: r.Context()}
	desc, err := c.get(ctx, r)
	if statusOf(err) == http.StatusNotFound {
		return available{}, &release.Error{Kind: release.Invalid, Err: image.ErrNotFound,
			Message: fmt.Sprintf("%s %s", what, a.ref), Hint: "look at the setting " + setting + ": its name and its tag"}
	}
	if err != nil {
		return available{}, c.readFault(ctx, a, err)
	}
	a.digest = desc.Digest.String()
	if desc.MediaType.IsIndex() {
		a.images, err = indexImages(desc)
	} else {
		a.images, err = singleImage(desc)
	}
	return a, c.readFault(ctx, a, err)
}

func (c *Client) readFault(ctx context.Context, a available, err error) error {
	return c.fault(ctx, "read "+a.what+" "+a.ref, a.repo, err)
}

func indexImages(desc *remote.Descriptor) ([]platformImage, error) {
	idx, err := desc.ImageIndex()
	if err != nil {
		return nil, err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	var images []platformImage
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() {
			continue
		}
		open := func() (v1.Image, error) { return idx.Image(d.Digest) }
		p := d.Platform
		if p == nil { // some builders leave it out
			img, err := open()
			if err != nil {
				return nil, err
			}
			if p, err = configPlatform(img); err != nil {
				return nil, err
			}
			open = func() (v1.Image, error) { return img, nil }
		}
		if p.OS == "unknown" || p.Architecture == "unknown" { // an attestation
			continue
		}
		images = append(images, platformImage{ociPlatform(p), open})
	}
	return images, nil
}

func singleImage(desc *remote.Descriptor) ([]platformImage, error) {
	img, err := desc.Image()
	if err != nil {
		return nil, err
	}
	p, err := configPlatform(img)
	if err != nil {
		return nil, err
	}
	return []platformImage{{ociPlatform(p), func() (v1.Image, error) { return img, nil }}}, nil
}

func configPlatform(img v1.Image) (*v1.Platform, error) {
	cf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	return cf.Platform(), nil
}

func ociPlatform(p *v1.Platform) specs.Platform {
	return platforms.Normalize(specs.Platform{OS: cmp.Or(p.OS, "linux"), Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion})
}

// pick finds the image for a platform as containerd does: the very variant
// first, then a lower one, but never another architecture. -1 is none.
func (a available) pick(want release.Platform) int {
	p := platforms.Normalize(specs.Platform{OS: want.OS, Architecture: want.Arch, Variant: want.Variant})
	match := platforms.Only(p)
	best := -1
	for i, img := range a.images {
		if img.platform.Architecture != p.Architecture || !match.Match(img.platform) {
			continue
		}
		if best < 0 || match.Less(img.platform, a.images[best].platform) {
			best = i
		}
	}
	return best
}

func (a available) lack(platforms string) error {
	var has []string
	for _, img := range a.images {
		p := img.platform
		has = append(has, release.Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant}.String())
	}
	slices.Sort(has)
	has = slices.Compact(has)
	if len(has) == 0 {
		has = []string{"no image at all"}
	}
	return release.Invalidf("leave these platforms out of the image's `platforms`, or take another image",
		"%s %s has no %s; it has %s", a.what, a.ref, platforms, strings.Join(has, ", "))
}
