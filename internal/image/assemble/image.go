package assemble

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// image is the image of one platform: the base's layers, and ours upon them.
func (s Spec) image(p release.Platform, layers []*layer) (v1.Image, error) {
	at := v1.Time{Time: s.Time.UTC().Truncate(time.Second)}
	base := s.Base[p]
	binaries, err := s.binaries(p)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range binaries {
		names = append(names, b.Name)
	}
	adds, config, err := from(base, p)
	if err != nil {
		return nil, err
	}
	history := slices.Clone(config.History)
	for _, l := range layers {
		adds = append(adds, mutate.Addendum{Layer: l})
		history = append(history, v1.History{Created: at, CreatedBy: "slipway: " + l.what})
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, adds...); err != nil {
		return nil, err
	}
	appended, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	n := platform(p)
	config.OS, config.Architecture, config.Variant = n.OS, n.Architecture, cmp.Or(n.Variant, config.Variant)
	config.Created, config.History, config.RootFS = at, history, appended.RootFS
	config.Config = overlay(config.Config, recipe.Config(s.Image, names))
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	annotations, err := s.annotations(base)
	if err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(img, annotations).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotate a %T", img)
	}
	return described{annotated}, nil
}

// described is an image whose index says no type of artifact of it, as other
// tools do.
type described struct{ v1.Image }

func (described) ArtifactType() (string, error) { return "", nil }

// from gives the base's layers and what our config takes over of the base's.
func from(base v1.Image, p release.Platform) ([]mutate.Addendum, *v1.ConfigFile, error) {
	if base == nil {
		return nil, &v1.ConfigFile{Config: v1.Config{Env: []string{defaultPath}, WorkingDir: "/"}}, nil
	}
	config, err := base.ConfigFile()
	if err != nil {
		return nil, nil, fmt.Errorf("read the base image's config: %w", err)
	}
	if n := platform(p); config.OS != n.OS || config.Architecture != n.Architecture {
		return nil, nil, release.Invalidf("choose a base image for all the platforms", "the base image is for %s/%s", config.OS, config.Architecture)
	}
	layers, err := base.Layers()
	if err != nil {
		return nil, nil, fmt.Errorf("read the base image's layers: %w", err)
	}
	var adds []mutate.Addendum
	for _, l := range layers {
		if l, err = asOCI(l); err != nil {
			return nil, nil, err
		}
		adds = append(adds, mutate.Addendum{Layer: l})
	}
	return adds, &v1.ConfigFile{Config: config.Config, History: config.History,
		Variant: config.Variant, OSVersion: config.OSVersion, OSFeatures: config.OSFeatures}, nil
}

// defaultPath is what BuildKit sets for an image from scratch.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// overlay lays what an image says over what its base has.
func overlay(base v1.Config, ours recipe.ImageConfig) v1.Config {
	c := *base.DeepCopy()
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
	c.ArgsEscaped = c.ArgsEscaped || len(ours.Cmd) > 0 // as BuildKit has it for Windows, and writes it for all
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
	return c
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
