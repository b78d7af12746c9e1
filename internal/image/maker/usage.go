package maker

import (
	"context"
	"os"
	"path/filepath"

	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// Usage gives what a Source-to-Image builder image says of itself.
func (m *Maker) Usage(ctx context.Context, reference string) ([]byte, error) {
	b, err := m.need(ctx, "the usage of "+reference)
	if err != nil {
		return nil, err
	}
	platform := release.DefaultPlatforms[0]
	if all := b.Platforms(); len(all) > 0 {
		platform = all[0]
	}
	config, err := m.config(ctx, reference, platform)
	if err != nil {
		return nil, err
	}
	r, err := recipe.Usage(reference, "", builderImage(config))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-usage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	context, out := filepath.Join(dir, "context"), filepath.Join(dir, "out")
	if err := os.Mkdir(context, 0o755); err != nil {
		return nil, err
	}
	_, err = b.Build(ctx, buildkit.Request{Name: reference, Dockerfile: r.Dockerfile, Ignore: r.Ignore, Context: context, Local: out,
		ErrorMark: recipe.S2IMissing})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(out, "usage"))
}

// License gives the SPDX id of the licence of the files in a folder; empty when
// it is no well-known one.
func License(dir string) string { return recipe.License(os.DirFS(dir)) }
