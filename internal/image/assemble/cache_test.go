package assemble

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
)

func cached(t *testing.T, cache, suffix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cache, layersFolder, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A second run neither compresses nor opens a binary.
func TestWarmCache(t *testing.T) {
	t.Parallel()
	s, cache := sample(t, amd64, arm64), t.TempDir()
	want := digestOf(t, index(t, s, quiet(cache)))
	for _, b := range s.Binaries {
		if err := os.Remove(b.Path); err != nil {
			t.Fatal(err)
		}
	}
	stage := newHeard()
	idx := index(t, s, Options{CacheDir: cache, Stage: stage})
	if got := digestOf(t, idx); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if d := cmp.Diff(map[string]int{"hello base": 1, "hello linux/amd64": 1, "hello linux/arm64": 1}, stage.kept); d != "" || len(stage.made) > 0 {
		t.Errorf("made %v, kept (-want +got):\n%s", stage.made, d)
	}
	if err := validate.Index(idx); err != nil { // reads every layer
		t.Error(err)
	}
}

// One binary that changed makes its own layer new and no other.
func TestOneChanged(t *testing.T) {
	t.Parallel()
	s, cache := sample(t, amd64, arm64), t.TempDir()
	index(t, s, quiet(cache))
	s.Binaries[2] = binary(t, t.TempDir(), "hello", arm64, 500)
	stage := newHeard()
	index(t, s, Options{CacheDir: cache, Stage: stage})
	if d := cmp.Diff(map[string]int{"hello linux/arm64": 1}, stage.made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
}

// A damaged cache is made anew, at the latest when the layer is read.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	each := func(suffix string, damage func(path string, data []byte) error) func(*testing.T, string) {
		return func(t *testing.T, cache string) {
			for _, path := range cached(t, cache, suffix) {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := damage(path, data); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tests := map[string]func(*testing.T, string){
		"cut blob":    each(blobSuffix, func(p string, data []byte) error { return os.WriteFile(p, data[:len(data)/2], 0o644) }),
		"no blob":     each(blobSuffix, func(p string, _ []byte) error { return os.Remove(p) }),
		"other bytes": each(blobSuffix, func(p string, data []byte) error { data[len(data)/2] ^= 1; return os.WriteFile(p, data, 0o644) }),
		"zeros":       each(blobSuffix, func(p string, data []byte) error { return os.WriteFile(p, make([]byte, len(data)), 0o644) }),
		"no record":   each(recordSuffix, func(p string, _ []byte) error { return os.Remove(p) }),
		"cut record":  each(recordSuffix, func(p string, data []byte) error { return os.WriteFile(p, data[:9], 0o644) }),
		"other record": each(recordSuffix, func(p string, data []byte) error {
			return os.WriteFile(p, bytes.ReplaceAll(data, []byte(`"key":"`), []byte(`"key":"f`)), 0o644)
		}),
	}
	for name, damage := range tests {
		for _, when := range []string{"before", "after"} {
			t.Run(name+" "+when+" the index is made", func(t *testing.T) {
				t.Parallel()
				s, cache := sample(t, amd64), t.TempDir()
				idx := index(t, s, quiet(cache))
				want := digestOf(t, idx)
				if when == "after" {
					idx = index(t, s, quiet(cache)) // all found
				}
				damage(t, cache)
				if when == "before" {
					idx = index(t, s, quiet(cache))
				}
				if got := digestOf(t, idx); got != want {
					t.Errorf("digest %s, want %s", got, want)
				}
				if err := validate.Index(idx); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Several runs over one cache compress each layer once and agree.
func TestParallelRuns(t *testing.T) {
	t.Parallel()
	s, cache, stage := sample(t, amd64, arm64, armv6), t.TempDir(), newHeard()
	digests := make([]string, 6)
	var group errgroup.Group
	for i := range digests {
		group.Go(func() error {
			idx, err := Index(t.Context(), s, Options{CacheDir: cache, Stage: stage})
			if err != nil {
				return err
			}
			h, err := idx.Digest()
			digests[i] = h.String()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("digests differ: %v", digests)
		}
	}
	if d := cmp.Diff(map[string]int{"hello base": 1, "hello linux/amd64": 1, "hello linux/arm64": 1, "hello linux/arm/v6": 1}, stage.made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
}

// Pruning under a run's feet does it no harm.
func TestPruneMeanwhile(t *testing.T) {
	t.Parallel()
	s, cache := sample(t, amd64), t.TempDir()
	index(t, s, quiet(cache))
	idx := index(t, s, quiet(cache))
	if _, n, err := Prune(cache, 0, 0); err != nil || n != 2 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
}

// Prune takes what is old, then what was used longest ago, and what killed runs
// left behind.
func TestPrune(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		olderThan time.Duration
		keep      int64
		left      []string
		n         int
	}{
		{"by age", 36 * time.Hour, -1, []string{"a", "b"}, 2},
		{"by size", 1000 * time.Hour, 250, []string{"a", "b"}, 2},
		{"by size, where a small old one would fit", 1000 * time.Hour, 165, []string{"a"}, 3},
		{"all", 0, 0, nil, 4},
		{"nothing", 1000 * time.Hour, -1, []string{"a", "b", "c", "d"}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			if _, err := openCache(cache); err != nil {
				t.Fatal(err)
			}
			write := func(name string, size int, age time.Duration) {
				path, at := filepath.Join(cache, layersFolder, name), time.Now().Add(-age)
				if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, at, at); err != nil {
					t.Fatal(err)
				}
			}
			for i, l := range []struct {
				key  string
				size int
			}{{"a", 90}, {"b", 80}, {"c", 100}, {"d", 5}} {
				write(l.key+blobSuffix, l.size, time.Duration(i)*24*time.Hour)
				write(l.key+recordSuffix, 10, 100*time.Hour)
			}
			write("unfinished-123", 7, 200*time.Hour)
			write("unfinished-456", 7, 0) // somebody writes it now
			freed, n, err := Prune(cache, test.olderThan, test.keep)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, path := range cached(t, cache, blobSuffix) {
				left = append(left, filepath.Base(path)[:1])
			}
			if d := cmp.Diff(test.left, left); d != "" || n != test.n {
				t.Errorf("took %d, left (-want +got):\n%s", n, d)
			}
			if after := size(t, cache); freed != 329-after {
				t.Errorf("freed %d bytes, but there are %d of 329", freed, after)
			}
			if writing := cached(t, cache, "-456"); len(writing) != 1 {
				t.Error("what is being written was taken away")
			}
		})
	}
	if freed, n, err := Prune(filepath.Join(t.TempDir(), "none"), 0, 0); freed != 0 || n != 0 || err != nil {
		t.Errorf("without a cache: %d, %d, %v", freed, n, err)
	}
}

func size(t *testing.T, cache string) (n int64) {
	t.Helper()
	for _, path := range cached(t, cache, "") {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			n += st.Size()
		}
	}
	return n
}

// A cache that can't be written says so.
func TestCacheElsewhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Index(t.Context(), sample(t, amd64), Options{CacheDir: file, Stage: progress.Discard.Stage("")}); err == nil {
		t.Error("no error")
	}
}
