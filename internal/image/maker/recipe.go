package maker

import (
	"context"
	"os"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// recipe makes the Dockerfile of an image in memory, or checks the user's own.
func (m *Maker) recipe(ctx context.Context, o image.Order) (recipe.Recipe, error) {
	files := os.DirFS(o.Source)
	options := recipe.Options{Project: o.Project, Seed: recipe.Seed{GoModCache: o.GoModCache, CargoHome: o.CargoHome}}
	switch o.Image.Kind {
	case release.ImageOfDockerfile:
		return recipe.Dockerfile(o.Image, files)
	case release.ImageOfS2I:
		return m.s2i(ctx, o, files, options)
	}
	return recipe.Source(o.Image, files, options)
}
