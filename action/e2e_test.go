package action_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// forgeRelease is a release as any reader sees it.
type forgeRelease struct {
	Tag        string `json:"tag_name"`
	Prerelease bool
	Draft      bool
	Body       string
	Assets     []struct {
		Name string
		URL  string `json:"browser_download_url"`
	}
}

// public are the releases that readers see, by their tags.
func (p *project) public() map[string]forgeRelease {
	p.t.Helper()
	var list []forgeRelease
	if got := p.hub.Call(p.t, "", http.MethodGet, p.api("/releases"), nil, &list); got != http.StatusOK {
		p.t.Fatalf("the releases answer %d", got)
	}
	out := map[string]forgeRelease{}
	for _, r := range list {
		if r.Draft {
			p.t.Errorf("a reader sees the draft of %s", r.Tag)
		}
		out[r.Tag] = r
	}
	return out
}

// assets are the contents of a release's assets, by name.
func (p *project) assets(r forgeRelease) map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, a := range r.Assets {
		if _, twice := out[a.Name]; twice {
			p.t.Errorf("%s has %s twice", r.Tag, a.Name)
		}
		out[a.Name] = p.get(strings.TrimPrefix(a.URL, p.hub.URL))
	}
	return out
}

// platforms are those of an image in the registry.
func (p *project) platforms(tag string) []string {
	p.t.Helper()
	ref, err := name.ParseReference(p.image + ":" + tag)
	if err != nil {
		p.t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		p.t.Errorf("image %s: %v", ref, err)
		return nil
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		p.t.Fatal(err)
	}
	var out []string
	for _, m := range manifest.Manifests {
		out = append(out, m.Platform.String())
	}
	return out
}

func (r run) must(t *testing.T, conclusion string, says ...string) {
	t.Helper()
	if r.Conclusion != conclusion {
		t.Fatalf("it ended as %s, want %s\n%s", r.Conclusion, conclusion, r.log())
	}
	for _, text := range says {
		if !strings.Contains(r.log(), text) {
			t.Errorf("the log does not say %q:\n%s", text, r.log())
		}
	}
}

func tagRef(tag string) string { return "refs/tags/" + tag }

// A pushed tag becomes a release with binaries for four platforms, images and
// notes: a stable one, and two extra ones. Two runs side by side are no trouble.
func TestTagsBecomeReleases(t *testing.T) {
	t.Parallel()
	p := newProject(t, "release", "plan", "test")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "success", "v1.0.0 is published as stable")
	p.WriteCommit("more.txt", "more\n", "fix: say it louder")
	p.Tag("v1.1.0-rc1")
	p.Tag("nightly-1")
	p.push("main", "v1.1.0-rc1", "nightly-1")
	p.wait("push", tagRef("v1.1.0-rc1")).must(t, "success", "v1.1.0-rc1 is published as extra")
	p.wait("push", tagRef("nightly-1")).must(t, "success", "nightly-1 is published as extra")
	p.wait("push", "refs/heads/main").must(t, "success", "passes its checks")

	all := p.public()
	for tag, want := range map[string]struct {
		version, image, note string
		prerelease           bool
	}{
		"v1.0.0":     {"1.0.0", "1.0.0", "say hello", false},
		"v1.1.0-rc1": {"1.1.0-rc1", "v1.1.0-rc1", "say it louder", true},
		"nightly-1":  {"nightly-1", "nightly-1", "say it louder", true},
	} {
		r := all[tag]
		if r.Prerelease != want.prerelease || !strings.Contains(r.Body, want.note) {
			t.Errorf("%s: prerelease %t, notes %q", tag, r.Prerelease, r.Body)
		}
		assets := p.assets(r)
		for _, platform := range []string{"linux_amd64", "linux_386", "linux_arm64", "linux_armv6"} {
			archive := "hello_" + want.version + "_" + platform + ".tar.gz"
			binary := unpacked(t, assets[archive])["hello"]
			if !strings.HasPrefix(binary, "hello "+want.version+" linux ") {
				t.Errorf("%s has %q in it", archive, binary)
			}
			if !strings.Contains(assets["checksums.txt"], archive) {
				t.Errorf("checksums.txt has no %s", archive)
			}
		}
		if diff := cmp.Diff([]string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"}, p.platforms(want.image)); diff != "" {
			t.Errorf("%s: platforms of the image (-want +got):\n%s", tag, diff)
		}
	}
	if len(all) != 3 {
		t.Errorf("there are %d releases: %v", len(all), slices.Sorted(maps.Keys(all)))
	}
}

// unpacked are the files of a .tar.gz by name.
func unpacked(t *testing.T, archive string) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(archive))
	if err != nil {
		t.Errorf("%.100q is no archive: %v", archive, err)
		return nil
	}
	out := map[string]string{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		var b bytes.Buffer
		if err == nil {
			_, err = b.ReadFrom(tr)
		}
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = b.String()
	}
}

