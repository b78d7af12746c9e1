package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
)

// program has the dependencies that many command lines have.
const program = `package main

import (
	"context"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/google/go-github/v60/github"
	"github.com/spf13/cobra"
)

func main() {
	c := &cobra.Command{Use: "sample", RunE: func(*cobra.Command, []string) error {
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

// loop is what a person writes without Slipway.
const loop = `set -e
rm -rf out && mkdir out
for p in amd64 386 arm64 arm; do
	mkdir out/$p
	CGO_ENABLED=0 GOOS=linux GOARCH=$p GOARM=6 go build -trimpath -ldflags '-s -w' -o out/$p/sample .
	tar -C out/$p -cf - sample | gzip -6 >out/sample_1.0.0_linux_$p.tar.gz
done
cd out && sha256sum *.tar.gz >checksums.txt
`

const mega = 1_000_000

// measureBuild builds, packs and sums a program for four platforms with a warm
// Go cache: all of it with dist/ removed, and once more with nothing changed.
func measureBuild(ctx context.Context, b *bench) ([]row, error) {
	dir := filepath.Join(b.dir, "sample")
	if err := b.sampleProgram(ctx, dir); err != nil {
		return nil, err
	}
	removeDist := func() error { return removeAll(filepath.Join(dir, "dist")) }
	build := func(args ...string) proc.Cmd { return b.cmd(dir, append([]string{b.slipway, "build"}, args...)...) }

	plain := timed(func() error { return proc.Run(ctx, b.cmd(dir, "sh", "-c", loop)) })
	fresh := timed(func() error { return quiet(ctx, build("--rebuild")) })
	fresh.before = removeDist
	again := timed(func() error { return quiet(ctx, build()) })
	for _, c := range []*contender{plain, fresh} { // warms the caches
		if _, err := c.run(); err != nil {
			return nil, err
		}
	}
	if err := b.race("build", plain, fresh, again); err != nil {
		return nil, err
	}
	if err := removeDist(); err != nil {
		return nil, err
	}
	peak, err := b.peak(ctx, build("--rebuild"))
	if err != nil {
		return nil, err
	}
	return []row{
		ratioRow("build 4 platforms, beside a shell loop", fresh, plain, 0.7),
		ratioRow("build, nothing changed, beside the same loop", again, plain, 0.35),
		memoryRow("build: peak memory", peak, 60*mega),
	}, nil
}

// sampleProgram makes a repository of the program with a tag. The versions of
// its dependencies are Slipway's own.
func (b *bench) sampleProgram(ctx context.Context, dir string) error {
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"go", "env", "GOMOD"}})
	if err != nil {
		return err
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	_, requires, ok := strings.Cut(string(mod), "\n")
	if !ok {
		return errors.New("go.mod has one line only")
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	return b.repository(ctx, dir, map[string]string{
		"go.mod": "module example.org/sample\n" + requires, "go.sum": string(sums), "main.go": program,
		"README.md": "# sample\n", "LICENSE": "Do what you like.\n", ".gitignore": "out/\n",
	}, "v1.0.0")
}

// repository makes a git repository of one commit with tags.
func (b *bench) repository(ctx context.Context, dir string, files map[string]string, tags ...string) error {
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	steps := [][]string{{"init", "--quiet", "--initial-branch=main"}, {"config", "core.compression", "0"}, {"add", "--all"}, {"commit", "--quiet", "--allow-empty", "-m", "feat: begin"}}
	for _, tag := range tags {
		steps = append(steps, []string{"tag", tag})
	}
	for _, args := range steps {
		if err := b.git(ctx, dir, args...); err != nil {
			return fmt.Errorf("make a repository: %w", err)
		}
	}
	return nil
}
