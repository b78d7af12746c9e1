package maker_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/hex"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// What Slipway builds for a release asks for no interpreter and no library, and
// `file` calls it static.
func TestBinariesAreStatic(t *testing.T) {
	t.Parallel()
	for _, b := range binaries(t) {
		f, err := elf.Open(b.Path)
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := f.ImportedLibraries()
		if err != nil || len(libraries) > 0 {
			t.Errorf("%s needs %v, %v", b.Platform, libraries, err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s needs an interpreter", b.Platform)
			}
		}
		_ = f.Close()
		command, err := exec.LookPath("file")
		if err != nil {
			continue // the headers have said it
		}
		out, err := exec.CommandContext(t.Context(), command, "--brief", b.Path).Output()
		if err != nil || !strings.Contains(string(out), "statically linked") {
			t.Errorf("%s: file says %q, %v", b.Platform, out, err)
		}
	}
}

// base is an image to start from.
type base struct {
	name      string
	reference func(t testing.TB, registry string) string
	platforms []release.Platform
}

func bases() []base {
	return []base{
		{"scratch", func(testing.TB, string) string { return release.ScratchBase }, platforms},
		{"busybox", realtest.BaseImage, platforms},
		{"debian", realtest.ToolchainImage, platforms[:1]},
	}
}

// On every base, and in both ways, an image of builds has all its platforms,
// the settings that were asked for, the base's layers as they are, and the
// binaries; from scratch it has certificates and users, too.
func TestBases(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	for _, b := range bases() {
		for _, w := range ways() {
			t.Run(b.name+" "+w.name, func(t *testing.T) {
				t.Parallel()
				reference := b.reference(t, registry)
				repository := registry + "/bases/" + b.name + "-" + strings.Fields(w.name)[0]
				o := ofBuilds(t, repository, reference, b.platforms...)
				made := mustMake(t, w.maker(t), o)
				idx := pullIndex(t, repository, made.Digest)
				checkIndex(t, idx, made, o.Image)
				for _, p := range b.platforms {
					img := part(t, idx, p)
					checkConfig(t, config(t, img), o.Image, p)
					below := 0
					if b.name == "scratch" {
						checkRoot(t, filesOf(t, layers(t, img)))
					} else {
						below = checkBase(t, img, reference, p)
					}
					checkFiles(t, filesOf(t, layers(t, img)[below:]), o.Image, p)
				}
			})
		}
	}
}

// checkIndex holds that an index has its platforms in order, its annotations,
// and the digests and sizes that Make told.
func checkIndex(t *testing.T, idx v1.ImageIndex, made release.MadeImage, img release.PlanImage) {
	t.Helper()
	list := indexManifest(t, idx)
	var got []release.ImageManifest
	for _, d := range list.Manifests {
		m, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := m.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		size := manifest.Config.Size
		for _, l := range manifest.Layers {
			size += l.Size
		}
		got = append(got, release.ImageManifest{Digest: d.Digest.String(), Size: size,
			Platform: release.Platform{OS: d.Platform.OS, Arch: d.Platform.Architecture, Variant: d.Platform.Variant}})
		annotated(t, "manifest", manifest.Annotations, img.Annotations)
	}
	if d := cmp.Diff(got, made.Manifests); d != "" {
		t.Errorf("manifests (-there +told):\n%s", d)
	}
	var on []release.Platform
	for _, m := range got {
		on = append(on, m.Platform)
	}
	if d := cmp.Diff(img.Platforms, on); d != "" {
		t.Errorf("platforms (-want +got):\n%s", d)
	}
	if list.MediaType != "application/vnd.oci.image.index.v1+json" || made.MediaType != string(list.MediaType) {
		t.Errorf("media type %s, told %s", list.MediaType, made.MediaType)
	}
	if size, err := idx.Size(); err != nil || size != made.Size {
		t.Errorf("the index has %d bytes, told %d, %v", size, made.Size, err)
	}
	if d := cmp.Diff([]string{"1.2.3"}, made.Tags); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
	annotated(t, "index", list.Annotations, img.Annotations)
}

func annotated(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("the %s's annotation %s is %q, want %q", what, k, got[k], v)
		}
	}
}

func checkConfig(t *testing.T, c *v1.ConfigFile, img release.PlanImage, p release.Platform) {
	t.Helper()
	if c.OS != p.OS || c.Architecture != p.Arch || c.Variant != p.Variant {
		t.Errorf("%s: the config is for %s/%s %s", p, c.OS, c.Architecture, c.Variant)
	}
	if !c.Created.Equal(commitTime) {
		t.Errorf("%s: created %s", p, c.Created)
	}
	for _, h := range c.History[len(c.History)-1:] {
		if !h.Created.Equal(commitTime) {
			t.Errorf("%s: history of %s", p, h.Created)
		}
	}
	for _, kv := range []string{"GREETING=Ahoy", "PORT=8080"} {
		if !slices.Contains(c.Config.Env, kv) {
			t.Errorf("%s: %s is not in %q", p, kv, c.Config.Env)
		}
	}
	entrypoint := "/usr/local/bin/hello"
	if img.Base == release.ScratchBase {
		entrypoint = "/hello"
	}
	want := v1.Config{User: "65532:65532", Entrypoint: []string{entrypoint}, Cmd: []string{"serve"}, Env: c.Config.Env,
		Labels: img.Labels, ExposedPorts: map[string]struct{}{"8080/tcp": {}}, WorkingDir: "/", ArgsEscaped: true} // which nobody reads on Linux
	got := c.Config
	if got.WorkingDir == "" { // which is the same
		got.WorkingDir = "/"
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: config (-want +got):\n%s", p, d)
	}
}