// onEverything is a workflow that hands every push and pull request to the
// action's default command.
const onEverything = `on: [push, pull_request]
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - uses: ` + theAction + `
`

// What asks for no release ends well, says why, and publishes nothing: a push
// to a branch, which no class was named for, and a pull request, which gets a plan.
func TestNothingToRelease(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.workflow("release", onEverything)
	p.Commit("ci: on everything")
	p.push("main")
	p.Branch("feature")
	p.WriteCommit("more.txt", "more\n", "feat: more")
	p.push("feature")
	p.hub.must(t, http.StatusCreated, http.MethodPost, p.api("/pulls"), map[string]any{"title": "more", "head": "feature", "base": "main"}, nil)
	p.wait("push", "refs/heads/main").must(t, "success", "nothing to release: Branch main was pushed, and a push of a branch publishes nothing")
	p.wait("push", "refs/heads/feature").must(t, "success", "nothing to release: Branch feature was pushed, and a push of a branch publishes nothing")
	p.wait("pull_request", "refs/pull/1/head").must(t, "success", "Pull request 1 gets a plan of its commit", "hello_")
	if all := p.public(); len(all) > 0 {
		t.Errorf("published: %v", all)
	}
	if _, err := remote.List(repository(t, p.image)); err == nil {
		t.Error("the registry has images of it")
	}
}

func repository(t *testing.T, of string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(of)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A run that is cancelled midway, with a draft that holds a part of the release
// and Slipway at work, has published nothing; run again, it ends where an
// undisturbed one does.
func TestCancelledRunIsRunAgain(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.Write(".slipway.yaml", strings.ReplaceAll(strings.ReplaceAll(config, "IMAGE", p.image),
		"run: ", `run: test {arch} != arm64 || test "$GITHUB_RUN_ATTEMPT" != 1 || sleep 600; `))
	p.workflow("release", onTags(realtest.RunnerLabel)+`
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - uses: `+theAction+`
        with: {command: build, stage: true, platforms: 'linux/amd64,linux/386'}
      - uses: `+theAction+`
`)
	p.Commit("feat: slow at first")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	r := p.until("push", tagRef("v1.0.0"), func(r run) bool {
		return p.drafts() > 0 && strings.Count(p.filled(r).log(), "✓ preflight") == 2
	})
	p.hub.asUser(t, http.MethodPost, fmt.Sprintf("/%s/actions/runs/%d/cancel", p.repo.FullName(), r.ID))
	p.wait("push", tagRef("v1.0.0")).must(t, "cancelled")
	if all := p.public(); len(all) > 0 {
		t.Errorf("published by a run that was cancelled: %v", all)
	}
	p.hub.must(t, http.StatusCreated, http.MethodPost, p.api(fmt.Sprintf("/actions/runs/%d/rerun", r.ID)), nil, nil)
	p.until("push", tagRef("v1.0.0"), func(r run) bool { return r.Attempt > 1 && r.Status == "completed" }).
		must(t, "success", "v1.0.0 is published as stable")
	p.released("v1.0.0")
}

// drafts is how many drafts with assets there are.
func (p *project) drafts() int {
	p.t.Helper()
	var list []forgeRelease
	p.hub.must(p.t, http.StatusOK, http.MethodGet, p.api("/releases?draft=true"), nil, &list)
	return len(slices.DeleteFunc(list, func(r forgeRelease) bool { return len(r.Assets) == 0 }))
}

// The release of a split build, a job a platform, has the bytes of the one that
// a single job makes.
func TestSplitBuildIsTheSame(t *testing.T) {
	t.Parallel()
	p := newProject(t, "release", "split")
	p.push("main")
	p.enable("slipway-split.yml", false)
	p.Tag("v1.0.0")
	p.push("v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "success")
	single := p.assets(p.public()["v1.0.0"])

	p.hub.must(t, http.StatusNoContent, http.MethodDelete, p.api("/releases/tags/v1.0.0"), nil, nil)
	p.enable("slipway-release.yml", false)
	p.enable("slipway-split.yml", true)
	p.push(":v1.0.0")
	p.push("v1.0.0")
	r := p.until("push", tagRef("v1.0.0"), func(r run) bool {
		return strings.HasPrefix(r.Path, "slipway-split.yml") && r.Status == "completed"
	})
	r.must(t, "success", "slipway-part-linux_armv6.tar.gz", "built elsewhere")
	if len(r.jobs) != 5 {
		t.Errorf("it had %d jobs, want one a platform and one for the release", len(r.jobs))
	}
	if diff := cmp.Diff(single, p.assets(p.public()["v1.0.0"])); diff != "" || len(single) != 7 {
		t.Errorf("%d assets; (-single +split):\n%s", len(single), diff)
	}
}

// enable turns a workflow on or off.
func (p *project) enable(file string, on bool) {
	p.t.Helper()
	verb := map[bool]string{true: "enable", false: "disable"}[on]
	p.hub.must(p.t, http.StatusNoContent, http.MethodPut, p.api("/actions/workflows/"+file+"/"+verb), nil, nil)
}
