package maker

import (
	"context"
	"errors"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/assemble"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// index assembles an image of builds. Both ways give this very index.
func (m *Maker) index(ctx context.Context, o image.Order) (v1.ImageIndex, assemble.Options, error) {
	cache, err := cacheDir()
	options := assemble.Options{CacheDir: cache, Stage: o.Stage}
	if err != nil {
		return nil, options, err
	}
	spec := assemble.Spec{Image: o.Image, Binaries: o.Binaries, Source: o.Source, Time: o.Time}
	if o.Image.Base != release.ScratchBase {
		if spec.Base, err = m.base(ctx, o.Image); err != nil {
			return nil, options, err
		}
	}
	idx, err := assemble.Index(ctx, spec, options)
	return idx, options, err
}

// assembled makes an image of builds in process.
func (m *Maker) assembled(ctx context.Context, o image.Order) (release.MadeImage, error) {
	idx, _, err := m.index(ctx, o)
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

// throughBuildKit makes an image of builds with the builder, which looks into
// it for an SBOM, attests to it, and pushes it.
func (m *Maker) throughBuildKit(ctx context.Context, o image.Order) (release.MadeImage, error) {
	b, err := m.need(ctx, "image "+o.Image.ID)
	if err != nil {
		return release.MadeImage{}, err
	}
	idx, options, err := m.index(ctx, o)
	if err != nil {
		return release.MadeImage{}, err
	}
	dir, remove, err := assemble.Layout(ctx, idx, options)
	if err != nil {
		return release.MadeImage{}, err
	}
	defer remove()
	request, err := pushing(o, idx, dir)
	if err != nil {
		return release.MadeImage{}, err
	}
	result, err := b.Build(ctx, request)
	if err != nil {
		return release.MadeImage{}, err
	}
	m.warn(o, recipe.Recipe{}, result)
	return made(o.Image, result), nil
}

// pushing is a build that pushes a finished index, which lies in dir, as it is.
func pushing(o image.Order, idx v1.ImageIndex, dir string) (buildkit.Request, error) {
	digest, err := idx.Digest()
	if err != nil {
		return buildkit.Request{}, err
	}
	list, err := idx.IndexManifest()
	if err != nil {
		return buildkit.Request{}, err
	}
	img := o.Image
	each := map[release.Platform]map[string]string{}
	for i, d := range list.Manifests {
		one, err := idx.Image(d.Digest)
		if err != nil {
			return buildkit.Request{}, err
		}
		m, err := one.Manifest()
		if err != nil {
			return buildkit.Request{}, err
		}
		each[img.Platforms[i]] = m.Annotations
	}
	const finished = "image"
	return buildkit.Request{
		Name: img.ID, Stage: o.Stage, Dockerfile: []byte("FROM " + finished + "\n"), Context: dir,
		NamedContexts: map[string]string{finished: "oci-layout://" + dir + "@" + digest.String()},
		Platforms:     img.Platforms, Annotations: list.Annotations, ManifestAnnotations: each,
		SBOM: img.SBOM, Provenance: img.Provenance, Epoch: o.Time, Dated: true, RunsNothing: true, PushTo: img.Repositories,
	}, nil
}

func (m *Maker) base(ctx context.Context, img release.PlanImage) (map[release.Platform]v1.Image, error) {
	m.registry.WillPush(img.Repositories...)
	base, err := m.registry.Base(ctx, img.Base, img.Platforms)
	return base.Images, err
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
