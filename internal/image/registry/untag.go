package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// tombstoneOf is the annotation of a manifest that is pushed only to be
// deleted together with the tag that points at it.
const tombstoneOf = "dev.slipway.untag"

// Untag takes a tag away and leaves what it pointed at. A tag that is not
// there is no error. image.ErrUnsupported when the registry deletes nothing.
func (c *Client) Untag(ctx context.Context, repository, tag string) error {
	repo, err := c.repositoryAt(repository, tag)
	if err == nil {
		err = checkTag(tag)
	}
	if err != nil {
		return err
	}
	op := fmt.Sprintf("take the tag %s:%s away", display(repo), tag)
	s, err := c.session(ctx, repo, pushGone)
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	doc, err := s.manifest(ctx, tag)
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	err = s.deleteManifest(ctx, tag)
	switch statusOf(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		err = s.untagByTombstone(ctx, tag, doc)
	case 0:
		if err == nil {
			err = s.keep(ctx, doc)
		}
	}
	if errors.Is(err, errNoDeletes) {
		return &release.Error{Kind: release.Failed, Message: op, Err: image.ErrUnsupported,
			Hint: "the registry is set up without deletion; move the tag instead"}
	}
	return c.fault(ctx, op, repo, err, true)
}

func (s *session) deleteManifest(ctx context.Context, reference string) error {
	resp, err := s.request(ctx, http.MethodDelete, "manifests/"+reference, nil, nil, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// keep puts a document back if it went away together with its tag, as it does
// in registries older than the specification.
func (s *session) keep(ctx context.Context, doc document) error {
	if _, err := s.digestAt(ctx, doc.digest); statusOf(err) != http.StatusNotFound {
		return err
	}
	return s.putManifest(ctx, doc.digest, doc)
}

// errNoDeletes is a registry that deletes nothing.
var errNoDeletes = errors.New("no deletion")

// untagByTombstone takes a tag away where only digests can be deleted: the tag
// is moved to a manifest of its own, and goes with that. Before the tag is
// moved it is certain that the registry deletes.
func (s *session) untagByTombstone(ctx context.Context, tag string, at document) error {
	if isTombstone(at) { // an Untag that was cut short
		return s.deleteManifest(ctx, at.digest)
	}
	stone, err := makeTombstone(display(s.repo), tag, at.digest)
	if err != nil {
		return err
	}
	// It is not there yet: 404 says that it could be deleted.
	if noDeletes(s.deleteManifest(ctx, stone.digest)) {
		return errNoDeletes
	}
	if err := s.putSmallBlob(ctx, emptyConfig); err != nil {
		return err
	}
	if err := s.putManifest(ctx, stone.digest, stone); err != nil {
		return err
	}
	if err := s.deleteManifest(ctx, stone.digest); err != nil {
		if noDeletes(err) {
			return errNoDeletes
		}
		return err
	}
	if err := s.putManifest(ctx, tag, stone); err != nil {
		return err
	}
	return s.deleteManifest(ctx, stone.digest)
}

func noDeletes(err error) bool {
	var te *transport.Error
	if !errors.As(err, &te) {
		return false
	}
	return te.StatusCode == http.StatusMethodNotAllowed || te.StatusCode == http.StatusNotImplemented ||
		slices.ContainsFunc(te.Errors, func(d transport.Diagnostic) bool { return d.Code == transport.UnsupportedErrorCode })
}

// emptyConfig is the config of an image of nothing.
var emptyConfig = []byte(`{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}`)

// makeTombstone makes a manifest that no other tag has.
func makeTombstone(repository, tag, at string) (document, error) {
	raw, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     types.OCIManifestSchema1,
		"config":        map[string]any{"mediaType": types.OCIConfigJSON, "digest": digest.FromBytes(emptyConfig), "size": len(emptyConfig)},
		"layers":        []any{},
		"annotations":   map[string]string{tombstoneOf: repository + ":" + tag + "@" + at},
	})
	return document{digest: digest.FromBytes(raw).String(), mediaType: string(types.OCIManifestSchema1), raw: raw}, err
}

func isTombstone(doc document) bool {
	var own struct {
		Annotations map[string]string `json:"annotations"`
	}
	return json.Unmarshal(doc.raw, &own) == nil && own.Annotations[tombstoneOf] != ""
}
