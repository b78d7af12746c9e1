package buildkit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

const scratch = "FROM scratch\nARG TARGETARCH\nCOPY bin-$TARGETARCH /hello\nENTRYPOINT [\"/hello\"]\n"

func scratchContext(t testing.TB) string {
	return folder(t, map[string]string{"bin-amd64": "a\n", "bin-386": "b\n", "bin-arm64": "c\n", "bin-arm": "d\n", ".env": "TOKEN=1"})
}

// An image is pushed by its digest to all its repositories, and no tag is
// made.
func TestPushByDigest(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	b := realBuilder(t, Options{})
	all := parsed(t, "linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6")
	r := Request{
		Name: "hello", Dockerfile: []byte(scratch), Context: scratchContext(t), Platforms: all, Epoch: epoch,
		Labels:      map[string]string{"org.opencontainers.image.version": "1.2.3"},
		Annotations: map[string]string{"org.opencontainers.image.version": "1.2.3"},
		PushTo:      []string{registry + "/push/hello", registry + "/push/second"},
	}
	got, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var ps []release.Platform
	for _, m := range got.Manifests {
		ps = append(ps, m.Platform)
		if m.Size == 0 {
			t.Errorf("%s has no size", m.Platform)
		}
	}
	if d := cmp.Diff(all, ps); d != "" {
		t.Error(d)
	}
	for _, repo := range []string{"push/hello", "push/second"} {
		status, body := get(t, "http://"+registry+"/v2/"+repo+"/manifests/"+got.Digest)
		if status != 200 || int64(len(body)) != got.Size {
			t.Errorf("%s: status %d, %d bytes: %s", repo, status, len(body), body)
		}
		hasNoTag(t, registry, repo)
	}
}

// One platform is an index with one manifest, too.
func TestOnePlatformIsAnIndex(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	b := realBuilder(t, Options{})
	got, err := b.Build(t.Context(), Request{
		Name: "hello", Dockerfile: []byte(scratch), Context: scratchContext(t), Platforms: parsed(t, "linux/arm/v6"),
		Epoch: epoch, PushTo: []string{registry + "/one/hello"}, Annotations: map[string]string{"a.b": "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.MediaType != "application/vnd.oci.image.index.v1+json" || len(got.Manifests) != 1 {
		t.Fatalf("%+v", got)
	}
	_, index := get(t, "http://"+registry+"/v2/one/hello/manifests/"+got.Digest)
	_, manifest := get(t, "http://"+registry+"/v2/one/hello/manifests/"+got.Manifests[0].Digest)
	for _, doc := range []string{index, manifest} {
		if !regexp.MustCompile(`"annotations": \{\s*"a.b": "c"`).MatchString(doc) {
			t.Errorf("no annotation in %s", doc)
		}
	}
}

// The same request at two times, built anew each time, has the same digest,
// whether times are taken out of the layers or are not in them.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	base := realtest.BaseImage(t, registry)
	b := realBuilder(t, Options{})
	for name, r := range map[string]Request{
		"rewritten": {Dockerfile: []byte("FROM " + base + "\nARG TARGETARCH\nCOPY bin-$TARGETARCH /hello\nRUN echo x > /made; mkdir -p /a/b\n")},
		"dated":     {Dockerfile: []byte("FROM scratch\nARG TARGETARCH\nCOPY root-$TARGETARCH /\n"), Dated: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var digests []string
			for range 2 {
				r.Name, r.Platforms, r.Epoch, r.NoCache = "hello", parsed(t, "linux/amd64", "linux/386"), epoch, true
				r.PushTo = []string{registry + "/same/" + name}
				r.Context = folder(t, map[string]string{
					"bin-amd64": "a", "bin-386": "b", "root-amd64/usr/bin/hello": "a", "root-386/usr/bin/hello": "b",
				})
				if r.Dated {
					date(t, r.Context)
				}
				got, err := b.Build(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				digests = append(digests, got.Digest)
				time.Sleep(1100 * time.Millisecond) // file times are whole seconds
			}
			if digests[0] != digests[1] {
				t.Errorf("%s, then %s", digests[0], digests[1])
			}
		})
	}
}

// date gives all files and folders the time of the commit.
func date(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, epoch, epoch))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A build secret can be read by the step that mounts it, and is in no layer,
// config or exported cache of the image.
func TestSecretStaysOut(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-the-build"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(secret)))
	registry := realtest.Registry(t)
	base := realtest.BaseImage(t, registry)
	b := realBuilder(t, Options{Getenv: noDocker(t, map[string]string{"KEY": secret})})
	cache := registry + "/secret/cache"
	got, err := b.Build(t.Context(), Request{
		Name: "hello", Context: t.TempDir(), Platforms: parsed(t, "linux/amd64"),
		Secrets: []release.ImageSecret{{ID: "key", Env: "KEY"}, {ID: "file", File: filepath.Join(folder(t, map[string]string{"f": secret}), "f")}},
		Dockerfile: []byte("FROM " + base + ` AS build
RUN --mount=type=secret,id=key --mount=type=secret,id=file cat /run/secrets/key | sha256sum | grep ^` + sum + ` >/sum && cmp /run/secrets/key /run/secrets/file
FROM scratch
COPY --from=build /sum /sum
`),
		PushTo: []string{registry + "/secret/hello"}, CacheTo: []string{cache},
	})
	if err != nil {
		t.Fatal(err)
	}
	sums := 0
	for _, ref := range []string{registry + "/secret/hello@" + got.Digest, cache + ":latest"} {
		for name, content := range blobs(t, ref) {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s of %s has the secret", name, ref)
			}
			if bytes.Contains(content, []byte(sum)) {
				sums++ // it is looked at: what the step wrote is found
			}
		}
	}
	if sums < 2 {
		t.Errorf("what the step wrote was found in %d blobs only", sums)
	}
}

