package registry_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

func platform(t *testing.T, s string) release.Platform {
	t.Helper()
	p, err := release.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A platform gets the image of its own variant, else of a lower one, and never
// one of another architecture.
func TestBasePlatforms(t *testing.T) {
	t.Parallel()
	host := realtest.Registry(t)
	c := client(t, nil)
	for name, test := range map[string]struct {
		has  []string
		want map[string]string // "" is none
	}{
		"plain": {
			[]string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"},
			map[string]string{"linux/amd64": "linux/amd64", "linux/386": "linux/386", "linux/arm64": "linux/arm64", "linux/arm/v6": "linux/arm/v6", "linux/arm/v7": "linux/arm/v6", "linux/riscv64": ""},
		},
		"arm64 with its variant": {[]string{"linux/arm64/v8"}, map[string]string{"linux/arm64": "linux/arm64/v8", "linux/arm64/v8": "linux/arm64/v8", "linux/arm/v7": ""}},
		"the exact one first":    {[]string{"linux/arm/v5", "linux/arm/v6", "linux/arm/v7"}, map[string]string{"linux/arm/v6": "linux/arm/v6", "linux/arm/v7": "linux/arm/v7", "linux/arm/v5": "linux/arm/v5"}},
		"a lower one":            {[]string{"linux/arm/v5", "linux/arm/v7"}, map[string]string{"linux/arm/v6": "linux/arm/v5"}},
		"never a higher one":     {[]string{"linux/arm/v7", "linux/386"}, map[string]string{"linux/arm/v6": "", "linux/amd64": ""}},
		"another system":         {[]string{"windows/amd64"}, map[string]string{"linux/amd64": "", "windows/amd64": "windows/amd64"}},
	} {
		at := repository(host)
		var has []v1.Platform
		for _, s := range test.has {
			p := platform(t, s)
			has = append(has, v1.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant})
		}
		idx := withAttestation(t, index(t, at, 10, has...))
		if err := c.Push(t.Context(), at, idx, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Tag(t.Context(), at, digestOf(t, idx), "13"); err != nil {
			t.Fatal(err)
		}
		for want, expected := range test.want {
			p := platform(t, want)
			b, err := c.Base(t.Context(), at+":13", []release.Platform{p})
			if expected == "" {
				if release.KindOf(err) != release.Invalid || err == nil || !strings.Contains(err.Error(), "has no "+want+"; it has linux/") && !strings.Contains(err.Error(), "it has windows/") {
					t.Errorf("%s: %s: %v", name, want, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, want, err)
				continue
			}
			cf, err := b.Images[p].ConfigFile()
			if err != nil || cf.Platform().String() != expected || b.Digest != digestOf(t, idx) {
				t.Errorf("%s: %s: got %v of %s, %v, want %s", name, want, cf.Platform(), b.Digest, err, expected)
			}
		}
	}
}

// An error names every platform that is missing, and those that are there.
func TestBaseLacks(t *testing.T) {
	t.Parallel()
	c, at := client(t, nil), repository(realtest.Registry(t))
	idx := index(t, at, 10, platforms[:2]...)
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	ref := at + "@" + digestOf(t, idx)
	_, err := c.Base(t.Context(), ref, release.DefaultPlatforms)
	want := "base image " + ref + " has no linux/arm64, linux/arm/v6; it has linux/386, linux/amd64"
	if err == nil || err.Error() != want || release.KindOf(err) != release.Invalid {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A base that stands alone serves its own platform; one without a tag is
// latest; its layers can be read.
func TestBaseSingle(t *testing.T) {
	t.Parallel()
	c, at := client(t, nil), repository(realtest.Registry(t))
	idx := index(t, at, 1000, platforms[3])
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	digest := m.Manifests[0].Digest.String()
	if err := c.Tag(t.Context(), at, digest, "latest"); err != nil {
		t.Fatal(err)
	}
	arm := platform(t, "linux/arm/v6")
	b, err := c.Base(t.Context(), at, []release.Platform{arm})
	if err != nil {
		t.Fatal(err)
	}
	if b.Digest != digest || b.Reference != at+":latest" {
		t.Errorf("got %+v", b)
	}
	layers, err := b.Images[arm].Layers()
	if err != nil || len(layers) != 1 {
		t.Fatal(layers, err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != string(noise(at+"linux/arm/v6", 1000)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	r.Close()
	if _, err := c.Base(t.Context(), at, []release.Platform{platform(t, "linux/amd64")}); release.KindOf(err) != release.Invalid || err == nil {
		t.Errorf("another platform: %v", err)
	}
}

// The real base image of the tests has what its maker says.
func TestBaseReal(t *testing.T) {
	t.Parallel()
	b, err := client(t, nil).Base(t.Context(), realtest.BaseImage(t, realtest.Registry(t)), release.DefaultPlatforms)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Images) != 4 {
		t.Errorf("got %v", b)
	}
}

// Labels are read without a layer.
func TestConfig(t *testing.T) {
	t.Parallel()
	at := repository(realtest.Registry(t))
	wire := newCounting()
	c := client(t, wire)
	idx := index(t, at, 10, platforms[1])
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := idx.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf.Config.Labels = map[string]string{"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"}
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	// Without a platform in the index, as some builders make them.
	idx = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: img})
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	before := wire.all.Load()
	got, digest, err := c.Config(t.Context(), at+"@"+digestOf(t, idx), platform(t, "linux/386"))
	if err != nil || digest != digestOf(t, idx) || got.Config.Labels["io.openshift.s2i.scripts-url"] != "image:///usr/libexec/s2i" {
		t.Errorf("%+v, %s, %v", got.Config.Labels, digest, err)
	}
	if n := wire.all.Load() - before; n > 5 {
		t.Errorf("%d requests", n)
	}
}

// What is not there, and what may not be read, is told apart.
func TestBaseFaults(t *testing.T) {
	t.Parallel()
	open := realtest.Registry(t)
	closed := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ada", Password: "swordfish"})
	// A login for what is pushed does not go to where a base image lies.
	c := client(t, nil, "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish")
	for ref, want := range map[string]struct {
		kind release.Kind
		is   error
		hint string
	}{
		open + "/no/such:1":    {release.Invalid, image.ErrNotFound, "`base`"},
		closed + "/acme/hello": {release.Refused, image.ErrUnauthorized, "docker login " + closed},
		"Debian:13":            {kind: release.Invalid},
		"":                     {kind: release.Invalid},
		"debian:13:14":         {kind: release.Invalid},
		"../../etc/passwd":     {kind: release.Invalid},
	} {
		_, err := c.Base(t.Context(), ref, release.DefaultPlatforms)
		if err == nil || release.KindOf(err) != want.kind || want.is != nil && !errors.Is(err, want.is) || !strings.Contains(release.HintOf(err), want.hint) {
			t.Errorf("%q: %v, hint %q", ref, err, release.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error()+release.HintOf(err), "swordfish") {
			t.Errorf("%q: the password is in %v", ref, err)
		}
	}
	c.WillPush(closed + "/acme/hello")
	if _, err := c.Base(t.Context(), closed+"/acme/hello", release.DefaultPlatforms); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("with the login: %v", err)
	}
}
