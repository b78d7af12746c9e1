package realtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image returns an OCI image of one platform.
func image(p v1.Platform, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		Config: config, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, layers...)
}

// writeImages makes a folder an OCI image layout of one index, with an image a
// platform.
func writeImages(dir string, images ...mutate.IndexAddendum) error {
	oci, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return oci.AppendIndex(mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), images...))
}

// push copies the index of a part that writeImages made to a registry without
// login, where it is tagged latest, and returns its reference by digest.
func push(t testing.TB, part, registry, repo string) string {
	t.Helper()
	ref, err := pushLayout(t.Context(), part, registry+"/"+repo)
	if err != nil {
		t.Fatalf("push %s to %s: %v", repo, registry, err)
	}
	return ref
}

func pushLayout(ctx context.Context, dir, to string) (string, error) {
	repo, err := name.NewRepository(to, name.Insecure)
	if err != nil {
		return "", err
	}
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return "", err
	}
	if len(manifest.Manifests) != 1 {
		return "", fmt.Errorf("%d images, want 1", len(manifest.Manifests))
	}
	digest := manifest.Manifests[0].Digest
	index, err := top.ImageIndex(digest)
	if err != nil {
		return "", err
	}
	if err := remote.WriteIndex(repo.Tag("latest"), index, remote.WithContext(ctx)); err != nil {
		return "", err
	}
	return repo.Digest(digest.String()).String(), nil
}
