package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// tailLines is how much of a tool's output an error repeats.
const tailLines = 30

// buildError says which build went wrong, in the tool's own last lines.
func buildError(j *job, what string, err error) error {
	return toolError("build "+j.String(), what, err)
}

// toolError makes a tool's failure readable. An ended context stays what it is.
func toolError(doing, what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var p *proc.Error
	if !errors.As(err, &p) {
		return fmt.Errorf("%s: %s: %w", doing, what, err)
	}
	how := fmt.Sprintf("exited with %d", p.Code)
	switch {
	case errors.Is(p.Err, proc.ErrNotFound):
		how = p.Args[0] + " is not installed, or not on the PATH"
	case p.Code < 0:
		how = p.Err.Error()
	}
	message := fmt.Sprintf("%s: %s %s", doing, what, how)
	if tail := lastLines(p.Tail, tailLines); tail != "" {
		message += "\n" + tail
	}
	return release.Failf(hintFor(p), "%s", message)
}

// lastLines gives the last n lines, with … for those left out.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = append([]string{"…"}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}

// hints are what to do about things that tools say in their own words.
var hints = []struct{ says, hint string }{
	{"no space left on device", "free some disk space (the Go build cache too) and run again"},
	{"missing go.sum entry", "run `go mod tidy` and commit go.sum"},
	{"updates to go.mod needed", "run `go mod tidy` and commit go.mod and go.sum"},
	{"is not in std", "write the build's `main` as a path, such as ./cmd/hello"},
	{"no required module provides package", "run `go mod tidy` and commit go.mod and go.sum"},
	{"inconsistent vendoring", "run `go mod vendor` and commit the vendor folder"},
	{"cannot write multiple packages", "set the build's `main` to one main package"},
	{"build constraints exclude all Go files", "nothing of this package is for this platform (or it needs cgo): take the platform out, or set `cgo: true`"},
	{"C compiler", "install a C compiler for this platform and set CC in the build's `env`, or set `cgo: false`"},
	{"gcc: error", "install a C compiler for this platform and set CC in the build's `env`, or set `cgo: false`"},
	{"unsupported GOOS/GOARCH pair", "take the platform out: `go tool dist list` says which ones Go knows"},
}

func hintFor(p *proc.Error) string {
	for _, h := range hints {
		if strings.Contains(p.Tail, h.says) {
			return h.hint
		}
	}
	switch {
	case errors.Is(p.Err, proc.ErrNotFound):
		return "install " + p.Args[0] + ", or name an image that has it (image:), which needs docker or BuildKit"
	case p.Code == 127:
		return "a command was not found: install it, or write its path"
	case p.Code == 137 || p.Code < 0 && strings.Contains(fmt.Sprint(p.Err), "killed"):
		return "something killed it, often because memory ran out: build fewer at a time"
	}
	return "run the same command in a clean checkout of the commit to see it alone"
}
