package release

import (
	"encoding/json"
	"fmt"
	"slices"
)

// ArtifactKind says what an artifact is for.
type ArtifactKind string

const (
	KindBinary    ArtifactKind = "binary"    // a bare executable
	KindArchive   ArtifactKind = "archive"   // binaries and files of one platform
	KindPackage   ArtifactKind = "package"   // deb, rpm, apk or archlinux
	KindFile      ArtifactKind = "file"      // a file of the repository, as it is
	KindInstaller ArtifactKind = "installer" // install.sh; each release has its own
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
	// Binaries are those that archives and images were made of.
	Binaries []ManifestBinary `json:"binaries,omitempty"`
	// PromotedFrom is set when the artifacts and images are those of another
	// release; the manifest itself and the notes are this one's own.
	PromotedFrom *PromotedFrom `json:"promotedFrom,omitempty"`
}

// ManifestBinary is a bare binary, and where its bytes are to be had.
type ManifestBinary struct {
	Binary
	// Asset is the archive that holds it at its root, or the asset that it is;
	// empty when none does.
	Asset string `json:"asset,omitempty"`
}

// BinariesIn says in which asset of the plan each binary is.
func BinariesIn(p Plan, binaries []Binary) []ManifestBinary {
	var out []ManifestBinary
	for _, b := range binaries {
		m := ManifestBinary{Binary: b}
		for _, a := range p.Archives {
			if a.Platform == b.Platform && slices.Contains(a.Builds, b.ID) && (m.Asset == "" || a.Format == "binary") {
				m.Asset = a.Name
			}
		}
		out = append(out, m)
	}
	return out
}

// ManifestSchema names the manifest's format.
const ManifestSchema = "slipway.manifest/v1"

// NewManifest lists artifacts and images, which are in plan order, under their
// plan.
func NewManifest(p Plan, artifacts []Artifact, images []MadeImage, binaries []ManifestBinary) Manifest {
	m := Manifest{Schema: ManifestSchema, Project: p.Project, Tag: p.Tag, Version: p.Version,
		Class: p.Class, Commit: p.Commit, PlanHash: p.Hash(), Artifacts: artifacts, Images: images, Binaries: binaries}
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
