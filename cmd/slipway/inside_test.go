package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// bareEnv is the environment of a machine without any toolchain: git is all
// that there is.
func bareEnv(t *testing.T, s subject) []string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"git", "slipway", "sh"} {
		path := strings.TrimSpace(mustRun(t, "", nil, "sh", "-c", "command -v "+name))
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	var env []string
	for _, kv := range tokenEnv(cleanEnv(t, t.TempDir()), s) {
		if !strings.HasPrefix(kv, "PATH=") && !strings.HasPrefix(kv, "GO") {
			env = append(env, kv)
		}
	}
	return append(env, "PATH="+bin)
}

// insideProject builds a Go program, and one by a command, in builder images, and
// checks them there on each platform.
func insideProject(registry, toolchain, base, builder string) map[string]string {
	config := `project: hello
builder: BUILDER
test:
  - {name: tools, run: [go, version], image: TOOLS}
  - {name: host, run: 'test -z "$(command -v go)"'}
  - {name: run, on: release, image: BASE, platforms: [linux/amd64, linux/arm64], run: '"$SLIPWAY_BINARY_HELLO" > out && grep "^hello 1.0.0 on $(uname -m)$" out && "$SLIPWAY_BIN_DIR"/hello'}
builds:
  - id: hello
    image: TOOLS
    platforms: [linux/amd64, linux/arm64]
    env: {GOPROXY: off}
  - id: hi
    builder: command
    image: TOOLS
    platforms: [linux/amd64]
    run: rustc -C panic=abort -C target-feature=+crt-static -C debuginfo=0 -o {output} hi.rs
images:
  - {id: hello, repository: REG/inside/hello, builds: [hello]}
`
	return map[string]string{
		".slipway.yaml": strings.NewReplacer("REG", registry, "TOOLS", toolchain, "BASE", base, "BUILDER", builder).Replace(config),
		"go.mod":        "module example.org/hello\n\ngo 1.21\n",
		// Without fmt: the standard library is compiled for it anew.
		"main.go": `package main

import (
	"runtime"
	"syscall"
)

var version = "unset"

func main() {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	syscall.Write(1, []byte("hello "+version+" on "+machine+"\n"))
}
`,
		"hi.rs": "fn main() { println!(\"hi\"); }\n",
	}
}

// Promise: a machine without any toolchain can release. The binaries are made in
// builder images and land in the archives and in the image; checks run there too,
// for each platform, under emulation where need be. The same commit gives the
// same bytes again.
func TestBuildsAndChecksInsideImages(t *testing.T) {
	t.Parallel()
	realtest.Emulation(t)
	builder, registry := realtest.BuildKit(t), realtest.Registry(t)
	dir := projectOf(t, insideProject(registry, realtest.ToolchainImage(t, registry), realtest.BaseImage(t, registry), builder), "v1.0.0")
	s := simSubject(t, memory.GitHub)
	server := s.fresh(t, dir)
	first, again := clone(t, dir), clone(t, dir)
	report := mustJSON(t, first, bareEnv(t, s), releaseArgs(server, s, "--tag", "v1.0.0", "--json")...)
	if got := public(t, server, s); len(got) != 1 || len(got[0].Assets) != 5 {
		t.Errorf("published is %+v; want 2 archives, digests, checksums and manifest", got)
	}
	var steps []string
	for _, x := range report.Steps {
		steps = append(steps, strings.Join(strings.Fields(x.Name+" "+x.Platform+" "+x.Outcome), " "))
	}
	want := []string{"tools passed", "host passed", "run linux/amd64 passed", "run linux/arm64 passed"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}

	// The binary is whole, and the same one in archive and image.
	binary := filepath.Join(t.TempDir(), "hello")
	unpack(t, filepath.Join(first, "dist", "hello_1.0.0_linux_amd64.tar.gz"), "hello", binary)
	if out := mustRun(t, "", nil, binary); out != "hello 1.0.0 on x86_64\n" {
		t.Errorf("the binary says %q", out)
	}
	layer := lastLayer(t, registry, "inside/hello", report.Images[0].Manifests[0].Digest)
	if diff := cmp.Diff(mustRead(t, binary), layer["hello"]); diff != "" {
		t.Error("the image has another binary than the archive")
	}

	// Made anew, in another clone, it is equal.
	const arm64 = "hello_1.0.0_linux_arm64.tar.gz"
	mustRun(t, again, bareEnv(t, s), "slipway", "build", "--tag", "v1.0.0", "--rebuild", "--skip-checks", "--platforms", "linux/arm64")
	if diff := cmp.Diff(mustRead(t, filepath.Join(first, "dist", arm64)), mustRead(t, filepath.Join(again, "dist", arm64))); diff != "" {
		t.Error("the binary differs when it is made again")
	}
}

