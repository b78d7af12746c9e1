package action_test

import (
	"cmp"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/workflows"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		panic(err)
	}
	flag.Parse()
	// The tests wait for a runner most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// theAction is what workflows name: it lies on the Gitea itself, as this
// checkout has it.
const theAction = "slipway-dev/slipway@main"

// checkout does what actions/checkout does, which needs Node.js: it leaves the
// commit alone, or with fetch-depth 0 all branches and tags.
const checkout = `name: Checkout
inputs:
  fetch-depth: {default: '1'}
  persist-credentials: {default: 'true'}
runs:
  using: composite
  steps:
    - shell: sh
      env:
        DEPTH: ${{ inputs.fetch-depth }}
        KEEP: ${{ inputs.persist-credentials }}
        TOKEN: ${{ github.token }}
      run: |
        set -eu
        git init -q .
        git remote add origin "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"
        auth="AUTHORIZATION: basic $(printf %s "x-access-token:$TOKEN" | base64 -w0)"
        git config "http.$GITHUB_SERVER_URL/.extraheader" "$auth"
        case "$GITHUB_REF" in
          refs/tags/*) to=$GITHUB_REF ;;
          *) to=refs/remotes/origin/${GITHUB_REF#refs/heads/} ;;
        esac
        if [ "$DEPTH" = 0 ]; then
          git fetch -q --no-recurse-submodules origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
        fi
        git fetch -q --no-tags --no-recurse-submodules $([ "$DEPTH" = 0 ] || echo "--depth=$DEPTH") origin "+$GITHUB_SHA:$to"
        git checkout -q --force "$to"
        [ "$KEEP" = true ] || git config --unset "http.$GITHUB_SERVER_URL/.extraheader"
`

// hub is a Gitea with a runner, and the actions that workflows use.
type hub struct {
	*realtest.GiteaServer

	registry string
}

var fill sync.Once

// newHub returns the hub that all tests share.
func newHub(t testing.TB) hub {
	t.Helper()
	h := hub{realtest.Runner(t), realtest.Registry(t)}
	fill.Do(func() {
		// The runner takes an image of that name for one that it has built.
		built := fmt.Sprintf("act-%x-dockeraction:latest", sha256.Sum256([]byte(theAction)))
		realtest.LoadActionImage(t, realtest.Docker(t), built)
		h.publish(t, "actions", "checkout", map[string]string{"action.yml": checkout}, "v4")
		files := map[string]string{"action.yml": read(t, "../action.yml")}
		names, err := realtest.ContextFiles(t.Context(), "..")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			files[name] = read(t, filepath.Join("..", name))
		}
		h.publish(t, "slipway-dev", "slipway", files)
	})
	return h
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// publish makes a repository of an organisation that has one commit.
func (h hub) publish(t testing.TB, org, name string, files map[string]string, tags ...string) {
	t.Helper()
	h.must(t, http.StatusCreated, http.MethodPost, "/orgs", map[string]any{"username": org}, nil)
	h.must(t, http.StatusCreated, http.MethodPost, "/orgs/"+org+"/repos", map[string]any{"name": name, "default_branch": "main"}, nil)
	local := gittest.New(t)
	for name, text := range files {
		local.Write(name, text)
	}
	local.Commit("feat: begin")
	for _, tag := range tags {
		local.Tag(tag)
	}
	local.Git("push", "--quiet", h.withLogin(t, "/"+org+"/"+name+".git"), "main", "--tags")
}

