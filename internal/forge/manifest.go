package forge

import (
	"context"
	"errors"
	"io"

	"github.com/slipway-dev/slipway/internal/release"
)

// ErrNoManifest is what Manifest answers for a release that Slipway did not make.
var ErrNoManifest = errors.New("no manifest")

// manifestLimit bounds what is read as a manifest, in bytes.
const manifestLimit = 16 << 20

// Manifest reads what a release consists of, from its own asset. It is untrusted:
// whoever may change the release's assets may write it.
func Manifest(ctx context.Context, f Forge, of Release) (release.Manifest, error) {
	for _, a := range of.Assets {
		if a.Name != release.ManifestName || a.Broken {
			continue
		}
		rc, err := f.OpenAsset(ctx, of.ID, a)
		if err != nil {
			return release.Manifest{}, err
		}
		defer rc.Close()
		b, err := io.ReadAll(io.LimitReader(rc, manifestLimit))
		if err != nil {
			return release.Manifest{}, err
		}
		return release.DecodeManifest(b)
	}
	return release.Manifest{}, ErrNoManifest
}
