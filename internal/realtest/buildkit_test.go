package realtest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
)

// The shared BuildKit is one, and knows the machine's platforms and the
// emulated ones.
func TestBuildKit(t *testing.T) {
	t.Parallel()
	Emulation(t)
	address := BuildKit(t)
	if again := BuildKit(t); again != address {
		t.Errorf("a second call started a second BuildKit: %s and %s", address, again)
	}
	c, err := client.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	workers, err := c.ListWorkers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(workers) != 1 {
		t.Fatalf("%d workers, want 1", len(workers))
	}
	var got []string
	for _, p := range workers[0].Platforms {
		got = append(got, platforms.Format(p))
	}
	for _, want := range []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
}

// A RUN step works on each platform of the base image, side by side, and sees a
// server on the machine's loopback.
func TestRunOnEachPlatform(t *testing.T) {
	t.Parallel()
	Emulation(t)
	address, registry := BuildKit(t), Registry(t)
	base := BaseImage(t, registry)
	for platform, machine := range map[string]string{
		"linux/amd64": "x86_64", "linux/386": "x86_64", "linux/arm64": "aarch64", "linux/arm/v6": "armv7l",
	} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			script := "uname -m; test -w /tmp && id -un && wget -qO- http://" + registry + "/v2/"
			if err := run(t.Context(), t.TempDir(), address, platform, base, script, &out); err != nil {
				t.Fatal(err)
			}
			if want := machine + "\nroot\n{}"; strings.TrimSpace(out.String()) != want {
				t.Errorf("the step printed %q, want %q", out.String(), want)
			}
		})
	}
}

// run runs a script in an image by BuildKit, and writes what it prints to out.
// The Dockerfile for it goes into dir.
func run(ctx context.Context, dir, address, platform, image, script string, out io.Writer) error {
	dockerfile := "FROM " + image + "\nRUN <<end\nset -e\n" + script + "\nend\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return err
	}
	c, err := client.New(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	status := make(chan *client.SolveStatus)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for s := range status {
			for _, l := range s.Logs {
				_, _ = out.Write(l.Data)
			}
		}
	}()
	_, err = c.Solve(ctx, nil, client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: map[string]string{"platform": platform},
		LocalMounts:   map[string]fsutil.FS{"dockerfile": files, "context": files},
	}, status)
	<-printed
	if err != nil {
		return fmt.Errorf("run in %s for %s: %w", image, platform, err)
	}
	return nil
}

// traces returns what the machine still has of a server: processes, mounts and
// control groups that carry the name of its directory, and the directory.
func traces(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	if path := filepath.Join(os.TempDir(), name); isDir(path) {
		found = append(found, path)
	}
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/proc/[0-9]*/mountinfo"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file) // of a process that may have ended
			if err == nil && strings.Contains(string(data), name) {
				found = append(found, file)
			}
		}
	}
	return found
}

// eventually waits until nothing is left.
func eventually(t *testing.T, left func() []string) {
	t.Helper()
	var found []string
	for range 100 {
		if found = left(); len(found) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("still there after 10 s: %q", found)
}
