package releasenotes_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/releasenotes"
)

// history makes n commits, newest first, as a busy repository has them: pull
// request merges with two commits each, squash merges, plain commits, 200
// authors. Tags are spread evenly.
func history(n, tags int) ([]releasenotes.Commit, map[string][]releasenotes.Tag) {
	types := []string{"feat(cli)", "fix(api)", "fix", "docs", "chore(deps)", "perf(parser)", "ci", ""}
	hash := func(i int) string { return fmt.Sprintf("%08x%032x", i*2654435761%(1<<32), i) }
	start := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	list := make([]releasenotes.Commit, 0, n)
	tagged := map[string][]releasenotes.Tag{}
	for i := n; i > 0; i-- {
		c := releasenotes.Commit{Hash: hash(i), Name: fmt.Sprintf("Author %d", i%200), Email: fmt.Sprintf("author%d@example.org", i%200),
			Time: start.Add(time.Duration(i) * time.Hour)}
		if i > 1 {
			c.Parents = []string{hash(i - 1)}
		}
		c.Subject = fmt.Sprintf("change number %d of the frobnicator, with `code` and some_snake_case", i)
		if typ := types[i%len(types)]; typ != "" {
			c.Subject = typ + ": " + c.Subject
		}
		c.Body = "A paragraph which says why this was done,\nin two or three lines of prose, as people write\nthem.\n\nSigned-off-by: Somebody <some@body.example>\n"
		switch {
		case i%10 == 0 && i > 10:
			c.Subject = fmt.Sprintf("Merge pull request #%d from someone/branch-%d", i, i)
			c.Body = fmt.Sprintf("Improve the frobnicator in step %d\n\nWith a description.", i)
			c.Parents = []string{hash(i - 3), hash(i - 1)}
		case i%10 == 8: // i+2 merges i+1 and i
			if i > 10 {
				c.Parents = []string{hash(i - 1)}
			}
		case i%5 == 1:
			c.Subject += fmt.Sprintf(" (#%d)", i)
		}
		if tags > 0 && i%(n/tags) == 0 {
			tagged[c.Hash] = []releasenotes.Tag{{Name: fmt.Sprintf("v0.%d.0", i/(n/tags)), Date: c.Time}}
		}
		list = append(list, c)
	}
	return list, tagged
}

func rate(b *testing.B, commits int) {
	b.ReportMetric(float64(commits)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkBuilder is one release of 100,000 commits, to Markdown.
func BenchmarkBuilder(b *testing.B) {
	commits, _ := history(100_000, 0)
	o := releasenotes.Options{Links: releasenotes.GitHubLinks("https://github.com/acme/hello"), Tag: "v2", Previous: "v1"}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		builder, err := releasenotes.New(o)
		if err != nil {
			b.Fatal(err)
		}
		for i := range commits {
			builder.Add(commits[i])
		}
		if len(releasenotes.Markdown(builder.Notes(func(string) bool { return true }))) < 1<<20 {
			b.Fatal("the notes are too short to be whole")
		}
	}
	rate(b, len(commits))
}

// BenchmarkChangelog is a history of 100,000 commits and 500 tags.
func BenchmarkChangelog(b *testing.B) {
	commits, tags := history(100_000, 500)
	for _, format := range []struct {
		name string
		releasenotes.Format
	}{{"markdown", releasenotes.FormatMarkdown}, {"json", releasenotes.FormatJSON}} {
		b.Run(format.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				writeChangelog(b, commits, releasenotes.ChangelogOptions{Format: format.Format, Tags: tags, TempDir: b.TempDir(),
					Options: releasenotes.Options{Links: releasenotes.GitHubLinks("https://github.com/acme/hello")}}, io.Discard)
			}
			rate(b, len(commits))
		})
	}
}

// BenchmarkParse is reading the messages alone.
func BenchmarkParse(b *testing.B) {
	commits, _ := history(10_000, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for i := range commits {
			releasenotes.Parse(commits[i].Subject, commits[i].Body)
		}
	}
	rate(b, len(commits))
}

func writeChangelog(tb testing.TB, commits []releasenotes.Commit, o releasenotes.ChangelogOptions, w io.Writer) {
	tb.Helper()
	c, err := releasenotes.NewChangelog(o)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	for i := range commits {
		if err := c.Add(commits[i]); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := c.WriteTo(w); err != nil {
		tb.Fatal(err)
	}
}

// Promise: a changelog's memory does not grow with the number of commits. The
// live heap is measured in the middle of two histories of which one is eight
// times as long, with releases of the same size.
func TestChangelogMemoryIsFlat(t *testing.T) {
	live := func(n, tags int) uint64 {
		commits, tagged := history(n, tags)
		c, err := releasenotes.NewChangelog(releasenotes.ChangelogOptions{Tags: tagged, TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		before := liveHeap()
		for i := range commits {
			if err := c.Add(commits[i]); err != nil {
				t.Fatal(err)
			}
		}
		after := liveHeap()
		runtime.KeepAlive(commits)
		return max(after, before) - before
	}
	small, large := live(12_500, 62), live(100_000, 500)
	t.Logf("live heap: %d KiB after 12,500 commits, %d KiB after 100,000", small>>10, large>>10)
	if large > small+2<<20 {
		t.Errorf("live heap grew from %d to %d bytes", small, large)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
