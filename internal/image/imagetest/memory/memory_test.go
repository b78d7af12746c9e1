package memory_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/imagetest"
	"github.com/slipway-dev/slipway/internal/image/imagetest/memory"
	"github.com/slipway-dev/slipway/internal/release"
)

const (
	repository = "registry.example/acme/hello"
	ociIndex   = "application/vnd.oci.image.index.v1+json"
)

func subject(r *memory.Registry) imagetest.Subject {
	return imagetest.Subject{
		Registry:   r,
		Repository: repository,
		Writes:     r.Writes,
		Push: func(t *testing.T, name string) image.Found {
			annotations := map[string]string{"name": name}
			raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{}, "annotations": annotations})
			if err != nil {
				t.Fatal(err)
			}
			digest, err := r.Put(repository, ociIndex, raw)
			if err != nil {
				t.Fatal(err)
			}
			return image.Found{Digest: digest, MediaType: ociIndex, Size: int64(len(raw)), Annotations: annotations}
		},
	}
}

// The registry in memory keeps the contract of image.Registry.
func TestContract(t *testing.T) {
	t.Parallel()
	imagetest.Run(t, func(*testing.T) imagetest.Subject {
		denied := &memory.Registry{Before: func(op memory.Op) error {
			return &release.Error{Kind: release.Refused, Message: "push " + op.Repository, Err: image.ErrUnauthorized}
		}}
		login := func(*testing.T) (image.Registry, string) { return denied, repository }
		s := subject(&memory.Registry{})
		s.NoLogin, s.BadLogin = login, login
		s.NoDeletes = func(*testing.T) imagetest.Subject { return subject(&memory.Registry{NoDeletes: true}) }
		return s
	})
}

// Before stops a call, After comes once it has taken effect, and an immutable
// tag stays.
func TestFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	r := &memory.Registry{Immutable: true}
	s := subject(r)
	a, b := s.Push(t, "a"), s.Push(t, "b")

	r.Before = func(op memory.Op) error { return broken }
	if err := r.Tag(t.Context(), repository, a.Digest, "1"); !errors.Is(err, broken) || len(r.Tags(repository)) != 0 {
		t.Errorf("Before: %v, tags %v", err, r.Tags(repository))
	}
	r.Before, r.After = nil, func(op memory.Op) error { return broken }
	if err := r.Tag(t.Context(), repository, a.Digest, "1"); !errors.Is(err, broken) || r.Tags(repository)["1"] != a.Digest {
		t.Errorf("After: %v, tags %v", err, r.Tags(repository))
	}
	r.After = nil
	if err := r.Tag(t.Context(), repository, b.Digest, "1"); !errors.Is(err, image.ErrProtected) || release.KindOf(err) != release.Refused {
		t.Errorf("moving an immutable tag: %v", err)
	}
	if err := r.Untag(t.Context(), repository, "1"); !errors.Is(err, image.ErrProtected) {
		t.Errorf("taking an immutable tag away: %v", err)
	}
	if got := len(r.Digests(repository)); got != 2 {
		t.Errorf("%d digests, want 2", got)
	}
}
