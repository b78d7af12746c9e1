package gitea_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// BenchmarkUpload sends 40 assets of 5 MB to a real Gitea, four at a time, and
// the same files with curl, in turns. It tells the ratio of the times and the
// growth of this process's peak memory.
func BenchmarkUpload(b *testing.B) {
	const assets, size, parallel = 40, 5_000_000, 4
	if _, err := exec.LookPath("curl"); err != nil {
		b.Fatal(err)
	}
	server := realtest.Gitea(b)
	repo, _ := server.SampleRepo(b, "bench", "v1.0.0")
	dir := b.TempDir()
	for i := range assets {
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(j * (i + 7) >> 3)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("asset-%02d", i)), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	f, err := gitea.New(gitea.Options{Server: server.URL, Repository: repo.FullName(), Token: server.Admin, UserAgent: "slipway/bench"})
	if err != nil {
		b.Fatal(err)
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil { // the peak starts anew
		b.Fatal(err)
	}
	before := peakMemory(b)
	var ours, theirs time.Duration
	var peak int
	for n := 0; b.Loop(); n++ {
		theirs += timed(func() { curl(b, server, repo, dir, draft(b, f, fmt.Sprintf("curl-%d", n)), parallel) })
		ours += timed(func() { upload(b, f, dir, draft(b, f, fmt.Sprintf("ours-%d", n)), parallel) })
		peak = max(peak, peakMemory(b)-before)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "×curl")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "s/curl")
	b.ReportMetric(float64(peak)/1024, "MB-peak")
}

func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

func draft(b *testing.B, f forge.Forge, tag string) string {
	b.Helper()
	rel, err := f.CreateDraft(b.Context(), forge.Draft{Tag: tag, Commit: "main", Title: tag})
	if err != nil {
		b.Fatal(err)
	}
	return rel.ID
}

func upload(b *testing.B, f forge.Forge, dir, release string, parallel int) {
	b.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(parallel)
	for _, file := range files {
		group.Go(func() error {
			path := filepath.Join(dir, file.Name())
			info, err := file.Info()
			if err != nil {
				return err
			}
			_, err = f.Upload(ctx, release, forge.Upload{
				Name: file.Name(), Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) },
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

func curl(b *testing.B, server *realtest.GiteaServer, repo *realtest.GiteaRepo, dir, release string, parallel int) {
	b.Helper()
	url := fmt.Sprintf("%s/api/v1/repos/%s/releases/%s/assets", server.URL, repo.FullName(), release)
	cmd := exec.Command("sh", "-c", `ls | xargs -P "$3" -I{} curl -sSf -o /dev/null -H "Authorization: token $1" -F "attachment=@{}" "$2"`,
		"sh", server.Admin, url, strconv.Itoa(parallel))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// peakMemory is the largest resident size of this process so far, in KB.
func peakMemory(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kb
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
