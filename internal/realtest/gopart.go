package realtest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
)

// goTool is a program built from a go.mod and go.sum of its own under parts/,
// so that Slipway's own go.mod stays small.
type goTool struct {
	folder  string // under parts/
	pkg     string // main package
	bin     string // file name of the program
	ldflags string
	static  []string // folders of the program's module that it reads while it runs
}

func (g goTool) part(name, version string) Part {
	return Part{Name: name, Version: version, pins: g.pins, make: g.make}
}

func (g goTool) src(root string) string {
	return filepath.Join(root, "internal", "realtest", "parts", g.folder)
}

func (g goTool) pins(root string) ([]byte, error) {
	var b bytes.Buffer
	for _, s := range append(g.buildArgs("-"), g.static...) {
		b.WriteString(s + "\x00")
	}
	// The linter must be built by the Go that it judges code for.
	b.WriteString(runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\x00")
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(g.src(root), name))
		if err != nil {
			return nil, err
		}
		b.Write(data)
	}
	return b.Bytes(), nil
}

func (g goTool) buildArgs(out string) []string {
	return []string{"go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", g.ldflags, "-o", out, g.pkg}
}

func (g goTool) make(ctx context.Context, root, dir string, log io.Writer) error {
	run := proc.Cmd{
		Dir:    g.src(root),
		Env:    []string{"CGO_ENABLED=0", "GOWORK=off"},
		Unset:  []string{"GOFLAGS", "GOOS", "GOARCH"},
		Stderr: log,
	}
	run.Args = g.buildArgs(filepath.Join(dir, g.bin))
	if err := proc.Run(ctx, run); err != nil {
		return err
	}
	if len(g.static) == 0 {
		return nil
	}
	run.Args = []string{"go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", g.pkg}
	out, err := proc.Output(ctx, run)
	if err != nil {
		return err
	}
	module := strings.TrimSpace(string(out))
	for _, folder := range g.static {
		if err := os.CopyFS(filepath.Join(dir, "static", folder), os.DirFS(filepath.Join(module, folder))); err != nil {
			return err
		}
	}
	return nil
}
