package assemble

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

var (
	amd64 = release.Platform{OS: "linux", Arch: "amd64"}
	arm64 = release.Platform{OS: "linux", Arch: "arm64"}
	armv6 = release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}
)

// committed is the time of all commits of these tests; what is below a second
// must not show.
var committed = time.Date(2026, 3, 1, 12, 30, 15, 999, time.UTC)

// sample is an image of two builds on the given platforms, whose binaries are
// … enough for several blocks of compression.
func sample(t testing.TB, platforms ...release.Platform) Spec {
	t.Helper()
	s := Spec{Time: committed, Source: t.TempDir(), Image: release.PlanImage{
		ID: "hello", Kind: release.ImageOfBuilds, Base: release.ScratchBase, Builds: []string{"hello", "admin"}, Platforms: platforms,
		Labels:      map[string]string{"org.opencontainers.image.version": "1.2.3"},
		Annotations: map[string]string{"org.opencontainers.image.version": "1.2.3"},
		User:        "65532:65532",
	}}
	dir := t.TempDir()
	for _, p := range platforms {
		s.Binaries = append(s.Binaries, binary(t, dir, "hello", p, 20_000), binary(t, dir, "admin", p, 10))
	}
	return s
}

// binary writes words in an order that the platform gives.
func binary(t testing.TB, dir, id string, p release.Platform, size int) release.Binary {
	t.Helper()
	words := strings.Fields("push pop mov add ret call lea xor jmp test")
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(id + p.String()))))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s %d\n", words[random.IntN(len(words))], random.IntN(1000))
	}
	path := filepath.Join(dir, id+p.Slug())
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return release.Binary{ID: id, Platform: p, Name: id, Size: int64(b.Len()), Digest: "sha256:" + hex.EncodeToString(sum[:]), Path: path}
}

func quiet(cache string) Options {
	return Options{CacheDir: cache, Stage: progress.Discard.Stage("")}
}

