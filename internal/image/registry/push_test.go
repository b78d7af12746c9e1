package registry_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// A second push of the same index sends nothing and reads no layer; a child
// that was cleaned up in between is sent again.
func TestPushTwice(t *testing.T) {
	t.Parallel()
	host := realtest.Registry(t)
	at := repository(host)
	idx := index(t, at, 1000, platforms...)
	if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, host, at, idx)
	wire := newCounting()
	if err := client(t, wire).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	if wire.writes.Load() != 0 {
		t.Errorf("the second push sent %d requests that write", wire.writes.Load())
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(at, "/")
	child := m.Manifests[2].Digest.String()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+host+"/v2/"+path+"/manifests/"+child, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	wire = newCounting()
	if err := client(t, wire).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	if wire.writes.Load() != 1 {
		t.Errorf("%d requests that write, want the one manifest", wire.writes.Load())
	}
	if _, err := client(t, nil).Find(t.Context(), at, child); err != nil {
		t.Error(err)
	}
}

// Into another repository of the same registry nothing but manifests is sent,
// into another registry everything, and everywhere the digest is the same.
func TestCopy(t *testing.T) {
	t.Parallel()
	host := realtest.Registry(t)
	other := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ada", Password: "swordfish"})
	from := repository(host)
	idx := withAttestation(t, index(t, from, 100_000, platforms...))
	digest := digestOf(t, idx)
	if err := client(t, nil).Push(t.Context(), from, idx, nil); err != nil {
		t.Fatal(err)
	}
	wire := newCounting()
	c := client(t, wire, "SLIPWAY_REGISTRY", other, "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish")
	near, far := repository(host), repository(other)
	if err := c.Copy(t.Context(), from, digest, near); err != nil {
		t.Fatal(err)
	}
	if sent := wire.sent.Load(); sent > 10_000 {
		t.Errorf("%d bytes were sent within the registry", sent)
	}
	mustHave(t, host, near, idx)
	if err := c.Copy(t.Context(), from, digest, far, near); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{near, far} {
		got, err := c.Find(t.Context(), at, digest)
		if d := cmp.Diff(found(t, idx), got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", at, err, d)
		}
	}
	if sent := wire.sent.Load(); sent < 400_000 {
		t.Errorf("only %d bytes were sent to the other registry", sent)
	}
}

