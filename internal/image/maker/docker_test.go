package maker_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// inDocker is a Maker whose builder is a docker engine without the containerd
// image store, found as docker finds it.
func inDocker(t testing.TB) *maker.Maker {
	t.Helper()
	env := map[string]string{"HOME": t.TempDir(), "DOCKER_HOST": realtest.Docker(t)}
	m := maker.New(maker.Options{Getenv: func(name string) string { return env[name] }})
	t.Cleanup(m.Close)
	return m
}

// docker runs the docker command against the engine of the tests.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	cmd.Env = []string{"DOCKER_HOST=" + realtest.Docker(t), "HOME=" + t.TempDir(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What an old docker engine can't do is refused before anything is made, with
// the way out; what can be done without it is.
func TestDockerWay(t *testing.T) {
	t.Parallel()
	m := inDocker(t)
	if is, err := m.IsDocker(t.Context()); !is || err != nil {
		t.Errorf("a docker engine: %v, %v", is, err)
	}
	const repository = "registry.example/acme/hello"
	of := func(change func(*release.PlanImage), on ...release.Platform) release.PlanImage {
		o := ofDockerfile(t, repository, "FROM scratch\n", nil, on...)
		if change != nil {
			change(&o.Image)
		}
		return o.Image
	}
	for name, img := range map[string]release.PlanImage{
		"two platforms": of(nil, platforms[:2]...),
		"provenance":    of(func(i *release.PlanImage) { i.Provenance = "min" }, amd64),
		"SBOM":          of(func(i *release.PlanImage) { i.SBOM = "default" }, amd64),
	} {
		_, err := m.Way(t.Context(), img)
		if release.KindOf(err) != release.Invalid || !strings.Contains(release.HintOf(err), "containerd image store") {
			t.Errorf("%s: %v, hint %q", name, err, release.HintOf(err))
		}
	}
	engine := realtest.Docker(t)
	for name, c := range map[string]struct {
		img  release.PlanImage
		want release.ImageWay
	}{
		"Dockerfile": {of(nil, amd64), release.ImageWay{Image: "hello", Buildx: true, Reason: "an image of a Dockerfile needs a builder"}},
		"builds": {
			ofBuilds(t, repository, release.ScratchBase, amd64).Image,
			release.ImageWay{Image: "hello", Reason: "the builder default (docker, " + engine + ") pushes no image by its digest"},
		},
		"builds for four platforms": {
			ofBuilds(t, repository, release.ScratchBase, platforms...).Image,
			release.ImageWay{Image: "hello", Reason: "the builder default (docker, " + engine + ") pushes no image by its digest"},
		},
	} {
		if c.want.Buildx {
			c.want.Builder = "default (docker, " + engine + ")"
		}
		got, err := m.Way(t.Context(), c.img)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
}

// dockerfileOfSample copies the sample's binary, for an engine that may run no
// step.
const dockerfileOfSample = "FROM scratch\nCOPY --chmod=0755 hello /hello\nUSER 65532\nENTRYPOINT [\"/hello\"]\n"

// An image that the engine builds is pushed from there by its digest, as an
// index like any other, and nothing of it stays in the engine.
func TestPushThroughDocker(t *testing.T) {
	t.Parallel()
	repository := realtest.Registry(t) + "/docker/hello"
	o := ofDockerfile(t, repository, dockerfileOfSample, nil, amd64)
	putBinary(t, o.Source)
	o.Project = "through-docker"
	made := mustMake(t, inDocker(t), o)
	idx := pullIndex(t, repository, made.Digest)
	checkIndex(t, idx, made, o.Image)
	img := part(t, idx, amd64)
	if got, want := runs(t, unpacked(t, img), "/hello"), "hello "+version+" amd64 as 65532\n"; got != want {
		t.Errorf("it printed %q, want %q", got, want)
	}
	if d := cmp.Diff(o.Image.Labels, config(t, img).Config.Labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	if left := docker(t, "images", "--format", "{{.Repository}}", "--filter", "reference=*/through-docker*"); left != "" {
		t.Errorf("left in the engine: %s", left)
	}
}

// An image that is loaded into the engine runs there, and is what a
// Source-to-Image build finds under its name, though no registry has it.
func TestLoadIntoDocker(t *testing.T) {
	t.Parallel()
	m := inDocker(t)
	name := realtest.Registry(t) + "/only-in-the-engine:1"
	o := ofDockerfile(t, "unused.example/x", dockerfileOfSample+"LABEL io.openshift.s2i.scripts-url=image:///s2i\n", nil, amd64)
	putBinary(t, o.Source)
	o.Load = name
	mustMake(t, m, o)
	if got, want := docker(t, "run", "--rm", "--network=none", name), "hello "+version+" amd64 as 65532\n"; got != want {
		t.Errorf("docker run printed %q, want %q", got, want)
	}
	found, err := m.Detect(t.Context(), release.Image{Source: &release.ImageSource{}}, name, t.TempDir())
	if err != nil || found.S2I == nil || found.S2I.Builder != name {
		t.Errorf("%+v, %v", found, err)
	}
}

// An engine that does not know SOURCE_DATE_EPOCH gives the same digest each time
// all the same.
func TestSameDigestThroughDocker(t *testing.T) {
	t.Parallel()
	repository := realtest.Registry(t) + "/docker/same"
	var first release.MadeImage
	for i := range 2 {
		o := ofDockerfile(t, repository, dockerfileOfSample+"WORKDIR /a/b\n", nil, amd64)
		putBinary(t, o.Source)
		o.NoCache = true
		made := mustMake(t, inDocker(t), o)
		if i == 0 {
			first = made
			time.Sleep(1100 * time.Millisecond) // the engine's times are whole seconds
			continue
		}
		sameImage(t, first, made)
		img := part(t, pullIndex(t, repository, made.Digest), amd64)
		c := config(t, img)
		if !c.Created.Equal(commitTime) || !strings.HasPrefix(c.History[0].CreatedBy, "COPY") {
			t.Errorf("created %s, history %+v", c.Created, c.History)
		}
		for path, f := range filesOf(t, layers(t, img)) {
			if f.ModTime.After(commitTime) {
				t.Errorf("/%s is of %s", path, f.ModTime)
			}
		}
	}
}

// putBinary puts the sample's program for this machine into a folder.
func putBinary(t testing.TB, dir string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "cp", binaries(t)[0].Path, filepath.Join(dir, "hello")).Run(); err != nil {
		t.Fatal(err)
	}
}
