package forgetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// noise is n bytes that look like nothing and are the same each time.
func noise(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // never fails
	return out
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func testUpload(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	data := noise(700_001)
	var told []int64
	u := file("hello.tar.gz", data)
	u.Progress = func(sent int64) { told = append(told, sent) }
	a, err := s.Forge.Upload(t.Context(), rel.ID, u)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range told {
		if i > 0 && n < told[i-1] && n != 0 {
			t.Errorf("progress went back from %d to %d", told[i-1], n)
		}
	}
	if len(told) < 2 || told[len(told)-1] != int64(len(data)) {
		t.Errorf("progress was told %d times, last %v; want steps up to %d", len(told), told[max(0, len(told)-1):], len(data))
	}
	listed := named(t, only(t, s.Forge, "v1.0.0"), "hello.tar.gz")
	for _, a := range []forge.Asset{a, listed} {
		if a.Name != "hello.tar.gz" || a.Size != int64(len(data)) || a.Broken || a.ID == "" || a.URL == "" {
			t.Errorf("asset %+v: want its name, %d bytes, id and URL", a, len(data))
		}
		want := ""
		if s.Traits.Digests {
			want = digest(data)
		}
		if a.Digest != want {
			t.Errorf("digest %q, want %q", a.Digest, want)
		}
		if !bytes.Equal(content(t, s.Forge, rel.ID, a), data) {
			t.Error("OpenAsset gives other bytes than were sent")
		}
	}
}

func testEmptyAsset(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	a, err := s.Forge.Upload(t.Context(), rel.ID, file("empty.txt", nil))
	if !s.Traits.EmptyAssets {
		wantErr(t, "Upload of 0 bytes", err, forge.ErrRejected)
		if got := only(t, s.Forge, "v1.0.0"); len(got.Assets) != 0 {
			t.Errorf("a refused upload left %+v", got.Assets)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.Size != 0 || a.Broken || len(content(t, s.Forge, rel.ID, a)) != 0 {
		t.Errorf("empty asset %+v: want 0 bytes, whole", a)
	}
}

func testNames(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	names := []string{
		"hello_1.0.0_linux_amd64.tar.gz", "HELLO", "a", "1", "x+y@z=1-2_3.4", "noextension", "checksums.txt", "slipway.json",
		"two.dots.tar", "UPPER.lower.SHA256",
	}
	for _, name := range names {
		if err := release.CheckAssetName(name); err != nil {
			t.Fatal(err)
		}
		if a := s.upload(t, rel.ID, name, []byte(name)); a.Name != name {
			t.Errorf("uploaded as %q, stored as %q", name, a.Name)
		}
	}
	got := only(t, s.Forge, "v1.0.0")
	for _, name := range names {
		if data := content(t, s.Forge, rel.ID, named(t, got, name)); string(data) != name {
			t.Errorf("asset %s has the content %q", name, data)
		}
	}
}

func testBadNames(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	for _, name := range []string{"", "a/b", `a\b`, "../../etc/passwd", "a b", "größe", "a..b", ".hidden", "-flag", "a\nb"} {
		if _, err := s.Forge.Upload(t.Context(), rel.ID, file(name, []byte("x"))); err == nil {
			t.Errorf("Upload(%q) was taken", name)
		}
	}
	if got := only(t, s.Forge, "v1.0.0"); len(got.Assets) != 0 {
		t.Errorf("refused names left %+v", got.Assets)
	}
}

func testTakenName(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	first := s.upload(t, rel.ID, "a.txt", []byte("first"))
	_, err := s.Forge.Upload(t.Context(), rel.ID, file("a.txt", []byte("second")))
	got := only(t, s.Forge, "v1.0.0")
	if !s.Traits.DuplicateNames {
		wantErr(t, "Upload of a taken name", err, forge.ErrConflict)
		if len(got.Assets) != 1 || got.Assets[0].ID != first.ID {
			t.Errorf("assets after the refusal: %+v", got.Assets)
		}
	} else if err != nil || len(got.Assets) != 2 || got.Assets[0].ID == got.Assets[1].ID {
		t.Errorf("second asset of one name: %v, assets %+v; want two", err, got.Assets)
	}
	for _, a := range got.Assets {
		want := "second"
		if a.ID == first.ID {
			want = "first"
		}
		if data := content(t, s.Forge, rel.ID, a); string(data) != want {
			t.Errorf("asset %s has the content %q, want %q", a.ID, data, want)
		}
	}
}

func testConcurrentUploads(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	const n = 8
	data := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 50_000+i) }
	g, ctx := errgroup.WithContext(t.Context())
	for i := range n {
		g.Go(func() error {
			_, err := s.Forge.Upload(ctx, rel.ID, file(fmt.Sprintf("part-%d", i), data(i)))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	got := only(t, s.Forge, "v1.0.0")
	if len(got.Assets) != n {
		t.Fatalf("%d assets, want %d", len(got.Assets), n)
	}
	for i := range n {
		if !bytes.Equal(content(t, s.Forge, rel.ID, named(t, got, fmt.Sprintf("part-%d", i))), data(i)) {
			t.Errorf("part-%d has other bytes than were sent", i)
		}
	}
}

func testBrokenBody(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	broken := errors.New("the disk is gone")
	uploads := map[string]forge.Upload{
		"unopened": {Name: "unopened", Size: 4, Open: func() (io.ReadCloser, error) { return nil, broken }},
		"cut": {Name: "cut", Size: 200_000, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(noise(100_000)), failing{broken})), nil
		}},
	}
	for name, u := range uploads {
		_, err := s.Forge.Upload(t.Context(), rel.ID, u)
		wantErr(t, "Upload("+name+")", err, broken)
	}
	for _, a := range only(t, s.Forge, "v1.0.0").Assets {
		if !a.Broken {
			t.Errorf("a body that broke off left a whole asset: %+v", a)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testTooLarge(t *testing.T, s Subject) {
	if s.Traits.MaxAssetSize == 0 {
		t.Skip("this server's limit is too large to try")
	}
	rel := s.draft(t, "v1.0.0")
	s.upload(t, rel.ID, "fits", noise(int(s.Traits.MaxAssetSize)))
	_, err := s.Forge.Upload(t.Context(), rel.ID, file("too-large", noise(int(s.Traits.MaxAssetSize)+1)))
	wantErr(t, "Upload beyond the limit", err, forge.ErrTooLarge)
	if got := only(t, s.Forge, "v1.0.0"); len(got.Assets) != 1 {
		t.Errorf("assets after the refusal: %+v", got.Assets)
	}
}

func testDeleteAsset(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	a := s.upload(t, rel.ID, "a.txt", []byte("old"))
	s.upload(t, rel.ID, "b.txt", []byte("b"))
	for range 2 {
		if err := s.Forge.DeleteAsset(t.Context(), rel.ID, a); err != nil {
			t.Fatalf("DeleteAsset: %v", err)
		}
	}
	s.upload(t, rel.ID, "a.txt", []byte("new"))
	got := only(t, s.Forge, "v1.0.0")
	if len(got.Assets) != 2 || string(content(t, s.Forge, rel.ID, named(t, got, "a.txt"))) != "new" {
		t.Errorf("after delete and upload: %+v", got.Assets)
	}
}
