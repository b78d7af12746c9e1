package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/releasenotes"
)

// largeDir holds the repository of the benchmarks once one has asked for it;
// TestMain removes it.
var largeDir string

// largeRepo makes 100,000 commits with 500 tags.
func largeRepo(b *testing.B) string {
	b.Helper()
	if largeDir != "" {
		return largeDir
	}
	dir, err := os.MkdirTemp("", "slipway-large-")
	if err != nil {
		b.Fatal(err)
	}
	largeDir = dir
	begin := time.Now()
	if err := gittest.Generate(b.Context(), dir, gittest.Spec{Commits: 100_000, Tags: 500, Authors: 300}); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("100,000 commits made in %v\n", time.Since(begin).Round(time.Millisecond))
	return dir
}

// BenchmarkLog reads 100,000 commits beside a plain git log in the same format
// that writes to /dev/null, in turns, and reports the medians of both and of the
// ratios of each turn.
func BenchmarkLog(b *testing.B) {
	dir := largeRepo(b)
	r := open(b, dir)
	for _, c := range []struct {
		name  string
		plain []string
		log   func(yield func(releasenotes.Commit) error) error
	}{
		{"all", []string{"--topo-order", "main"}, func(y func(releasenotes.Commit) error) error { return r.Log(b.Context(), "", "main", nil, y) }},
		{"range", []string{"--topo-order", "v4.19.3..v4.19.4"}, func(y func(releasenotes.Commit) error) error {
			return r.Log(b.Context(), "v4.19.3", "v4.19.4", nil, y)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ours, plain []time.Duration
			var ratios []float64
			commits := 0
			for b.Loop() {
				begin := time.Now()
				plainLog(b, dir, c.plain...)
				middle := time.Now()
				commits = 0
				if err := c.log(func(releasenotes.Commit) error { commits++; return nil }); err != nil {
					b.Fatal(err)
				}
				end := time.Now()
				plain, ours = append(plain, middle.Sub(begin)), append(ours, end.Sub(middle))
				ratios = append(ratios, float64(end.Sub(middle))/float64(middle.Sub(begin)))
			}
			slices.Sort(plain)
			slices.Sort(ours)
			slices.Sort(ratios)
			half := len(ratios) / 2
			b.ReportMetric(float64(commits), "commits")
			b.ReportMetric(float64(plain[half].Microseconds())/1000, "git-ms")
			b.ReportMetric(float64(ours[half].Microseconds())/1000, "ours-ms")
			b.ReportMetric(ratios[half], "ratio")
		})
	}
}

func plainLog(b *testing.B, dir string, args ...string) {
	b.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	err = proc.Run(b.Context(), proc.Cmd{Dir: dir, Stdout: null,
		Args: append([]string{"git", "log", "-z", "--format=%H%x00%P%x00%aN%x00%aE%x00%ct%x00%B"}, args...)})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkKnownAuthors looks for a first-timer in 100,000 commits: cold, and
// with the cache of the release before.
func BenchmarkKnownAuthors(b *testing.B) {
	r := open(b, largeRepo(b))
	ask := func(b *testing.B, before string) {
		got, err := r.KnownAuthors(b.Context(), before, []string{"author0@example.org", "first@example.org"})
		if err != nil || len(got) != 1 {
			b.Fatal(got, err)
		}
	}
	cache := filepath.Join(r.CommonDir(), "slipway", "authors")
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			os.Remove(cache)
			ask(b, "v4.19.4")
		}
	})
	b.Run("cached", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			os.Remove(cache)
			ask(b, "v4.19.3")
			b.StartTimer()
			ask(b, "v4.19.4")
		}
	})
}

// BenchmarkTags reads 500 tags: all, and those merged into a commit.
func BenchmarkTags(b *testing.B) {
	r := open(b, largeRepo(b))
	for _, c := range []string{"", "v4.19.4"} {
		b.Run("merged="+c, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = 0
				if err := r.Tags(b.Context(), c, func(git.Tag) error { n++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "tags")
		})
	}
}
