package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// badCase is a release with images that does not come to be.
type badCase struct {
	config string // after the project's name
	files  map[string]string
	links  map[string]string
	env    []string
	args   []string
	tags   []string // that lie in the repository already
	fault  func(*http.Request) int
	code   int
	want   []string // all of them
	late   bool     // it is found when binaries are made already
}

// Texts of the cases: the builds of all leave a file WITNESS when they run.
const (
	anyBuild   = "builds: [{id: hello, builder: command, platforms: [linux/amd64, linux/riscv64], run: 'touch WITNESS; printf x > {output}'}]\n"
	someBuild  = "builds: [{id: hello, builder: command, platforms: [linux/amd64], run: 'touch WITNESS; printf x > {output}'}]\n"
	withDocker = "builder: BUILDER\n" + someBuild
	imageBegin = "images: [{id: img, repository: REG/bad/hello, "
)

func fileImage(more string) string {
	return withDocker + imageBegin + "dockerfile: Dockerfile" + more + "}]\n"
}

// status answers requests to the registry that imageBegin, or hold, something.
func status(code int, method, path string) func(*http.Request) int {
	return func(r *http.Request) int {
		if r.Method == method && strings.HasPrefix(r.URL.Path, "/v2/") && strings.Contains(r.URL.Path, path) {
			return code
		}
		return 0
	}
}

var (
	scratchFile = map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "a\n"}
	noEngine    = []string{noDocker}
)