func index(t testing.TB, s Spec, o Options) v1.ImageIndex {
	t.Helper()
	idx, err := Index(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func digestOf(t testing.TB, idx v1.ImageIndex) string {
	t.Helper()
	h, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// images are an index's, in its order.
func images(t testing.TB, idx v1.ImageIndex) []v1.Image {
	t.Helper()
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var out []v1.Image
	for _, d := range m.Manifests {
		img, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, img)
	}
	return out
}

func layersOf(t testing.TB, img v1.Image) []v1.Layer {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

func (s Spec) write(t testing.TB, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(s.Source, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// The same input gives the same index, whatever the machine is like. It changes
// what the whole process has, and so runs alone.
func TestSameInputSameIndex(t *testing.T) {
	s := sample(t, amd64, arm64, armv6)
	s.Binaries[0] = binary(t, t.TempDir(), "hello", amd64, 3*blockSize) // for several processors
	s.Image.Files = []string{"conf"}
	s.write(t, "conf/a.toml", "a = 1\n", 0o644)
	warm := t.TempDir()
	want := digestOf(t, index(t, s, quiet(warm)))

	check := func(what string, s Spec, o Options) {
		t.Helper()
		if got := digestOf(t, index(t, s, o)); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	check("warm cache", s, quiet(warm))

	moved := s
	moved.Time = s.Time.In(time.FixedZone("somewhere", 5*3600)).Add(time.Millisecond)
	moved.Source = t.TempDir()
	moved.write(t, "conf/a.toml", "a = 1\n", 0o600)
	moved.Binaries = nil
	for _, b := range s.Binaries {
		data, err := os.ReadFile(b.Path)
		if err != nil {
			t.Fatal(err)
		}
		b.Path = filepath.Join(t.TempDir(), "other")
		old := time.Unix(1e9, 0)
		if err := errors.Join(os.WriteFile(b.Path, data, 0o600), os.Chtimes(b.Path, old, old)); err != nil {
			t.Fatal(err)
		}
		moved.Binaries = append([]release.Binary{b}, moved.Binaries...)
	}
	check("other paths, modes, times and zone", moved, quiet(t.TempDir()))

	defer syscall.Umask(syscall.Umask(0o077))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	check("umask 077, one processor", s, quiet(t.TempDir()))
	runtime.GOMAXPROCS(7)
	o := quiet(t.TempDir())
	o.Concurrency = 1
	check("seven processors, a layer at a time", s, o)
	o = quiet(t.TempDir())
	o.Concurrency = 9
	check("all layers at a time", s, o)
}

// What is made follows the format: digests, sizes, media types, diff ids.
func TestIndexIsValid(t *testing.T) {
	t.Parallel()
	idx := index(t, sample(t, release.DefaultPlatforms...), quiet(t.TempDir()))
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
}

// listing is a layer as tar tells it.
func listing(t testing.TB, l v1.Layer) string {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b strings.Builder
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Format != tar.FormatUSTAR || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s is written as %v, with the owner's names %q and %q", h.Name, h.Format, h.Uname, h.Gname)
		}
		size := fmt.Sprint(h.Size)
		if h.Size > 10 {
			size = "…"
		}
		fmt.Fprintf(&b, "%c %04o %d:%d %s %s %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, size, h.ModTime.UTC().Format(time.RFC3339), h.Name)
	}
}

// The layers hold the base file system and the files, each once, with their
// parents, in order, and nothing of the machine.
func TestListing(t *testing.T) {
	t.Parallel()
	s := sample(t, amd64)
	s.Image.Files, s.Image.Workdir = []string{"share", "etc/motd"}, "/srv/data"
	s.write(t, "share/doc/b", "b", 0o600)
	s.write(t, "share/doc/a", "a", 0o755)
	s.write(t, "etc/motd", "hello\n", 0o644)
	layers := layersOf(t, images(t, index(t, s, quiet(t.TempDir())))[0])
	if len(layers) != 2 {
		t.Fatalf("%d layers, want 2", len(layers))
	}
	const base = `5 0755 0:0 0 2026-03-01T12:30:15Z etc/
0 0644 0:0 … 2026-03-01T12:30:15Z etc/group
0 0644 0:0 … 2026-03-01T12:30:15Z etc/nsswitch.conf
0 0644 0:0 … 2026-03-01T12:30:15Z etc/passwd
5 0755 0:0 0 2026-03-01T12:30:15Z etc/ssl/
5 0755 0:0 0 2026-03-01T12:30:15Z etc/ssl/certs/
0 0644 0:0 … 2026-03-01T12:30:15Z etc/ssl/certs/ca-certificates.crt
5 0755 0:0 0 2026-03-01T12:30:15Z home/
5 0700 65532:65532 0 2026-03-01T12:30:15Z home/nonroot/
5 0700 0:0 0 2026-03-01T12:30:15Z root/
5 1777 0:0 0 2026-03-01T12:30:15Z tmp/
`
	const own = `0 0755 0:0 … 2026-03-01T12:30:15Z admin
0 0644 0:0 6 2026-03-01T12:30:15Z etc/motd
0 0755 0:0 … 2026-03-01T12:30:15Z hello
5 0755 0:0 0 2026-03-01T12:30:15Z share/
5 0755 0:0 0 2026-03-01T12:30:15Z share/doc/
0 0755 0:0 1 2026-03-01T12:30:15Z share/doc/a
0 0644 0:0 1 2026-03-01T12:30:15Z share/doc/b
5 0755 0:0 0 2026-03-01T12:30:15Z srv/
5 0755 0:0 0 2026-03-01T12:30:15Z srv/data/
`
	if d := cmp.Diff(base, listing(t, layers[0])); d != "" {
		t.Errorf("base (-want +got):\n%s", d)
	}
	if d := cmp.Diff(own, listing(t, layers[1])); d != "" {
		t.Errorf("own (-want +got):\n%s", d)
	}
}

// An environment file is in no layer of a release, not by a glob and not
// through a link; a development image has it.
func TestEnvironmentFiles(t *testing.T) {
	t.Parallel()
	s := sample(t, amd64)
	s.Image.EnvFiles = []string{".env", ".env.*"}
	s.Image.Files = []string{"conf"}
	s.Image.Workdir = "/srv"
	s.write(t, "conf/a.toml", "a = 1\n", 0o644)
	s.write(t, "conf/.env.production", "TOKEN=hunter2\n", 0o644)
	if err := os.Symlink(".env.production", filepath.Join(s.Source, "conf/settings")); err != nil {
		t.Fatal(err)
	}
	content := func(s Spec) string {
		var all strings.Builder
		for _, l := range layersOf(t, images(t, index(t, s, quiet(t.TempDir())))[0]) {
			r, err := l.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&all, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
		return all.String()
	}
	if got := content(s); strings.Contains(got, "hunter2") || !strings.Contains(got, "a = 1") {
		t.Error("the release image has an environment file, or lacks another file")
	}
	s.Image.Development = true
	if got := content(s); !strings.Contains(got, "hunter2") || !strings.Contains(got, "srv/conf/.env.production") {
		t.Error("the development image lacks its environment file")
	}
}

// Bad input is refused with what is wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, s *Spec)
		want   string
	}{
		{"no binary for a platform", func(_ *testing.T, s *Spec) { s.Image.Platforms = append(s.Image.Platforms, armv6) }, `build "hello" has no binary for linux/arm/v6`},
		{"two binaries of one name", func(_ *testing.T, s *Spec) { s.Binaries[1].Name = "hello" }, "two files would lie at /hello"},
		{"a binary and a file", func(t *testing.T, s *Spec) { s.write(t, "hello", "", 0o644); s.Image.Files = []string{"hello"} }, "two files would lie at /hello"},
		{"a file and a folder", func(t *testing.T, s *Spec) { s.write(t, "hello/a", "", 0o644); s.Image.Files = []string{"hello"} }, "/hello would be a file and a folder"},
		{"a file in place of a folder of the base", func(t *testing.T, s *Spec) { s.write(t, "tmp", "", 0o644); s.Image.Files = []string{"tmp"} }, "/tmp would be a file and a folder"},
		{"a file in place of the working directory", func(_ *testing.T, s *Spec) { s.Image.Workdir = "/hello" }, "/hello would be a file and a folder"},
		{"a file below a file of the base", func(t *testing.T, s *Spec) {
			s.write(t, "etc/passwd/x", "", 0o644)
			s.Image.Files = []string{"etc"}
		}, "/etc/passwd would be a file and a folder"},
		{"a file that is not there", func(_ *testing.T, s *Spec) { s.Image.Files = []string{"nope"} }, "nope"},
		{"a path that leads out", func(_ *testing.T, s *Spec) { s.Image.Files = []string{"../x"} }, "leads out"},
		{"a link that leads out", func(t *testing.T, s *Spec) {
			if err := os.Symlink("/etc/passwd", filepath.Join(s.Source, "x")); err != nil {
				t.Fatal(err)
			}
			s.Image.Files = []string{"x"}
		}, "leads out"},
		{"windows", func(_ *testing.T, s *Spec) {
			s.Image.Platforms = []release.Platform{{OS: "windows", Arch: "amd64"}}
		}, "windows/amd64 can't be put together"},
		{"a base without a platform", func(_ *testing.T, s *Spec) {
			s.Image.Base, s.Base = "base.example/x", map[release.Platform]v1.Image{}
		}, "the base image base.example/x has nothing for linux/amd64"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := sample(t, amd64)
			test.change(t, &s)
			_, err := Index(t.Context(), s, quiet(t.TempDir()))
			if err == nil || !strings.Contains(err.Error(), test.want) || release.KindOf(err) != release.Invalid {
				t.Errorf("got %v, want %q of kind Invalid", err, test.want)
			}
		})
	}
	t.Run("a glob may match nothing", func(t *testing.T) {
		t.Parallel()
		s := sample(t, amd64)
		s.Image.Files = []string{"*.none"}
		index(t, s, quiet(t.TempDir()))
	})
}

// A binary that is not what its digest says comes into no layer and no cache.
func TestChangedBinary(t *testing.T) {
	t.Parallel()
	s, cache := sample(t, amd64), t.TempDir()
	b := s.Binaries[1]
	if err := os.WriteFile(b.Path, bytes.Repeat([]byte("x"), int(b.Size)), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Index(t.Context(), s, quiet(cache)); err == nil || !strings.Contains(err.Error(), "/admin changed") {
			t.Fatalf("got %v", err)
		}
	}
}

// A context that ends stops the work with its own error.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache := t.TempDir()
	if _, err := Index(ctx, sample(t, amd64), quiet(cache)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, layersFolder, "unfinished*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// heard is a stage that remembers how its tasks ended.
type heard struct {
	mu   sync.Mutex
	made map[string]int // by name: how often a layer was compressed
	kept map[string]int
}

func (h *heard) Task(name string, _ int64) progress.Task { return &heardTask{h, name} }
func (h *heard) Done(string, error)                      {}

type heardTask struct {
	*heard
	name string
}

func (t *heardTask) At(int64) {}

func (t *heardTask) Output(string) {}
func (t *heardTask) Done(summary string, _ error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if strings.HasSuffix(summary, "unchanged") {
		t.kept[t.name]++
	} else {
		t.made[t.name]++
	}
}

func newHeard() *heard { return &heard{made: map[string]int{}, kept: map[string]int{}} }
