package maker

import (
	"context"
	"fmt"
	"maps"
	"os"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// Check finds what an image can't be made for, with reads alone.
func (m *Maker) Check(ctx context.Context, img release.PlanImage, source string) error {
	way, err := m.Way(ctx, img)
	if err != nil {
		return err
	}
	if img.Kind == release.ImageOfBuilds {
		if img.Base != release.ScratchBase {
			if _, err := m.base(ctx, img); err != nil {
				return err
			}
		}
		if _, err := recipe.Files(img, os.DirFS(source)); err != nil {
			return err
		}
	} else if _, err := m.recipe(ctx, image.Order{Image: img, Source: source}); err != nil {
		return err
	}
	if !way.Buildx || img.Kind == release.ImageOfBuilds { // which runs nothing
		return nil
	}
	b, err := m.need(ctx, "image "+img.ID)
	if err != nil {
		return err
	}
	if err := b.HasSecrets(img.ID, img.Secrets); err != nil {
		return err
	}
	return b.Can(ctx, img.Platforms)
}

// Make makes an image and puts it where it belongs, without a tag.
func (m *Maker) Make(ctx context.Context, o image.Order) (release.MadeImage, error) {
	way, err := m.Way(ctx, o.Image)
	if err != nil {
		return release.MadeImage{}, err
	}
	switch {
	case o.Image.Kind != release.ImageOfBuilds:
		return m.built(ctx, o)
	case way.Buildx:
		return m.throughBuildKit(ctx, o)
	}
	return m.assembled(ctx, o)
}

// Dockerfile is what the builder would be given for an image.
func (m *Maker) Dockerfile(ctx context.Context, o image.Order) ([]byte, error) {
	r, err := m.recipe(ctx, o)
	return r.Dockerfile, err
}

// built makes an image with the builder.
func (m *Maker) built(ctx context.Context, o image.Order) (release.MadeImage, error) {
	b, err := m.need(ctx, "image "+o.Image.ID)
	if err != nil {
		return release.MadeImage{}, err
	}
	r, err := m.recipe(ctx, o)
	if err != nil {
		return release.MadeImage{}, err
	}
	from, err := m.places(ctx, r, o)
	defer from.clean()
	if err != nil {
		return release.MadeImage{}, err
	}
	request := m.request(o, r, from)
	switch {
	case o.Load == "" && o.Archive == "" && !b.Info().Push:
		return m.throughDocker(ctx, b, o, request)
	case o.Load != "":
		request.Load = o.Load
	case o.Archive != "":
		request.OCI = o.Archive
	default:
		request.PushTo = o.Image.Repositories
	}
	result, err := b.Build(ctx, request)
	if err != nil {
		return release.MadeImage{}, err
	}
	m.warn(o, r, result)
	return made(o.Image, result), nil
}

func (m *Maker) request(o image.Order, r recipe.Recipe, from *places) buildkit.Request {
	img := o.Image
	args := maps.Clone(r.Args)
	if args == nil {
		args = map[string]string{}
	}
	maps.Copy(args, img.Args)
	req := buildkit.Request{
		Name: img.ID, Stage: o.Stage, Dockerfile: r.Dockerfile, Path: r.Path, Ignore: r.Ignore,
		Context: from.context, NamedContexts: from.named,
		Platforms: img.Platforms, Target: img.Target, Args: args, Annotations: img.Annotations,
		Secrets: img.Secrets, CacheFrom: img.Cache.From, CacheTo: img.Cache.To,
		SBOM: img.SBOM, Provenance: img.Provenance, Epoch: o.Time, NoCache: o.NoCache,
		WarningMark: recipe.S2IWarning, ErrorMark: recipe.S2IMissing,
	}
	if img.Kind == release.ImageOfDockerfile {
		req.Labels = img.Labels // the recipes write them into their Dockerfiles
	}
	return req
}

func made(img release.PlanImage, r buildkit.Result) release.MadeImage {
	out := release.MadeImage{ID: img.ID, Repositories: img.Repositories, MediaType: r.MediaType, Digest: r.Digest, Size: r.Size, Manifests: r.Manifests}
	for _, t := range img.Tags {
		if !t.Moving {
			out.Tags = append(out.Tags, t.Name)
		}
	}
	return out
}

// warn hands on what the recipe and the builder have to say.
func (m *Maker) warn(o image.Order, r recipe.Recipe, result buildkit.Result) {
	if o.Warn == nil {
		return
	}
	for _, p := range r.Warnings {
		o.Warn(p)
	}
	for _, w := range result.Warnings {
		o.Warn(release.Problem{Warning: true, Message: fmt.Sprintf("image %s: %s", o.Image.ID, w)})
	}
}