func (h hub) withLogin(t testing.TB, path string) string {
	t.Helper()
	u, err := url.Parse(h.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(h.User, h.Admin)
	return u.String()
}

// must calls the API as administrator.
func (h hub) must(t testing.TB, want int, method, path string, in, out any) {
	t.Helper()
	if got := h.Call(t, h.Admin, method, path, in, out); got != want {
		t.Fatalf("%s %s: %d, want %d", method, path, got, want)
	}
}

// project is a repository with workflows.
type project struct {
	*gittest.Repo

	t       testing.TB
	hub     hub
	repo    *realtest.GiteaRepo
	image   string // repository of the images
	private bool
}

// config is that of a project whose binaries are made at once.
const config = `project: hello
builds:
  - id: hello
    builder: command
    run: printf '%s' "hello {version} {os} {arch}{variant}" > {output}
images:
  - {id: hello, repository: IMAGE, builds: [hello], base: scratch}
`

// newProject makes a project with Gitea's templates of those names, and pushes
// its main branch.
func newProject(t testing.TB, templates ...string) *project {
	t.Helper()
	p := &project{Repo: gittest.New(t), t: t, hub: newHub(t)}
	p.repo = p.hub.CreateRepo(t, "hello")
	p.image = p.hub.registry + "/" + p.repo.FullName()
	p.Write(".slipway.yaml", strings.ReplaceAll(config, "IMAGE", p.image))
	p.Write("README.md", "# hello\n")
	for _, name := range templates {
		f, err := workflows.Render("gitea", name, workflows.Options{Action: theAction})
		if err != nil {
			t.Fatal(err)
		}
		p.Write(f.Path, string(f.Content))
	}
	p.Commit("feat: say hello")
	p.Git("remote", "add", "origin", p.repo.CloneURL)
	return p
}

// workflow adds a workflow of the test's own.
func (p *project) workflow(name, text string) { p.Write(".gitea/workflows/"+name+".yml", text) }

// push pushes refs and returns when Gitea has taken note of them, which nobody
// but its owner can see of a private repository.
func (p *project) push(refs ...string) {
	p.t.Helper()
	if p.private {
		p.repo.PushNow(p.t, p.Dir, refs...)
		return
	}
	p.repo.Push(p.t, p.Dir, refs...)
}

// hide makes the repository private.
func (p *project) hide() {
	p.t.Helper()
	p.hub.must(p.t, http.StatusOK, http.MethodPatch, p.api(""), map[string]any{"private": true}, nil)
	p.private = true
}

// run is a workflow's run, as Gitea tells of it.
type run struct {
	ID         int64  `json:"id"`
	Event      string `json:"event"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	Path       string `json:"path"` // FILE@REF
	Attempt    int    `json:"run_attempt"`

	jobs []job
}

type job struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`

	log string
}

func (p *project) api(path string) string { return "/repos/" + p.repo.FullName() + path }

// find returns the newest run for an event and a ref, when there is one.
func (p *project) find(event, ref string) (run, bool) {
	p.t.Helper()
	var list struct {
		Runs []run `json:"workflow_runs"`
	}
	p.hub.must(p.t, http.StatusOK, http.MethodGet, p.api("/actions/runs?limit=50"), nil, &list)
	i := slices.IndexFunc(list.Runs, func(r run) bool { return r.Event == event && strings.HasSuffix(r.Path, "@"+ref) })
	if i < 0 {
		return run{}, false
	}
	return list.Runs[i], true
}

// wait returns the run for an event and a ref when it has ended.
func (p *project) wait(event, ref string) run {
	p.t.Helper()
	return p.until(event, ref, func(r run) bool { return r.Status == "completed" })
}

const patience = 3 * time.Minute

func (p *project) until(event, ref string, done func(run) bool) run {
	p.t.Helper()
	var last run
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if r, there := p.find(event, ref); there {
			if last = r; done(r) {
				return p.filled(r)
			}
		}
		if time.Since(begun) > patience {
			p.t.Fatalf("the run of %s %s has not come to its end: %+v", event, ref, p.filled(last))
		}
	}
}

// filled returns a run with its jobs and their logs.
func (p *project) filled(r run) run {
	p.t.Helper()
	var list struct{ Jobs []job }
	p.hub.must(p.t, http.StatusOK, http.MethodGet, p.api(fmt.Sprintf("/actions/runs/%d/jobs", r.ID)), nil, &list)
	for i, j := range list.Jobs {
		list.Jobs[i].log = p.get(fmt.Sprintf("/api/v1"+p.api("/actions/jobs/%d/logs"), j.ID))
	}
	r.jobs = list.Jobs
	slices.SortFunc(r.jobs, func(a, b job) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

// get reads anything of the server's.
func (p *project) get(path string) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.hub.URL+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+p.hub.Admin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// log is what all jobs of a run wrote.
func (r run) log() string {
	var b strings.Builder
	for _, j := range r.jobs {
		fmt.Fprintf(&b, "=== %s: %s %s\n%s\n", j.Name, j.Status, j.Conclusion, j.log)
	}
	return b.String()
}

// asUser asks for what only a person can, who has logged in.
func (h hub) asUser(t testing.TB, method, path string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Jar: jar}
	for _, ask := range []struct {
		method, path string
		form         url.Values
	}{
		{http.MethodPost, "/user/login", url.Values{"user_name": {h.User}, "password": {h.Password}}},
		{method, path, nil},
	} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, h.URL+ask.path, strings.NewReader(ask.form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s %s: %s", ask.method, ask.path, resp.Status)
		}
	}
}
