package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// markerBegin begins every marker, so that one search finds them all. Its length
// is a multiple of three: in base64 it is a text of its own.
const markerBegin = "slipway-marker-"

// marker is a text that is nowhere else.
func marker(name string) string { return markerBegin + name + "-" + rand.Text() }

// Promise: of an environment file and of a build secret nothing is left: not in
// any layer, not in any builder stage, not in the cache of the builder or in an
// exported one, not in an asset, and in no log. Nor is there anything of where
// the repository lies on this machine. A marker in a file that the images do hold
// shows that the search would find them.
func TestSecretsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	builder := realtest.BuildKit(t)
	data, cache := t.TempDir(), t.TempDir()
	registry := realtest.RegistryWith(t, realtest.RegistryOptions{Data: data})
	kept, env, secret, file := marker("kept"), marker("env"), marker("secret"), marker("file")
	files := leakyProject(registry, realtest.BaseImage(t, registry), builder, cache)
	for _, name := range []string{".env", "config/.env.production"} {
		files[name] = "PASSWORD=" + env + "\n"
	}
	files["README.md"], files["config/app.conf"] = kept+"\n", "mode=fast\n"
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	files[".slipway.yaml"] = strings.ReplaceAll(files[".slipway.yaml"], "SECRETFILE", secretFile)
	folder := marker("folder")
	dir := filepath.Join(t.TempDir(), folder)
	projectIn(t, dir, files, "v1.0.0")
	// One that is not even committed.
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte("PASSWORD="+env), 0o600); err != nil {
		t.Fatal(err)
	}

	s := simSubject(t, memory.GitHub)
	server := s.fresh(t, dir)
	home := t.TempDir()
	environ := append(tokenEnv(cleanEnv(t, home), s), "APP_KEY="+secret)
	plan := mustRun(t, dir, environ, "slipway", "plan", "--tag", "v1.0.0")
	if n := strings.Count(plan, "left out: environment files (.env, .env.*)"); n != 4 {
		t.Errorf("the plan says %d times that environment files are left out; want it for each of 4 images\n%s", n, plan)
	}
	logs := plan + mustRun(t, dir, environ, releaseArgs(server, s, "--tag", "v1.0.0", "--json")...)
	logs += mustRun(t, dir, environ, releaseArgs(server, s, "--tag", "v1.0.0")...)
	if len(public(t, server, s)) != 1 {
		t.Fatalf("nothing is public\n%s", logs)
	}

	look := markerSearch{texts: map[string]string{kept: "kept", env: "the environment file", secret: "the secret", file: "the secret of a file", folder: "the folder"}}
	for where, root := range map[string]string{
		"registry": data, "exported cache": cache, "builder": realtest.BuildKitData(t),
		"dist": filepath.Join(dir, "dist"), "journal": filepath.Join(dir, ".git", "slipway"),
		"kept layers": filepath.Join(home, "cache", "slipway", "images"),
	} {
		look.folder(t, where, root)
	}
	look.text("log", strings.ReplaceAll(logs, dir, ""))
	for _, found := range look.found {
		if !strings.HasPrefix(found, "kept ") {
			t.Error("found " + found)
		}
	}
	for _, place := range []string{"registry", "exported cache", "builder", "dist", "/content/blobs/", "/fs/src/README.md", "/fs/out/all/README.md", "/fs/opt/app/README.md"} {
		if !slices.ContainsFunc(look.found, func(f string) bool { return strings.HasPrefix(f, "kept in ") && strings.Contains(f, place) }) {
			t.Errorf("the search does not even find what is in %s", place)
		}
	}
	t.Logf("looked through %d files, %d MB", look.files, look.bytes>>20)
}

