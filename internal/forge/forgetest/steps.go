package forgetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// draft makes a draft for a tag that exists.
func (s Subject) draft(t *testing.T, tag string) forge.Release {
	t.Helper()
	rel, err := s.Forge.CreateDraft(t.Context(), forge.Draft{Tag: tag, Commit: s.Tags[tag], Title: "Release " + tag, Body: "notes of " + tag})
	if err != nil {
		t.Fatalf("CreateDraft(%s): %v", tag, err)
	}
	return rel
}

func (s Subject) upload(t *testing.T, releaseID, name string, data []byte) forge.Asset {
	t.Helper()
	a, err := s.Forge.Upload(t.Context(), releaseID, file(name, data))
	if err != nil {
		t.Fatalf("Upload(%s): %v", name, err)
	}
	return a
}

// file is an upload of bytes in memory.
func file(name string, data []byte) forge.Upload {
	return forge.Upload{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

func (s Subject) publish(t *testing.T, rel forge.Release) forge.Release {
	t.Helper()
	out, err := s.Forge.Update(t.Context(), rel.ID, forge.Update{Draft: draftOf(rel), Publish: true, Latest: true})
	if err != nil {
		t.Fatalf("Update(publish %s): %v", rel.Tag, err)
	}
	return out
}

func draftOf(rel forge.Release) forge.Draft {
	return forge.Draft{Tag: rel.Tag, Commit: rel.Target, Title: rel.Title, Body: rel.Body, Prerelease: rel.Prerelease}
}

// releases lists a tag's releases.
func releases(t *testing.T, f forge.Forge, tag string) []forge.Release {
	t.Helper()
	list, err := f.Releases(t.Context(), tag)
	if err != nil {
		t.Fatalf("Releases(%s): %v", tag, err)
	}
	return list
}

// only is the one release that a tag must have.
func only(t *testing.T, f forge.Forge, tag string) forge.Release {
	t.Helper()
	list := releases(t, f, tag)
	if len(list) != 1 {
		t.Fatalf("Releases(%s) has %d releases, want 1: %+v", tag, len(list), list)
	}
	return list[0]
}

func content(t *testing.T, f forge.Forge, releaseID string, a forge.Asset) []byte {
	t.Helper()
	r, err := f.OpenAsset(t.Context(), releaseID, a)
	if err != nil {
		t.Fatalf("OpenAsset(%s): %v", a.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read asset %s: %v", a.Name, err)
	}
	return data
}

// named finds an asset in a release.
func named(t *testing.T, rel forge.Release, name string) forge.Asset {
	t.Helper()
	for _, a := range rel.Assets {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("release %s has no asset %s: %+v", rel.Tag, name, rel.Assets)
	return forge.Asset{}
}

// wantErr checks an error's kind.
func wantErr(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, kind)
	}
}

// soon fails when f is still running after five seconds.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s still runs 5 s after its context ended", what)
	}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
