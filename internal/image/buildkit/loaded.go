package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/docker/buildx/util/dockerutil"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/daemon"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	dockerclient "github.com/moby/moby/client"

	"github.com/slipway-dev/slipway/internal/release"
)

// Loaded reads an image that Build has put into the docker engine, as an index
// of its own, in which nothing is younger than epoch: an engine without the
// containerd image store has no word for that. Its layers are read when they
// are needed, until the Builder is closed.
func (b *Builder) Loaded(ctx context.Context, loaded string, platform release.Platform, annotations map[string]string, epoch time.Time) (v1.ImageIndex, error) {
	file, err := b.saved(ctx, loaded)
	if err != nil {
		return nil, fmt.Errorf("read %s from the docker engine: %w", loaded, err)
	}
	img, err := tarball.ImageFromPath(file, nil)
	if err == nil {
		img, err = dated(img, epoch.UTC().Truncate(time.Second))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s as the docker engine has saved it: %w", loaded, err)
	}
	annotated, ok := mutate.Annotations(img, annotations).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotate %s: it is no image", loaded)
	}
	p := theirs(platform)
	idx := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: annotated, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}}})
	whole, ok := mutate.Annotations(idx, annotations).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotate the index of %s: it is no index", loaded)
	}
	return whole, nil
}

// saved writes an image of the docker engine into a file.
func (b *Builder) saved(ctx context.Context, loaded string) (path string, err error) {
	api, err := b.engineAPI()
	if err != nil {
		return "", err
	}
	in, err := api.ImageSave(ctx, []string{loaded})
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	out, err := os.CreateTemp(b.dir, "loaded-*.tar")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	return out.Name(), errors.Join(err, out.Close())
}

// Unload takes an image out of the docker engine.
func (b *Builder) Unload(ctx context.Context, loaded string) error {
	api, err := b.engineAPI()
	if err != nil {
		return err
	}
	_, err = api.ImageRemove(ctx, loaded, dockerclient.ImageRemoveOptions{})
	return err
}

// engineAPI is a client of the engine that the builder is in. Docker's current
// context may be another's.
func (b *Builder) engineAPI() (dockerclient.APIClient, error) {
	if b.info.Driver != "docker" || len(b.info.Nodes) == 0 {
		return b.cli.Client(), nil
	}
	return dockerutil.NewClientAPI(b.cli, b.info.Nodes[0].Endpoint)
}

// LocalConfig reads the config of an image that the docker engine has.
func (b *Builder) LocalConfig(ctx context.Context, reference string) (v1.ConfigFile, error) {
	img, err := b.inEngine(ctx, reference)
	if err != nil {
		return v1.ConfigFile{}, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return v1.ConfigFile{}, fmt.Errorf("read the config of %s: %w", reference, err)
	}
	return *config, nil
}

func (b *Builder) inEngine(ctx context.Context, reference string) (v1.Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("read the image's name: %w", err)
	}
	api, err := b.engineAPI()
	if err != nil {
		return nil, err
	}
	img, err := daemon.Image(ref, daemon.WithContext(ctx), daemon.WithClient(api))
	if err != nil {
		return nil, fmt.Errorf("read %s from the docker engine: %w", reference, err)
	}
	return img, nil
}
