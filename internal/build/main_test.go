package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// helperVar turns the test binary into a program that builds what the variable
// says: a umask and a home belong to a whole process.
const helperVar = "SLIPWAY_BUILD_HELPER"

func TestMain(m *testing.M) {
	if given := os.Getenv(helperVar); given != "" {
		os.Exit(helper(given))
	}
	os.Exit(m.Run())
}

func helper(given string) int {
	var o struct {
		Source, Dist string
		Builds       []release.PlanBuild
	}
	if err := json.Unmarshal([]byte(given), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	made, err := Binaries(context.Background(), Options{Source: o.Source, Dist: o.Dist, Builds: o.Builds, Commit: commit, Time: commitTime, Stage: stage()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(made)
	return 0
}

const commit = "0123456789abcdef0123456789abcdef01234567"

var commitTime = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

var (
	amd64 = release.Platform{OS: "linux", Arch: "amd64"}
	i386  = release.Platform{OS: "linux", Arch: "386"}
	arm64 = release.Platform{OS: "linux", Arch: "arm64"}
	armv6 = release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}
	s390x = release.Platform{OS: "linux", Arch: "s390x"}
)

func stage() progress.Stage { return progress.Discard.Stage("build") }

// tree writes files into a new folder; a name that ends in ! is executable.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if name[len(name)-1] == '!' {
			name, mode = name[:len(name)-1], 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hello is a Go module small enough to compile in no time.
func hello(t *testing.T) string {
	return tree(t, map[string]string{
		"go.mod": "module example.test/hello\n\ngo 1.21\n",
		"main.go": `package main

var version = "dev"

func main() { print("hello ", version, "\n") }
`,
		"lib/lib.go": "package lib\n\nfunc F() int { return 1 }\n",
	})
}

func goBuild(id string, platforms ...release.Platform) []release.PlanBuild {
	var out []release.PlanBuild
	for _, p := range platforms {
		out = append(out, release.PlanBuild{ID: id, Builder: "go", Platform: p, Binary: id + p.Exe(),
			Ldflags: []string{"-s", "-w", "-X", "main.version=1.2.3"}, Static: release.StaticRequired})
	}
	return out
}

func script(id string, p release.Platform, run string) release.PlanBuild {
	return release.PlanBuild{ID: id, Builder: "command", Platform: p, Binary: id, Run: release.PlanCommand{Script: run}, Static: release.StaticIfELF}
}

func binaries(t *testing.T, source, dist string, builds []release.PlanBuild) ([]release.Binary, error) {
	t.Helper()
	return Binaries(t.Context(), Options{Source: source, Dist: dist, Builds: builds, Commit: commit, Time: commitTime, Stage: stage(),
		Vars: map[string]string{"version": "1.2.3", "tag": "v1.2.3"}})
}

func mustBuild(t *testing.T, source, dist string, builds []release.PlanBuild) []release.Binary {
	t.Helper()
	made, err := binaries(t, source, dist, builds)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