// A check for a platform that the builder can't run is skipped, and the report
// says so and why; one that fails, and a build that fails, is one error with its
// last lines, and nothing is published.
func TestChecksInsideImagesThatDoNotPass(t *testing.T) {
	t.Parallel()
	builder, registry := realtest.BuildKit(t), realtest.Registry(t)
	base := realtest.BaseImage(t, registry)
	begin := "project: hello\nbuilder: " + builder + "\n"
	const host = "builds: [{id: hello, builder: command, platforms: [linux/amd64, linux/riscv64], run: 'printf x > {output}'}]\n"
	for name, tt := range map[string]struct {
		config string
		code   int
		want   []string
		not    string
	}{
		"skipped": {host + "test: [{name: run, on: release, image: BASE, run: 'true', platforms: [linux/amd64, linux/riscv64]}]\n", 0,
			[]string{"check run on linux/riscv64 was skipped: the builder ", "can't build for linux/riscv64: it has linux/amd64"}, "error:"},
		"check fails": {host + "test: [{name: run, image: BASE, run: '(echo line one; echo no such thing) >&2; exit 3'}]\n", 1,
			[]string{`error: test "run": `, "exited with 3", "\n  line one\n  no such thing"}, "line 6 of the Dockerfile"},
		"check on a platform fails": {host + "test: [{name: run, on: release, image: BASE, platforms: [linux/amd64], run: 'echo bad on $GOARCH; exit 4'}]\n", 1,
			[]string{`error: test "run" on linux/amd64: `, "exited with 4", "\n  bad on amd64"}, "Dockerfile that Slipway made"},
		"build fails": {"builds: [{id: hello, builder: command, image: BASE, platforms: [linux/amd64], run: 'echo cannot compile; exit 5'}]\n", 1,
			[]string{"error: build hello for linux/amd64: ", "exited with 5", "\n  cannot compile"}, "Dockerfile that Slipway made"},
		"build leaves nothing": {"builds: [{id: hello, builder: command, image: BASE, platforms: [linux/amd64], run: 'true'}]\n", 1,
			[]string{"error: build hello for linux/amd64: `true` ended well but left no file", "hint: write the file to {output}"}, "Dockerfile that Slipway made"},
		"image is not there": {"builds: [{id: hello, builder: command, image: REG/not/there:1, platforms: [linux/amd64], run: 'true'}]\n", 2,
			[]string{"error: build hello for linux/amd64: the image REG/not/there:1: not found", "hint: check the name and the tag"}, "base image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fill := strings.NewReplacer("REG", registry, "BASE", base)
			dir := projectOf(t, map[string]string{".slipway.yaml": begin + fill.Replace(tt.config)}, "v1.0.0")
			s := simSubject(t, memory.GitHub)
			server := s.fresh(t, dir)
			out, code := tryRun(t, dir, bareEnv(t, s), releaseArgs(server, s, "--tag", "v1.0.0")...)
			if code != tt.code || strings.Contains(out, tt.not) {
				t.Errorf("exit code %d, want %d\n%s", code, tt.code, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, fill.Replace(want)) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
			if got := public(t, server, s); len(got) > 0 != (tt.code == 0) {
				t.Errorf("published is %+v", got)
			}
		})
	}
}

// An image of binaries runs nothing when it is made: a builder without emulation
// makes it for every platform.
func TestImageOfBinariesNeedsNoEmulation(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	dir := projectOf(t, map[string]string{".slipway.yaml": `project: hello
builder: ` + realtest.BuildKit(t) + `
builds: [{id: hello, builder: command, platforms: [linux/amd64, linux/s390x], run: 'printf {arch} > {output}'}]
images: [{id: img, repository: ` + registry + `/foreign/hello, workdir: /srv}]
`}, "v1.0.0")
	s := simSubject(t, memory.GitHub)
	r := mustJSON(t, dir, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(s.fresh(t, dir), s, "--tag", "v1.0.0", "--json")...)
	if len(r.Images) != 1 || len(r.Images[0].Manifests) != 2 || r.Images[0].Manifests[1].Platform != "linux/s390x" {
		t.Errorf("made was %+v", r.Images)
	}
}

// seenReport is what the tests read of a report.
type seenReport struct {
	Steps  []struct{ Name, Platform, Outcome, Reason string }
	Assets []struct{ Name, Digest string }
	Images []struct {
		ID, Digest string
		Manifests  []struct{ Platform, Digest string }
		States     []struct{ Repository, Name, State string } `json:"tagStates"`
	}
	Error *struct {
		Code          int
		Message, Hint string
	}
}

// mustJSON runs a command that succeeds and reads the report that it prints.
func mustJSON(t *testing.T, dir string, env []string, args ...string) seenReport {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var r seenReport
	if uerr := json.Unmarshal(out, &r); err != nil || uerr != nil {
		t.Fatalf("%s: %v, %v\n%s%s", strings.Join(args, " "), err, uerr, out, &stderr)
	}
	return r
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unpack takes one file out of an archive.
func unpack(t *testing.T, archive, name, to string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, ok := filesOf(t, f)[name]
	if !ok {
		t.Fatalf("%s has no %s", archive, name)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

// filesOf reads a tar.gz: its files by their last name.
func filesOf(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if out[filepath.Base(h.Name)], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

// mustGet is fetch of one media type.
func mustGet(t *testing.T, url, accept string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%s", url, resp.Status, err, b)
	}
	return b
}

// lastLayer reads the files of the last layer of a manifest, by plain HTTP.
func lastLayer(t *testing.T, registry, repository, digest string) map[string][]byte {
	t.Helper()
	var m struct {
		Layers []struct{ Digest string }
	}
	at := "http://" + registry + "/v2/" + repository
	if err := json.Unmarshal(mustGet(t, at+"/manifests/"+digest, "application/vnd.oci.image.manifest.v1+json"), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Layers) == 0 {
		t.Fatalf("%s has no layers", digest)
	}
	return filesOf(t, strings.NewReader(string(fetch(t, at+"/blobs/"+m.Layers[len(m.Layers)-1].Digest))))
}