// leakyProject is one whose binary and images, of every kind, hold all that is
// given to them. The builds of two prove that they had the secrets.
func leakyProject(registry, base, builder, cache string) map[string]string {
	config := `project: hello
builder: ` + builder + `
test: [{name: look, image: BASE, run: 'grep -r . . >/dev/null && test ! -e .env'}]
builds:
  - id: hello
    builder: command
    image: BASE
    platforms: [linux/amd64]
    run: 'grep -r . . > {output}'
images:
  - {id: bins, repository: REG/leak/bins, base: BASE, builds: [hello], files: ['config/**', README.md]}
  - id: own
    repository: REG/leak/own
    dockerfile: Dockerfile
    secrets: [{id: key, env: APP_KEY}]
    provenance: max
    cache: {to: ['REG/leak/cache']}
  - id: source
    repository: REG/leak/source
    source: {language: command, build-image: BASE, test: 'test -s /run/secrets/key', build: 'cp -r . "$SLIPWAY_OUT/all"'}
    entrypoint: [/app/all/README.md]
    secrets: [{id: key, file: SECRETFILE}]
    cache: {to: ['type=local,dest=CACHE,mode=max']}
  - id: s2i
    repository: REG/leak/s2i
    s2i: {builder: BASE}
    secrets: [{id: key, env: APP_KEY}]
`
	return map[string]string{
		".slipway.yaml": strings.NewReplacer("REG", registry, "BASE", base, "CACHE", cache).Replace(config),
		"Dockerfile": `FROM ` + base + ` AS build
COPY . /src
RUN --mount=type=secret,id=key,required=true test "$(wc -c < /run/secrets/key)" -gt 20 && sha256sum /run/secrets/key > /proof
FROM scratch
COPY --from=build /src /proof /
`,
		".s2i/bin/assemble": "#!/bin/sh\nmkdir -p /opt/app && cp -r /tmp/src/. /opt/app\n",
		".s2i/bin/run":      "#!/bin/sh\nexec cat /opt/app/README.md\n",
	}
}

// A build that prints its secret and fails does not bring it into the error,
// whichever way it is told.
func TestSecretsAreMaskedInErrors(t *testing.T) {
	t.Parallel()
	registry, secret := realtest.Registry(t), marker("printed")
	dir := projectOf(t, map[string]string{
		".slipway.yaml": `project: hello
builder: ` + realtest.BuildKit(t) + `
builds: []
images: [{id: own, repository: ` + registry + `/masked/hello, dockerfile: Dockerfile, secrets: [{id: key, env: APP_KEY}]}]
`,
		"Dockerfile": "FROM " + realtest.BaseImage(t, registry) + "\nRUN --mount=type=secret,id=key echo \"the key is $(cat /run/secrets/key)\" && false\n",
	}, "v1.0.0")
	s := simSubject(t, memory.GitHub)
	server := s.fresh(t, dir)
	env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), "APP_KEY="+secret)
	for _, more := range [][]string{{}, {"--json"}} {
		out, code := tryRun(t, dir, env, releaseArgs(server, s, append(more, "--tag", "v1.0.0")...)...)
		if code != 1 || strings.Contains(out, secret) || !strings.Contains(out, "the key is ***") || !strings.Contains(out, "Dockerfile:2") {
			t.Errorf("exit code %d; want 1, the line, and what it printed without the secret\n%s", code, out)
		}
	}
	if got := public(t, server, s); len(got) > 0 {
		t.Errorf("a release is visible: %+v", got)
	}
}

// Environment files stay out of images that are assembled in process, too, where
// a glob or a folder would take them in.
func TestEnvironmentFilesStayOutInProcess(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	registry := realtest.RegistryWith(t, realtest.RegistryOptions{Data: data})
	kept, env := marker("kept"), marker("env")
	dir := projectOf(t, map[string]string{
		".slipway.yaml": `project: hello
builds: [{id: hello, builder: command, run: 'printf x > {output}'}]
images: [{id: hello, repository: ` + registry + `/hello, files: ['**/*.conf', config, '**/.env*']}]
`,
		"config/app.conf": kept, "config/.env": env, ".env": env, "deep/er/.env.local": env,
	}, "v1.0.0")
	s := simSubject(t, memory.GitHub)
	server, home := s.fresh(t, dir), t.TempDir()
	mustRun(t, dir, append(tokenEnv(cleanEnv(t, home), s), noDocker), releaseArgs(server, s, "--tag", "v1.0.0")...)
	look := markerSearch{texts: map[string]string{kept: "kept", env: "the environment file"}}
	look.folder(t, "registry", data)
	look.folder(t, "kept layers", filepath.Join(home, "cache", "slipway", "images"))
	slices.Sort(look.found)
	if len(look.found) == 0 {
		t.Error("the search finds nothing at all")
	}
	for _, f := range look.found {
		if !strings.HasPrefix(f, "kept in ") {
			t.Error("found " + f)
		}
	}
}

