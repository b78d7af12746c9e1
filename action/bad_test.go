package action_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// released holds that a tag is released whole.
func (p *project) released(tag string) {
	p.t.Helper()
	if got := p.assets(p.public()[tag]); len(got) != 7 {
		p.t.Errorf("%s has the assets %v", tag, slices.Sorted(maps.Keys(got)))
	}
	if got := len(p.platforms(strings.TrimPrefix(tag, "v"))); got != 4 {
		p.t.Errorf("the image of %s has %d platforms", tag, got)
	}
}

// onTags begins a workflow for tags, with a job on a runner of that label.
func onTags(label string) string {
	return `on: {push: {tags: ['**']}}
jobs:
  release:
    runs-on: ` + label + `
    steps:
`
}

func (p *project) secret(name, value string) {
	p.t.Helper()
	p.hub.must(p.t, http.StatusCreated, http.MethodPut, p.api("/actions/secrets/"+name), map[string]any{"data": value}, nil)
}

// A workspace of another user's, and of the commit alone in a private
// repository: it is trusted, and the history since the last release fetched.
func TestShallowWorkspaceOfAnotherUser(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.hide()
	p.workflow("release", onTags(realtest.RunnerLabel)+`
      - uses: actions/checkout@v4
      - run: chown -R 1000:1000 .
      - uses: `+theAction+`
`)
	p.Commit("feat: workflow")
	p.Tag("v1.0.0")
	p.WriteCommit("more.txt", "more\n", "fix: what v1.0.0 left")
	p.WriteCommit("most.txt", "most\n", "fix: the rest")
	p.push("main", "v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "success")
	p.Tag("v1.0.1")
	p.push("v1.0.1")
	p.wait("push", tagRef("v1.0.1")).must(t, "success", "the clone is shallow: fetching the history")
	var r forgeRelease
	p.hub.must(t, http.StatusOK, http.MethodGet, p.api("/releases/tags/v1.0.1"), nil, &r)
	if !strings.Contains(r.Body, "what v1.0.0 left") || strings.Contains(r.Body, "say hello") {
		t.Errorf("the notes are not those since v1.0.0: %q", r.Body)
	}
}

// Where the history can't be fetched, the line that helps is named.
func TestShallowWorkspaceAlone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.hide()
	p.workflow("release", onTags(realtest.RunnerLabel)+`
      - uses: actions/checkout@v4
        with: {persist-credentials: false}
      - run: git remote set-url origin http://127.0.0.1:9/nowhere
      - uses: `+theAction+`
`)
	p.Commit("feat: workflow")
	p.WriteCommit("more.txt", "more\n", "feat: more")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "failure", "fetch-depth: 0")
}

// A token that may only read is found out before anything is built.
func TestTokenWithoutRights(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.secret("READER", p.hub.ReadOnlyToken(t))
	p.workflow("release", onTags(realtest.RunnerLabel)+`
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - uses: `+theAction+`
        with:
          token: ${{ secrets.READER }}
`)
	p.Commit("feat: workflow")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	r := p.wait("push", tagRef("v1.0.0"))
	r.must(t, "failure", "✗ preflight", "the token may not write to")
	if strings.Contains(r.log(), "::group::build") {
		t.Errorf("it was built:\n%s", r.log())
	}
	if all := p.public(); len(all) > 0 {
		t.Errorf("published: %v", all)
	}
}

// Without a docker socket, images of binaries are made in process. An image
// that needs a builder ends with words that say so.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	realtest.RunnerWithoutSocket(t)
	p.workflow("release", onTags(realtest.NoSocketLabel)+`
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - run: test ! -e /var/run/docker.sock
      - uses: `+theAction+`
`)
	p.Commit("feat: workflow")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "success")
	p.released("v1.0.0")

	p.Write("Dockerfile", "FROM scratch\nCOPY README.md /\n")
	p.Write(".slipway.yaml", strings.ReplaceAll(config, "IMAGE", p.image)+"  - {id: readme, repository: "+p.image+"-readme, dockerfile: Dockerfile}\n")
	p.Commit("feat: an image of a Dockerfile")
	p.Tag("v1.1.0")
	p.push("main", "v1.1.0")
	p.wait("push", tagRef("v1.1.0")).must(t, "failure", "builder")
}

// A Go project is compiled by the Go of the action's image for four platforms.
func TestGoProject(t *testing.T) {
	t.Parallel()
	p := goProject(t, "release")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	p.wait("push", tagRef("v1.0.0")).must(t, "success")
	p.released("v1.0.0")
	r := p.public()["v1.0.0"]
	if got := unpacked(t, p.assets(r)["hello_1.0.0_linux_armv6.tar.gz"])["hello"]; !strings.HasPrefix(got, "\x7fELF") {
		t.Errorf("%.20q is no binary", got)
	}
}
