package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// server is a program that compiles a good part of Go's library.
const server = `package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, %q) })
	log.Fatal(http.ListenAndServe(":8080", nil))
}
`

// measureSource builds an image of sources in a builder image, and once more
// after one line has changed. Each turn is a project of its own, with nothing
// in its caches.
func (m *imaging) measureSource(ctx context.Context) ([]row, error) {
	toolchain, err := m.tools.PushToolchain(ctx, m.log)
	if err != nil {
		return nil, err
	}
	few := *m.bench
	few.turns = min(m.turns, 3) // a first build takes long, and the goal is far
	dir := func(turn int) string { return filepath.Join(m.bench.dir, fmt.Sprintf("source-%d", turn)) }
	turn := 0
	build := func() (time.Duration, error) {
		begun := time.Now()
		c := m.slipwayCmd("image", "build", dir(turn), m.tools.Registry+"/acme/source:1", "--builder", m.tools.BuildKit, "--build-image", toolchain)
		err := proc.Run(ctx, c)
		return time.Since(begun), err
	}
	first := &contender{run: build, before: func() error {
		turn++
		return m.repository(ctx, dir(turn), map[string]string{
			"go.mod": "module example.org/source\n\ngo 1.26\n", "main.go": fmt.Sprintf(server, "hello"),
			".slipway.yaml": fmt.Sprintf("project: source%d\n", turn),
		})
	}}
	second := &contender{run: build, before: func() error {
		if err := os.WriteFile(filepath.Join(dir(turn), "main.go"), fmt.Appendf(nil, server, "goodbye"), 0o644); err != nil {
			return err
		}
		return m.git(ctx, dir(turn), "commit", "--quiet", "--all", "-m", "fix: another word")
	}}
	if err := few.race("images of sources", first, second); err != nil {
		return nil, err
	}
	return []row{imagesRow("images: sources with one line changed, beside their first build", second, first, 0.3)}, nil
}
