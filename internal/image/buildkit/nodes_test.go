package buildkit

import (
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// node is a way of its own to the real BuildKit, that counts what goes through.
func node(t testing.TB) (address string, bytes *atomic.Int64) {
	t.Helper()
	to := strings.TrimPrefix(realtest.BuildKit(t), "unix://")
	path := filepath.Join(t.TempDir(), "n.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	bytes = new(atomic.Int64)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", to)
			if err != nil {
				in.Close()
				return
			}
			go func() { _, _ = io.Copy(in, out); in.Close() }()
			go func() { _, _ = io.Copy(io.MultiWriter(out, counter{bytes}), in); out.Close() }()
		}
	}()
	return "unix://" + path, bytes
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// With several nodes each platform is built where the config says, and what
// they push apart is one index, untagged, the same as one node would make.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	first, toFirst := node(t)
	second, toSecond := node(t)
	b := mustFind(t, Options{Getenv: noDocker(t, nil), Config: release.Builder{
		Nodes: []release.BuilderNode{
			{Endpoint: first, Platforms: []string{"linux/amd64", "linux/386"}},
			{Endpoint: second, Platforms: []string{"linux/arm64", "linux/arm/v6"}},
		},
	}})
	if n := len(b.Info().Nodes); n != 2 {
		t.Fatalf("%d nodes", n)
	}
	r := Request{
		Name: "hello", Dockerfile: []byte(scratch), Context: scratchContext(t), Epoch: epoch,
		Platforms:   parsed(t, "linux/arm64", "linux/amd64", "linux/arm/v6", "linux/386"),
		Annotations: map[string]string{"a": "b"}, ManifestAnnotations: map[release.Platform]map[string]string{
			{OS: "linux", Arch: "arm64"}: {"on": "arm64"}, {OS: "linux", Arch: "arm", Variant: "v6"}: {"on": "arm"}},
		PushTo: []string{registry + "/nodes/hello", registry + "/nodes/second"},
	}
	both, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	one, err := realBuilder(t, Options{}).Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one, both); d != "" {
		t.Error(d)
	}
	for _, repo := range []string{"nodes/hello", "nodes/second"} {
		if status, body := get(t, "http://"+registry+"/v2/"+repo+"/manifests/"+both.Digest); status != 200 {
			t.Errorf("%s: %d %s", repo, status, body)
		}
		hasNoTag(t, registry, repo)
	}
	for i, want := range []string{"arm64", "", "arm", ""} {
		var m ocispecs.Manifest
		_, body := get(t, "http://"+registry+"/v2/nodes/hello/manifests/"+both.Manifests[i].Digest)
		if err := json.Unmarshal([]byte(body), &m); err != nil || m.Annotations["on"] != want || m.Annotations["a"] != "b" {
			t.Errorf("%s: annotations %v, %v", both.Manifests[i].Platform, m.Annotations, err)
		}
	}
	toFirst.Store(0)
	toSecond.Store(0)
	if _, err := b.Build(t.Context(), Request{
		Name: "large", Dockerfile: []byte("FROM scratch\nCOPY large /\n"), Platforms: parsed(t, "linux/arm64"),
		Context: folder(t, map[string]string{"large": strings.Repeat(time.Now().String(), 1<<20/32)}),
	}); err != nil {
		t.Fatal(err)
	}
	if toFirst.Load() > 1<<19 || toSecond.Load() < 1<<20 {
		t.Errorf("%d bytes went to the first node and %d to the second, which has linux/arm64", toFirst.Load(), toSecond.Load())
	}
	out := t.TempDir()
	r.PushTo, r.Local = nil, out
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(out, "linux_*", "hello")); len(found) != 4 {
		t.Errorf("found %v", found)
	}
	r.Local, r.OCI = "", filepath.Join(out, "x.tar")
	if _, err := b.Build(t.Context(), r); release.KindOf(err) != release.Invalid {
		t.Errorf("OCI of several nodes: %v", err)
	}
}

// A platform is built where the config says, else where it runs natively, else
// where it is emulated; and one that nobody has is an error that names it.
func TestAssign(t *testing.T) {
	t.Parallel()
	list := func(names ...string) (out []ocispecs.Platform) {
		for _, p := range parsed(t, names...) {
			out = append(out, theirs(p))
		}
		return out
	}
	amd := bootedNode{has: list("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7")}
	arm := bootedNode{has: list("linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/amd64")}
	told := bootedNode{has: list("linux/amd64", "linux/arm64")}
	told.Platforms = list("linux/arm64")
	for name, c := range map[string]struct {
		nodes  []bootedNode
		wanted []string
		want   []string // what each node builds
	}{
		"one node":             {[]bootedNode{amd}, []string{"linux/amd64", "linux/arm64"}, []string{"linux/amd64 linux/arm64"}},
		"native":               {[]bootedNode{amd, arm}, []string{"linux/arm64", "linux/amd64", "linux/386", "linux/arm/v6"}, []string{"linux/amd64 linux/386", "linux/arm64 linux/arm/v6"}},
		"the config's word":    {[]bootedNode{arm, told}, []string{"linux/arm64"}, []string{"linux/arm64"}},
		"all on the other one": {[]bootedNode{amd, arm}, []string{"linux/arm64"}, []string{"linux/arm64"}},
		"older variant":        {[]bootedNode{amd}, []string{"linux/arm/v6"}, []string{"linux/arm/v6"}},
		"none":                 {[]bootedNode{amd, arm}, []string{"linux/amd64", "linux/riscv64"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shares, err := assign(c.nodes, parsed(t, c.wanted...), Info{Name: "b"})
			if c.want == nil {
				if release.KindOf(err) != release.Invalid || !strings.Contains(err.Error(), "linux/riscv64") || !strings.Contains(err.Error(), "linux/arm/v7") {
					t.Errorf("%v", err)
				}
				return
			}
			var got []string
			for _, s := range shares {
				got = append(got, strings.ReplaceAll(joinPlatforms(ours(s.platforms)), ",", ""))
			}
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Error(d, err)
			}
		})
	}
}