// A folder gets the files of each platform, and of one platform without a
// folder of its own; the context is as it was.
func TestLocalExport(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	source, one, two := scratchContext(t), t.TempDir(), t.TempDir()
	r := Request{
		Name: "hello", Dockerfile: []byte(scratch), Context: source, Epoch: epoch,
		Platforms: parsed(t, "linux/arm64"), Local: one,
	}
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Platforms, r.Local = parsed(t, "linux/amd64", "linux/arm64"), two
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(one, "hello"): "c\n", filepath.Join(two, "linux_amd64", "hello"): "a\n", filepath.Join(two, "linux_arm64", "hello"): "c\n",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	entries, err := os.ReadDir(source)
	if err != nil || len(entries) != 5 {
		t.Errorf("the context changed: %v, %v", entries, err)
	}
}

// Ignore replaces the context's own .dockerignore, which counts without it.
func TestIgnore(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	for name, c := range map[string]struct {
		ignore []byte
		want   []string
	}{
		"the context's own": {nil, []string{".dockerignore", "a"}},
		"ours":              {[]byte("a\n.dockerignore\n"), []string{"b"}},
		"ours, empty":       {[]byte{}, []string{".dockerignore", "a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			_, err := b.Build(t.Context(), Request{
				Name: "hello", Dockerfile: []byte("FROM scratch\nCOPY . /\n"), Ignore: c.ignore, Local: out,
				Context: folder(t, map[string]string{"a": "", "b": "", ".dockerignore": "b\n"}), Platforms: parsed(t, "linux/amd64"),
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			entries, _ := os.ReadDir(out)
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Named contexts are folders and OCI layouts, one of which a build before has
// made.
func TestNamedContexts(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	tarball := filepath.Join(t.TempDir(), "base.tar")
	r := Request{
		Name: "base", Dockerfile: []byte(scratch), Context: scratchContext(t), Epoch: epoch, OCI: tarball,
		Platforms: parsed(t, "linux/amd64", "linux/arm64"),
	}
	made, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	layout := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xf", tarball, "-C", layout).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	index, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil || !strings.Contains(string(index), made.Digest) {
		t.Errorf("%s is not in %s", made.Digest, index)
	}
	out := t.TempDir()
	_, err = b.Build(t.Context(), Request{
		Name: "hello", Context: t.TempDir(), Platforms: parsed(t, "linux/arm64"), Local: out,
		Dockerfile: []byte("FROM base\nCOPY --from=bin tool /tool\n"),
		NamedContexts: map[string]string{
			"base": "oci-layout://" + layout + "@" + made.Digest, "bin": folder(t, map[string]string{"tool": "t"}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"hello": "c\n", "tool": "t"} {
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// The live view hears of the steps that run, with their platform, and not of
// BuildKit's own.
func TestProgress(t *testing.T) {
	t.Parallel()
	base := realtest.BaseImage(t, realtest.Registry(t))
	b := realBuilder(t, Options{})
	var heard recorder
	r := Request{
		Name: "hello", Context: t.TempDir(), Platforms: parsed(t, "linux/amd64", "linux/386"), Stage: &heard,
		Dockerfile: []byte("FROM " + base + "\nRUN echo " + t.Name() + "\n"),
	}
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Platforms {
		if got := heard.tasks["hello "+p.String()+" RUN echo TestProgress"]; got != "done " {
			t.Errorf("%s: %q of %v", p, got, heard.tasks)
		}
	}
	for name := range heard.tasks {
		if strings.Contains(name, "internal") || strings.Contains(name, "load ") {
			t.Errorf("it heard of %q", name)
		}
	}
}
