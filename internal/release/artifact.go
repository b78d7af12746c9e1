package release

import (
	"encoding/json"
	"fmt"
)

// ArtifactKind says what an artifact is for.
type ArtifactKind string

const (
	KindBinary    ArtifactKind = "binary"    // a bare executable
	KindArchive   ArtifactKind = "archive"   // binaries and files of one platform
	KindFile      ArtifactKind = "file"      // a file of the repository, as it is
	KindChecksums ArtifactKind = "checksums" // checksums.txt
	KindDigests   ArtifactKind = "digests"   // digests.txt, of the images
	KindNotes     ArtifactKind = "notes"     // the full notes, when the forge's limit cut them
	KindManifest  ArtifactKind = "manifest"  // slipway.json
	KindPart      ArtifactKind = "part"      // binaries of one platform, of a split build; never published
)

// Artifact is a file that exists on disk and will be an asset of the release.
type Artifact struct {
	Name     string       `json:"name"` // asset name, unique in the release
	Kind     ArtifactKind `json:"kind"`
	Platform *Platform    `json:"platform,omitempty"`
	Size     int64        `json:"size"`   // bytes
	Digest   string       `json:"digest"` // sha256:<64 hex digits>
	Path     string       `json:"-"`      // where it lies on this machine
}

// Manifest is the asset slipway.json: every other asset of the release with
// its size and digest, and the hash of the plan they were made by. It is how a
// rerun, and a forge without digests, knows what is there.
type Manifest struct {
	Schema    string      `json:"schema"` // slipway.manifest/v1
	Project   string      `json:"project"`
	Tag       string      `json:"tag"`
	Version   string      `json:"version"`
	Class     string      `json:"class"`
	Commit    string      `json:"commit"`
	PlanHash  string      `json:"planHash"` // sha256:<64 hex digits>
	Artifacts []Artifact  `json:"artifacts"`
	Images    []MadeImage `json:"images,omitempty"`
	// PromotedFrom is set when the artifacts and images are those of another
	// release; the manifest itself and the notes are this one's own.
	PromotedFrom *PromotedFrom `json:"promotedFrom,omitempty"`
}

// ManifestSchema names the manifest's format.
const ManifestSchema = "slipway.manifest/v1"

// NewManifest lists artifacts and images, which are in plan order, under their
// plan.
func NewManifest(p Plan, artifacts []Artifact, images []MadeImage) Manifest {
	m := Manifest{Schema: ManifestSchema, Project: p.Project, Tag: p.Tag, Version: p.Version,
		Class: p.Class, Commit: p.Commit, PlanHash: p.Hash(), Artifacts: artifacts, Images: images}
	if p.Promoted != nil {
		m.PromotedFrom = &PromotedFrom{Tag: p.Promoted.From, Commit: p.Commit, PlanHash: p.Promoted.PlanHash, Version: p.Promoted.Version}
	}
	return m
}

// Encode gives the manifest's bytes: indented JSON with a final newline.
func (m Manifest) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// DecodeManifest reads what Encode wrote.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("%s is not a manifest: %w", ManifestName, err)
	}
	if m.Schema != ManifestSchema {
		return Manifest{}, fmt.Errorf("%s has schema %q; this slipway reads %q", ManifestName, m.Schema, ManifestSchema)
	}
	return m, nil
}