// withAttestation adds a manifest as BuildKit makes for an SBOM.
func withAttestation(t *testing.T, idx v1.ImageIndex) v1.ImageIndex {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, static.NewLayer([]byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`), "application/vnd.in-toto+json"))
	if err != nil {
		t.Fatal(err)
	}
	return mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}})
}

// A base image's layers are mounted when they lie in the same registry, and
// sent when they lie in another one.
func TestPushOnBase(t *testing.T) {
	t.Parallel()
	host, other := realtest.Registry(t), realtest.RegistryWith(t, realtest.RegistryOptions{})
	base := repository(host)
	idx := index(t, base, 100_000, platforms...)
	if err := client(t, nil).Push(t.Context(), base, idx, nil); err != nil {
		t.Fatal(err)
	}
	arm := release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}
	for at, least := range map[string]int64{repository(host): 0, repository(other): 100_000} {
		wire := newCounting()
		c := client(t, wire)
		b, err := c.Base(t.Context(), base+"@"+digestOf(t, idx), []release.Platform{arm})
		if err != nil {
			t.Fatal(err)
		}
		img, err := mutate.AppendLayers(b.Images[arm], static.NewLayer([]byte("own layer of "+at), types.OCILayer))
		if err != nil {
			t.Fatal(err)
		}
		made := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: img})
		if err := c.Push(t.Context(), at, made, nil); err != nil {
			t.Fatal(err)
		}
		if sent := wire.sent.Load(); sent < least || sent > least+10_000 {
			t.Errorf("%s: %d bytes were sent, want about %d", at, sent, least)
		}
		toHost, _, _ := strings.Cut(at, "/")
		mustHave(t, toHost, at, made)
	}
}

// A push tells of each blob that it sends, to its last byte.
func TestPushProgress(t *testing.T) {
	t.Parallel()
	at := repository(realtest.Registry(t))
	stage := &tasks{at: map[string]int64{}, total: map[string]int64{}, done: map[string]string{}}
	idx := index(t, at, 50_000, platforms[:2]...)
	if err := client(t, nil).Push(t.Context(), at, idx, stage); err != nil {
		t.Fatal(err)
	}
	if len(stage.done) != 4 { // two layers, two configs
		t.Errorf("tasks %v", stage.done)
	}
	for name, how := range stage.done {
		if stage.at[name] != stage.total[name] || how != "uploaded" || !strings.HasPrefix(name, at) {
			t.Errorf("%s: %d of %d, %s", name, stage.at[name], stage.total[name], how)
		}
	}
}

type tasks struct {
	mu        sync.Mutex
	at, total map[string]int64
	done      map[string]string
}

type task struct {
	*tasks
	name string
}

func (s *tasks) Task(name string, total int64) progress.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total[name] = total
	return task{s, name}
}

func (s *tasks) Done(string, error) {}

func (task) Output(string) {}

func (t task) At(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at[t.name] = n
}

func (t task) Done(how string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[t.name] = fmt.Sprint(how, strings.TrimPrefix(fmt.Sprint(err), "<nil>"))
}

// Debian's registry deletes no tags: the way around it moves the tag to a
// manifest of its own and deletes that, and goes on where it was cut short.
func TestUntagByTombstone(t *testing.T) {
	t.Parallel()
	host := realtest.Registry(t)
	var cut bool
	p := newProxy(t, host, func(_ *proxy, w http.ResponseWriter, r *http.Request, n int) bool {
		// The first time, the deletion of what the tag was moved to is cut off.
		return !cut && r.Method == http.MethodDelete && n == 4 && refuse(w, http.StatusForbidden, "DENIED", "cut") && setTrue(&cut)
	})
	c, at := client(t, nil), repository(p.host)
	idx := index(t, at, 10, platforms...)
	digest := digestOf(t, idx)
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.0.0", "latest"} {
		if err := c.Tag(t.Context(), at, digest, tag); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Untag(t.Context(), at, "latest"); err == nil {
		t.Error("the cut was not noticed")
	}
	if got, err := c.Find(t.Context(), at, "latest"); err != nil || got.Digest == digest {
		t.Errorf("after the cut latest is %+v, %v: want the tombstone", got, err)
	}
	if err := c.Untag(t.Context(), at, "latest"); err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(at, "/")
	resp, err := http.Get("http://" + host + "/v2/" + path + "/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list bytes.Buffer
	if _, err := list.ReadFrom(resp.Body); err != nil || !strings.Contains(list.String(), `"tags":["1.0.0"]`) {
		t.Errorf("tags %s, %v", list.String(), err)
	}
	if got, err := c.Find(t.Context(), at, "1.0.0"); err != nil || got.Digest != digest {
		t.Errorf("1.0.0: %+v, %v", got, err)
	}
}

func setTrue(b *bool) bool { *b = true; return true }

// A registry that deletes a tag's manifest with the tag gets it back.
func TestUntagPutsBack(t *testing.T) {
	t.Parallel()
	s := server(t)
	var at, digest string
	p := newProxy(t, s.Host, func(_ *proxy, _ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/latest") {
			_, path, _ := strings.Cut(at, "/")
			req, err := http.NewRequest(http.MethodDelete, s.URL+"/v2/"+path+"/manifests/"+digest, nil)
			if err != nil {
				panic(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.StatusCode != http.StatusAccepted {
				panic(fmt.Sprint(resp, err))
			}
			resp.Body.Close()
		}
		return false
	})
	c := client(t, nil)
	at = repository(p.host)
	idx := index(t, at, 10, platforms...)
	digest = digestOf(t, idx)
	if err := c.Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Tag(t.Context(), at, digest, "latest"); err != nil {
		t.Fatal(err)
	}
	if err := c.Untag(t.Context(), at, "latest"); err != nil {
		t.Fatal(err)
	}
	got, err := c.Find(t.Context(), at, digest)
	if d := cmp.Diff(found(t, idx), got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

var _ progress.Stage = (*tasks)(nil)

// A push of a 25 MB layer, for comparison with curl: POST, then PUT.
func BenchmarkPush25MB(b *testing.B) {
	host := realtest.Registry(b)
	c := registry.New(registry.Options{Getenv: environment()})
	b.SetBytes(25 << 20)
	for i := range b.N {
		b.StopTimer()
		at := repository(host)
		idx := index(b, fmt.Sprint(at, i), 25<<20, platforms[0])
		b.StartTimer()
		if err := c.Push(b.Context(), at, idx, nil); err != nil {
			b.Fatal(err)
		}
	}
}