// noDocker is an environment's variable that leads to no docker engine.
const noDocker = "DOCKER_HOST=unix:///nonexistent/docker.sock"

// projectOf makes a repository of files.
func projectOf(t *testing.T, files map[string]string, tags ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	projectIn(t, dir, files, tags...)
	return dir
}

func projectIn(t *testing.T, dir string, files map[string]string, tags ...string) {
	t.Helper()
	for name, text := range files {
		to, mode := filepath.Join(dir, filepath.FromSlash(name)), fs.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, dir, nil, "git", "init", "--quiet", "--initial-branch=main", ".")
	committed(t, dir, "feat: begin", tags...)
}

// committed commits everything and tags it.
func committed(t *testing.T, dir, message string, tags ...string) {
	t.Helper()
	mustRun(t, dir, nil, "git", "add", "--all", "--force")
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--allow-empty", "--message", message)
	for _, tag := range tags {
		mustRun(t, dir, nil, "git", "tag", tag)
	}
}

// markerSearch looks for markers: as they are and in base64, in files as they are
// and decompressed.
type markerSearch struct {
	texts map[string]string // marker → what it stands for
	found []string          // "<what> in <where>: <path>"
	files int
	bytes int64
}

func (m *markerSearch) folder(t *testing.T, where, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(root, path)
			m.text(where+": name of "+rel, rel)
			err = m.file(where+": "+rel, path)
		}
		if path != root && errors.Is(err, fs.ErrNotExist) {
			err = nil // a builder at work makes and removes files
		}
		return err
	})
	if err != nil && where != "kept layers" || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func (m *markerSearch) file(where, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m.files++
	in := bufio.NewReaderSize(f, 1<<20)
	begin, _ := in.Peek(4)
	if err := m.read(where, in); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in.Reset(f)
	var r io.Reader
	switch {
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}):
		if r, err = gzip.NewReader(in); err != nil {
			return nil // it only began like one
		}
	case bytes.HasPrefix(begin, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in)
		if err != nil {
			return nil // it only began like one
		}
		defer z.Close()
		r = z
	default:
		return nil
	}
	_ = m.read(where+", decompressed", r) // what is cut short was read as far as it goes
	return nil
}

func (m *markerSearch) text(where, text string) { _ = m.read(where, strings.NewReader(text)) }

// overlap is more than a marker is long, in base64 too.
const overlap = 256

func (m *markerSearch) read(where string, r io.Reader) error {
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		m.bytes += int64(n)
		m.chunk(where, buf[:kept+n])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		kept = copy(buf, buf[len(buf)-overlap:])
	}
}

// markerForms are the ways in which the beginning of a marker may be written: as
// it is, and in base64 at each of the three places in a group.
var markerForms = func() (forms [][]byte) {
	forms = append(forms, []byte(markerBegin))
	for shift := range 3 {
		whole := base64.StdEncoding.EncodeToString([]byte("xx"[:shift] + markerBegin))
		whole = strings.TrimRight(whole, "=")
		forms = append(forms, []byte(whole[(shift*8+5)/6:len(whole)-1]))
	}
	return forms
}()

func (m *markerSearch) chunk(where string, b []byte) {
	for i, form := range markerForms {
		for rest := b; ; {
			at := bytes.Index(rest, form)
			if at < 0 {
				break
			}
			m.note(where, rest[at:min(len(rest), at+overlap)], i > 0)
			rest = rest[at+len(form):]
		}
	}
}

// note tells which marker it is; in base64 any of them counts as a leak, as
// nothing writes the one that is kept so.
func (m *markerSearch) note(where string, b []byte, encoded bool) {
	what := ""
	for text, name := range m.texts {
		if bytes.HasPrefix(b, []byte(text)) {
			what = name
		}
	}
	if encoded {
		what = "a marker in base64"
	}
	if what == "" {
		return // of another test
	}
	if found := what + " in " + where; !slices.Contains(m.found, found) {
		m.found = append(m.found, found)
	}
}
