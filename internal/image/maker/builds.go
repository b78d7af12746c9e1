package maker

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/assemble"
	"github.com/slipway-dev/slipway/internal/release"
)

// assembled makes an image of builds in process.
func (m *Maker) assembled(ctx context.Context, o image.Order) (release.MadeImage, error) {
	cache, err := cacheDir()
	if err != nil {
		return release.MadeImage{}, err
	}
	spec := assemble.Spec{Image: o.Image, Binaries: o.Binaries, Source: o.Source, Time: o.Time}
	if o.Image.Base != release.ScratchBase {
		base, err := m.base(ctx, o.Image)
		if err != nil {
			return release.MadeImage{}, err
		}
		spec.Base = base
	}
	idx, err := assemble.Index(ctx, spec, assemble.Options{CacheDir: cache, Stage: o.Stage})
	if err != nil {
		return release.MadeImage{}, err
	}
	for _, r := range o.Image.Repositories {
		if err := m.registry.Push(ctx, r, idx, o.Stage); err != nil {
			return release.MadeImage{}, err
		}
	}
	return assemble.Made(idx, o.Image)
}

func (m *Maker) base(ctx context.Context, img release.PlanImage) (map[release.Platform]v1.Image, error) {
	m.registry.WillPush(img.Repositories...)
	base, err := m.registry.Base(ctx, img.Base, img.Platforms)
	return base.Images, err
}

// binariesContext lays the binaries out as the recipe expects them, one folder a
// platform, and gives the folder. Links are enough: the builder only reads.
func binariesContext(o image.Order) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "slipway-binaries-"); err != nil {
		return "", err
	}
	for _, b := range o.Binaries {
		to := filepath.Join(dir, b.Platform.Slug(), b.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return dir, err
		}
		if err := link(b.Path, to); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

// link makes a hard link, or a copy where file systems differ.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// names are the file names of an image's binaries, in the order of its builds.
func names(o image.Order) []string {
	var out []string
	for _, id := range o.Image.Builds {
		for _, b := range o.Binaries {
			if b.ID == id {
				out = append(out, b.Name)
				break
			}
		}
	}
	return out
}
