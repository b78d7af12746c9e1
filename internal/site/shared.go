package site

import (
	"github.com/slipway-dev/slipway/internal/release"
)

// shared are values that very many files have, each kept once: it is half of
// what a large index would take.
type shared struct {
	texts     map[string]string
	platforms map[release.Platform]*release.Platform
}

// mostShared bounds what is kept where nothing repeats.
const mostShared = 10_000

// text gives one string for all that are equal.
func (s *shared) text(text string) string {
	if text == "" {
		return ""
	}
	if is, ok := s.texts[text]; ok {
		return is
	}
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	if len(s.texts) < mostShared {
		s.texts[text] = text
	}
	return text
}

// platform gives one pointer for all that point to equal platforms.
func (s *shared) platform(p *release.Platform) *release.Platform {
	if p == nil {
		return nil
	}
	if is, ok := s.platforms[*p]; ok {
		return is
	}
	if s.platforms == nil {
		s.platforms = map[release.Platform]*release.Platform{}
	}
	if len(s.platforms) < mostShared {
		s.platforms[*p] = p
	}
	return p
}

// files has a release's files share what they can, in a slice of their length.
func (s *shared) files(r *Release) {
	r.Class, r.Schema = s.text(r.Class), s.text(r.Schema)
	if len(r.Files) > 0 && cap(r.Files) > len(r.Files) {
		r.Files = append(make([]File, 0, len(r.Files)), r.Files...)
	}
	for i := range r.Files {
		f := &r.Files[i]
		f.Name, f.Kind, f.Platform = s.text(f.Name), release.ArtifactKind(s.text(string(f.Kind))), s.platform(f.Platform)
	}
}
