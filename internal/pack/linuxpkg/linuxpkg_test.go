package linuxpkg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

const commit = "4f70926ab12c0123456789abcdef0123456789ab"

var commitTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// hello is a static program that says its name, for the machine that tests run on.
var hello = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "slipway-hello-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() { println(\"hello of a package\") }\n"), 0o600); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "hello")
	err = proc.Run(context.Background(), proc.Cmd{Args: []string{"go", "build", "-trimpath", "-o", out, source}, Dir: dir,
		Env: []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"}})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sample is a project with everything that a package can have.
func sample(t testing.TB, format string) Options {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"LICENSE": "Do what you like.\n", "README.md": "# hello\n", "main.go": "package main\n",
		"packaging/hello.conf":  "greeting = hello\n",
		"packaging/postinst.sh": "#!/bin/sh\nset -e\necho \"post-install $1\" >> /var/log/hello-scripts\n",
		"packaging/prerm.sh":    "#!/bin/sh\nset -e\necho \"pre-remove $1\" >> /var/log/hello-scripts\n",
		"packaging/preinst.sh":  "#!/bin/sh\nset -e\nmkdir -p /var/log\necho \"pre-install $1\" >> /var/log/hello-scripts\n",
		"packaging/postrm.sh":   "#!/bin/sh\nset -e\necho \"post-remove $1\" >> /var/log/hello-scripts\n",
		"share/one.txt":         "1\n", "share/deep/two.txt": "2\n", "share/run.sh": "#!/bin/sh\n",
	})
	if err := os.Chmod(filepath.Join(dir, "share/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := hello()
	if err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(built, program, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	amd64 := release.Platform{OS: "linux", Arch: "amd64"}
	return Options{
		Project: "hello", Commit: commit, Time: commitTime, Dir: dir,
		Binaries: []release.Binary{{ID: "hello", Platform: amd64, Name: "hello", Size: int64(len(program)), Digest: "sha256:" + hex.EncodeToString(sum[:]), Path: built}},
		Package: release.PlanPackage{
			Asset: "hello_1.2.3_linux_amd64" + release.PackageEnding(format), Format: format, Platform: amd64,
			Name: "hello", Version: "1.2.3", Builds: []string{"hello"}, BinDir: "/usr/bin",
			Description: "says hello to $HOME\nIn more words: it says ${USER} and {{.Name}}.\n\nAnd no more.",
			Homepage:    "https://hello.example", Maintainer: "Ada <ada@hello.example>", Vendor: "Hello", License: "MIT", Section: "utils",
			Recommends: []string{"ca-certificates"}, Suggests: []string{"curl >= 7"},
			Conflicts: []string{"goodbye (<< 2)"}, Replaces: []string{"hallo"}, Provides: []string{"greeter = 1"},
			Contents: []release.PackageContent{
				{Source: "packaging/hello.conf", Target: "/etc/hello/hello.conf", Type: "config", Mode: "0640"},
				{Source: "share", Target: "/usr/share/hello"},
				{Source: "share/**/*.txt", Target: "/usr/lib/hello/"},
				{Target: "/var/lib/hello", Type: "dir", Mode: "0750"},
				{Source: "hello", Target: "/usr/bin/hi", Type: "symlink"},
			},
			Scripts: release.PackageScripts{PreInstall: "packaging/preinst.sh", PostInstall: "packaging/postinst.sh", PreRemove: "packaging/prerm.sh", PostRemove: "packaging/postrm.sh"},
		},
	}
}

func build(t testing.TB, o Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(t.Context(), &out, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// file writes a package where the formats' tools find it.
func file(t testing.TB, o Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), o.Package.Asset)
	if err := os.WriteFile(path, build(t, o), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run gives what a program says.
func run(t testing.TB, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := proc.Run(t.Context(), proc.Cmd{Args: args, Env: []string{"LC_ALL=C", "TZ=UTC"}, Stdout: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	return out.String()
}

// has fails for each line that a text lacks.
func has(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
}

// hasNot fails for each that a text has.
func hasNot(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("there is %q in\n%s", part, text)
		}
	}
}
