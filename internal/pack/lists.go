package pack

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// lists adds the checksums and the manifest, where the plan has them.
func (p *packer) lists(ctx context.Context, artifacts []release.Artifact) ([]release.Artifact, error) {
	for _, planned := range p.Plan.Assets {
		var content []byte
		var err error
		switch planned.Kind {
		case release.KindChecksums:
			content = Checksums(artifacts)
		case release.KindInstaller:
			content, err = installScript(p.Plan, artifacts, release.BinariesIn(p.Plan, p.Binaries))
		case release.KindManifest:
			content, err = release.NewManifest(p.Plan, artifacts, p.Images, release.BinariesIn(p.Plan, p.Binaries)).Encode()
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		made, err := p.make(ctx, textAsset(Text{Name: planned.Name, Kind: planned.Kind, Content: content}))
		if err != nil {
			return nil, err
		}
		artifacts = append(artifacts, made)
	}
	return artifacts, p.checkPlanned(artifacts)
}

// checkPlanned holds the plan's promise: what it lists exists.
func (p *packer) checkPlanned(artifacts []release.Artifact) error {
	for _, planned := range p.Plan.Assets {
		if !slices.ContainsFunc(artifacts, func(a release.Artifact) bool { return a.Name == planned.Name }) {
			return fmt.Errorf("the plan lists the asset %s, but nothing makes it", planned.Name)
		}
	}
	return nil
}

// Checksums is the text that `sha256sum -c` reads: one line "<hex>  <name>" for
// each artifact but the checksums, the manifest and the installer, which a promoted
// release has anew, sorted by name.
func Checksums(artifacts []release.Artifact) []byte {
	var lines []string
	sorted := slices.SortedFunc(slices.Values(artifacts), func(a, b release.Artifact) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range sorted {
		if a.Kind != release.KindChecksums && a.Kind != release.KindManifest && a.Kind != release.KindInstaller {
			lines = append(lines, strings.TrimPrefix(a.Digest, "sha256:")+"  "+a.Name+"\n")
		}
	}
	return []byte(strings.Join(lines, ""))
}

// contentIdentity stands for a text in a record.
func contentIdentity(content []byte) string {
	_, digest, _ := dist.Hash(bytes.NewReader(content))
	return digest
}
