// Package assemble puts images together in process, out of built binaries and
// without a builder: the same input gives the same index on every machine.
package assemble

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Spec is what an image is made of.
type Spec struct {
	Image    release.PlanImage // of kind builds
	Binaries []release.Binary  // at least those of the image's builds
	Source   string            // folder with the commit's files; it is only read
	Time     time.Time         // the commit's; every date in the image is this one, in whole seconds
	// Base are the images to start from, one a platform. nil: from scratch. Their
	// layers are not read; they go to the registry as Base gives them.
	Base map[release.Platform]v1.Image
}

// Options say how it is done. They have no say in what comes out.
type Options struct {
	CacheDir    string         // compressed layers are kept in its folder layers
	Stage       progress.Stage // hears of every layer
	Concurrency int            // layers at a time; 0: one a processor, but no more than 4
}

// mostConcurrent bounds the compressors' memory on a large machine.
const mostConcurrent = 4

// Index assembles an OCI index with one manifest a platform, in the plan's
// order. Its layers lie in the cache and are made again from the binaries when
// they are gone or damaged by the time they are read; so the binaries must stay
// until the index is pushed.
//
// The error is release.Invalid for a platform without a binary or without a
// base, two files under one path, and files that are not there or lie outside
// the source.
func Index(ctx context.Context, s Spec, o Options) (v1.ImageIndex, error) {
	if (s.Base == nil) != (s.Image.Base == "" || s.Image.Base == release.ScratchBase) {
		return nil, fmt.Errorf("assemble image %s: its base %q is not what was given", s.Image.ID, s.Image.Base)
	}
	if o.Concurrency <= 0 {
		o.Concurrency = min(runtime.GOMAXPROCS(0), mostConcurrent)
	}
	cache, err := openCache(o.CacheDir)
	if err != nil {
		return nil, err
	}
	shared, own, err := s.parts()
	if err != nil {
		return nil, err
	}
	layers, err := makeLayers(ctx, cache, slices.Concat(shared, own), s.Time, o)
	if err != nil {
		return nil, err
	}
	var images []*image
	var on []ocispec.Platform
	for i, p := range s.Image.Platforms {
		img, err := s.image(p, slices.Concat(layers[:len(shared)], layers[len(shared)+i:][:1]))
		if err != nil {
			return nil, fmt.Errorf("assemble image %s for %s: %w", s.Image.ID, p, err)
		}
		images, on = append(images, img), append(on, platform(p))
	}
	annotations, err := s.annotations(nil)
	if err != nil {
		return nil, err
	}
	return newIndex(images, on, annotations)
}

// part is a layer to be made.
type part struct {
	name    string // for a person
	what    string // for the image's history
	entries []entry
}

// parts are the layers that all platforms share, which is the base file system
// of an image from scratch, and one of each platform's own to lie upon them.
func (s Spec) parts() (shared, own []part, err error) {
	var root []entry
	if s.Base == nil {
		root = rootEntries()
		shared = []part{{name: s.Image.ID + " base", what: "base file system", entries: root}}
	}
	files, err := s.files()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range s.Image.Platforms {
		if err := s.checkPlatform(p); err != nil {
			return nil, nil, err
		}
		binaries, err := s.binaries(p)
		if err != nil {
			return nil, nil, err
		}
		entries := slices.Clone(files)
		for _, b := range binaries {
			entries = append(entries, binaryEntry(s.Image, b))
		}
		// Folders of a base are left as they are: an entry would change their
		// mode, or put a folder where a link was. What starts the image makes
		// those that are missing.
		if s.Base == nil {
			entries = append(entries, folders(s.Image.Workdir, entries, root)...)
		}
		if err := checkPaths(entries, root, "image "+s.Image.ID); err != nil {
			return nil, nil, err
		}
		sortEntries(entries)
		own = append(own, part{name: s.Image.ID + " " + p.String(), what: strings.Join(s.Image.Builds, ", "), entries: entries})
	}
	return shared, own, nil
}

func (s Spec) checkPlatform(p release.Platform) error {
	if p.OS == "windows" {
		return release.Invalidf("take the platform out of the image, or give it a Dockerfile", "image %s: an image for %s can't be put together from binaries", s.Image.ID, p)
	}
	if s.Base != nil && s.Base[p] == nil {
		return release.Invalidf("take the platform out of the image, or choose a base that has it", "image %s: the base image %s has nothing for %s", s.Image.ID, s.Image.Base, p)
	}
	return nil
}

// binaries are the image's executables on one platform, in the order of its
// builds.
func (s Spec) binaries(p release.Platform) ([]release.Binary, error) {
	var out []release.Binary
	for _, id := range s.Image.Builds {
		i := slices.IndexFunc(s.Binaries, func(b release.Binary) bool { return b.ID == id && b.Platform == p })
		if i < 0 {
			return nil, release.Invalidf("add the platform to the build, or take it out of the image", "image %s: build %q has no binary for %s", s.Image.ID, id, p)
		}
		out = append(out, s.Binaries[i])
	}
	return out, nil
}

// makeLayers makes layers in parallel, or finds them made.
func makeLayers(ctx context.Context, c cache, parts []part, at time.Time, o Options) ([]*layer, error) {
	layers := make([]*layer, len(parts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Concurrency)
	for i, p := range parts {
		group.Go(func() (err error) {
			layers[i], err = makeLayer(ctx, c, p, at, o.Stage)
			return err
		})
	}
	return layers, group.Wait()
}

// platform is as BuildKit writes it: linux/arm64/v8 is the same as linux/arm64,
// and has no variant.
func platform(p release.Platform) ocispec.Platform {
	return platforms.Normalize(ocispec.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant})
}
