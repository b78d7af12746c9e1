package pack_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// What is promoted lies in the folder byte for byte, and only once is it read;
// what an earlier build left there goes, what is somebody else's stays; bytes
// that are not those of the manifest leave no file.
func TestPromoted(t *testing.T) {
	t.Parallel()
	contents := map[string]string{"a.tar.gz": "an archive", "tool": "a binary", "checksums.txt": "sums"}
	var assets []release.Artifact
	for _, name := range []string{"a.tar.gz", "tool", "checksums.txt"} {
		size, digest, err := dist.Hash(strings.NewReader(contents[name]))
		if err != nil {
			t.Fatal(err)
		}
		kind := map[string]release.ArtifactKind{"tool": release.KindBinary, "checksums.txt": release.KindChecksums}[name]
		assets = append(assets, release.Artifact{Name: name, Kind: kind, Size: size, Digest: digest})
	}
	out := t.TempDir()
	read := make(chan string, 100)
	served := contents
	promote := func() ([]release.Artifact, []string, error) {
		got, err := pack.Promoted(t.Context(), pack.Promotion{
			Dist: out, Stage: progress.Discard.Stage(""), Texts: []pack.Text{{Name: "NOTES.md", Kind: release.KindNotes, Content: []byte("notes")}},
			Plan: release.Plan{Tag: "v1", Commit: "c", Promoted: &release.PlanPromotion{From: "v1-rc1", Assets: assets}},
			Open: func(_ context.Context, a release.Artifact) (io.ReadCloser, error) {
				read <- a.Name
				return io.NopCloser(strings.NewReader(served[a.Name])), nil
			},
		})
		var names []string
		for len(read) > 0 {
			names = append(names, <-read)
		}
		slices.Sort(names)
		return got, names, err
	}
	inFolder := func() map[string]string {
		files := map[string]string{}
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() {
				b, err := os.ReadFile(filepath.Join(out, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				files[e.Name()] = string(b)
			}
		}
		return files
	}
	writeFile := func(name, text string) {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := dist.Open(out, "pack")
	if err != nil {
		t.Fatal(err)
	}
	old, err := folder.Create()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(old, "old")
	if _, err := old.Commit("old.tar.gz", "old.tar.gz", "x", 0o644); err != nil {
		t.Fatal(err)
	}
	writeFile("mine", "mine")
	writeFile("checksums.txt", "sums") // equal, whoever made it

	got, names, err := promote()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.tar.gz", "tool"}, names); diff != "" {
		t.Errorf("read were (-want +got):\n%s", diff)
	}
	files := inFolder()
	manifest := files[release.ManifestName]
	delete(files, release.ManifestName)
	if diff := cmp.Diff(map[string]string{"a.tar.gz": "an archive", "tool": "a binary", "checksums.txt": "sums", "NOTES.md": "notes", "mine": "mine"}, files); diff != "" {
		t.Errorf("the folder has (-want +got):\n%s", diff)
	}
	m, err := release.DecodeManifest([]byte(manifest))
	if err != nil || len(m.Artifacts) != 4 || m.PromotedFrom == nil || m.PromotedFrom.Tag != "v1-rc1" || len(got) != 5 {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	if st, err := os.Stat(filepath.Join(out, "tool")); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the binary is %v, %v", st, err)
	}

	// Once more, with one file changed: that alone is read.
	writeFile("a.tar.gz", "An archive")
	again, names, err := promote()
	if diff := cmp.Diff(got, again); err != nil || diff != "" || !slices.Equal(names, []string{"a.tar.gz"}) || inFolder()["a.tar.gz"] != "an archive" {
		t.Errorf("again: read %v, %v\n%s", names, err, diff)
	}

	for name, bad := range map[string]string{"other": "An archive", "longer": "an archive and more", "shorter": "an"} {
		if err := os.Remove(filepath.Join(out, "a.tar.gz")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		served = map[string]string{"a.tar.gz": bad, "tool": contents["tool"], "checksums.txt": contents["checksums.txt"]}
		if _, _, err := promote(); release.KindOf(err) != release.Refused || inFolder()["a.tar.gz"] != "" {
			t.Errorf("%s bytes: %v, the file holds %q", name, err, inFolder()["a.tar.gz"])
		}
	}
}
