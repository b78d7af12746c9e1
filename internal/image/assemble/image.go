package assemble

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// image is the image of one platform: the base's layers, and ours upon them.
func (s Spec) image(p release.Platform, own []*layer) (*image, error) {
	at := s.Time.UTC().Truncate(time.Second)
	binaries, err := s.binaries(p)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range binaries {
		names = append(names, b.Name)
	}
	layers, config, err := from(s.Base[p], p, at)
	if err != nil {
		return nil, err
	}
	for _, l := range own {
		layers = append(layers, l)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.Digest(l.record.DiffID.String()))
		config.History = append(config.History, ocispec.History{Created: &at, CreatedBy: "slipway: " + l.what})
	}
	n := platform(p)
	config.OS, config.Architecture, config.Variant = n.OS, n.Architecture, cmp.Or(n.Variant, config.Variant)
	config.Created = &at
	overlay(&config.Config, recipe.Config(s.Image, names))
	annotations, err := s.annotations(s.Base[p])
	if err != nil {
		return nil, err
	}
	text, err := configText(config)
	if err != nil {
		return nil, err
	}
	return newImage(text, layers, annotations)
}

// configText writes a config as BuildKit does: the settings in the order of
// docker's own type, all around them sorted.
func configText(config dockerspec.DockerOCIImage) ([]byte, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, err
	}
	return json.Marshal(parts)
}

// from gives the base's layers and what our config takes over of the base's.
func from(base v1.Image, p release.Platform, at time.Time) ([]v1.Layer, dockerspec.DockerOCIImage, error) {
	var out dockerspec.DockerOCIImage
	out.RootFS.Type = "layers"
	if base == nil {
		out.Config.Env, out.Config.WorkingDir = []string{defaultPath}, "/"
		return nil, out, nil
	}
	var config dockerspec.DockerOCIImage
	text, err := base.RawConfigFile()
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return nil, out, fmt.Errorf("read the base image's config: %w", err)
	}
	if n := platform(p); config.OS != n.OS || config.Architecture != n.Architecture {
		return nil, out, release.Invalidf("choose a base image for all the platforms", "the base image is for %s/%s", config.OS, config.Architecture)
	}
	layers, err := base.Layers()
	if err == nil && len(layers) != len(config.RootFS.DiffIDs) {
		err = fmt.Errorf("they are %d, and its config tells of %d", len(layers), len(config.RootFS.DiffIDs))
	}
	if err != nil {
		return nil, out, fmt.Errorf("read the base image's layers: %w", err)
	}
	for i, l := range layers {
		if layers[i], err = asOCI(l); err != nil {
			return nil, out, err
		}
	}
	// What the base's maker wanted done in images upon it takes a builder.
	config.Config.OnBuild = nil
	if !slices.ContainsFunc(config.Config.Env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		config.Config.Env = append(config.Config.Env, defaultPath)
	}
	out.Config, out.RootFS.DiffIDs = config.Config, config.RootFS.DiffIDs
	out.History = completed(config.History, len(layers), at)
	out.Variant, out.OSVersion, out.OSFeatures = config.Variant, config.OSVersion, config.OSFeatures
	return layers, out, nil
}

// completed is a history in which every entry has a date, and that has one entry
// for each layer, which BuildKit would see to by what it knows of the layers.
func completed(history []ocispec.History, layers int, at time.Time) []ocispec.History {
	n := 0
	for i := range history {
		h := &history[i]
		if h.Created == nil {
			h.Created = &at
		}
		if !h.EmptyLayer {
			n++
			h.EmptyLayer = n > layers
		}
	}
	for ; n < layers; n++ {
		history = append(history, ocispec.History{Created: &at, CreatedBy: "slipway: a layer of the base"})
	}
	return history
}

// defaultPath is what BuildKit sets where nothing else is.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// overlay lays what an image says over what its base has.
func overlay(c *dockerspec.DockerOCIImageConfig, ours recipe.ImageConfig) {
	for _, kv := range ours.Env {
		name, _, _ := strings.Cut(kv, "=")
		i := slices.IndexFunc(c.Env, func(other string) bool { return strings.HasPrefix(other, name+"=") })
		if i < 0 {
			c.Env = append(c.Env, kv)
		} else {
			c.Env[i] = kv
		}
	}
	if len(ours.Entrypoint) > 0 { // the base's command was meant for its own entrypoint
		c.Entrypoint, c.Cmd = ours.Entrypoint, ours.Cmd
	} else if len(ours.Cmd) > 0 {
		c.Cmd = ours.Cmd
	}
	c.ArgsEscaped = c.ArgsEscaped || len(ours.Cmd) > 0 //nolint:staticcheck // as BuildKit has it for Windows, and writes it for all
	c.User = cmp.Or(ours.User, c.User)
	c.WorkingDir = cmp.Or(ours.WorkingDir, c.WorkingDir)
	if len(ours.ExposedPorts) > 0 && c.ExposedPorts == nil {
		c.ExposedPorts = map[string]struct{}{}
	}
	for _, port := range ours.ExposedPorts {
		c.ExposedPorts[port] = struct{}{}
	}
	if len(ours.Labels) > 0 && c.Labels == nil {
		c.Labels = map[string]string{}
	}
	maps.Copy(c.Labels, ours.Labels)
}

// annotations are the image's own, and what base it has; base is nil for the
// index, whose base is none of the platforms'.
func (s Spec) annotations(base v1.Image) (map[string]string, error) {
	out := map[string]string{}
	if s.Base != nil {
		name, err := reference.ParseDockerRef(s.Image.Base)
		if err != nil {
			return nil, release.Invalidf("write it like alpine:3.22 or registry.example/acme/base@sha256:…", "image %s: base %q: %v", s.Image.ID, s.Image.Base, err)
		}
		out[ocispec.AnnotationBaseImageName] = name.String()
	}
	if base != nil {
		digest, err := base.Digest()
		if err != nil {
			return nil, err
		}
		out[ocispec.AnnotationBaseImageDigest] = digest.String()
	}
	maps.Copy(out, s.Image.Annotations)
	return out, nil
}

// asOCI gives a layer of docker's the media type that OCI has for the same
// bytes, and leaves it one that a registry can take over from another
// repository.
func asOCI(l v1.Layer) (v1.Layer, error) {
	is, err := l.MediaType()
	if err != nil {
		return nil, err
	}
	to, ok := map[types.MediaType]types.MediaType{
		types.DockerLayer:             types.OCILayer,
		types.DockerUncompressedLayer: types.OCIUncompressedLayer,
	}[is]
	if !ok {
		return l, nil
	}
	if m, ok := l.(*remote.MountableLayer); ok {
		return &remote.MountableLayer{Layer: typed{m.Layer, to}, Reference: m.Reference}, nil
	}
	return typed{l, to}, nil
}

// typed is a layer under another media type.
type typed struct {
	v1.Layer
	is types.MediaType
}

func (t typed) MediaType() (types.MediaType, error) { return t.is, nil }
