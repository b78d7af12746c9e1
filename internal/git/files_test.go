package git_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
)

// tree makes a repository with every kind of file.
func tree(t *testing.T) *gittest.Repo {
	t.Helper()
	src := gittest.New(t)
	src.Write("dir/a b\t\"ü\".txt", "odd\n")
	src.Write("dir/sub/x", "x")
	src.Write("run.sh", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(src.Dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "dir/sub/x", "out": "/etc/passwd", "loop": "loop", "up": "../x"} {
		if err := os.Symlink(target, filepath.Join(src.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	src.Write("-dash", "dash")
	src.Commit("files")
	return src
}

func TestShow(t *testing.T) {
	t.Parallel()
	src := tree(t)
	src.Write("dir/sub/x", "changed, not committed")
	r := open(t, src.Dir)
	for name, want := range map[string]string{"dir/sub/x": "x", "./dir//sub/x": "x", "dir/a b\t\"ü\".txt": "odd\n", "link": "x", "-dash": "dash"} {
		if got, err := r.Show(t.Context(), "HEAD", name); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]error{
		"gone": fs.ErrNotExist, "dir/gone": fs.ErrNotExist, "run.sh/x": fs.ErrNotExist, "out": fs.ErrNotExist, "up": fs.ErrNotExist, "loop": fs.ErrNotExist,
		"../x": fs.ErrInvalid, "/etc/passwd": fs.ErrInvalid, "": fs.ErrInvalid, ".": fs.ErrInvalid, "a\nHEAD:run.sh": fs.ErrInvalid,
	} {
		if got, err := r.Show(t.Context(), "HEAD", name); !errors.Is(err, want) || got != nil {
			t.Errorf("%q: %q, %v; want %v", name, got, err, want)
		}
	}
	if _, err := r.Show(t.Context(), "HEAD", "dir"); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
	src.WriteCommit("big", strings.Repeat("x", git.MaxShow+1), "big")
	if _, err := r.Show(t.Context(), "HEAD", "big"); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("a large file: %v", err)
	}
	src.WriteCommit("big", "", "empty")
	if got, err := r.Show(t.Context(), "HEAD", "big"); err != nil || len(got) != 0 {
		t.Errorf("an empty file: %q, %v", got, err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	src := tree(t)
	r := open(t, src.Dir)
	status := func(paths ...string) string {
		t.Helper()
		return strings.Join(must[[]string](t)(r.Status(t.Context(), paths...)), " ")
	}
	if got := status(); got != "" {
		t.Errorf("a clean tree has changes: %s", got)
	}
	src.WriteCommit(".gitignore", "*.o\n", "ignore")
	src.Write("x.o", "ignored")
	if got := status(); got != "" {
		t.Errorf("ignored files count: %s", got)
	}
	src.Write("run.sh", "changed")
	src.Write("new/file", "")
	src.Git("mv", "dir/sub/x", "dir/sub/y")
	for paths, want := range map[string]string{
		"": "dir/sub/x dir/sub/y run.sh new/", "dir": "dir/sub/x dir/sub/y", "run.sh": "run.sh", "*.sh": "", "link": "", "-dash": "",
	} {
		if got := status(strings.Fields(paths)...); got != want {
			t.Errorf("%q: %q, want %q", paths, got, want)
		}
	}
	for _, n := range strings.Fields("1 2 3 4 5 6") {
		src.Write(n, "")
	}
	if got := must[[]string](t)(r.Status(t.Context())); len(got) != 5 {
		t.Errorf("%d names", len(got))
	}
	if got := must[[]string](t)(open(t, src.Remote()).Status(t.Context())); !cmp.Equal(got, []string(nil)) {
		t.Errorf("a bare repository has changes: %q", got)
	}
}
