package workflows_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/workflows"
)

// A pushed tag is released, with its image, by the template as it is written;
// what comes after reads outputs and summary, and no secret is in any of it. Run
// again, nothing changes.
func TestActRelease(t *testing.T) {
	t.Parallel()
	const password = "swordfish-of-the-registry"
	registry := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ada", Password: password})
	p := newProject(t, "images: [{id: hello, repository: "+registry+"/acme/hello, builds: [hello]}]\n")
	p.git("tag", "v1.0.0")
	p.git("push", "-q", "origin", "v1.0.0")
	p.secrets = map[string]string{"REGISTRY_USERNAME": "ada", "REGISTRY_PASSWORD": password}

	r := p.act("release", workflows.Options{Registry: registry}, "push", p.pushed("refs/tags/v1.0.0"))
	r.ended(true)
	p.published("v1.0.0", 7)
	r.output("class", "stable")
	r.output("tag", "v1.0.0")
	r.output("outcome", "published")
	r.output("skipped", "false")
	r.output("checksums", "dist/checksums.txt")
	r.output("digests", "dist/digests.txt")
	r.output("url", p.server+"/acme/hello/releases/tag/v1.0.0")
	if got := r.outputs["assets"]; strings.Count(got, `"digest":"sha256:`) != 7 {
		t.Errorf("output assets: %s", got)
	}
	r.says("summary", r.summary, "hello 1.0.0 is published", "hello_1.0.0_linux_armv6.tar.gz", registry+"/acme/hello", "| commit |")
	r.says("log", r.log, "Tag v1.0.0 was pushed", "::group::build", "::endgroup::")
	for _, secret := range []string{password, p.token} {
		if !r.masked[secret] {
			t.Errorf("the runner was not told to hide a secret (%d others were)", len(r.masked))
		}
		r.hides(secret)
	}
	if len(r.annotations) > 0 {
		t.Errorf("annotations: %q", r.annotations)
	}

	r = p.act("release", workflows.Options{Registry: registry}, "push", p.pushed("refs/tags/v1.0.0"))
	r.ended(true)
	r.output("outcome", "unchanged")
	p.published("v1.0.0", 7)
}

// A pull request, of a fork even, gets its plan without a token, and nothing is
// published.
func TestActPlan(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	p.token = "" // GitHub gives one that only reads
	r := p.act("plan", workflows.Options{}, "pull_request", map[string]any{
		"action": "opened", "number": 1,
		"pull_request": map[string]any{
			"number": 1, "head": map[string]any{"sha": p.head(), "ref": "main", "repo": map[string]any{"full_name": "eve/hello", "fork": true}},
			"base": map[string]any{"ref": "main", "sha": p.head(), "repo": map[string]any{"full_name": "acme/hello"}},
		},
	})
	r.ended(true)
	r.output("outcome", "planned")
	r.says("summary", r.summary, "is planned", "hello_")
	r.says("log", r.log, "Pull request 1 gets a plan of its commit")
	if n := len(p.repo.PublicReleases()); n != 0 {
		t.Errorf("%d releases", n)
	}
}

// A push has its checks run; a config that is wrong is told of where it is.
func TestActTest(t *testing.T) {
	t.Parallel()
	p := newProject(t, "test: [{name: looks, run: test -f README.md}]\n")
	r := p.act("test", workflows.Options{}, "push", p.pushed("refs/heads/main"))
	r.ended(true)
	r.output("outcome", "checked")
	r.says("summary", r.summary, "passes its checks", "| looks |")

	p.write(".slipway.yaml", "project: hello\nbilds: []\n")
	p.git("commit", "-qam", "feat: a slip")
	r = p.act("test", workflows.Options{}, "push", p.pushed("refs/heads/main"))
	r.ended(false)
	r.output("outcome", "failed")
	if diff := cmp.Diff([]string{"error .slipway.yaml:2:1 bilds: unknown key"}, shortened(r.annotations, len("error .slipway.yaml:2:1 bilds: unknown key"))); diff != "" {
		t.Error(diff)
	}
	if n := len(p.repo.PublicReleases()); n != 0 {
		t.Errorf("%d releases", n)
	}
}

// The schedule makes a development release of the default branch; by hand, a
// branch of no class ends well and says why.
func TestActDevelopment(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	r := p.act("development", workflows.Options{}, "schedule", map[string]any{"schedule": "23 3 * * 1"})
	r.ended(true)
	r.output("class", "development")
	p.published("dev-"+p.head()[:12], 6)

	p.git("switch", "-qc", "feature")
	p.write("README.md", "more\n")
	p.git("commit", "-qam", "feat: more")
	r = p.act("development", workflows.Options{}, "workflow_dispatch", map[string]any{"ref": "refs/heads/feature"})
	r.ended(true)
	r.output("skipped", "true")
	if diff := cmp.Diff([]string{"notice nothing to release: branch feature belongs to no class"}, shortened(r.annotations, 61)); diff != "" {
		t.Error(diff)
	}
	r.says("summary", r.summary, "Nothing to release", "branch feature belongs to no class")
}