// checkBase holds that the base's layers lie below ours as they are, and says
// how many they are.
func checkBase(t *testing.T, img v1.Image, base string, p release.Platform) int {
	t.Helper()
	idx, err := remote.Index(reference(t, base), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	below, all := layerDigests(t, layers(t, part(t, idx, p))), layerDigests(t, layers(t, img))
	if len(all) <= len(below) || !slices.Equal(all[:len(below)], below) {
		t.Errorf("%s: the layers are %q, and the base's %q", p, all, below)
	}
	return len(below)
}

// checkRoot holds what an image from scratch has besides its binaries.
func checkRoot(t *testing.T, found map[string]file) {
	t.Helper()
	if roots := x509.NewCertPool(); !roots.AppendCertsFromPEM(found["etc/ssl/certs/ca-certificates.crt"].data) {
		t.Error("there are no CA certificates")
	}
	if !bytes.Contains(found["etc/passwd"].data, []byte("\nnonroot:x:65532:65532:nonroot:/home/nonroot:")) {
		t.Errorf("/etc/passwd is %q", found["etc/passwd"].data)
	}
	for path, want := range map[string]struct {
		mode     int64
		uid, gid int
	}{
		"tmp": {0o1777, 0, 0}, "root": {0o700, 0, 0}, "home/nonroot": {0o700, 65532, 65532}, "etc": {0o755, 0, 0}, "etc/passwd": {0o644, 0, 0},
	} {
		if f, ok := found[path]; !ok || f.Mode != want.mode || f.Uid != want.uid || f.Gid != want.gid {
			t.Errorf("/%s: there %v, mode %o, owner %d:%d", path, ok, f.Mode, f.Uid, f.Gid)
		}
	}
}

// checkFiles holds that the binary of a platform, and the commit's files, are
// what our layers have, and nothing in them is younger than the commit.
func checkFiles(t *testing.T, found map[string]file, img release.PlanImage, p release.Platform) {
	t.Helper()
	path := "usr/local/bin/hello"
	if img.Base == release.ScratchBase {
		path = "hello"
	}
	i := slices.IndexFunc(binaries(t), func(b release.Binary) bool { return b.Platform == p })
	sum := sha256.Sum256(found[path].data)
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != binaries(t)[i].Digest || found[path].Mode != 0o755 {
		t.Errorf("%s: /%s has mode %o and %d bytes of %s, want %s", p, path, found[path].Mode, len(found[path].data), got, binaries(t)[i].Digest)
	}
	if got := string(found["share/greeting"].data); got != "Ahoy\n" {
		t.Errorf("%s: /share/greeting is %q", p, got)
	}
	for path, f := range found {
		if bytes.Contains(f.data, []byte("TOKEN=")) {
			t.Errorf("%s: /%s has the environment file", p, path)
		}
		if f.ModTime.After(commitTime) || f.Uname+f.Gname != "" {
			t.Errorf("%s: /%s is of %s, by %q %q", p, path, f.ModTime, f.Uname, f.Gname)
		}
	}
}

// An image on Debian runs there: its own program and the base's.
func TestDebianRuns(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	repository := registry + "/run/debian"
	m := newMaker(t, realtest.BuildKit(t))
	made := mustMake(t, newMaker(t, ""), ofBuilds(t, repository, realtest.ToolchainImage(t, registry), amd64))
	o := ofDockerfile(t, registry+"/run/debian-ran", "FROM "+repository+"@"+made.Digest+`
RUN [ "$(hello)" = "hello `+version+` amd64 as 65532" ] && grep -q bookworm /etc/os-release
`, nil, amd64)
	mustMake(t, m, o)
}

// The image of each platform really runs, on its own processor or by qemu, and
// says its version and its user.
func TestImagesRun(t *testing.T) {
	t.Parallel()
	realtest.Emulation(t)
	registry := realtest.Registry(t)
	for _, b := range bases()[:2] {
		for _, w := range ways() {
			t.Run(b.name+" "+w.name, func(t *testing.T) {
				t.Parallel()
				repository := registry + "/run/" + b.name + "-" + strings.Fields(w.name)[0]
				made := mustMake(t, w.maker(t), ofBuilds(t, repository, b.reference(t, registry), platforms...))
				idx := pullIndex(t, repository, made.Digest)
				for _, p := range platforms {
					img := part(t, idx, p)
					root := unpacked(t, img)
					if got, want := runs(t, root, config(t, img).Config.Entrypoint...), "hello "+version+" "+p.Arch+" as 65532\n"; got != want {
						t.Errorf("%s: it printed %q, want %q", p, got, want)
					}
					if b.name == "busybox" {
						if got := runs(t, root, "/bin/sh", "-c", "cat /share/greeting"); got != "Ahoy\n" {
							t.Errorf("%s: the base's shell printed %q", p, got)
						}
					}
				}
			})
		}
	}
}
