package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// largestManifest bounds a manifest or index in bytes; registries take 4 MB.
const largestManifest = 32 << 20

// manifestTypes are the documents that a registry is asked for.
var manifestTypes = strings.Join([]string{
	string(types.OCIImageIndex), string(types.OCIManifestSchema1),
	string(types.DockerManifestList), string(types.DockerManifestSchema2),
}, ", ")

// document is a manifest or an index as it lies in a registry.
type document struct {
	digest    string
	mediaType string
	raw       []byte
}

// Find looks a tag or a digest up: image.ErrNotFound when it is not there.
func (c *Client) Find(ctx context.Context, repository, reference string) (image.Found, error) {
	repo, err := c.repositoryAt(repository, reference)
	if err != nil {
		return image.Found{}, err
	}
	op := fmt.Sprintf("look up %s in %s", reference, display(repo))
	s, err := c.session(ctx, repo, push)
	if err != nil {
		return image.Found{}, c.fault(ctx, op, repo, err)
	}
	doc, err := s.manifest(ctx, reference)
	if err != nil {
		return image.Found{}, c.fault(ctx, op, repo, err)
	}
	var own struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(doc.raw, &own); err != nil {
		return image.Found{}, fmt.Errorf("%s: the registry's document is no manifest: %w", op, err)
	}
	return image.Found{Digest: doc.digest, MediaType: doc.mediaType, Size: int64(len(doc.raw)), Annotations: own.Annotations}, nil
}

// Tag points a tag at a digest that is there, by sending the very same bytes
// under the tag. Where it points there already, nothing is sent.
func (c *Client) Tag(ctx context.Context, repository, digest, tag string) error {
	repo, err := c.repositoryAt(repository, digest)
	if err == nil {
		err = errors.Join(checkDigest(digest), checkTag(tag))
	}
	if err != nil {
		return err
	}
	op := fmt.Sprintf("tag %s:%s", display(repo), tag)
	s, err := c.session(ctx, repo, push)
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	at, err := s.digestAt(ctx, tag)
	if err != nil && statusOf(err) != http.StatusNotFound {
		return c.fault(ctx, op, repo, err)
	}
	if at == digest {
		return nil
	}
	doc, err := s.manifest(ctx, digest)
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	return c.fault(ctx, op, repo, s.putManifest(ctx, tag, doc), true)
}

// manifest reads the document of a tag or a digest and holds it against the
// digest.
func (s *session) manifest(ctx context.Context, reference string) (document, error) {
	resp, err := s.request(ctx, http.MethodGet, "manifests/"+reference, http.Header{"Accept": {manifestTypes}}, nil, http.StatusOK)
	if err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, largestManifest+1))
	if err != nil {
		return document{}, fmt.Errorf("read the manifest: %w", err)
	}
	if len(raw) > largestManifest {
		return document{}, fmt.Errorf("the manifest of %s is larger than %d MB", reference, largestManifest>>20)
	}
	doc := document{digest: digest.FromBytes(raw).String(), mediaType: mediaType(resp.Header, raw), raw: raw}
	if strings.Contains(reference, ":") && doc.digest != reference {
		return document{}, fmt.Errorf("the registry gives %s for %s", doc.digest, reference)
	}
	return doc, nil
}

// mediaType is the answer's, or what the document says of itself.
func mediaType(h http.Header, raw []byte) string {
	mt, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if mt = strings.TrimSpace(mt); types.MediaType(mt).IsImage() || types.MediaType(mt).IsIndex() {
		return mt
	}
	var own struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(raw, &own) == nil && own.MediaType != "" {
		return own.MediaType
	}
	return mt
}

// digestAt says what a tag or a digest points at without reading it, where
// the registry tells.
func (s *session) digestAt(ctx context.Context, reference string) (string, error) {
	resp, err := s.request(ctx, http.MethodHead, "manifests/"+reference, http.Header{"Accept": {manifestTypes}}, nil, http.StatusOK)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	if d := resp.Header.Get("Docker-Content-Digest"); checkDigest(d) == nil {
		return d, nil
	}
	doc, err := s.manifest(ctx, reference)
	return doc.digest, err
}

// putManifest stores a document under a tag or its digest.
func (s *session) putManifest(ctx context.Context, reference string, doc document) error {
	resp, err := s.request(ctx, http.MethodPut, "manifests/"+reference, http.Header{"Content-Type": {doc.mediaType}}, doc.raw,
		http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	return stored(resp.Header, doc.digest)
}

// stored checks that a registry has stored what was sent.
func stored(h http.Header, want string) error {
	if got := h.Get("Docker-Content-Digest"); got != "" && got != want {
		return release.Failf("something between here and the registry changes what is sent",
			"the registry stored %s instead of %s", oneLine(got), want)
	}
	return nil
}
