package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/imagetest"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// environment is a Getenv of a map: nothing of this machine gets in.
func environment(pairs ...string) func(string) string {
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(key string) string { return env[key] }
}

// client is a client without logins that waits a millisecond between tries.
func client(t *testing.T, transport http.RoundTripper, env ...string) *registry.Client {
	t.Helper()
	return registry.New(registry.Options{
		Getenv:    environment(env...),
		Transport: transport,
		Backoff:   time.Millisecond,
		Note:      func(line string) { t.Log(line) },
	})
}

// counting counts requests by method, and those that write.
type counting struct {
	http.RoundTripper
	all, writes, sent atomic.Int64
}

func newCounting() *counting { return &counting{RoundTripper: http.DefaultTransport} }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.all.Add(1)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.writes.Add(1)
		c.sent.Add(max(r.ContentLength, 0))
	}
	return c.RoundTripper.RoundTrip(r)
}

var platforms = []v1.Platform{
	{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "386"},
	{OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "arm", Variant: "v6"},
}

// index makes an index of one-layer images whose bytes depend on seed alone.
func index(t testing.TB, seed string, size int, platforms ...v1.Platform) v1.ImageIndex {
	t.Helper()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
		img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
		layer := static.NewLayer(noise(seed+p.String(), size), types.OCILayer)
		img, err := mutate.AppendLayers(img, layer)
		if err != nil {
			t.Fatal(err)
		}
		cf, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		cf.OS, cf.Architecture, cf.Variant = p.OS, p.Architecture, p.Variant
		if img, err = mutate.ConfigFile(img, cf); err != nil {
			t.Fatal(err)
		}
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
	}
	annotated, ok := mutate.Annotations(idx, map[string]string{"name": seed}).(v1.ImageIndex)
	if !ok {
		t.Fatal("an annotated index is no index")
	}
	return annotated
}

// noise is bytes that do not compress, the same for the same seed.
func noise(seed string, n int) []byte {
	b := make([]byte, n)
	x := uint64(14695981039346656037)
	for _, c := range []byte(seed) {
		x = (x ^ uint64(c)) * 1099511628211
	}
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

func digestOf(t testing.TB, idx v1.ImageIndex) string {
	t.Helper()
	d, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// found is what Find must say of an index.
func found(t *testing.T, idx v1.ImageIndex) image.Found {
	t.Helper()
	size, err := idx.Size()
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return image.Found{Digest: digestOf(t, idx), MediaType: string(types.OCIImageIndex), Size: size, Annotations: m.Annotations}
}

var repositories atomic.Int64

// repository is a new one at a registry.
func repository(host string) string {
	return fmt.Sprintf("%s/acme/hello-%d", host, repositories.Add(1))
}

func subject(t *testing.T, host string) imagetest.Subject {
	t.Helper()
	wire := newCounting()
	c, pusher := client(t, wire), client(t, nil)
	at := repository(host)
	return imagetest.Subject{
		Registry:   c,
		Repository: at,
		Writes:     wire.writes.Load,
		Push: func(t *testing.T, name string) image.Found {
			idx := index(t, name, 10, platforms...)
			if err := pusher.Push(t.Context(), at, idx, nil); err != nil {
				t.Fatal(err)
			}
			return found(t, idx)
		},
	}
}

// On a real registry the client keeps the contract of image.Registry. Debian's
// deletes no tags, so that this also tries the way around it.
func TestContractOnRealRegistry(t *testing.T) {
	t.Parallel()
	closed := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ada", Password: "swordfish"})
	noDeletes := realtest.RegistryWith(t, realtest.RegistryOptions{})
	imagetest.Run(t, func(t *testing.T) imagetest.Subject {
		s := subject(t, realtest.Registry(t))
		s.NoLogin = func(t *testing.T) (image.Registry, string) { return client(t, nil), repository(closed) }
		s.BadLogin = func(t *testing.T) (image.Registry, string) {
			return client(t, nil, "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "wrong"), repository(closed)
		}
		s.NoDeletes = func(t *testing.T) imagetest.Subject { return subject(t, noDeletes) }
		return s
	})
}

// On the registry in process, too.
func TestContractOnServer(t *testing.T) {
	t.Parallel()
	imagetest.Run(t, func(t *testing.T) imagetest.Subject { return subject(t, server(t).Host) })
}

func server(t *testing.T) *registry.Server {
	t.Helper()
	s, err := registry.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The registry in process tells its tags.
func TestServerTags(t *testing.T) {
	t.Parallel()
	s := server(t)
	c, at := client(t, nil), s.Host+"/acme/hello"
	idx := index(t, "x", 10, platforms...)
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	if tags := s.Tags(at); len(tags) != 0 {
		t.Errorf("a push set the tags %v", tags)
	}
	for _, tag := range []string{"1.0.0", "latest", "gone"} {
		if err := c.Tag(t.Context(), at, digestOf(t, idx), tag); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Untag(t.Context(), at, "gone"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(map[string]string{"1.0.0": digestOf(t, idx), "latest": digestOf(t, idx)})
	if got := fmt.Sprint(s.Tags("acme/hello")); got != want {
		t.Errorf("tags %s, want %s", got, want)
	}
}

// A right login gets in, by every way that it may come, and shows nowhere.
func TestLoginOnRealRegistry(t *testing.T) {
	t.Parallel()
	host := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ada", Password: "swordfish"})
	auth, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": "YWRhOnN3b3JkZmlzaA=="}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{
		"variables":             {"SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish"},
		"variables with a name": {"SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish", "SLIPWAY_REGISTRY", "http://" + host},
		"DOCKER_AUTH_CONFIG":    {"DOCKER_AUTH_CONFIG", string(auth)},
	} {
		c := client(t, nil, env...)
		at := repository(host)
		idx := index(t, "x", 10, platforms...)
		if err := c.CheckPush(t.Context(), at); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := c.Push(t.Context(), at, idx, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cred, err := c.Credential(t.Context(), host)
		if shown := fmt.Sprintf("%v %+v %#v %s", cred, cred, cred, cred); err != nil || strings.Contains(shown, "swordfish") || cred.User != "ada" {
			t.Errorf("%s: %s, %v", name, shown, err)
		}
	}
}
