package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A full disk is named as such, nothing is published, and the rerun with room
// goes on. A small file system of the test's own is the disk.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dist := filepath.Join(t.TempDir(), "dist")
	if err := os.Mkdir(dist, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dist, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("only root can mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dist, 0) })
	s := subjects()["simforge github"](t)
	dir := quickProject(t)
	config := "project: hello\nbuilds: [{id: hello, builder: command, run: 'head -c 40000 /dev/urandom > {output}'}]\n"
	if err := os.WriteFile(filepath.Join(dir, ".slipway.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--all", "--message", "fix: grow")
	mustRun(t, dir, nil, "git", "tag", "v1.0.0")
	server := s.fresh(t, dir)
	env := tokenEnv(cleanEnv(t, t.TempDir()), s)
	out, code := tryRun(t, dir, env, releaseArgs(server, s, "--dist", dist)...)
	if code != 1 || !strings.Contains(strings.ToLower(out), "no space left on device") {
		t.Errorf("exit code %d, want 1 and the full disk named\n%s", code, out)
	}
	if got := public(t, server, s); len(got) > 0 {
		t.Errorf("published is %+v", got)
	}
	if err := syscall.Mount("tmpfs", dist, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, env, releaseArgs(server, s, "--dist", dist)...)
	if got := public(t, server, s); len(got) != 1 || len(got[0].Assets) != 6 {
		t.Errorf("published is %+v", got)
	}
}
