package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// plainLog reads the fields that Slipway reads.
func (b *bench) plainLog(dir string, revs ...string) proc.Cmd {
	args := []string{"git", "log", "-z", "--no-notes", "--topo-order", "--format=%H%x00%P%x00%aN%x00%aE%x00%ct%x00%B"}
	return b.cmd(dir, append(args, revs...)...)
}

// measureNotes makes the notes of a whole large history, and of single
// releases of it.
func measureNotes(ctx context.Context, b *bench) ([]row, error) {
	const commits, tags = 100_000, 500
	large, err := b.history(ctx, gittest.Spec{Commits: commits, Tags: tags, Authors: 300})
	if err != nil {
		return nil, err
	}
	small, err := b.history(ctx, gittest.Spec{Commits: commits / 8, Tags: tags, Authors: 300})
	if err != nil {
		return nil, err
	}
	all := func(dir string) proc.Cmd { return b.cmd(dir, b.slipway, "notes", "--all") }
	ours := timed(func() error { return quiet(ctx, all(large)) })
	plain := timed(func() error { return quiet(ctx, b.plainLog(large)) })
	if err := b.race("notes --all", plain, ours); err != nil {
		return nil, err
	}
	low, err := b.peak(ctx, all(small))
	if err != nil {
		return nil, err
	}
	high, err := b.peak(ctx, all(large))
	if err != nil {
		return nil, err
	}
	rows := []row{
		ratioRow("notes of 100,000 commits, beside git log", ours, plain, 1.5),
		{what: "notes: peak memory at 12,500 and 100,000 commits", figure: megabytes(low) + ", " + megabytes(high),
			goal: "flat", met: high < low*5/4},
	}
	for _, r := range []oneRelease{
		{"in the middle, with a newcomer", tags/2 + 1, true},
		{"at the end, with a newcomer", tags - 1, true},
		{"at the end, without one", tags, false},
	} {
		more, err := r.measure(ctx, b, large)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// oneRelease is a tag of the large history. Whether its range has a first-time
// contributor decides what the notes cost: that somebody is new shows only when
// the whole history was read, and then Slipway keeps its authors.
type oneRelease struct {
	where    string
	n        int // of gittest.TagName
	newcomer bool
}

// measure takes the times of the first run in a clone and of a run after it.
func (r oneRelease) measure(ctx context.Context, b *bench, dir string) ([]row, error) {
	previous, tag := gittest.TagName(r.n-1), gittest.TagName(r.n)
	kept := filepath.Join(dir, ".git", "slipway")
	notes := func() error { return quiet(ctx, b.cmd(dir, b.slipway, "notes", "--tag", tag)) }
	cold, warm := timed(notes), timed(notes) // warm comes after cold
	cold.before = func() error { return removeAll(kept) }
	warm.before = func() error { return r.check(ctx, b, dir) }
	start := timed(func() error { return quiet(ctx, b.cmd(dir, b.slipway, "version")) })
	plain := timed(func() error { return quiet(ctx, b.plainLog(dir, previous+".."+tag)) })
	if err := b.race("notes --tag "+tag, cold, plain, start, warm); err != nil {
		return nil, err
	}
	limit := 2*plain.took.median() + start.took.median()
	took := warm.took.median()
	return []row{
		{what: "notes of one release " + r.where, ours: seconds(took),
			rival:  fmt.Sprintf("2 × %s + %s", seconds(plain.took.median()), seconds(start.took.median())),
			figure: fmt.Sprintf("%.2f", float64(took)/float64(limit)), goal: "≤ 1", met: took <= limit},
		note("… the first time in a clone", cold.took),
	}, nil
}

// check holds that the range is what the row says it is.
func (r oneRelease) check(ctx context.Context, b *bench, dir string) error {
	text, err := proc.Output(ctx, b.cmd(dir, b.slipway, "notes", "--tag", gittest.TagName(r.n)))
	if err != nil {
		return err
	}
	if has := bytes.Contains(text, []byte("first contribution")); has != r.newcomer {
		return fmt.Errorf("%s has a newcomer: %t, want %t", gittest.TagName(r.n), has, r.newcomer)
	}
	return nil
}

// history gives a generated repository, kept from run to run beside the parts
// of the tests.
func (b *bench) history(ctx context.Context, s gittest.Spec) (string, error) {
	cache, err := realtest.Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("history-v1-%d-%d-%d-%d", s.Commits, s.Tags, s.Authors, s.Seed))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	begun := time.Now()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(cache, "history-")
	if err != nil {
		return "", err
	}
	defer func() { _ = removeAll(made) }() // it is gone when all went well
	if err := gittest.Generate(ctx, made, s); err != nil {
		return "", err
	}
	// As a clone has them; fast-import leaves a file a tag.
	if err := b.git(ctx, made, "pack-refs", "--all"); err != nil {
		return "", err
	}
	fmt.Fprintf(b.log, "notes: made a history of %d commits in %s\n", s.Commits, seconds(time.Since(begun)))
	return dir, os.Rename(made, dir)
}