var badCases = map[string]badCase{
	"no builder": {config: someBuild + imageBegin + "dockerfile: Dockerfile}]\n", files: scratchFile, env: noEngine, code: 2,
		want: []string{"error: image img needs a builder, and there is none: no docker engine answers at unix:///nonexistent/docker.sock", "hint: start docker, or BuildKit and name it with --builder"}},
	"builder is unknown": {config: someBuild + imageBegin + "dockerfile: Dockerfile}]\n", files: scratchFile, env: noEngine, args: []string{"--builder", "nobody"}, code: 2,
		want: []string{`"nobody"`, "--builder"}},
	"builder does not answer": {config: someBuild + imageBegin + "dockerfile: Dockerfile}]\n", files: scratchFile, env: noEngine, args: []string{"--builder", "unix:///nonexistent/b.sock"}, code: 1,
		want: []string{"unix:///nonexistent/b.sock", "(--builder) can't be reached", "hint: start BuildKit there"}},
	"builder lacks a platform": {config: fileImage(", platforms: [linux/amd64, linux/s390x]"), files: map[string]string{"Dockerfile": "FROM BASE\nRUN true\n"}, code: 2,
		want: []string{"can't build for linux/s390x: it has linux/amd64", "hint: leave the platform out"}},

	"base lacks a platform, in process": {config: anyBuild + imageBegin + "base: BASE}]\n", env: noEngine, code: 2,
		want: []string{"base image BASE has no linux/riscv64; it has linux/386, linux/amd64, linux/arm/v6, linux/arm64", "hint: leave these platforms out"}},
	"base lacks a platform": {config: "builder: BUILDER\n" + anyBuild + imageBegin + "base: BASE}]\n", code: 2,
		want: []string{"base image BASE has no linux/riscv64"}},
	"base is not there, in process": {config: someBuild + imageBegin + "base: REAL/no/such:1}]\n", env: noEngine, code: 2,
		want: []string{"base image REAL/no/such:1: not found", "hint: look at the setting `base`"}},
	"base of a Dockerfile is not there": {config: fileImage(""), files: map[string]string{"Dockerfile": "# x\nFROM REAL/no/such:1\n"}, code: 2, late: true,
		want: []string{"image img: its base image REAL/no/such:1 (Dockerfile:2): not found", "hint: check the name and the tag"}},
	"base of a Dockerfile lacks a platform": {config: fileImage(", platforms: [linux/arm64, linux/amd64]"), files: map[string]string{"Dockerfile": "FROM TOOLS\n"}, code: 2, late: true,
		want: []string{"image img: its base image TOOLS (Dockerfile:1) is not made for all of linux/arm64, linux/amd64"}},
	"build image is not there": {config: withDocker + imageBegin + "source: {language: command, build-image: 'REAL/no/such:1', build: 'true'}, entrypoint: [/x]}]\n", code: 2, late: true,
		want: []string{"image REAL/no/such:1", "not found", "hint: "}},

	"registry: 401": {config: someBuild + imageBegin + "}]\n", env: noEngine, fault: status(401, "POST", "/blobs/uploads/"), code: 4,
		want: []string{"push REG/bad/hello: not logged in (401", "hint: log in: `docker login REG`, or SLIPWAY_"}},
	"registry: 403": {config: someBuild + imageBegin + "}]\n", env: noEngine, fault: status(403, "POST", "/blobs/uploads/"), code: 4,
		want: []string{"push REG/bad/hello: not allowed (403", "hint: nobody is logged in to REG"}},
	"registry: 403 with a builder": {config: fileImage(""), files: scratchFile, fault: status(403, "POST", "/blobs/uploads/"), code: 4,
		want: []string{"push REG/bad/hello: not allowed (403"}},
	"registry: 403 in the middle": {config: someBuild + imageBegin + "}]\n", env: noEngine, fault: status(403, "PUT", "/manifests/sha256:"), code: 4, late: true,
		want: []string{"push REG/bad/hello: not allowed (403"}},
	"registry: 403 in the middle, with a builder": {config: fileImage(""), files: scratchFile, fault: status(403, "PUT", "/manifests/"), code: 4, late: true,
		want: []string{"REG/bad/hello: not allowed"}},
	"registry: 503 for good": {config: someBuild + imageBegin + "}]\n", env: noEngine, fault: status(503, "POST", "/blobs/uploads/"), code: 1,
		want: []string{"503 Service Unavailable; trying again in", "push REG/bad/hello: the registry can't do it now (503", "hint: run it again later"}},
	"tag of another commit": {config: someBuild + imageBegin + "}]\n", env: noEngine, tags: []string{"1.0.0"}, code: 4,
		want: []string{"REG/bad/hello:1.0.0 is there already, and nothing says that it was made from this commit", "hint: a tag that names a release is never moved"}},

	"Dockerfile: unknown instruction": {config: fileImage(""), files: map[string]string{"Dockerfile": "FROM scratch\n\nCOPPY a /a\n"}, code: 2,
		want: []string{"error: Dockerfile:3:1: ", "COPPY a /a"}},
	"Dockerfile is not there": {config: fileImage(""), code: 2,
		want: []string{`image img: there is no dockerfile "Dockerfile" in the repository`, "hint: commit it"}},
	"Dockerfile: RUN fails": {config: fileImage(", platforms: [linux/amd64, linux/386]"), code: 1, late: true,
		files: map[string]string{"Dockerfile": "FROM BASE\nRUN (echo first; echo cannot do this) >&2; exit 7\n"},
		want:  []string{"error: image img, linux/", ": Dockerfile:2: `RUN (echo first; echo cannot do this) >&2; exit 7` exited with 7", "\n  first\n  cannot do this"}},
	"Dockerfile: missing file": {config: fileImage(""), files: map[string]string{"Dockerfile": "FROM scratch\nCOPY nothere /a\n"}, code: 1, late: true,
		want: []string{"image img, linux/amd64: Dockerfile:2: `COPY nothere /a`: \"/nothere\": not found"}},
	"no secret": {config: fileImage(", secrets: [{id: key, env: NO_SUCH_KEY}]"), files: scratchFile, code: 2,
		want: []string{"image img: the secret key is in the environment variable NO_SUCH_KEY, which is not set", "hint: set NO_SUCH_KEY"}},

	"Dockerfile above":        {config: withDocker + imageBegin + "dockerfile: ../Dockerfile}]\n", code: 2, want: []string{"images[0].dockerfile: ", "../Dockerfile"}},
	"Dockerfile absolute":     {config: withDocker + imageBegin + "dockerfile: /etc/passwd}]\n", code: 2, want: []string{"images[0].dockerfile: ", "/etc/passwd"}},
	"Dockerfile behind link":  {config: fileImage(""), links: map[string]string{"Dockerfile": "/etc/passwd"}, code: 2, want: []string{`image img: dockerfile "Dockerfile" leads out of the repository`, "hint: write a path inside"}},
	"context above":           {config: fileImage(", context: .."), files: scratchFile, code: 2, want: []string{"images[0].context: "}},
	"context behind link":     {config: fileImage(", context: sub"), files: scratchFile, links: map[string]string{"sub": "../.."}, code: 2, want: []string{`image img: context "sub" leads out of the repository`}},
	"files above":             {config: someBuild + imageBegin + "files: [../a]}]\n", env: noEngine, code: 2, want: []string{"images[0].files[0]: ", "../a"}},
	"files absolute":          {config: someBuild + imageBegin + "files: [/etc/passwd]}]\n", env: noEngine, code: 2, want: []string{"images[0].files[0]: ", "/etc/passwd"}},
	"files behind link":       {config: someBuild + imageBegin + "files: [a]}]\n", env: noEngine, links: map[string]string{"a": "/etc/passwd"}, code: 2, want: []string{`"a" leads out of the repository`}},
	"files behind a folder":   {config: someBuild + imageBegin + "files: [a/passwd]}]\n", env: noEngine, links: map[string]string{"a": "/etc"}, code: 2, want: []string{`"a/passwd" leads out of the repository`}},
	"files are not there":     {config: someBuild + imageBegin + "files: [a]}]\n", env: noEngine, code: 2, want: []string{`there is no file "a" in the repository`}},
	"no login, no repository": {config: someBuild + "images: [{id: img}]\n", env: noEngine, code: 2, want: []string{"error: images[0].repository: image img has no repository: not logged in", "log in with `docker login`"}},
}

