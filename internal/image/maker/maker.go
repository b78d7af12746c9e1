// Package maker makes images: it decides how, in process or with buildx, and
// puts together what the recipes, the assembler, the builder and the registries
// each do.
package maker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options tune a Maker.
type Options struct {
	Builder string          // --builder: a name or an address
	Config  release.Builder // builder of the config
	Getenv  func(string) string
	Note    func(line string) // hears of what takes another try
}

// Maker is image.Maker and build.Containers. It looks for a builder when the
// first image needs one, and once.
type Maker struct {
	options  Options
	registry *registry.Client

	finding sync.Mutex
	found   bool
	builder *buildkit.Builder // nil: there is none
	reason  string            // why there is none
	err     error
}

var _ image.Maker = (*Maker)(nil)

// New makes a Maker; it looks at nothing yet. Close it after use.
func New(o Options) *Maker {
	return &Maker{options: o, registry: registry.New(registry.Options{Getenv: o.Getenv, Note: o.Note})}
}

// Close lets go of the builder.
func (m *Maker) Close() {
	m.finding.Lock()
	defer m.finding.Unlock()
	if m.builder != nil {
		m.builder.Close()
		m.builder = nil
	}
}

// Registry is the client of all registries.
func (m *Maker) Registry() image.Registry { return m.registry }

// find gives the builder, or why there is none.
func (m *Maker) find(ctx context.Context) (*buildkit.Builder, string, error) {
	m.finding.Lock()
	defer m.finding.Unlock()
	if !m.found {
		m.builder, m.reason, m.err = buildkit.Find(ctx, buildkit.Options{
			Flag: m.options.Builder, Config: m.options.Config, Getenv: m.options.Getenv, Note: m.options.Note,
			Credentials: m.login,
		})
		m.found = ctx.Err() == nil
	}
	return m.builder, m.reason, m.err
}

// need is find for what can't be done without a builder.
func (m *Maker) need(ctx context.Context, what string) (*buildkit.Builder, error) {
	b, reason, err := m.find(ctx)
	if err == nil && b == nil {
		err = release.Invalidf("start docker, or BuildKit and name it with --builder unix:///run/buildkit/buildkitd.sock",
			"%s needs a builder, and there is none: %s", what, reason)
	}
	return b, err
}

// HasBuilder reports whether there is a builder.
func (m *Maker) HasBuilder(ctx context.Context) bool {
	b, _, err := m.find(ctx)
	return err == nil && b != nil
}

// login is what the builder shows a registry.
func (m *Maker) login(ctx context.Context, host string) (buildkit.Login, error) {
	c, err := m.registry.Credential(ctx, host)
	return buildkit.Login{User: c.User, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}, err
}

// Namespace is where images without a repository go: a registry and the login
// there, registry.example/alice.
func (m *Maker) Namespace(ctx context.Context) (string, error) {
	host, user, err := m.registry.Login(ctx, m.options.Getenv("SLIPWAY_REGISTRY"))
	if err != nil {
		return "", err
	}
	return host + "/" + user, nil
}

// IsDocker reports whether the builder is the docker engine, which keeps images
// itself.
func (m *Maker) IsDocker(ctx context.Context) (bool, error) {
	b, _, err := m.find(ctx)
	return b != nil && b.Info().Driver == "docker", err
}

// Way says how an image will be made.
func (m *Maker) Way(ctx context.Context, img release.PlanImage) (release.ImageWay, error) {
	way := release.ImageWay{Image: img.ID}
	why := needsBuilder(img)
	if why != "" {
		b, err := m.need(ctx, "image "+img.ID)
		if err != nil {
			return way, err
		}
		way.Buildx, way.Builder, way.Reason = true, b.Info().String(), why
		return way, fits(b.Info(), img)
	}
	b, reason, err := m.find(ctx)
	switch {
	case err != nil:
		return way, err
	case b == nil:
		way.Reason = "there is no builder: " + reason
	case !b.Info().Push:
		way.Reason = fmt.Sprintf("the builder %s pushes no image by its digest", b.Info())
	case len(img.Platforms) > 1 && !b.Info().MultiPlatform:
		way.Reason = fmt.Sprintf("the builder %s makes one platform at a time", b.Info())
	default:
		way.Buildx, way.Builder, way.Reason = true, b.Info().String(), "found by "+b.Info().From
	}
	return way, nil
}

// needsBuilder says why an image can't be assembled in process; empty when it
// can.
func needsBuilder(img release.PlanImage) string {
	switch {
	case img.Kind != release.ImageOfBuilds:
		return "an image of " + map[release.ImageKind]string{release.ImageOfDockerfile: "a Dockerfile", release.ImageOfSource: "sources",
			release.ImageOfS2I: "sources"}[img.Kind] + " needs a builder"
	case img.SBOM != "":
		return "an SBOM is made by the builder"
	case img.Provenance != "":
		return "a provenance is made by the builder"
	}
	return ""
}

// fits refuses what a docker engine without its containerd image store can't do.
func fits(i buildkit.Info, img release.PlanImage) error {
	if i.Push || len(img.Platforms) <= 1 && img.SBOM == "" && img.Provenance == "" {
		return nil
	}
	return release.Invalidf("turn docker's containerd image store on, or make a builder with `docker buildx create --driver docker-container` and name it with --builder",
		"image %s: the builder %s makes images of one platform, without attestations", img.ID, i)
}

// cacheDir is where compressed layers are kept.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "slipway", "images"), nil
}
