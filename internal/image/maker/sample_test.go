package maker_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/build"
	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

const version = "1.2.3-of-the-sample"

var (
	commitTime = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	amd64      = release.Platform{OS: "linux", Arch: "amd64"}
	platforms  = []release.Platform{amd64, {OS: "linux", Arch: "386"}, {OS: "linux", Arch: "arm64"}, {OS: "linux", Arch: "arm", Variant: "v6"}}
)

// sampleSource is a program that says its version and who runs it.
var sampleSource = map[string]string{
	"go.mod": "module example.test/hello\n\ngo 1.21\n",
	"main.go": `package main

import (
	"os"
	"runtime"
	"strconv"
)

var version = "dev"

func main() {
	os.Stdout.WriteString("hello " + version + " " + runtime.GOARCH + " as " + strconv.Itoa(os.Getuid()) + "\n")
}
`,
	"LICENSE":        "Do what you like.\n",
	"share/greeting": "Ahoy\n",
	".env":           "TOKEN=of-the-development\n",
	"share/.env.dev": "TOKEN=of-the-development\n",
	".dockerignore":  "**\n", // it is for Dockerfiles
}

// sampleBinaries are the program's release binaries, built once a package by
// Slipway's own builder.
var sampleBinaries = sync.OnceValues(func() ([]release.Binary, error) {
	dir, err := os.MkdirTemp("", "sample-")
	if err != nil {
		return nil, err
	}
	source := filepath.Join(dir, "source")
	if err := writeTree(source, sampleSource); err != nil {
		return nil, err
	}
	var builds []release.PlanBuild
	for _, p := range platforms {
		builds = append(builds, release.PlanBuild{ID: "hello", Builder: "go", Platform: p, Binary: "hello",
			Ldflags: []string{"-s", "-w", "-X", "main.version=" + version}, Static: release.StaticRequired})
	}
	return build.Binaries(context.Background(), build.Options{Source: source, Dist: filepath.Join(dir, "dist"), Builds: builds,
		Commit: "0123456789abcdef0123456789abcdef01234567", Time: commitTime, Stage: progress.Discard.Stage("build")})
})

func binaries(t testing.TB) []release.Binary {
	t.Helper()
	all, err := sampleBinaries()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeTree(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeTree(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ofBuilds is the order for an image of the sample's binaries.
func ofBuilds(t testing.TB, repository, base string, on ...release.Platform) image.Order {
	t.Helper()
	said := map[string]string{"org.opencontainers.image.version": version, "org.opencontainers.image.created": "2024-05-06T07:08:09Z"}
	return image.Order{
		Project: "sample", Time: commitTime, Binaries: binaries(t), Source: folder(t, sampleSource), Stage: progress.Discard.Stage("image"),
		Image: release.PlanImage{ID: "hello", Kind: release.ImageOfBuilds, Repositories: []string{repository}, Platforms: on,
			Builds: []string{"hello"}, Base: base, Files: []string{"share"}, User: release.DefaultUser, EnvFiles: release.DefaultEnvFiles,
			Env: map[string]string{"GREETING": "Ahoy"}, Port: 8080, Cmd: []string{"serve"}, Labels: said, Annotations: said,
			Tags: []release.ImageTag{{Name: "1.2.3"}, {Name: "latest", Moving: true}}},
	}
}

// ofDockerfile is the order for an image of a Dockerfile.
func ofDockerfile(t testing.TB, repository, dockerfile string, files map[string]string, on ...release.Platform) image.Order {
	t.Helper()
	o := ofBuilds(t, repository, "", on...)
	o.Source = folder(t, files)
	if err := os.WriteFile(filepath.Join(o.Source, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Binaries = nil
	o.Image.Kind, o.Image.Dockerfile = release.ImageOfDockerfile, "Dockerfile"
	o.Image.Builds, o.Image.Files, o.Image.Env, o.Image.Port, o.Image.Cmd, o.Image.User = nil, nil, nil, 0, nil, ""
	return o
}

// way is one of the two ways to make an image.
type way struct {
	name   string
	buildx bool
}

func ways() []way { return []way{{"in process", false}, {"through BuildKit", true}} }

// maker is a Maker that makes images this way.
func (w way) maker(t testing.TB) *maker.Maker {
	t.Helper()
	if !w.buildx {
		return newMaker(t, "")
	}
	return newMaker(t, realtest.BuildKit(t))
}

func newMaker(t testing.TB, builder string) *maker.Maker {
	t.Helper()
	m := maker.New(maker.Options{Builder: builder, Getenv: withoutDocker})
	t.Cleanup(m.Close)
	return m
}

func mustMake(t testing.TB, m *maker.Maker, o image.Order) release.MadeImage {
	t.Helper()
	made, err := m.Make(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, release.HintOf(err))
	}
	return made
}