// Promise: bad input is told with what is wrong, where and what to do, and with
// the right exit code; before anything is built, where that can be known. Nothing
// is published and no tag is set.
func TestBadImages(t *testing.T) {
	t.Parallel()
	for name, c := range badCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			real, p := realtest.Registry(t), newTap(t)
			reg := p.registry(t, real)
			witness := filepath.Join(t.TempDir(), "witness")
			words := []string{"REG", reg, "REAL", real, "WITNESS", witness}
			config, files := c.config, map[string]string{}
			all := config + strings.Join(c.want, "") + c.files["Dockerfile"]
			if strings.Contains(all, "BUILDER") {
				words = append(words, "BUILDER", realtest.BuildKit(t))
			}
			if strings.Contains(all, "BASE") {
				words = append(words, "BASE", realtest.BaseImage(t, real))
			}
			if strings.Contains(all, "TOOLS") {
				words = append(words, "TOOLS", realtest.ToolchainImage(t, real))
			}
			fill := strings.NewReplacer(words...)
			for name, text := range c.files {
				files[name] = fill.Replace(text)
			}
			files[".slipway.yaml"] = fill.Replace("project: hello\n" + config)
			dir := linkedProject(t, files, c.links)

			s := simSubject(t, memory.GitHub)
			p.begin(s.fresh(t, dir), 0)
			for _, tag := range c.tags {
				putImage(t, real, p.space+"/bad/hello", tag)
			}
			p.refusing(c.fault)
			env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), c.env...)
			out, code := tryRun(t, dir, env, releaseArgs(p.URL, s, append(c.args, "--tag", "v1.0.0")...)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, fill.Replace(want)) {
					t.Errorf("%q is not in it", fill.Replace(want))
				}
			}
			if n := strings.Count(out, "\nerror:") + strings.Count(out, "\n"+"hint:"); n > 2 {
				t.Error("it is told more than once")
			}
			if _, err := os.Stat(witness); err == nil != c.late {
				t.Errorf("binaries were made: %t", err == nil)
			}
			if got := public(t, p.URL, s); len(got) > 0 {
				t.Errorf("a release is visible: %+v", got)
			}
			if got := tagList(t, real, p.space+"/bad/hello"); !slices.Equal(got, c.tags) {
				t.Errorf("the repository has the tags %v", got)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// linkedProject is projectOf with symbolic links.
func linkedProject(t *testing.T, files, links map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	projectIn(t, dir, files, "v1.0.0")
	return dir
}

// tagList reads the tags of a repository, by plain HTTP; nil when it is not there.
func tagList(t *testing.T, registry, repository string) []string {
	t.Helper()
	resp, err := http.Get("http://" + registry + "/v2/" + repository + "/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Tags []string }
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list.Tags)
	return list.Tags
}

// putImage puts an image of nothing under a tag, by plain HTTP.
func putImage(t *testing.T, registry, repository, tag string) {
	t.Helper()
	const media = "application/vnd.oci.image.index.v1+json"
	body := `{"schemaVersion":2,"mediaType":"` + media + `","manifests":[]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+registry+"/v2/"+repository+"/manifests/"+tag, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("PUT %s:%s: %s", repository, tag, resp.Status)
	}
}

// Promise: what is over in a moment costs a try and no more, and a connection that
// is cut in mid-layer is made up for. The whole layer arrives, and the release.
func TestImagesSurviveARegistryThatStumbles(t *testing.T) {
	t.Parallel()
	real, p := realtest.Registry(t), newTap(t)
	reg := p.registry(t, real)
	dir := projectOf(t, map[string]string{".slipway.yaml": strings.NewReplacer("REG", reg).Replace(`project: hello
builds: [{id: hello, builder: command, platforms: [linux/amd64], run: 'head -c 3000000 /dev/urandom > {output}'}]
images: [{id: img, repository: REG/bad/hello}]
`)}, "v1.0.0")
	s := simSubject(t, memory.GitHub)
	p.begin(s.fresh(t, dir), 0)
	var once stumbles
	p.refusing(func(r *http.Request) int {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/v2/"):
		case r.Method == http.MethodPatch && r.ContentLength > 1<<20 && once.first("layer"):
			_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
			panic(http.ErrAbortHandler) // the connection is gone
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:") && once.first("manifest"):
			return http.StatusInternalServerError
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/latest") && once.first("tag"):
			return http.StatusServiceUnavailable
		}
		return 0
	})
	env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), noDocker)
	out := mustRun(t, dir, env, releaseArgs(p.URL, s, "--tag", "v1.0.0")...)
	if len(once.seen) != 3 || strings.Count(out, "trying again in") != 3 {
		t.Errorf("the registry stumbled at %v; want it told of each of three\n%s", once.seen, out)
	}
	if got := tagList(t, real, p.space+"/bad/hello"); !slices.Equal(got, []string{"1", "1.0", "1.0.0", "latest"}) || len(public(t, p.URL, s)) != 1 {
		t.Errorf("the tags are %v\n%s", got, out)
	}
	binary := mustRead(t, filepath.Join(dir, "dist", ".slipway", "build", "bin", "linux_amd64", "hello"))
	index := struct{ Manifests []struct{ Digest string } }{}
	if err := json.Unmarshal(mustGet(t, "http://"+real+"/v2/"+p.space+"/bad/hello/manifests/latest", "application/vnd.oci.image.index.v1+json"), &index); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(binary, lastLayer(t, real, p.space+"/bad/hello", index.Manifests[0].Digest)["hello"]) {
		t.Error("the layer is not whole")
	}
}

// stumbles remembers what has gone wrong once.
type stumbles struct {
	mu   sync.Mutex
	seen []string
}

func (s *stumbles) first(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.seen, what) {
		return false
	}
	s.seen = append(s.seen, what)
	return true
}

// Promise: of several registries none gets a tag before all have everything.
func TestAllRegistriesAreStagedBeforeAnyIsTagged(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (builder string){
		"in process": func(*testing.T) string { return "" },
		"BuildKit":   func(t *testing.T) string { return "builder: " + realtest.BuildKit(t) + "\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newImageSubject(t, simSubject(t, memory.GitHub), "")
			dir := projectOf(t, map[string]string{".slipway.yaml": strings.NewReplacer("ONE", s.registries[0], "TWO", s.registries[1]).Replace(open(t) + someBuild + `project: hello
images:
  - {id: a, repository: ['ONE/acme/hello', 'TWO/mirror/hello']}
  - {id: b, repository: ['TWO/acme/other']}
`)}, "v1.0.0")
			s.tap.begin(s.fresh(t, dir), 0)
			var mu sync.Mutex
			var puts []string
			s.tap.refusing(func(r *http.Request) int {
				mu.Lock()
				defer mu.Unlock()
				if repository, tag, ok := strings.Cut(r.URL.Path, "/manifests/"); ok && r.Method == http.MethodPut {
					if strings.HasPrefix(tag, "sha256:") {
						tag = "by digest"
					}
					puts = append(puts, strings.TrimPrefix(repository, "/v2/")+" "+tag)
				}
				return 0
			})
			mustRun(t, dir, append(tokenEnv(cleanEnv(t, t.TempDir()), s.subject), noDocker), releaseArgs(s.tap.URL, s.subject, "--tag", "v1.0.0")...)
			first := slices.IndexFunc(puts, func(p string) bool { return !strings.HasSuffix(p, "by digest") })
			if first < 0 || slices.ContainsFunc(puts[first:], func(p string) bool { return strings.HasSuffix(p, "by digest") }) {
				t.Errorf("tags come before the last manifest: %q", puts)
			}
			for _, want := range []string{"acme/hello by digest", "mirror/hello by digest", "acme/other by digest", "acme/hello 1.0.0", "mirror/hello latest", "acme/other latest"} {
				if !slices.Contains(puts, want) {
					t.Errorf("%q is not among %q", want, puts)
				}
			}
		})
	}
}

// Promise: a login comes from docker's config, from a credential helper or from the
// environment, and is in no log and no error, however much the environment asks
// for.
func TestLoginsAreInNoLog(t *testing.T) {
	t.Parallel()
	user, password := "alice", "pass-"+rand.Text()
	registry := realtest.RegistryWith(t, realtest.RegistryOptions{User: user, Password: password})
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	builder := realtest.BuildKit(t)
	for name, login := range map[string]func(dir, password, auth string) []string{
		"config": func(dir, _, auth string) []string {
			return []string{"DOCKER_CONFIG=" + writeIn(t, dir, "config.json", `{"auths":{"`+registry+`":{"auth":"`+auth+`"}}}`)}
		},
		"helper": func(dir, password, _ string) []string {
			writeIn(t, dir, "docker-credential-harbour", "#!/bin/sh\necho asked for $1 >&2\necho '{\"Username\":\""+user+"\",\"Secret\":\""+password+"\"}'\n")
			return []string{"PATH=" + dir + ":" + os.Getenv("PATH"),
				"DOCKER_CONFIG=" + writeIn(t, dir, "config.json", `{"credHelpers":{"`+registry+`":"harbour"}}`)}
		},
		"environment": func(_, password, _ string) []string {
			return []string{"SLIPWAY_REGISTRY=" + registry, "SLIPWAY_REGISTRY_USER=" + user, "SLIPWAY_REGISTRY_PASSWORD=" + password}
		},
		"auth config": func(_, _, auth string) []string {
			return []string{`DOCKER_AUTH_CONFIG={"auths":{"` + registry + `":{"auth":"` + auth + `"}}}`}
		},
	} {
		for _, made := range []string{"", "builder: " + builder + "\n"} {
			t.Run(name+" "+strings.TrimSpace(made), func(t *testing.T) {
				t.Parallel()
				// Without a repository: the login says where it goes, registry/alice/<project>.
				project := "p" + strings.ToLower(rand.Text())
				dir := projectOf(t, map[string]string{".slipway.yaml": "project: " + project + "\n" + made + strings.ReplaceAll(someBuild, "touch WITNESS; ", "") + "images: [{id: img}]\n"}, "v1.0.0")
				s := simSubject(t, memory.GitHub)
				server := s.fresh(t, dir)
				loud := append(tokenEnv(cleanEnv(t, t.TempDir()), s), noDocker, "DEBUG=1", "BUILDX_DEBUG=1", "BUILDKIT_DEBUG=1", "DOCKER_DEBUG=1")
				wrong := "wrong-" + rand.Text()
				wrongAuth := base64.StdEncoding.EncodeToString([]byte(user + ":" + wrong))
				out, code := tryRun(t, dir, append(loud, login(t.TempDir(), wrong, wrongAuth)...), releaseArgs(server, s, "--tag", "v1.0.0")...)
				if code != 4 || !strings.Contains(out, "not logged in") || strings.Contains(out, wrong) || strings.Contains(out, wrongAuth) {
					t.Errorf("a wrong password: exit code %d\n%s", code, out)
				}
				env := append(loud, login(t.TempDir(), password, auth)...)
				out = mustRun(t, dir, env, releaseArgs(server, s, "--tag", "v1.0.0", "--json")...)
				out += mustRun(t, dir, env, releaseArgs(server, s, "--tag", "v1.0.0")...)
				if strings.Contains(out, password) || strings.Contains(out, auth) {
					t.Errorf("the login is in it:\n%s", out)
				}
				if !strings.Contains(out, registry+"/"+user+"/"+project) {
					t.Errorf("it did not go where the login says:\n%s", out)
				}
			})
		}
	}
}

func writeIn(t *testing.T, dir, name, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Error(err)
	}
	return dir
}
