package build

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/pack"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// realProgram has the dependencies that many command lines have.
const realProgram = `package main

import (
	"context"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/google/go-github/v60/github"
	"github.com/spf13/cobra"
)

func main() {
	c := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error {
		r, _, err := github.NewClient(nil).Repositories.Get(context.Background(), "a", "b")
		if err != nil {
			return err
		}
		b, err := yaml.Marshal(r)
		fmt.Println(string(b))
		return err
	}}
	if err := c.Execute(); err != nil {
		panic(err)
	}
}
`

// plainLoop is what a person writes without Slipway.
const plainLoop = `set -e
rm -rf out && mkdir out
for p in amd64 386 arm64 arm; do
	mkdir out/$p
	CGO_ENABLED=0 GOOS=linux GOARCH=$p GOARM=6 go build -trimpath -ldflags '-s -w' -o out/$p/x .
	tar -C out/$p -cf - x | gzip -6 >out/x_$p.tar.gz
done
cd out && sha256sum *.tar.gz >checksums.txt
`

// BenchmarkBuildVsLoop prints the time of Binaries and Artifacts as parts of
// the time of a plain shell loop that makes the same files: "fresh/loop" with
// an empty output folder, "unchanged/loop" with nothing changed since. The
// three run in turns, the Go build cache is warm, and medians are compared.
// "peak-MB" is this process's largest resident size, without the compilers.
func BenchmarkBuildVsLoop(b *testing.B) {
	source, dist := b.TempDir(), filepath.Join(b.TempDir(), "dist")
	moduleWithDependencies(b, source)
	loop := func() {
		if err := proc.Run(b.Context(), proc.Cmd{Args: []string{"sh", "-c", plainLoop}, Dir: source}); err != nil {
			b.Fatal(err)
		}
	}
	ours := func() { buildAndPack(b, source, dist) }
	loop() // warms the caches
	ours()
	var loops, fresh, unchanged []time.Duration
	for b.Loop() {
		loops = append(loops, timed(loop))
		if err := os.RemoveAll(dist); err != nil {
			b.Fatal(err)
		}
		fresh = append(fresh, timed(ours))
		unchanged = append(unchanged, timed(ours))
	}
	b.ReportMetric(0, "ns/op") // the sum of three different things
	b.ReportMetric(median(loops).Seconds(), "loop-s")
	b.ReportMetric(median(fresh).Seconds()/median(loops).Seconds(), "fresh/loop")
	b.ReportMetric(median(unchanged).Seconds()/median(loops).Seconds(), "unchanged/loop")
	b.ReportMetric(float64(peakKB(b))/1000, "peak-MB")
}

func moduleWithDependencies(b *testing.B, dir string) {
	gomod, err := proc.Output(b.Context(), proc.Cmd{Args: []string{"go", "env", "GOMOD"}})
	if err != nil {
		b.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(realProgram), 0o644); err != nil {
		b.Fatal(err)
	}
}

func buildAndPack(b *testing.B, source, dist string) {
	plan := release.Plan{Schema: release.PlanSchema, Project: "x", Version: "1", Tag: "v1", Commit: commit, Time: commitTime}
	for _, p := range []release.Platform{amd64, i386, arm64, armv6} {
		plan.Builds = append(plan.Builds, release.PlanBuild{ID: "x", Builder: "go", Platform: p, Binary: "x",
			Ldflags: []string{"-s", "-w"}, Static: release.StaticRequired})
		a := release.PlanArchive{Name: "x_1_" + p.Slug() + ".tar.gz", Format: "tar.gz", Platform: p, Builds: []string{"x"}}
		plan.Archives = append(plan.Archives, a)
		plan.Assets = append(plan.Assets, release.PlanAsset{Name: a.Name, Kind: release.KindArchive, Platform: &p})
	}
	plan.Assets = append(plan.Assets, release.PlanAsset{Name: release.ChecksumsName, Kind: release.KindChecksums},
		release.PlanAsset{Name: release.ManifestName, Kind: release.KindManifest})
	made, err := Binaries(b.Context(), Options{Source: source, Dist: dist, Builds: plan.Builds, Commit: commit, Time: commitTime, Stage: stage()})
	if err != nil {
		b.Fatal(err)
	}
	assets, err := pack.Artifacts(b.Context(), pack.Options{Source: source, Dist: dist, Plan: plan, Binaries: made, Stage: stage()})
	if err != nil || len(assets) != 6 {
		b.Fatal(len(assets), err)
	}
}

func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

func median(ds []time.Duration) time.Duration {
	s := slices.SortedFunc(slices.Values(ds), cmp.Compare[time.Duration])
	return s[len(s)/2]
}

// peakKB is the largest resident size of this process so far.
func peakKB(b *testing.B) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
