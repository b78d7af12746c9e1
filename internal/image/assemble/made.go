package assemble

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/release"
)

// Made tells what an index of Index is, without reading a layer.
func Made(idx v1.ImageIndex, img release.PlanImage) (release.MadeImage, error) {
	out := release.MadeImage{ID: img.ID, Repositories: img.Repositories}
	for _, t := range img.Tags {
		if !t.Moving {
			out.Tags = append(out.Tags, t.Name)
		}
	}
	mediaType, err := idx.MediaType()
	if err != nil {
		return out, err
	}
	digest, err := idx.Digest()
	if err != nil {
		return out, err
	}
	out.MediaType, out.Digest = string(mediaType), digest.String()
	if out.Size, err = idx.Size(); err != nil {
		return out, err
	}
	list, err := idx.IndexManifest()
	if err != nil {
		return out, err
	}
	if len(list.Manifests) != len(img.Platforms) {
		return out, fmt.Errorf("the index of image %s has %d manifests for %d platforms", img.ID, len(list.Manifests), len(img.Platforms))
	}
	for i, d := range list.Manifests {
		m, err := made(idx, d)
		if err != nil {
			return out, err
		}
		m.Platform = img.Platforms[i]
		out.Manifests = append(out.Manifests, m)
	}
	return out, nil
}

func made(idx v1.ImageIndex, d v1.Descriptor) (release.ImageManifest, error) {
	out := release.ImageManifest{Digest: d.Digest.String()}
	img, err := idx.Image(d.Digest)
	if err != nil {
		return out, err
	}
	m, err := img.Manifest()
	if err != nil {
		return out, err
	}
	out.Size = m.Config.Size
	for _, l := range m.Layers {
		out.Size += l.Size
	}
	return out, nil
}
