package realtest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func fakePart(pins string, build func(dir string) error) Part {
	return Part{
		Name: "fake", Version: "1",
		pins: func(string) ([]byte, error) { return []byte(pins), nil },
		make: func(_ context.Context, _, dir string, _ io.Writer) error { return build(dir) },
	}
}

// Several processes that need a part at once build it once, and all get it.
func TestPartIsMadeOnce(t *testing.T) {
	t.Setenv("SLIPWAY_PARTS", t.TempDir())
	var builds atomic.Int64
	p := fakePart("a", func(dir string) error {
		builds.Add(1)
		return os.WriteFile(filepath.Join(dir, "bin"), []byte("x"), 0o600)
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			made, err := p.Make(t.Context(), io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(made.Dir, "bin")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
}

// A build that failed half-way does not count: the next one begins anew.
func TestFailedBuildLeavesNoPart(t *testing.T) {
	t.Setenv("SLIPWAY_PARTS", t.TempDir())
	boom := errors.New("boom")
	half := fakePart("a", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), boom)
	})
	if _, err := half.Make(t.Context(), io.Discard); !errors.Is(err, boom) {
		t.Fatalf("got %v, want boom", err)
	}
	whole := fakePart("a", func(string) error { return nil })
	made, err := whole.Make(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if made.Took == 0 {
		t.Error("the failed build was taken for a part")
	}
	if _, err := os.Stat(filepath.Join(made.Dir, "half")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the failed build's file is in the part: %v", err)
	}
}

// Other pins are another part.
func TestPinsKeyTheCache(t *testing.T) {
	t.Setenv("SLIPWAY_PARTS", t.TempDir())
	nothing := func(string) error { return nil }
	a, err := fakePart("a", nothing).Make(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := fakePart("b", nothing).Make(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if a.Dir == b.Dir {
		t.Errorf("both lie in %s", a.Dir)
	}
}

// A part that can't be made fails a test in CI, and skips it elsewhere.
func TestMissingPart(t *testing.T) {
	for _, tt := range []struct {
		ci              string
		failed, skipped bool
	}{
		{ci: "true", failed: true},
		{ci: "", skipped: true},
		{ci: "false", skipped: true},
	} {
		t.Run("CI="+tt.ci, func(t *testing.T) {
			t.Setenv("CI", tt.ci)
			probe := &recorder{TB: t}
			func() {
				defer func() { _ = recover() }()
				missing(probe, fakePart("a", nil), errors.New("no network"))
			}()
			if probe.failed != tt.failed || probe.skipped != tt.skipped {
				t.Errorf("failed %t, skipped %t; want %t, %t", probe.failed, probe.skipped, tt.failed, tt.skipped)
			}
		})
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	failed, skipped bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; panic(r) }
