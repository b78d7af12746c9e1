package forgetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
)

func testDraftUnseen(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	if !rel.Draft || rel.ID == "" || rel.Tag != "v1.0.0" || rel.Created.IsZero() {
		t.Errorf("CreateDraft gave %+v: want a draft with id, tag and time", rel)
	}
	data := []byte("hello")
	s.upload(t, rel.ID, "hello.txt", data)
	if list := releases(t, s.Public, "v1.0.0"); len(list) != 0 {
		t.Fatalf("the public sees a draft: %+v", list)
	}
	if got := only(t, s.Forge, "v1.0.0"); !got.Draft || len(got.Assets) != 1 {
		t.Fatalf("the writer sees %+v, want a draft with its asset", got)
	}
	// Update without Publish leaves it unseen.
	if got, err := s.Forge.Update(t.Context(), rel.ID, forge.Update{Draft: draftOf(rel)}); err != nil || !got.Draft {
		t.Fatalf("Update without Publish = %+v, %v; want a draft", got, err)
	}
	if list := releases(t, s.Public, "v1.0.0"); len(list) != 0 {
		t.Fatalf("the public sees a draft after Update: %+v", list)
	}
	if got := s.publish(t, rel); got.Draft {
		t.Errorf("Update with Publish gave a draft: %+v", got)
	}
	got := only(t, s.Public, "v1.0.0")
	if got.Draft || got.Title != rel.Title || got.Body != rel.Body || got.URL == "" {
		t.Errorf("the public sees %+v, want the published release with its texts and page", got)
	}
	a := named(t, got, "hello.txt")
	if d := cmp.Diff(data, content(t, s.Public, got.ID, a)); d != "" {
		t.Errorf("asset read by the public (-want +got):\n%s", d)
	}
}

func testPublishMakesTag(t *testing.T, s Subject) {
	d := forge.Draft{Tag: "v2.0.0", Commit: s.Tags["v1.0.0"], Title: "two", Body: "notes"}
	rel, err := s.Forge.CreateDraft(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Forge.Tag(t.Context(), "v2.0.0")
	wantErr(t, "Tag of a draft", err, forge.ErrNotFound)
	if _, err := s.Forge.Update(t.Context(), rel.ID, forge.Update{Draft: d, Publish: true, Latest: true}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Forge.Tag(t.Context(), "v2.0.0")
	if err != nil || got.Commit != d.Commit {
		t.Errorf("Tag after publishing = %+v, %v; want commit %s", got, err, d.Commit)
	}
}

func testUpdateFields(t *testing.T, s Subject) {
	rel, err := s.Forge.CreateDraft(t.Context(), forge.Draft{
		Tag: "v1.0.0", Commit: s.Tags["v1.0.0"], Title: "before", Body: "before", Prerelease: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !rel.Prerelease {
		t.Errorf("CreateDraft lost Prerelease: %+v", rel)
	}
	next := forge.Draft{Tag: "v1.0.0", Commit: s.Tags["v1.1.0"], Title: "after", Body: "after\n\nmore"}
	got, err := s.Forge.Update(t.Context(), rel.ID, forge.Update{Draft: next})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []forge.Release{got, only(t, s.Forge, "v1.0.0")} {
		if d := cmp.Diff(next, draftOf(got)); d != "" {
			t.Errorf("after Update (-want +got):\n%s", d)
		}
		if got.ID != rel.ID || !got.Draft {
			t.Errorf("after Update: %+v, want the same draft", got)
		}
	}
}

func testUpdateTwice(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	s.upload(t, rel.ID, "a.txt", []byte("a"))
	u := forge.Update{Draft: draftOf(rel), Publish: true, Latest: true}
	for range 2 {
		if _, err := s.Forge.Update(t.Context(), rel.ID, u); err != nil {
			t.Fatal(err)
		}
	}
	got := only(t, s.Public, "v1.0.0")
	if got.ID != rel.ID || len(got.Assets) != 1 || got.Body != rel.Body {
		t.Errorf("after publishing twice: %+v", got)
	}
	// The texts of a published release can be corrected; it stays public.
	u.Body = "corrected"
	if _, err := s.Forge.Update(t.Context(), rel.ID, u); err != nil {
		t.Fatal(err)
	}
	if got := only(t, s.Public, "v1.0.0"); got.Body != "corrected" || got.Draft {
		t.Errorf("after correcting: %+v", got)
	}
}

func testTexts(t *testing.T, s Subject) {
	texts := []struct{ title, body string }{
		{"Größe 寸法 🚢 \"quoted\" <b>&amp;", "## Änderungen\n\n- 変更 `code` <script>alert(1)</script>\n- a\\b \"q\" 'q' %41 \u00a0end\n\n\tindented"},
		{"v1.0.0", strings.Repeat("long line of notes – ", 4000)},
		{"{{ .Title }} $(id) `id`", "${{ secrets.X }}\n$HOME"},
	}
	rel := s.draft(t, "v1.0.0")
	for _, tt := range texts {
		d := forge.Draft{Tag: "v1.0.0", Commit: s.Tags["v1.0.0"], Title: tt.title, Body: tt.body}
		if _, err := s.Forge.Update(t.Context(), rel.ID, forge.Update{Draft: d}); err != nil {
			t.Fatal(err)
		}
		got := only(t, s.Forge, "v1.0.0")
		if d := cmp.Diff([]string{tt.title, tt.body}, []string{got.Title, got.Body}); d != "" {
			t.Errorf("title and body (-want +got):\n%s", d)
		}
	}
}

func testDeleteDraft(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	s.upload(t, rel.ID, "a.txt", []byte("a"))
	for range 2 {
		if err := s.Forge.DeleteDraft(t.Context(), rel.ID); err != nil {
			t.Fatalf("DeleteDraft: %v", err)
		}
	}
	if list := releases(t, s.Forge, "v1.0.0"); len(list) != 0 {
		t.Errorf("after DeleteDraft: %+v", list)
	}
	if _, err := s.Forge.Tag(t.Context(), "v1.0.0"); err != nil {
		t.Errorf("DeleteDraft took the tag: %v", err)
	}
	if err := s.Forge.DeleteDraft(t.Context(), "987654321"); err != nil {
		t.Errorf("DeleteDraft of an id that never was: %v", err)
	}
	// The tag is free for a new draft, and the new one is empty.
	s.draft(t, "v1.0.0")
	if got := only(t, s.Forge, "v1.0.0"); len(got.Assets) != 0 {
		t.Errorf("the new draft has the old one's assets: %+v", got.Assets)
	}
}

func testDeletePublished(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	s.upload(t, rel.ID, "a.txt", []byte("a"))
	s.publish(t, rel)
	wantErr(t, "DeleteDraft of a published release", s.Forge.DeleteDraft(t.Context(), rel.ID), forge.ErrConflict)
	if got := only(t, s.Public, "v1.0.0"); len(got.Assets) != 1 {
		t.Errorf("after the refusal the public sees %+v", got)
	}
}
