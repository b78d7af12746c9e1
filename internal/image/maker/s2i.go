package maker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// scriptsLabel is by which a Source-to-Image builder image is known.
const scriptsLabel = "io.openshift.s2i.scripts-url"

// s2i makes the recipe of a Source-to-Image build: the builder image says where
// its scripts are and as whom they run.
func (m *Maker) s2i(ctx context.Context, o image.Order, files fs.FS, options recipe.Options) (recipe.Recipe, error) {
	var images recipe.S2IImages
	s, platform := o.Image.S2I, o.Image.Platforms[0]
	config, err := m.config(ctx, s.Builder, platform)
	if err != nil {
		return recipe.Recipe{}, err
	}
	images.Builder = builderImage(config)
	if s.RuntimeImage != "" && s.RuntimeImage != release.ScratchBase {
		if config, err = m.config(ctx, s.RuntimeImage, platform); err != nil {
			return recipe.Recipe{}, err
		}
		images.Runtime = builderImage(config)
	}
	if s.Incremental && s.Previous != "" {
		if images.Previous, err = m.there(ctx, s.Previous, platform); err != nil {
			return recipe.Recipe{}, err
		}
	}
	return recipe.S2I(o.Image, files, images, options)
}

// config reads an image's config, from its registry or from the docker engine
// that builds.
func (m *Maker) config(ctx context.Context, reference string, platform release.Platform) (v1.ConfigFile, error) {
	config, _, err := m.registry.Config(ctx, reference, platform)
	if err == nil {
		return config, nil
	}
	if b, _, berr := m.find(ctx); berr == nil && b != nil && b.Info().Driver == "docker" {
		if local, lerr := b.LocalConfig(ctx, reference); lerr == nil {
			return local, nil
		}
	}
	return config, err
}

// there reports whether an image can be read. One that is in no registry yet is
// no error: it is the first build.
func (m *Maker) there(ctx context.Context, reference string, platform release.Platform) (bool, error) {
	_, err := m.config(ctx, reference, platform)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, image.ErrNotFound), release.KindOf(err) == release.Invalid:
		err = nil
	}
	return false, err
}

func builderImage(c v1.ConfigFile) recipe.BuilderImage {
	return recipe.BuilderImage{Labels: c.Config.Labels, User: c.Config.User, Workdir: c.Config.WorkingDir, Env: c.Config.Env,
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd}
}

// Detect finds out whether sources are for Source-to-Image: they have scripts in
// .s2i/bin, or the build image is a builder image by its label.
func (m *Maker) Detect(ctx context.Context, img release.Image, buildImage, source string) (release.Image, error) {
	if img.Source == nil || img.S2I != nil {
		return m.withBuilder(img, buildImage)
	}
	if buildImage == "" {
		buildImage = img.Source.BuildImage
	}
	if buildImage == "" {
		return img, nil
	}
	platform := release.Platform{OS: "linux", Arch: "amd64"}
	if len(img.Platforms) > 0 {
		p, err := release.ParsePlatform(img.Platforms[0])
		if err != nil {
			return img, err
		}
		platform = p
	}
	st, err := os.Stat(filepath.Join(source, filepath.FromSlash(img.Context), ".s2i", "bin"))
	is := err == nil && st.IsDir()
	if !is {
		config, err := m.config(ctx, buildImage, platform)
		if err != nil {
			return img, err
		}
		is = config.Config.Labels[scriptsLabel] != ""
	}
	if !is {
		return img, nil
	}
	img.S2I = &release.ImageS2I{Builder: buildImage, RuntimeImage: img.Source.RuntimeImage, Env: img.Source.Env}
	img.Source = nil
	return img, nil
}

// withBuilder sees to it that a Source-to-Image build has its builder image.
func (m *Maker) withBuilder(img release.Image, buildImage string) (release.Image, error) {
	if img.S2I == nil || img.S2I.Builder != "" {
		return img, nil
	}
	if buildImage == "" {
		return img, release.Invalidf("give it with --build-image", "there is no Source-to-Image builder image")
	}
	own := *img.S2I
	own.Builder = buildImage
	img.S2I = &own
	return img, nil
}
