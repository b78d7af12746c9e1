package maker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// statement is an in-toto statement.
type statement struct {
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
	Subject       []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
}

// statements are the attestations of an index, by the digest of the manifest
// that each is of.
func statements(t *testing.T, idx v1.ImageIndex) map[string][]statement {
	t.Helper()
	out := map[string][]statement{}
	for _, d := range indexManifest(t, idx).Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
			continue
		}
		img, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		of := d.Annotations["vnd.docker.reference.digest"]
		for _, l := range layers(t, img) {
			r, err := l.Compressed() // JSON, as it is
			if err != nil {
				t.Fatal(err)
			}
			var s statement
			if err := json.NewDecoder(r).Decode(&s); err != nil {
				t.Error(err)
			}
			_ = r.Close()
			out[of] = append(out[of], s)
		}
	}
	return out
}

// A provenance is attached to every platform when it is asked for, of binaries
// and of a Dockerfile; only max has the build arguments in it. The image itself
// is the same with it and without it.
func TestProvenance(t *testing.T) {
	t.Parallel()
	const argument = "value-of-the-argument"
	m := newMaker(t, realtest.BuildKit(t))
	repository := realtest.Registry(t) + "/attest/hello"
	built := ofBuilds(t, repository, release.ScratchBase, platforms...)
	file := ofDockerfile(t, repository, "FROM scratch\nARG COLOUR\nCOPY a /a\n", map[string]string{"a": "a"}, platforms[:2]...)
	file.Image.Args = map[string]string{"COLOUR": argument}
	plain := map[release.ImageKind][]release.ImageManifest{}
	for _, mode := range []string{"", "min", "max"} {
		for _, o := range []struct {
			kind  release.ImageKind
			order *release.PlanImage
		}{{release.ImageOfBuilds, &built.Image}, {release.ImageOfDockerfile, &file.Image}} {
			order := built
			if o.kind == release.ImageOfDockerfile {
				order = file
			}
			order.Image.Provenance = mode
			made := mustMake(t, m, order)
			if mode == "" {
				plain[o.kind] = made.Manifests
			} else if d := cmp.Diff(plain[o.kind], made.Manifests); d != "" {
				t.Errorf("%s %s: (-without +with provenance):\n%s", o.kind, mode, d)
			}
			attested := statements(t, pullIndex(t, repository, made.Digest))
			for _, p := range made.Manifests {
				checkProvenance(t, string(o.kind)+" "+mode+" "+p.Platform.String(), attested[p.Digest], mode != "", mode == "max" && o.kind == release.ImageOfDockerfile, argument)
			}
			if mode == "" && len(attested) > 0 {
				t.Errorf("%s: attestations without asking for them", o.kind)
			}
		}
	}
}

func checkProvenance(t *testing.T, what string, all []statement, wanted, withArgument bool, argument string) {
	t.Helper()
	if !wanted {
		return
	}
	if len(all) != 1 || !strings.HasPrefix(all[0].PredicateType, "https://slsa.dev/provenance/") {
		t.Errorf("%s: %+v", what, all)
		return
	}
	if has := strings.Contains(string(all[0].Predicate), argument); has != withArgument {
		t.Errorf("%s: it has the build argument: %v, want %v", what, has, withArgument)
	}
}

// scanner pushes an image that keeps to the protocol of BuildKit's scanners, and
// says what it found at the root of what it scans.
func scanner(t *testing.T, registry string) string {
	t.Helper()
	base, err := remote.Index(reference(t, realtest.BaseImage(t, registry)), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	img := part(t, base, amd64)
	c := config(t, img).DeepCopy()
	c.Config.Entrypoint = []string{"/bin/sh", "-ec"}
	c.Config.Cmd = []string{`printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"name":"%s"}}' ` +
		`"$(echo $(ls "$BUILDKIT_SCAN_SOURCE"))" >"$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"`}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	to, err := name.NewTag(registry+"/scanner:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	// One at a time: it races with itself where it mounts layers.
	if err := remote.Write(to, img, remote.WithContext(t.Context()), remote.WithJobs(1)); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// A scanner's bill of materials is attached to every platform.
func TestSBOM(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	repository := registry + "/attest/sbom"
	o := ofBuilds(t, repository, release.ScratchBase, platforms...)
	o.Image.SBOM = scanner(t, registry)
	made := mustMake(t, newMaker(t, realtest.BuildKit(t)), o)
	attested := statements(t, pullIndex(t, repository, made.Digest))
	for _, p := range made.Manifests {
		all := attested[p.Digest]
		if len(all) != 1 || all[0].PredicateType != "https://spdx.dev/Document" || !strings.Contains(string(all[0].Predicate), `"etc hello home`) {
			t.Errorf("%s: %+v", p.Platform, all)
			continue
		}
		if of := "sha256:" + all[0].Subject[0].Digest["sha256"]; of != p.Digest {
			t.Errorf("%s: it is of %s, want %s", p.Platform, of, p.Digest)
		}
	}
	if len(made.Manifests) != len(platforms) {
		t.Errorf("%d manifests", len(made.Manifests))
	}
}
