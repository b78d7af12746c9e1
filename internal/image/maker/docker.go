package maker

import (
	"context"
	"fmt"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/assemble"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/release"
)

// throughDocker makes an image with a docker engine that pushes nothing by its
// digest: the engine builds it, and it is pushed from there.
func (m *Maker) throughDocker(ctx context.Context, b *buildkit.Builder, o image.Order, request buildkit.Request) (release.MadeImage, error) {
	request.Load = fmt.Sprintf("slipway.invalid/%s:%d", release.ImageName(o.Project+"-"+o.Image.ID), o.Time.Unix())
	if _, err := b.Build(ctx, request); err != nil {
		return release.MadeImage{}, err
	}
	defer func() { _ = b.Unload(context.WithoutCancel(ctx), request.Load) }()
	idx, err := b.Loaded(ctx, request.Load, o.Image.Platforms[0], o.Image.Annotations, o.Time)
	if err != nil {
		return release.MadeImage{}, err
	}
	for _, r := range o.Image.Repositories {
		if err := m.registry.Push(ctx, r, idx, o.Stage); err != nil {
			return release.MadeImage{}, err
		}
	}
	return assemble.Made(idx, o.Image)
}
