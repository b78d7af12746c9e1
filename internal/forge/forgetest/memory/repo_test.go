package memory_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func create(t *testing.T, r *memory.Repo, n memory.NewRelease) memory.Release {
	t.Helper()
	rel, err := r.Create(t.Context(), memory.Writer, n)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func upload(t *testing.T, r *memory.Repo, id int64, name, data string) (memory.Asset, error) {
	t.Helper()
	return r.Upload(t.Context(), memory.Writer, id, memory.Upload{Name: name, Size: int64(len(data)), Body: strings.NewReader(data)})
}

func edit(t *testing.T, r *memory.Repo, id int64, e memory.Edit) (memory.Release, error) {
	t.Helper()
	return r.Edit(t.Context(), memory.Writer, id, e)
}

func to[T any](v T) *T { return &v }

// A published immutable release keeps its tag and assets, and its tag's name
// can never be used again, not even when the release is deleted.
func TestImmutable(t *testing.T) {
	t.Parallel()
	r := memory.New(memory.Options{Immutable: true})
	rel := create(t, r, memory.NewRelease{Tag: "v1", Draft: true})
	a, err := upload(t, r, rel.ID, "a", "a")
	if err != nil {
		t.Fatal(err)
	}
	if rel, err = edit(t, r, rel.ID, memory.Edit{Draft: to(false)}); err != nil || !rel.Immutable {
		t.Fatalf("publish: %+v, %v", rel, err)
	}
	if _, err := edit(t, r, rel.ID, memory.Edit{Draft: to(false), Tag: to("v1"), Title: to("corrected")}); err != nil {
		t.Errorf("correcting a title: %v", err)
	}
	_, late := upload(t, r, rel.ID, "late", "x")
	_, moved := edit(t, r, rel.ID, memory.Edit{Tag: to("v2")})
	_, undone := edit(t, r, rel.ID, memory.Edit{Draft: to(true)})
	for what, err := range map[string]error{
		"upload": late, "another tag": moved, "back to draft": undone,
		"delete asset": r.DeleteAsset(memory.Writer, a.ID), "delete tag": r.DeleteTag(t.Context(), "v1"),
	} {
		if !errors.Is(err, forge.ErrImmutable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := r.Delete(memory.Writer, rel.ID); err != nil {
		t.Fatal(err)
	}
	again := create(t, r, memory.NewRelease{Tag: "v1", Draft: true})
	if _, err := edit(t, r, again.ID, memory.Edit{Draft: to(false)}); !errors.Is(err, forge.ErrImmutable) || !strings.Contains(err.Error(), "tag_name was used by an immutable release") {
		t.Errorf("publishing on a burnt tag: %v", err)
	}
}

// Latest passes over drafts and prereleases, and on GitHub follows make_latest.
func TestLatest(t *testing.T) {
	t.Parallel()
	for _, dialect := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		r := memory.New(memory.Options{Dialect: dialect, Clock: func() time.Time { now = now.Add(time.Minute); return now }})
		if _, err := r.Latest(memory.Anonymous); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: latest of none: %v", dialect, err)
		}
		create(t, r, memory.NewRelease{Tag: "v1"})
		create(t, r, memory.NewRelease{Tag: "v2-rc1", Prerelease: true})
		create(t, r, memory.NewRelease{Tag: "v3", Draft: true})
		want := func(tag string) {
			t.Helper()
			if rel, err := r.Latest(memory.Anonymous); err != nil || rel.Tag != tag {
				t.Errorf("%s: latest is %s (%v), want %s", dialect, rel.Tag, err, tag)
			}
		}
		want("v1")
		create(t, r, memory.NewRelease{Tag: "v0.9", Latest: "false"})
		if dialect == memory.GitHub {
			want("v1")
		} else {
			want("v0.9")
		}
	}
}

// Whoever watches the public view sees a release whole or not at all.
func TestOnChange(t *testing.T) {
	t.Parallel()
	var seen []int
	r := memory.New(memory.Options{OnChange: func(public []forge.Release) {
		for _, rel := range public {
			seen = append(seen, len(rel.Assets))
		}
	}})
	rel := create(t, r, memory.NewRelease{Tag: "v1", Draft: true})
	for _, name := range []string{"a", "b"} {
		if _, err := upload(t, r, rel.ID, name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := edit(t, r, rel.ID, memory.Edit{Draft: to(false)}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{2}, seen); d != "" {
		t.Errorf("assets in what the public saw (-want +got):\n%s", d)
	}
}

// Assets lie below Dir by tag and name, whatever the names are; a broken body
// and a deleted asset leave nothing there.
func TestDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := memory.New(memory.Options{Dialect: memory.Gitea, Dir: dir})
	rel := create(t, r, memory.NewRelease{Tag: "cli/v1", Draft: true})
	var last memory.Asset
	for _, name := range []string{"a.txt", "../../evil", "..", "a.txt", ".hidden", "gone"} {
		a, err := upload(t, r, rel.ID, name, "data")
		if err != nil {
			t.Fatal(err)
		}
		last = a
	}
	if err := r.DeleteAsset(memory.Writer, last.ID); err != nil {
		t.Fatal(err)
	}
	broken := memory.Upload{Name: "broken", Size: 9, Body: strings.NewReader("short")}
	if _, err := r.Upload(t.Context(), memory.Writer, rel.ID, broken); err == nil {
		t.Error("a short body was taken")
	}
	var got []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path) // path is below dir
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	want := []string{"cli%2Fv1/%2E.", "cli%2Fv1/%2E.%2F..%2Fevil", "cli%2Fv1/%2Ehidden", "cli%2Fv1/a.txt", "cli%2Fv1/a.txt.5004"}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("files (-want +got):\n%s%v", d, err)
	}
	if err := r.Delete(memory.Writer, rel.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("after deleting the release: %v, %v", left, err)
	}
}

// GitHub dates a release by its commit, and lists the newest commit first.
func TestGitHubDates(t *testing.T) {
	t.Parallel()
	refs := memory.NewRefs()
	at := time.Date(2025, 5, 5, 5, 5, 5, 0, time.UTC)
	for i, name := range []string{"old", "new"} {
		refs.AddCommit(memory.Commit{Hash: memory.Hash(name), Time: at.AddDate(0, 0, i)})
	}
	refs.SetBranch("main", memory.Hash("new"))
	r := memory.New(memory.Options{Refs: refs})
	create(t, r, memory.NewRelease{Tag: "new", Target: memory.Hash("new")})
	old := create(t, r, memory.NewRelease{Tag: "old", Target: memory.Hash("old")})
	if !old.Created.Equal(at) {
		t.Errorf("created %s, want the commit's %s", old.Created, at)
	}
	list, err := r.Releases(memory.Anonymous)
	if err != nil || len(list) != 2 || list[0].Tag != "new" {
		t.Errorf("%+v, %v", list, err)
	}
}
