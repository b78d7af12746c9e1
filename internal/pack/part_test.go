package pack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

var amd64 = release.Platform{OS: "linux", Arch: "amd64"}

func partPlan() release.Plan {
	return release.Plan{Project: "hello", Tag: "v1.0.0", Commit: strings.Repeat("a", 40), Time: time.Unix(1_700_000_000, 0).UTC(),
		Builds: []release.PlanBuild{{ID: "one", Platform: amd64, Binary: "one"}, {ID: "two", Platform: amd64, Binary: "two"}, {ID: "one", Platform: release.Platform{OS: "linux", Arch: "arm64"}, Binary: "one"}}}
}

func partBinaries(t *testing.T) []release.Binary {
	t.Helper()
	dir := t.TempDir()
	var out []release.Binary
	for _, id := range []string{"one", "two"} {
		path := filepath.Join(dir, id)
		if err := os.WriteFile(path, bytes.Repeat([]byte(id), 10_000), 0o755); err != nil {
			t.Fatal(err)
		}
		size, digest, err := dist.HashFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, release.Binary{ID: id, Platform: amd64, Name: id, Size: size, Digest: digest, Path: path})
	}
	return out
}

// A part has the same bytes each time, and its binaries come out as they went
// in; for another plan it is no part.
func TestPart(t *testing.T) {
	t.Parallel()
	p, binaries := partPlan(), partBinaries(t)
	a, err := pack.WritePart(t.Context(), t.TempDir(), p, amd64, binaries)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pack.WritePart(t.Context(), t.TempDir(), p, amd64, binaries)
	if err != nil || a.Digest != b.Digest || a.Name != "slipway-part-linux_amd64.tar.gz" || !release.IsPart(a.Name) {
		t.Fatalf("%+v, then %+v, %v", a, b, err)
	}
	data, err := os.ReadFile(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := pack.ReadPart(bytes.NewReader(data), filepath.Join(t.TempDir(), "new"), p, amd64)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range binaries {
		if _, digest, err := dist.HashFile(paths[x.ID]); err != nil || digest != x.Digest {
			t.Errorf("%s: %s, %v", x.ID, digest, err)
		}
	}
	p.Tag = "v1.0.1"
	if _, err := pack.ReadPart(bytes.NewReader(data), t.TempDir(), p, amd64); !errors.Is(err, pack.ErrOtherPlan) {
		t.Errorf("for another plan: %v", err)
	}
}

// handmade is a part with whatever is in it.
func handmade(t testing.TB, part release.Part, entries map[string]string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	header, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, content string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	add("part.json", string(header))
	for name, content := range entries {
		add(name, content)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return &out
}

// Bad input: a part that lies about what it holds, or leads out of its folder,
// is refused, and nothing outside of the folder is written.
func TestPartThatLies(t *testing.T) {
	t.Parallel()
	p := partPlan()
	p.Builds = p.Builds[:1]
	_, digest, err := dist.Hash(strings.NewReader("binary"))
	if err != nil {
		t.Fatal(err)
	}
	good := release.Binary{ID: "one", Platform: amd64, Name: "one", Size: 6, Digest: digest}
	whole := release.Part{Schema: release.PartSchema, PlanHash: p.Hash(), Platform: amd64, Binaries: []release.Binary{good}}
	up := good
	up.ID = "../one"
	climbing, newer := whole, whole
	climbing.Binaries = []release.Binary{up}
	newer.Schema = "slipway.part/v2"
	for name, c := range map[string]struct {
		part    release.Part
		entries map[string]string
		says    string
	}{
		"fine":            {whole, map[string]string{"bin/one": "binary"}, ""},
		"other bytes":     {whole, map[string]string{"bin/one": "bonary"}, "other bytes"},
		"longer":          {whole, map[string]string{"bin/one": "binary and more"}, "other bytes"},
		"nothing":         {whole, nil, "EOF"},
		"another entry":   {whole, map[string]string{"bin/two": "binary"}, "does not name"},
		"out of it":       {whole, map[string]string{"../../one": "binary"}, "does not name"},
		"a climbing id":   {climbing, map[string]string{"bin/../one": "binary"}, "has no binary of build one"},
		"a newer slipway": {newer, nil, "this slipway reads"},
	} {
		dir := t.TempDir()
		_, err := pack.ReadPart(handmade(t, c.part, c.entries), filepath.Join(dir, "in"), p, amd64)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 1 {
			t.Errorf("%s: it wrote %v", name, files)
		}
	}
}

// No bytes make the reader panic.
func FuzzReadPart(f *testing.F) {
	p := partPlan()
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, handmade(f, release.Part{Schema: release.PartSchema, PlanHash: p.Hash(), Platform: amd64}, map[string]string{"bin/one": "x"})); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = pack.ReadPart(bytes.NewReader(data), t.TempDir(), p, amd64)
	})
}
