package assemble

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/release"
)

// server is a registry in process that counts the layers that are read.
type server struct {
	*httptest.Server
	blobs atomic.Int64
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			s.blobs.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) reference(t *testing.T, path string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get reads a document as any HTTP client would.
func (s *server) get(t *testing.T, path string, into any) {
	t.Helper()
	resp, err := http.Get(s.URL + "/v2/hello/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	d.DisallowUnknownFields() // nothing but what OCI has
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// What a registry gives back is an OCI image as the specification's own types
// see it.
func TestPulledBack(t *testing.T) {
	t.Parallel()
	s := sample(t, release.DefaultPlatforms...)
	s.Image.Env, s.Image.Port, s.Image.Workdir, s.Image.Cmd = map[string]string{"A": "1"}, 8080, "/srv", []string{"serve"}
	idx := index(t, s, quiet(t.TempDir()))
	reg := serve(t)
	if err := remote.WriteIndex(reg.reference(t, "hello:x"), idx); err != nil {
		t.Fatal(err)
	}
	var list ocispec.Index
	reg.get(t, "manifests/x", &list)
	annotations := map[string]string{"org.opencontainers.image.version": "1.2.3"}
	if d := cmp.Diff(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Annotations: annotations, Manifests: list.Manifests}, list); d != "" {
		t.Errorf("index (-want +got):\n%s", d)
	}
	want := []ocispec.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "386"}, {OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "arm", Variant: "v6"}}
	var shared digest.Digest
	for i, m := range list.Manifests {
		if d := cmp.Diff(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: m.Digest, Size: m.Size, Platform: &want[i]}, m); d != "" {
			t.Errorf("descriptor (-want +got):\n%s", d)
		}
		var manifest ocispec.Manifest
		reg.get(t, "manifests/"+m.Digest.String(), &manifest)
		if manifest.MediaType != ocispec.MediaTypeImageManifest || manifest.Config.MediaType != ocispec.MediaTypeImageConfig || len(manifest.Layers) != 2 {
			t.Errorf("manifest: %+v", manifest)
		}
		if d := cmp.Diff(annotations, manifest.Annotations); d != "" {
			t.Errorf("annotations (-want +got):\n%s", d)
		}
		for _, l := range manifest.Layers {
			if l.MediaType != ocispec.MediaTypeImageLayerGzip {
				t.Errorf("layer of type %s", l.MediaType)
			}
		}
		if shared == "" {
			shared = manifest.Layers[0].Digest
		} else if manifest.Layers[0].Digest != shared {
			t.Error("the base file system is not shared")
		}
		var config ocispec.Image
		reg.get(t, "blobs/"+manifest.Config.Digest.String(), &config)
		at := committed.Truncate(time.Second)
		if d := cmp.Diff(ocispec.Image{
			Created: &at, Platform: want[i],
			Config: ocispec.ImageConfig{
				User: "65532:65532", ExposedPorts: map[string]struct{}{"8080/tcp": {}},
				Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "PORT=8080"},
				Entrypoint: []string{"/hello"}, Cmd: []string{"serve"}, WorkingDir: "/srv", Labels: annotations,
				ArgsEscaped: true, //nolint:staticcheck // as BuildKit writes it
			},
			RootFS:  ocispec.RootFS{Type: "layers", DiffIDs: config.RootFS.DiffIDs},
			History: []ocispec.History{{Created: &at, CreatedBy: "slipway: base file system"}, {Created: &at, CreatedBy: "slipway: hello, admin"}},
		}, config); d != "" || len(config.RootFS.DiffIDs) != 2 {
			t.Errorf("config (-want +got):\n%s", d)
		}
	}
}

