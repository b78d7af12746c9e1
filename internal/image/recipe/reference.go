package recipe

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-dev/slipway/internal/release"
)

// familiar checks a reference and writes it as people do, golang:1.26, with a
// tag or a digest in any case.
func familiar(s string) (string, error) {
	if scratch(s) {
		return release.ScratchBase, nil
	}
	canonical, err := release.ParseImage(s)
	if err != nil {
		return "", err
	}
	named, err := reference.ParseNormalizedNamed(canonical)
	if err != nil {
		return "", err
	}
	return reference.FamiliarString(named), nil
}

// slug makes a text fit for the name of a cache.
func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s), "-")
}

// imageSlug is the slug of a reference, with as much of a digest as people show.
func imageSlug(reference string) string {
	name, digest, _ := strings.Cut(reference, "@sha256:")
	return slug(name + "-" + digest[:min(len(digest), 12)])
}
