package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// tenThousand is a release package of 100 phases with 100 calls each, whose
// functions do nothing.
const tenThousand = `ocuroot("0.3.0")

def first(ctx):
    return done(outputs={"tag": "app:1"})

def work(ctx):
    return done(outputs={"n": ctx.inputs.n, "tag": ctx.inputs.tag})

call(first, name="first")

for p in range(100):
    phase("phase {}".format(p), work=[
        call(work, name="w{}-{}".format(p, i), inputs={"n": i, "tag": ref("./call/first#output/tag")})
        for i in range(100)
    ])
`

// measureRollout carries out a release of 10,000 items in the folder store,
// beside a program that only writes as many files as they leave, and looks for
// references among 100,000.
func measureRollout(ctx context.Context, b *bench) ([]row, error) {
	const goal, memory, matchGoal = 10 * time.Second, 200_000_000, 200 * time.Millisecond
	dir := filepath.Join(b.dir, "rollout")
	if err := b.repository(ctx, dir, map[string]string{"release.ocu.star": tenThousand}, "v1.0.0"); err != nil {
		return nil, err
	}
	n := 0
	fresh := func() error { n++; return nil } // a removed folder would slow the file system down for the next
	release := timed(func() error {
		return quiet(ctx, b.cmd(dir, b.slipway, "release", "new", "release.ocu.star", "--state", filepath.Join(b.dir, fmt.Sprintf("state-%d", n))))
	})
	release.before = fresh
	files := timed(func() error { return writeFiles(filepath.Join(b.dir, fmt.Sprintf("files-%d", n)), 30_000) })
	if err := b.race("rollout", release, files); err != nil {
		return nil, err
	}
	peak, err := b.peak(ctx, b.cmd(dir, b.slipway, "release", "new", "release.ocu.star", "--state", filepath.Join(b.dir, "state-peak")))
	if err != nil {
		return nil, err
	}
	took := release.took.median()
	rows := []row{{what: "10,000 items in 100 phases, folder store; beside it 30,000 files written", ours: seconds(took), rival: seconds(files.took.median()),
		figure: fmt.Sprintf("%s, %.1f × the files alone", seconds(took), per(took, files.took.median())), goal: "< " + seconds(goal), met: took < goal},
		memoryRow("its memory", peak, memory)}
	match, err := b.match(ctx, dir)
	if err != nil {
		return nil, err
	}
	took = match.took.median()
	return append(rows, row{what: "state match over 100,000 references and more, SQLite, the process's start included", ours: seconds(took), figure: seconds(took), goal: "< " + seconds(matchGoal), met: took < matchGoal}), nil
}

// writeFiles is the plain limit: documents written beside and renamed.
func writeFiles(dir string, count int) error {
	content := make([]byte, 500)
	for i := range count {
		folder := filepath.Join(dir, fmt.Sprint(i%100))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		name := filepath.Join(folder, fmt.Sprint(i))
		if err := os.WriteFile(name+"~", content, 0o644); err != nil {
			return err
		}
		if err := os.Rename(name+"~", name); err != nil {
			return err
		}
	}
	return nil
}

// match looks for one name in a database that four such releases have filled.
func (b *bench) match(ctx context.Context, dir string) (*contender, error) {
	url := "sqlite:" + filepath.Join(b.dir, "state.db")
	for range 4 {
		if err := quiet(ctx, b.cmd(dir, b.slipway, "release", "new", "release.ocu.star", "--force", "--state", url)); err != nil {
			return nil, err
		}
	}
	match := timed(func() error {
		return quiet(ctx, b.cmd(dir, b.slipway, "state", "match", "**/call/w50-7", "--state", url))
	})
	return match, b.race("state match", match)
}
