package forgetest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/forge"
)

func testRepository(t *testing.T, s Subject) {
	got, err := s.Forge.Repository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := s.Repository
	want.Limits = got.Limits
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Repository (-want +got):\n%s", d)
	}
	if !got.CanWrite {
		t.Error("CanWrite is false for the writer's token")
	}
	ro, err := s.ReadOnly.Repository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ro.FullName != got.FullName {
		t.Errorf("the read token sees %q, the writer %q", ro.FullName, got.FullName)
	}
}

func testTag(t *testing.T, s Subject) {
	s.SetTag(t, "cli/v1.2.0", s.Tags["v1.0.0"])
	s.SetTag(t, "v1.0.0-ß+α", s.Tags["v1.0.0"])
	for tag, commit := range map[string]string{
		"v1.0.0":     s.Tags["v1.0.0"],
		"v1.1.0":     s.Tags["v1.1.0"],
		"cli/v1.2.0": s.Tags["v1.0.0"],
		"v1.0.0-ß+α": s.Tags["v1.0.0"],
	} {
		got, err := s.Forge.Tag(t.Context(), tag)
		if err != nil {
			t.Errorf("Tag(%s): %v", tag, err)
			continue
		}
		if want := (forge.Tag{Name: tag, Commit: commit}); got != want {
			t.Errorf("Tag(%s) = %+v, want %+v", tag, got, want)
		}
	}
	// A prefix of tags that exist is no tag.
	for _, tag := range []string{"v1.0", "v1", "cli", "v9.9.9", "V1.0.0"} {
		_, err := s.Forge.Tag(t.Context(), tag)
		wantErr(t, "Tag("+tag+")", err, forge.ErrNotFound)
	}
	s.SetTag(t, "v1.0.0", s.Tags["v1.1.0"])
	if got, err := s.Forge.Tag(t.Context(), "v1.0.0"); err != nil || got.Commit != s.Tags["v1.1.0"] {
		t.Errorf("Tag of a moved tag = %+v, %v; want commit %s", got, err, s.Tags["v1.1.0"])
	}
}

func testNoRelease(t *testing.T, s Subject) {
	for _, f := range []forge.Forge{s.Forge, s.ReadOnly, s.Public} {
		for _, tag := range []string{"v1.0.0", "v9.9.9"} {
			if list := releases(t, f, tag); len(list) != 0 {
				t.Errorf("Releases(%s) = %+v, want none", tag, list)
			}
		}
	}
}

func testPages(t *testing.T, s Subject) {
	n := s.Traits.PageSize + 5
	rel := s.draft(t, "v1.0.0")
	if s.Fill != nil {
		s.Fill(t, n, rel.ID)
	} else {
		s.fill(t, n, rel.ID)
	}
	got := only(t, s.Forge, "v1.0.0")
	if len(got.Assets) != n {
		t.Fatalf("the oldest release is listed with %d assets, want %d", len(got.Assets), n)
	}
	seen := map[string]bool{}
	for _, a := range got.Assets {
		if a.Size != 1 || a.Broken || a.ID == "" || seen[a.Name] {
			t.Errorf("asset %+v: want 1 byte, whole, with an id, listed once", a)
		}
		seen[a.Name] = true
	}
	for i := range n {
		if name := fmt.Sprintf("a-%03d.txt", i); !seen[name] {
			t.Errorf("asset %s is not listed", name)
		}
	}
}

// fill is Subject.Fill through the interface.
func (s Subject) fill(t *testing.T, n int, draftID string) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			_, err := s.Forge.Upload(ctx, draftID, file(fmt.Sprintf("a-%03d.txt", i), []byte("x")))
			return err
		})
		g.Go(func() error {
			d := forge.Draft{Tag: "fill-" + strconv.Itoa(i), Commit: s.Tags["v1.0.0"], Title: "fill"}
			rel, err := s.Forge.CreateDraft(ctx, d)
			if err != nil {
				return err
			}
			_, err = s.Forge.Update(ctx, rel.ID, forge.Update{Draft: d, Publish: true})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func testReleasesOfTag(t *testing.T, s Subject) {
	first := s.draft(t, "v1.0.0")
	other := s.draft(t, "v1.1.0")
	again, err := s.Forge.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Commit: s.Tags["v1.0.0"], Title: "again"})
	want := []string{first.ID}
	if s.Traits.ManyDrafts {
		if err != nil {
			t.Fatalf("second draft: %v", err)
		}
		want = append(want, again.ID)
	} else {
		wantErr(t, "second draft", err, forge.ErrConflict)
	}
	if d := cmp.Diff(want, ids(releases(t, s.Forge, "v1.0.0"))); d != "" {
		t.Errorf("ids of v1.0.0 (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{other.ID}, ids(releases(t, s.Forge, "v1.1.0"))); d != "" {
		t.Errorf("ids of v1.1.0 (-want +got):\n%s", d)
	}
	if list := releases(t, s.Forge, "v1.0"); len(list) != 0 {
		t.Errorf("Releases(v1.0) = %+v, want none", list)
	}
}

func ids(list []forge.Release) []string {
	var out []string
	for _, rel := range list {
		out = append(out, rel.ID)
	}
	return out
}