// By hand, a commit gets a new tag and a release of its class; once more changes
// nothing; a tag of another commit, and one that is not released, are refused.
func TestActPromote(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	p.git("tag", "v1.1.0-rc1")
	promoted := p.head()
	p.write("README.md", "more\n")
	p.git("commit", "-qam", "feat: more")
	p.git("push", "-q", "origin", "main", "v1.1.0-rc1")
	dispatch := func(from, tag string) map[string]any {
		return map[string]any{"ref": "refs/heads/main", "inputs": map[string]any{"from": from, "tag": tag}}
	}
	r := p.act("promote", workflows.Options{}, "workflow_dispatch", dispatch(promoted, "v1.1.0"))
	r.ended(true)
	r.output("class", "stable")
	r.output("outcome", "published")
	p.published("v1.1.0", 6)
	if got := strings.Fields(p.git("ls-remote", "origin", "refs/tags/v1.1.0"))[0]; got != promoted {
		t.Errorf("the new tag is at %s, not at %s", got, promoted)
	}
	r = p.act("promote", workflows.Options{}, "workflow_dispatch", dispatch(promoted, "v1.1.0"))
	r.ended(true)
	r.output("outcome", "unchanged")
	r = p.act("promote", workflows.Options{}, "workflow_dispatch", dispatch("v1.1.0-rc1", "v1.2.0"))
	r.ended(false)
	r.says("annotations", strings.Join(r.annotations, "\n"), "v1.1.0-rc1 has no public release")
	r = p.act("promote", workflows.Options{}, "workflow_dispatch", dispatch("main", "v1.1.0-rc1"))
	r.ended(false)
	r.says("annotations", strings.Join(r.annotations, "\n"), "tag v1.1.0-rc1 is taken")
	r = p.act("promote", workflows.Options{}, "workflow_dispatch", dispatch(`$(touch /x)"; exit 0 #`, "v2.0.0"))
	r.ended(false)
	r.says("annotations", strings.Join(r.annotations, "\n"), "is neither a tag nor a commit")
	if n := len(p.repo.PublicReleases()); n != 1 {
		t.Errorf("%d releases", n)
	}
}

// A split build, through the draft and through the run's artifacts, gives the
// assets of one job, byte for byte.
func TestActSplit(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	p.git("tag", "v1.0.0")
	p.git("push", "-q", "origin", "v1.0.0")
	var whole map[string]string
	for _, name := range []string{"release", "split", "split-artifacts"} {
		r := p.act(name, workflows.Options{}, "push", p.pushed("refs/tags/v1.0.0"))
		r.ended(true)
		r.output("outcome", "published")
		p.published("v1.0.0", 6)
		digests := map[string]string{}
		made := p.repo.PublicReleases()[0]
		for _, a := range made.Assets {
			digests[a.Name] = a.Digest
		}
		if name == "release" {
			whole = digests
		} else {
			r.says("log", r.log, "built elsewhere")
			if diff := cmp.Diff(whole, digests); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		// The next one has the same forge, as its address is in the manifest.
		id, err := strconv.ParseInt(made.ID, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.repo.Delete(memory.Writer, id); err != nil {
			t.Fatal(err)
		}
	}
}

func shortened(texts []string, to int) []string {
	var out []string
	for _, s := range texts {
		out = append(out, s[:min(len(s), to)])
	}
	return out
}

// standIns are the actions that can't be had here. actions/checkout is act's
// own; these two carry files over the folder /shared of every job.
var standIns = map[string]string{
	"upload-artifact": `name: upload
inputs: {name: {required: true}, path: {required: true}, if-no-files-found: {}, retention-days: {}}
runs:
  using: composite
  steps:
    - shell: bash
      run: mkdir -p "/shared/$NAME" && cp $FILES "/shared/$NAME/"
      env: {NAME: '${{ inputs.name }}', FILES: '${{ inputs.path }}'}
`,
	"download-artifact": `name: download
inputs: {pattern: {required: true}, path: {required: true}, merge-multiple: {}}
runs:
  using: composite
  steps:
    - shell: bash
      run: mkdir -p "$TO" && cp /shared/$PATTERN/* "$TO/"
      env: {TO: '${{ inputs.path }}', PATTERN: '${{ inputs.pattern }}'}
`,
}

// actions makes the folders of the actions that act is given: ours is action.yml
// with the image that was made of this checkout.
func actions(t *testing.T, dir string) map[string]string {
	t.Helper()
	own, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(own), "image: Dockerfile", "image: docker://"+realtest.ActionImage, 1)
	if text == string(own) {
		t.Fatal("action.yml has no image: Dockerfile")
	}
	at := map[string]string{"slipway-dev/slipway@v1": text}
	for name, text := range standIns {
		at["actions/"+name+"@v4"] = text
	}
	for uses, text := range at {
		folder := filepath.Join(dir, strings.NewReplacer("/", "-", "@", "-").Replace(uses))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "action.yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		at[uses] = folder
	}
	return at
}
