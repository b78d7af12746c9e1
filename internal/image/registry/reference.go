package registry

import (
	"fmt"
	"net"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/release"
)

// Normalize gives the canonical form of a reference as docker reads it:
// "debian" is docker.io/library/debian:latest. An error is release.Invalid.
func Normalize(ref string) (string, error) {
	named, err := parseReference(ref)
	if err != nil {
		return "", err
	}
	return named.String(), nil
}

func parseReference(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, release.Invalidf("write registry.example/acme/hello:1.2.3 or registry.example/acme/hello@sha256:…, in lower case",
			"%q is not the name of an image", ref)
	}
	return reference.TagNameOnly(named), nil
}

// remoteReference is a reference in go-containerregistry's words. A digest
// comes before a tag.
func (c *Client) remoteReference(named reference.Named) (name.Reference, error) {
	repo, err := c.repository(named.Name())
	if err != nil {
		return nil, err
	}
	if d, ok := named.(reference.Digested); ok {
		return repo.Digest(d.Digest().String()), nil
	}
	if t, ok := named.(reference.Tagged); ok {
		return repo.Tag(t.Tag()), nil
	}
	return repo.Tag("latest"), nil
}

func (c *Client) repository(repository string) (name.Repository, error) {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil || !reference.IsNameOnly(named) {
		return name.Repository{}, release.Invalidf("write registry.example/acme/hello: lower case, no tag, no https://",
			"%q is not the name of a repository", repository)
	}
	var opts []name.Option
	if c.PlainHTTP(reference.Domain(named)) {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(named.Name(), opts...)
	if err != nil {
		return name.Repository{}, release.Invalidf("", "%q is not the name of a repository: %v", repository, err)
	}
	return repo, nil
}

// repositoryAt checks a repository and a tag or a digest in it.
func (c *Client) repositoryAt(repository, tagOrDigest string) (name.Repository, error) {
	repo, err := c.repository(repository)
	if err != nil {
		return repo, err
	}
	if strings.Contains(tagOrDigest, ":") {
		return repo, checkDigest(tagOrDigest)
	}
	return repo, checkTag(tagOrDigest)
}

func checkTag(tag string) error {
	if loc := reference.TagRegexp.FindStringIndex(tag); loc == nil || loc[0] != 0 || loc[1] != len(tag) {
		return release.Invalidf("a tag has up to 128 letters, digits, _, . and -, and does not begin with . or -",
			"%q can't be the tag of an image", tag)
	}
	return nil
}

func checkDigest(s string) error {
	d, err := digest.Parse(s)
	if err == nil && d.Algorithm() != digest.SHA256 {
		err = fmt.Errorf("only sha256 is used")
	}
	if err != nil {
		return release.Invalidf("", "%q is not a digest: %v", s, err)
	}
	return nil
}

// dockerHub is the default registry as references name it.
const dockerHub = "docker.io"

// hostOf is a repository's registry as people write it.
func hostOf(repo name.Repository) string { return canonicalHost(repo.RegistryStr()) }

func canonicalHost(host string) string {
	switch host = strings.ToLower(host); host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return dockerHub
	}
	return host
}

// display is a repository as people write it.
func display(repo name.Repository) string { return hostOf(repo) + "/" + repo.RepositoryStr() }

// isLoopback says whether host or host:port is on this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
