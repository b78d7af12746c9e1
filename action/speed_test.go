package action_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// From the push of a tag to the published release of a small Go program for four
// platforms with an image, the action's image built and the Go command's cache
// warm: "x-host" is that time over the time of `slipway release` on this
// machine, without what the runner takes for an empty container action
// ("empty-s"). At most 1.5 is asked for.
func BenchmarkTagToRelease(b *testing.B) {
	h := newHub(b)
	h.publish(b, "acme", "empty", map[string]string{"action.yml": "name: Empty\nruns: {using: docker, image: 'docker://local/job:latest', entrypoint: /bin/true}\n"})
	bin := filepath.Join(b.TempDir(), "slipway")
	build := proc.Cmd{Args: []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "../cmd/slipway"}, Env: []string{"CGO_ENABLED=0"}}
	if err := proc.Run(b.Context(), build); err != nil {
		b.Fatal(err)
	}
	cache := b.TempDir()
	host := func() float64 { return hostRelease(b, bin, cache) }
	host() // fills the Go command's cache
	var onHost, inAction, empty float64
	for b.Loop() {
		onHost += host()
		p := goProject(b, "release")
		inAction += p.pushed(func() bool { return len(p.public()) > 0 })
		q := goProject(b)
		q.workflow("empty", onTags("ubuntu-latest")+"\n      - uses: actions/checkout@v4\n        with: {fetch-depth: 0}\n      - uses: acme/empty@main\n")
		q.Commit("feat: workflow")
		empty += q.pushed(func() bool {
			r, there := q.find("push", tagRef("v1.0.0"))
			return there && r.Status == "completed"
		})
	}
	n := float64(b.N)
	b.ReportMetric(onHost/n, "host-s")
	b.ReportMetric(inAction/n, "action-s")
	b.ReportMetric(empty/n, "empty-s")
	b.ReportMetric((inAction-empty)/onHost, "x-host")
}

// goProject is a small Go program with an image.
func goProject(t testing.TB, templates ...string) *project {
	p := newProject(t, templates...)
	p.Write("go.mod", "module example.org/hello\n\ngo 1.26.0\n")
	p.Write("main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n")
	p.Write(".slipway.yaml", "project: hello\nbuilds: [{id: hello, builder: go}]\nimages:\n  - {id: hello, repository: "+p.image+", builds: [hello], base: scratch}\n")
	p.Commit("feat: in Go")
	return p
}

// pushed pushes a tag and returns how many seconds passed until it was done.
func (p *project) pushed(done func() bool) float64 {
	p.push("main")
	p.Tag("v1.0.0")
	begun := time.Now()
	p.repo.PushNow(p.t, p.Dir, "v1.0.0")
	for !done() {
		if time.Since(begun) > patience {
			p.t.Fatal("it has not come to its end")
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begun).Seconds()
}

// hostRelease is how many seconds `slipway release` takes on this machine.
func hostRelease(t testing.TB, bin, cache string) float64 {
	p := goProject(t)
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	begun := time.Now()
	err := proc.Run(t.Context(), proc.Cmd{
		Args: []string{bin, "release", "--tag", "v1.0.0", "--forge", "gitea", "--server", p.hub.URL, "--repo", p.repo.FullName()},
		Dir:  p.Dir, Env: []string{"SLIPWAY_TOKEN=" + p.hub.Admin, "GOCACHE=" + cache, "GOFLAGS=", "HOME=" + cache}, Stderr: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun).Seconds()
	if len(p.public()) != 1 {
		t.Fatal("nothing was published")
	}
	return took
}
