package buildkit

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Request is one build. At most one of PushTo, Local, OCI and Load says where
// its result goes; with none it is only built.
type Request struct {
	Name string // of the image, in progress and errors
	// Command is set when there is no image but one command to run, as its writer
	// knows it: errors name it instead of an image and its Dockerfile.
	Command string
	Stage   progress.Stage // hears of every step that runs; nil: nobody

	Dockerfile []byte
	// Path is the Dockerfile's as its writer knows it, for errors; empty when
	// Slipway made it.
	Path string
	// Ignore is the text of a .dockerignore that replaces the context's own;
	// nil leaves that one in force.
	Ignore  []byte
	Context string // a folder; it is never written to
	// NamedContexts are folders, docker-image:// references or oci-layout://
	// paths, by the name that the Dockerfile has for them.
	NamedContexts map[string]string
	Platforms     []release.Platform // empty: the builder's own
	Target        string
	Args          map[string]string
	Labels        map[string]string
	Annotations   map[string]string // of the index and of every manifest
	// ManifestAnnotations are further ones of one platform's manifest.
	ManifestAnnotations map[release.Platform]map[string]string
	Secrets             []release.ImageSecret
	CacheFrom           []string // a registry's reference, or type=…,…
	CacheTo             []string
	SBOM                string    // "", "default", or the scanner's reference
	Provenance          string    // "", "min" or "max"
	Epoch               time.Time // SOURCE_DATE_EPOCH: no file of a layer is younger; zero: no bound
	// Dated says that every file and folder of the contexts carries Epoch
	// already and that no step makes others, so that layers need not be packed
	// a second time to take younger times out.
	Dated   bool
	NoCache bool
	// RunsNothing says that no step runs a program of the platforms, so that any
	// builder can build for any.
	RunsNothing bool
	// WarningMark begins lines of a step's output that are warnings, ErrorMark
	// a last line that says all that there is to say; empty: none does.
	WarningMark, ErrorMark string

	PushTo []string // repositories without a tag: pushed by digest, untagged
	Local  string   // a folder; several platforms have folders of their own in it, linux_arm64
	OCI    string   // path of a tar to write, an OCI layout
	Load   string   // name in the docker engine; only with the driver docker
}

// Result is what a build gave. What is not pushed has no digest, but for OCI
// and Load.
type Result struct {
	Digest    string // of the index; of the config with Load
	MediaType string
	Size      int64 // of the index document, bytes
	// Manifests are those of PushTo, in the order of the platforms.
	Manifests []release.ImageManifest
	Warnings  []string // BuildKit's own, of the Dockerfile, and those with WarningMark
}

// check finds what is wrong with a request before anything is sent.
func (r Request) check(info Info) error {
	exports := 0
	for _, set := range []bool{len(r.PushTo) > 0, r.Local != "", r.OCI != "", r.Load != ""} {
		if set {
			exports++
		}
	}
	switch {
	case exports > 1:
		return fmt.Errorf("build %s: more than one place for the result", r.Name)
	case len(r.PushTo) > 0 && !info.Push:
		return release.Invalidf("use a builder with the driver docker-container, remote or kubernetes", "the builder %s pushes no image by its digest", info)
	case r.OCI != "" && !info.OCI:
		return release.Invalidf("turn docker's containerd image store on, or use a builder with the driver docker-container", "the builder %s exports no OCI layout", info)
	case r.Load != "" && info.Driver != "docker":
		return release.Invalidf("use the docker engine as builder", "the builder %s loads no image into docker", info)
	case len(r.Platforms) > 1 && !info.MultiPlatform:
		return release.Invalidf("turn docker's containerd image store on, or use a builder with the driver docker-container",
			"the builder %s builds one platform at a time, not %s", info, joinPlatforms(r.Platforms))
	}
	if st, err := os.Stat(r.Context); err != nil || !st.IsDir() {
		return release.Invalidf("", "image %s: its context %q is no folder", r.Name, r.Context)
	}
	return nil
}

// HasSecrets finds whether all secrets of an image can be read: release.Invalid
// names the first that can't.
func (b *Builder) HasSecrets(image string, secrets []release.ImageSecret) error {
	_, err := readSecrets(image, secrets, b.options.Getenv)
	return err
}

// readSecrets reads all secrets at once, so that what is missing is known
// before the build.
func readSecrets(image string, secrets []release.ImageSecret, getenv func(string) string) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, s := range secrets {
		if s.File != "" {
			data, err := os.ReadFile(s.File)
			if err != nil {
				return nil, release.Invalidf("", "image %s: read the secret %s: %v", image, s.ID, err)
			}
			values[s.ID] = data
			continue
		}
		name := s.Env
		if name == "" {
			name = s.ID
		}
		value := getenv(name)
		if value == "" {
			return nil, release.Invalidf("set "+name+", or take the secret out of the config",
				"image %s: the secret %s is in the environment variable %s, which is not set", image, s.ID, name)
		}
		values[s.ID] = []byte(value)
	}
	return values, nil
}

// masker takes secrets out of text, and each line of those that have several.
func masker(values map[string][]byte) *strings.Replacer {
	var parts []string
	for _, v := range values {
		text := strings.TrimSpace(string(v))
		for _, part := range append([]string{text}, strings.Split(text, "\n")...) {
			if part = strings.TrimSpace(part); len(part) >= 3 { // less is found everywhere
				parts = append(parts, part)
			}
		}
	}
	// The longest first: one secret may begin another.
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, part := range slices.Compact(parts) {
		pairs = append(pairs, part, "***")
	}
	return strings.NewReplacer(pairs...)
}
