package assemble

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The documents are written as BuildKit writes them, down to the space between
// words: an image has one digest, whoever makes its documents.

// image is an image of one platform.
type image struct {
	config, manifest []byte
	layers           []v1.Layer
}

var _ v1.Image = (*image)(nil)

func newImage(config []byte, layers []v1.Layer, annotations map[string]string) (*image, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Annotations: annotations,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
	}
	for _, l := range layers {
		d, err := partial.Descriptor(l)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: string(d.MediaType), Digest: digest.Digest(d.Digest.String()), Size: d.Size, URLs: d.URLs})
	}
	text, err := json.MarshalIndent(m, "", "  ")
	return &image{config: config, manifest: text, layers: layers}, err
}

func (i *image) Layers() ([]v1.Layer, error)         { return i.layers, nil }
func (i *image) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (i *image) Size() (int64, error)                { return int64(len(i.manifest)), nil }
func (i *image) Digest() (v1.Hash, error)            { return partial.Digest(i) }
func (i *image) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *image) Manifest() (*v1.Manifest, error)     { return partial.Manifest(i) }
func (i *image) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }
func (i *image) ConfigName() (v1.Hash, error)        { return partial.ConfigName(i) }
func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	return i.layer(h, v1.Layer.Digest)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	return i.layer(h, v1.Layer.DiffID)
}

func (i *image) layer(h v1.Hash, of func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	for _, l := range i.layers {
		if got, err := of(l); err != nil || got == h {
			return l, err
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// imageIndex is an OCI index of images.
type imageIndex struct {
	manifest []byte
	images   []*image
}

var _ v1.ImageIndex = (*imageIndex)(nil)

// newIndex lists images, each with its platform.
func newIndex(images []*image, platforms []ocispec.Platform, annotations map[string]string) (*imageIndex, error) {
	list := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Annotations: annotations}
	for i, img := range images {
		list.Manifests = append(list.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest,
			Digest: digest.FromBytes(img.manifest), Size: int64(len(img.manifest)), Platform: &platforms[i]})
	}
	text, err := json.MarshalIndent(list, "", "  ")
	return &imageIndex{manifest: text, images: images}, err
}

func (x *imageIndex) MediaType() (types.MediaType, error) { return types.OCIImageIndex, nil }
func (x *imageIndex) Size() (int64, error)                { return int64(len(x.manifest)), nil }
func (x *imageIndex) Digest() (v1.Hash, error)            { return partial.Digest(x) }
func (x *imageIndex) RawManifest() ([]byte, error)        { return x.manifest, nil }

func (x *imageIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(x.manifest))
}

func (x *imageIndex) Image(h v1.Hash) (v1.Image, error) {
	for _, img := range x.images {
		if got, err := img.Digest(); err != nil || got == h {
			return img, err
		}
	}
	return nil, fmt.Errorf("the index has no manifest %s", h)
}

func (x *imageIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("the index has no other index %s", h)
}
