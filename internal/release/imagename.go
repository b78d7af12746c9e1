package release

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"
)

// ParseRepository gives the canonical name of a repository, such as
// registry.example/acme/hello or docker.io/library/busybox. A tag or a digest is
// refused.
func ParseRepository(s string) (string, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil || !isHost(reference.Domain(named)) {
		return "", fmt.Errorf("%q is no repository: write registry.example/owner/name, in lower case", s)
	}
	if !reference.IsNameOnly(named) {
		return "", fmt.Errorf("%q has a tag or a digest: write %s, and set `tags`", s, named.Name())
	}
	return named.Name(), nil
}

// ParseImage checks a reference of an image and gives its canonical form, with
// the tag latest when it has neither tag nor digest.
func ParseImage(s string) (string, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil || !isHost(reference.Domain(named)) {
		return "", fmt.Errorf("%q is no image: write registry.example/owner/name:tag", s)
	}
	return reference.TagNameOnly(named).String(), nil
}

// isHost refuses an owner in capitals, which the grammar takes for a host.
func isHost(domain string) bool {
	return strings.ContainsAny(domain, ".:") || strings.ToLower(domain) == domain
}

var (
	notInTag  = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)
	notInName = regexp.MustCompile(`[^a-z0-9._-]+|[._-]{2,}`)
)

// mostTag is the longest tag that the distribution specification allows.
const mostTag = 128

// ImageTagName makes a value fit for a tag: what a tag may not have (slashes, +)
// becomes a dash. It is empty when nothing is left.
func ImageTagName(s string) string {
	s = strings.TrimLeft(notInTag.ReplaceAllString(s, "-"), ".-")
	if len(s) > mostTag {
		s = s[:mostTag]
	}
	return s
}

// ImageName makes a project's name fit for a part of a repository's name.
func ImageName(project string) string {
	if name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(project), "-"), "._-"); name != "" {
		return name
	}
	return "image"
}

// ParseImageName takes the name that somebody gives an image apart, into a
// canonical repository and a tag, which is latest when none is given.
func ParseImageName(s string) (repository, tag string, err error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil || !isHost(reference.Domain(named)) {
		return "", "", fmt.Errorf("%q is no name for an image: write registry.example/owner/name:tag, in lower case", s)
	}
	if _, ok := named.(reference.Digested); ok {
		return "", "", fmt.Errorf("%q has a digest, which comes out of the build: write a tag", s)
	}
	tagged, _ := reference.TagNameOnly(named).(reference.Tagged)
	return named.Name(), tagged.Tag(), nil
}
