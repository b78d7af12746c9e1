package forgetest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
)

// call is one method with arguments that would do.
type call struct {
	name string
	run  func(context.Context, forge.Forge) error
}

// calls are all methods, on a draft and an asset that exist.
func calls(s Subject, rel forge.Release, a forge.Asset) []call {
	return []call{
		{"Repository", func(ctx context.Context, f forge.Forge) error { _, err := f.Repository(ctx); return err }},
		{"Tag", func(ctx context.Context, f forge.Forge) error { _, err := f.Tag(ctx, "v1.0.0"); return err }},
		{"Releases", func(ctx context.Context, f forge.Forge) error { _, err := f.Releases(ctx, "v1.0.0"); return err }},
		{"OpenAsset", func(ctx context.Context, f forge.Forge) error {
			r, err := f.OpenAsset(ctx, rel.ID, a)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.ReadAll(r)
			return err
		}},
		{"CreateDraft", func(ctx context.Context, f forge.Forge) error {
			_, err := f.CreateDraft(ctx, forge.Draft{Tag: "v1.1.0", Commit: s.Tags["v1.1.0"], Title: "x"})
			return err
		}},
		{"Update", func(ctx context.Context, f forge.Forge) error {
			_, err := f.Update(ctx, rel.ID, forge.Update{Draft: draftOf(rel)})
			return err
		}},
		{"Upload", func(ctx context.Context, f forge.Forge) error {
			_, err := f.Upload(ctx, rel.ID, file("refused.txt", []byte("x")))
			return err
		}},
		{"DeleteAsset", func(ctx context.Context, f forge.Forge) error { return f.DeleteAsset(ctx, rel.ID, a) }},
		{"DeleteDraft", func(ctx context.Context, f forge.Forge) error { return f.DeleteDraft(ctx, rel.ID) }},
	}
}

// prepared is a draft with one asset.
func (s Subject) prepared(t *testing.T) (forge.Release, forge.Asset) {
	t.Helper()
	rel := s.draft(t, "v1.0.0")
	return rel, s.upload(t, rel.ID, "a.txt", []byte("a"))
}

// untouched checks that refused calls have done nothing.
func (s Subject) untouched(t *testing.T) {
	t.Helper()
	if got := only(t, s.Forge, "v1.0.0"); len(got.Assets) != 1 {
		t.Errorf("refused calls changed the draft: %+v", got)
	}
	if list := releases(t, s.Forge, "v1.1.0"); len(list) != 0 {
		t.Errorf("refused calls made a release: %+v", list)
	}
}

func testBadToken(t *testing.T, s Subject) {
	rel, a := s.prepared(t)
	for _, c := range calls(s, rel, a) {
		err := c.run(t.Context(), s.BadToken)
		if c.name != "OpenAsset" {
			wantErr(t, c.name, err, forge.ErrUnauthorized)
		} else if err == nil { // download pages take a bad token for none
			t.Error("a bad token reads a draft's asset")
		}
	}
	s.untouched(t)
}

func testReadToken(t *testing.T, s Subject) {
	rel, a := s.prepared(t)
	for _, c := range calls(s, rel, a) {
		// A draft does not exist for a read token, so that deleting it can be
		// "gone already" or forbidden, but is never done.
		switch c.name {
		case "DeleteAsset", "DeleteDraft":
			_ = c.run(t.Context(), s.ReadOnly)
		case "CreateDraft", "Update", "Upload":
			wantErr(t, c.name, c.run(t.Context(), s.ReadOnly), forge.ErrForbidden)
		}
	}
	s.untouched(t)
	s.publish(t, rel)
	if got := only(t, s.ReadOnly, "v1.0.0"); string(content(t, s.ReadOnly, got.ID, named(t, got, "a.txt"))) != "a" {
		t.Error("a read token does not read a published asset")
	}
}

func testNotFound(t *testing.T, s Subject) {
	rel, a := s.prepared(t)
	for _, c := range calls(s, rel, a) {
		switch c.name {
		case "DeleteAsset", "DeleteDraft": // what is gone already is no error
			continue
		case "OpenAsset": // may go by the asset's own URL
			continue
		}
		wantErr(t, c.name+" in a repository that is not there", c.run(t.Context(), s.Missing), forge.ErrNotFound)
	}
	const never = "987654321"
	_, err := s.Forge.Update(t.Context(), never, forge.Update{Draft: draftOf(rel)})
	wantErr(t, "Update", err, forge.ErrNotFound)
	_, err = s.Forge.Upload(t.Context(), never, file("a.txt", []byte("a")))
	wantErr(t, "Upload", err, forge.ErrNotFound)
	if err := s.Forge.DeleteAsset(t.Context(), rel.ID, a); err != nil {
		t.Fatal(err)
	}
	_, err = s.Forge.OpenAsset(t.Context(), rel.ID, a)
	wantErr(t, "OpenAsset of a deleted asset", err, forge.ErrNotFound)
}

func testRefusals(t *testing.T, s Subject) {
	rel, _ := s.prepared(t)
	_, notThere := s.Forge.Tag(t.Context(), "v9.9.9")
	_, noCreate := s.ReadOnly.CreateDraft(t.Context(), forge.Draft{Tag: "v1.1.0", Commit: s.Tags["v1.1.0"], Title: "x"})
	_, noUpload := s.ReadOnly.Upload(t.Context(), rel.ID, file("refused.txt", []byte("x")))
	for what, tt := range map[string]struct {
		err  error
		says string
	}{
		"Tag":         {notThere, "v9.9.9"},
		"CreateDraft": {noCreate, "v1.1.0"},
		"Upload":      {noUpload, "refused.txt"},
	} {
		switch {
		case tt.err == nil:
			t.Errorf("%s: no error", what)
		case forge.Uncertain(tt.err):
			t.Errorf("%s: a refusal is uncertain: %v", what, tt.err)
		case !strings.Contains(tt.err.Error(), tt.says):
			t.Errorf("%s: error %q does not name %s", what, tt.err, tt.says)
		}
	}
}

func testEndedContext(t *testing.T, s Subject) {
	rel, a := s.prepared(t)
	for _, c := range calls(s, rel, a) {
		soon(t, c.name, func() {
			wantErr(t, c.name, c.run(ended(), s.Forge), context.Canceled)
		})
	}
	s.untouched(t)
}

func testCancelUpload(t *testing.T, s Subject) {
	rel := s.draft(t, "v1.0.0")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	go func() {
		_, _ = w.Write(noise(10_000)) // what comes after never comes
		cancel()
	}()
	soon(t, "Upload", func() {
		_, err := s.Forge.Upload(ctx, rel.ID, forge.Upload{
			Name: "slow", Size: 20_000, Open: func() (io.ReadCloser, error) { return r, nil },
		})
		wantErr(t, "Upload", err, context.Canceled)
	})
	for _, a := range only(t, s.Forge, "v1.0.0").Assets {
		if !a.Broken {
			t.Errorf("a cancelled upload left a whole asset: %+v", a)
		}
	}
}
