package maker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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

// bring copies a file and gives it a mode and a date. A file that has them
// already is linked: the builder only reads.
func bring(from, to string, mode fs.FileMode, date time.Time) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if st, err := os.Lstat(from); err == nil && st.Mode() == mode && st.ModTime().Equal(date) {
		return link(from, to)
	}
	return errors.Join(duplicate(from, to), os.Chmod(to, mode), os.Chtimes(to, date, date))
}

// link makes a hard link, or a copy where file systems differ.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return duplicate(from, to)
}

func duplicate(from, to string) error {
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
