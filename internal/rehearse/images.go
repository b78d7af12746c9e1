package rehearse

import (
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Pushed is a repository of the rehearsal's registry.
type Pushed struct {
	Repository string
	Tags       map[string]string // digests by tag
}

// redirect sends every image of the config to the rehearsal's registry.
func (s *stage) redirect(cfg release.Config) release.Config {
	if len(cfg.Images) == 0 {
		s.inProcess = true
		return cfg
	}
	cfg.Images = slices.Clone(cfg.Images)
	own := false
	for i := range cfg.Images {
		img := &cfg.Images[i]
		own = own || img.Kind() != release.ImageOfBuilds || img.SBOM != "" || img.Provenance != ""
		to := release.OneOrMore{}
		for _, r := range img.Repository {
			to = append(to, s.registry.Host+"/"+withoutHost(r))
		}
		if len(to) == 0 {
			to = append(to, s.registry.Host+"/rehearsal/"+release.ImageName(cfg.Project))
		}
		img.Repository = to
		s.repositories = append(s.repositories, to...)
	}
	s.inProcess = !own
	if own {
		s.builder = cfg.Builder.Name
	}
	// The bot's config says where the builder is, not the repository's; and in
	// process it may be a machine that can't reach this one.
	cfg.Builder = release.Builder{}
	return cfg
}

// withoutHost is a repository without its registry.
func withoutHost(repository string) string {
	host, rest, ok := strings.Cut(repository, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return rest
	}
	return repository
}

// pushed is what the registry has in the end.
func (s *stage) pushed() []Pushed {
	var out []Pushed
	for _, r := range s.repositories {
		if _, name, _ := strings.Cut(r, "/"); !strings.Contains(name, "{") {
			out = append(out, Pushed{Repository: name, Tags: s.registry.Tags(name)})
		}
	}
	return out
}
