package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// measureClassify classifies tags from stdin in a repository without a config.
func measureClassify(ctx context.Context, b *bench) ([]row, error) {
	const count, goal = 100_000, time.Second
	dir := filepath.Join(b.dir, "classify")
	if err := b.repository(ctx, dir, nil, "v1.0.0"); err != nil {
		return nil, err
	}
	var tags bytes.Buffer
	forms := []string{"v1.%d.0", "v2.0.%d-rc.1", "cli/v1.2.%d", "nightly-%d", "v0.1.2.%d"}
	for i := range count {
		fmt.Fprintf(&tags, forms[i%len(forms)]+"\n", i)
	}
	text := timed(func() error {
		c := b.cmd(dir, b.slipway, "classify")
		c.Stdin = bytes.NewReader(tags.Bytes())
		return quiet(ctx, c)
	})
	if err := b.race("classify", text); err != nil {
		return nil, err
	}
	took := text.took.median()
	return []row{{what: "classify 100,000 tags from stdin", figure: seconds(took), goal: "< " + seconds(goal), met: took < goal}}, nil
}
