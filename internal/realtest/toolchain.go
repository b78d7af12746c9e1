package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/internal/proc"
)

// toolchainPackages are what the toolchain image has beside Debian's essential
// packages and the Go that runs the tests.
const toolchainPackages = "gcc,libc6-dev,make,cargo,rustc,git,ca-certificates,musl-tools"

// ToolchainImage pushes an image to build with to a registry without login and
// returns its reference, HOST:PORT/toolchain@sha256:…: Debian bookworm for the
// machine's own platform, with gcc, musl-gcc, make, cargo, rustc, git, and the
// Go that runs the tests. Its digest is the same each time; its tag is latest.
// Its layers are compressed by zstd, which BuildKit reads, and an old dockerd
// does not.
func ToolchainImage(t testing.TB, registry string) string {
	t.Helper()
	return push(t, need(t, toolchainPart()), registry, "toolchain")
}

// toolchainPart is the toolchain image as an OCI image layout.
func toolchainPart() Part {
	return Part{
		Name: "toolchain-image", Version: toolchainVersion,
		pins: func(string) ([]byte, error) {
			return fmt.Append(nil, debianSuite, toolchainPackages, runtime.Version(), runtime.GOARCH), nil
		},
		make: makeToolchain,
	}
}

func makeToolchain(ctx context.Context, root, dir string, log io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("debootstrap runs as root only")
	}
	work := filepath.Join(dir, ".work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	debian, err := debianLayer(ctx, work, log)
	if err != nil {
		return err
	}
	golang, err := goLayer(ctx, root, work, log)
	if err != nil {
		return err
	}
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	img, err := image(p, v1.Config{
		Env: []string{
			"PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"GOTOOLCHAIN=local", "LC_ALL=C.UTF-8",
		},
		Cmd: []string{"bash"},
	}, debian, golang)
	if err != nil {
		return err
	}
	if err := writeImages(dir, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}}); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

func debianLayer(ctx context.Context, work string, log io.Writer) (v1.Layer, error) {
	root := filepath.Join(work, "root")
	if err := debianRoot(ctx, root, toolchainPackages, log); err != nil {
		return nil, err
	}
	return layerOf(ctx, work, "debian", log, "--directory="+root, ".")
}

// debianRoot makes a folder the root of a small Debian that has the packages.
func debianRoot(ctx context.Context, root, packages string, log io.Writer) error {
	mirror, err := debianMirror(ctx)
	if err != nil {
		return err
	}
	err = proc.Run(ctx, proc.Cmd{
		Args: ownNamespaces("debootstrap", "--variant=minbase", "--keyring="+debianKeyring,
			"--include="+packages, debianSuite, root, mirror),
		Stdout: log, Stderr: log,
	})
	if err != nil {
		return err
	}
	// What no build needs.
	for _, pattern := range []string{"var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*", "usr/share/locale/*",
		"usr/share/doc/*", "usr/share/man/*", "usr/share/info/*", "usr/share/lintian/*", "usr/bin/*-lto-dump-*"} {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// goLayer has the Go of the checkout, at /usr/local/go.
func goLayer(ctx context.Context, root, work string, log io.Writer) (v1.Layer, error) {
	files, err := goFiles(ctx, root, log)
	if err != nil {
		return nil, err
	}
	return layerOf(ctx, work, "go", log, files...)
}

// goFiles are tar's arguments for the Go of the checkout, at /usr/local/go.
func goFiles(ctx context.Context, root string, log io.Writer) ([]string, error) {
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"go", "env", "GOROOT"}, Dir: root, Stderr: log})
	if err != nil {
		return nil, err
	}
	return []string{"--directory=" + strings.TrimSpace(string(out)), "--owner=0", "--group=0",
		"--mode=u+w", "--exclude=./test", "--exclude=./api", "--exclude=./doc", "--exclude=./misc",
		"--exclude=*_test.go", "--exclude=testdata",
		`--transform=s,^\.,usr/local/go,S`, "."}, nil
}

// layerOf packs files with tar, to which the arguments go.
func layerOf(ctx context.Context, work, name string, log io.Writer, args ...string) (v1.Layer, error) {
	packed := filepath.Join(work, name+".tar.zst")
	err := proc.Run(ctx, proc.Cmd{
		Args: append([]string{"tar", "--create", "--file=" + packed, "--use-compress-program=zstd -1 -T0",
			"--numeric-owner", "--sort=name"}, args...),
		Stdout: log, Stderr: log,
	})
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(packed, tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
}