// baseImage is an image as docker makes them.
func baseImage(t *testing.T, p release.Platform) v1.Image {
	t.Helper()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture, c.Variant = p.OS, p.Arch, p.Variant
	c.Container, c.Author = "deadbeef", "somebody"
	c.Config = v1.Config{Env: []string{"PATH=/opt/bin", "A=base", "B=base"}, Cmd: []string{"sh"}, User: "root", WorkingDir: "/data",
		Labels: map[string]string{"org.opencontainers.image.version": "base", "vendor": "base"}, ExposedPorts: map[string]struct{}{"80/tcp": {}}}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

// An image on a base has its layers first, unread and ready to be mounted, and
// what its config says where ours says nothing.
func TestBase(t *testing.T) {
	t.Parallel()
	reg := serve(t)
	s := sample(t, amd64, arm64)
	s.Image.Base = reg.reference(t, "base").Name()
	s.Image.Env = map[string]string{"A": "ours"}
	s.Image.Files = []string{"etc/motd"}
	s.write(t, "etc/motd", "hello\n", 0o644)
	s.Base = map[release.Platform]v1.Image{}
	for _, p := range s.Image.Platforms {
		ref := reg.reference(t, "base:"+p.Slug())
		if err := remote.Write(ref, baseImage(t, p)); err != nil {
			t.Fatal(err)
		}
		var err error
		if s.Base[p], err = remote.Image(ref); err != nil {
			t.Fatal(err)
		}
	}
	idx := index(t, s, quiet(t.TempDir()))
	if n := reg.blobs.Load(); n != 2 {
		t.Errorf("%d blobs were read, want two configs", n)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	for i, img := range images(t, idx) {
		base := s.Base[s.Image.Platforms[i]]
		layers, m := layersOf(t, img), manifest(t, img)
		if len(layers) != 3 {
			t.Fatalf("%d layers, want 3", len(layers))
		}
		for j, l := range layers {
			if m.Layers[j].MediaType != types.OCILayer {
				t.Errorf("layer %d is of type %s", j, m.Layers[j].MediaType)
			}
			if _, ok := l.(*remote.MountableLayer); ok != (j < 2) {
				t.Errorf("layer %d can be mounted: %t", j, ok)
			}
		}
		if d := cmp.Diff(manifest(t, base).Layers[1].Digest, m.Layers[1].Digest); d != "" {
			t.Errorf("the base's layer (-want +got):\n%s", d)
		}
		// Nothing that could change the base's folders.
		const own = "0 0644 0:0 6 2026-03-01T12:30:15Z etc/motd\n" +
			"0 0755 0:0 … 2026-03-01T12:30:15Z usr/local/bin/admin\n" +
			"0 0755 0:0 … 2026-03-01T12:30:15Z usr/local/bin/hello\n"
		if d := cmp.Diff(own, listing(t, layers[2])); d != "" {
			t.Errorf("own layer (-want +got):\n%s", d)
		}
		digest, err := base.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]string{"org.opencontainers.image.version": "1.2.3",
			"org.opencontainers.image.base.name": s.Image.Base, "org.opencontainers.image.base.digest": digest.String()}, m.Annotations); d != "" {
			t.Errorf("annotations (-want +got):\n%s", d)
		}
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		baseConfig, err := base.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		at := v1.Time{Time: committed.Truncate(time.Second)}
		if d := cmp.Diff(&v1.ConfigFile{
			OS: "linux", Architecture: s.Image.Platforms[i].Arch, Created: at, RootFS: c.RootFS,
			History: append(baseConfig.History, v1.History{Created: at, CreatedBy: "slipway: hello, admin"}),
			Config: v1.Config{User: "65532:65532", WorkingDir: "/data", Entrypoint: []string{"/usr/local/bin/hello"},
				Env: []string{"PATH=/opt/bin", "A=ours", "B=base"}, ExposedPorts: map[string]struct{}{"80/tcp": {}},
				Labels: map[string]string{"org.opencontainers.image.version": "1.2.3", "vendor": "base"}},
		}, c); d != "" {
			t.Errorf("config (-want +got):\n%s", d)
		}
	}
}

func manifest(t *testing.T, img v1.Image) *v1.Manifest {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A base for another architecture is refused rather than put under the binary.
func TestBaseOfAnotherPlatform(t *testing.T) {
	t.Parallel()
	s := sample(t, amd64)
	s.Image.Base = "base.example/x:1"
	s.Base = map[release.Platform]v1.Image{amd64: baseImage(t, arm64)}
	_, err := Index(t.Context(), s, quiet(t.TempDir()))
	if err == nil || !strings.Contains(err.Error(), "the base image is for linux/arm64") || release.KindOf(err) != release.Invalid {
		t.Errorf("got %v", err)
	}
}

// Made says of an index what a registry would.
func TestMade(t *testing.T) {
	t.Parallel()
	s := sample(t, amd64, armv6)
	s.Image.Repositories = []string{"registry.example/acme/hello"}
	s.Image.Tags = []release.ImageTag{{Name: "1.2.3"}, {Name: "latest", Moving: true}}
	idx := index(t, s, quiet(t.TempDir()))
	got, err := Made(idx, s.Image)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := idx.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := release.MadeImage{ID: "hello", Repositories: s.Image.Repositories, Tags: []string{"1.2.3"}, MediaType: ocispec.MediaTypeImageIndex,
		Digest: digest.FromBytes(raw).String(), Size: int64(len(raw))}
	for i, img := range images(t, idx) {
		raw, err := img.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		m := release.ImageManifest{Platform: s.Image.Platforms[i], Digest: digest.FromBytes(raw).String(), Size: manifest(t, img).Config.Size}
		for _, l := range layersOf(t, img) {
			n, err := l.Size()
			if err != nil {
				t.Fatal(err)
			}
			m.Size += n
		}
		want.Manifests = append(want.Manifests, m)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
