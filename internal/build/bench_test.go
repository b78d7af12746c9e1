package build

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
// three run in turns with a warm Go build cache.
//
// Other work on the machine adds time to whichever of the three it meets, and
// can turn a ratio of medians round. So each comes thrice: of medians, of each
// one's best round ("-best"), and of processor time ("-cpu"), which hardly
// depends on what else runs. When they disagree the machine was busy.
// "peak-MB" is this process's largest resident size, without the compilers.
func BenchmarkBuildVsLoop(b *testing.B) {
	source, dist := b.TempDir(), filepath.Join(b.TempDir(), "dist")
	moduleWithDependencies(b, source)
	loop := func() {
		if err := proc.Run(b.Context(), proc.Cmd{Args: []string{"sh", "-c", plainLoop}, Dir: source}); err != nil {
			b.Fatal(err)
		}
	}
	ours := func(reused bool) func() { return func() { buildAndPack(b, source, dist, reused) } }
	loop() // warms the caches
	ours(false)()
	var loops, fresh, unchanged rounds
	for b.Loop() {
		loops.add(b, loop)
		if err := os.RemoveAll(dist); err != nil {
			b.Fatal(err)
		}
		fresh.add(b, ours(false))
		unchanged.add(b, ours(true))
	}
	b.ReportMetric(0, "ns/op") // the sum of three different things
	b.ReportMetric(loops.best(), "loop-best-s")
	for name, r := range map[string]rounds{"fresh/loop": fresh, "unchanged/loop": unchanged} {
		b.ReportMetric(r.median()/loops.median(), name)
		b.ReportMetric(r.best()/loops.best(), name+"-best")
		b.ReportMetric(r.cpu/loops.cpu, name+"-cpu")
	}
	b.ReportMetric(float64(peakKB(b))/1000, "peak-MB")
}

// rounds are the times of one of the three, in seconds.
type rounds struct {
	wall []float64
	cpu  float64 // of all rounds, this process and those it started
}

func (r *rounds) add(b *testing.B, f func()) {
	begun, cpu := time.Now(), cpuSeconds(b)
	f()
	r.wall = append(r.wall, time.Since(begun).Seconds())
	r.cpu += cpuSeconds(b) - cpu
}

func (r rounds) median() float64 { return slices.Sorted(slices.Values(r.wall))[len(r.wall)/2] }
func (r rounds) best() float64   { return slices.Min(r.wall) }

func cpuSeconds(b *testing.B) float64 {
	sum := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	return sum
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

// buildAndPack also sees to it that the binaries are linked, or not, as the
// figure says.
func buildAndPack(b *testing.B, source, dist string, reused bool) {
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
	for _, m := range made {
		if m.Reused != reused {
			b.Fatalf("%s: reused is %v", m.Platform, m.Reused)
		}
	}
	assets, err := pack.Artifacts(b.Context(), pack.Options{Source: source, Dist: dist, Plan: plan, Binaries: made, Stage: stage()})
	if err != nil || len(assets) != 6 {
		b.Fatal(len(assets), err)
	}
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
