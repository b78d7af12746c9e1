package assemble

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/release"
)

// blobsOf holds that each blob of a layout is what its name says, and that all
// of an index are there.
func blobsOf(t *testing.T, dir string, idx v1.ImageIndex) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		if sum != filepath.Base(path) {
			t.Errorf("%s is %s", path, sum)
		}
		there["sha256:"+sum] = true
	}
	want := []string{digestOf(t, idx)}
	for _, img := range images(t, idx) {
		m := manifest(t, img)
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, digest.String(), m.Config.Digest.String())
		for _, l := range m.Layers {
			want = append(want, l.Digest.String())
		}
	}
	for _, w := range want {
		if !there[w] {
			t.Errorf("%s is not there", w)
		}
		there[w] = true
	}
	if len(there) != len(found) {
		t.Errorf("%d blobs, want %d", len(found), len(there))
	}
}

func lay(t *testing.T, idx v1.ImageIndex, cache string) (dir string, remove func()) {
	t.Helper()
	dir, remove, err := Layout(t.Context(), idx, quiet(cache))
	if err != nil {
		t.Fatal(err)
	}
	return dir, remove
}

// A layout has all blobs of its index, without a copy of a layer, outlives the
// layers in the cache, and is gone in the end.
func TestLayout(t *testing.T) {
	t.Parallel()
	s, cache := sample(t, amd64, arm64), t.TempDir()
	idx := index(t, s, quiet(cache))
	dir, remove := lay(t, idx, cache)
	blobsOf(t, dir, idx)
	linked := 0
	for _, blob := range cached(t, cache, blobSuffix) {
		for _, path := range mustGlob(t, filepath.Join(dir, "blobs/sha256/*")) {
			a, errA := os.Stat(blob)
			b, errB := os.Stat(path)
			if errA == nil && errB == nil && os.SameFile(a, b) {
				linked++
			}
		}
	}
	if linked != 3 {
		t.Errorf("%d of 3 layers are links", linked)
	}
	if _, n, err := Prune(cache, 0, 0); err != nil || n != 3 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	blobsOf(t, dir, idx)
	again, removeAgain := lay(t, idx, cache)
	blobsOf(t, again, idx)
	old := time.Now().Add(-2 * longestBuild)
	if err := os.Chtimes(again, old, old); err != nil { // as if that run had been killed
		t.Fatal(err)
	}
	if _, _, err := Prune(cache, time.Hour, -1); err != nil {
		t.Fatal(err)
	}
	if left := mustGlob(t, filepath.Join(cache, layoutsFolder, "*")); len(left) != 1 || left[0] != dir {
		t.Errorf("Prune left %v, want %s", left, dir)
	}
	remove()
	removeAgain()
	if left := mustGlob(t, filepath.Join(cache, layoutsFolder, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A base's layers are read once, again when the connection breaks or the cache
// is damaged, and not for ever.
func TestLayoutOfBase(t *testing.T) {
	t.Parallel()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var cuts, reads atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			reads.Add(1)
			if cuts.Add(-1) >= 0 {
				w = &cut{w}
			}
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, baseImage(t, amd64)); err != nil {
		t.Fatal(err)
	}
	s, cache := sample(t, amd64), t.TempDir()
	s.Image.Base = ref.Name()
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	s.Base = map[release.Platform]v1.Image{amd64: img}
	idx := index(t, s, quiet(cache))
	layout := func(what string, breaks, wanted int64) {
		t.Helper()
		cuts.Store(breaks)
		reads.Store(0)
		dir, remove := lay(t, idx, cache)
		defer remove()
		blobsOf(t, dir, idx)
		if n := reads.Load(); n != wanted {
			t.Errorf("%s: %d reads, want %d", what, n, wanted)
		}
	}
	layout("first, broken off once", 1, 3)
	layout("from the cache", 0, 0)
	m := manifest(t, img)
	path := filepath.Join(cache, layersFolder, m.Layers[0].Digest.Hex+blobSuffix)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	layout("damaged", 0, 1)
	if _, _, err := Prune(cache, 0, 0); err != nil {
		t.Fatal(err)
	}
	cuts.Store(100)
	_, _, err = Layout(t.Context(), idx, quiet(cache))
	if err == nil || !strings.Contains(err.Error(), "read the base image's layer sha256:") {
		t.Errorf("always broken off: %v", err)
	}
	if left := mustGlob(t, filepath.Join(cache, layoutsFolder, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// cut breaks an answer off in the middle.
type cut struct{ http.ResponseWriter }

func (c *cut) Write(p []byte) (int, error) {
	_, _ = c.ResponseWriter.Write(p[:len(p)/2])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
