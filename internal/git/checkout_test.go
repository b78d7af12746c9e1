package git_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
)

// contents is every file and folder below dir but .git: mode and content.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if d.Name() == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		name, fi := must[string](t)(filepath.Rel(dir, path)), must[fs.FileInfo](t)(d.Info())
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			all[name] = "-> " + must[string](t)(os.Readlink(path))
		case fi.IsDir():
			all[name] = fi.Mode().String()
		default:
			all[name] = fi.Mode().String() + " " + string(must[[]byte](t)(os.ReadFile(path)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sample is a repository with two commits, tagged v1 and v2, and changes in
// the working tree that are no business of a checkout's.
func sample(t *testing.T) *gittest.Repo {
	t.Helper()
	src := gittest.New(t)
	src.Write("a.txt", "one\n")
	src.Write("bin/run", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(src.Dir, "bin/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	src.WriteCommit(".gitignore", "*.o\ndist/\n", "one")
	src.Tag("v1")
	src.WriteCommit("a.txt", "two\n", "two")
	src.Tag("v2")
	src.Write("a.txt", "edited\n")
	src.Write("untracked", "mine\n")
	src.Write("staged", "mine\n")
	src.Git("add", "staged")
	return src
}

// ofCommit is what a checkout of sample's tag must hold.
func ofCommit(tag string) map[string]string {
	a := map[string]string{"v1": "one\n", "v2": "two\n"}[tag]
	return map[string]string{"a.txt": "-rw-r--r-- " + a, "bin": "drwxr-xr-x", "bin/run": "-rwxr-xr-x #!/bin/sh\n", ".gitignore": "-rw-r--r-- *.o\ndist/\n"}
}

func checkout(t *testing.T, r *git.Repo, tag, dir string) {
	t.Helper()
	if err := r.Checkout(t.Context(), tag, dir); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ofCommit(tag), contents(t, dir)); d != "" {
		t.Errorf("checkout of %s: %s", tag, d)
	}
	wt := gittest.At(t, dir)
	if got := wt.Git("rev-parse", "HEAD"); got != wt.Git("rev-parse", tag) {
		t.Errorf("HEAD is %s", got)
	}
	if got := wt.Git("status", "--porcelain"); got != "" {
		t.Errorf("git status: %s", got)
	}
	if got := wt.Git("branch", "--show-current"); got != "" {
		t.Errorf("on branch %s", got)
	}
}

// A checkout is exactly the commit, an earlier one is used again, and the
// user's working tree, index and branch stay as they are.
func TestCheckout(t *testing.T) {
	t.Parallel()
	src := sample(t)
	r := open(t, src.Dir)
	before, status := contents(t, src.Dir), src.Git("status", "--porcelain", "--branch")
	index := must[[]byte](t)(os.ReadFile(filepath.Join(src.Dir, ".git", "index")))
	dir := filepath.Join(t.TempDir(), "cache", "src")
	checkout(t, r, "v1", dir)
	checkout(t, r, "v2", dir)
	for name, content := range map[string]string{"x.o": "ignored", "dist/y": "ignored", "a.txt": "changed", "empty/d/e": "", "bin/run": "mode"} {
		gittest.At(t, dir).Write(name, content)
	}
	gittest.At(t, dir).Git("init", "-q", "nested")
	gittest.At(t, dir).Git("add", "-f", "x.o")
	checkout(t, r, "v2", dir)
	checkout(t, r, "v1", dir)
	after := must[[]byte](t)(os.ReadFile(filepath.Join(src.Dir, ".git", "index")))
	if d := cmp.Diff(before, contents(t, src.Dir)); d != "" || string(index) != string(after) {
		t.Errorf("the user's working tree or index changed: %s", d)
	}
	if got := src.Git("status", "--porcelain", "--branch"); got != status {
		t.Errorf("git status was %s\nand is %s", status, got)
	}
	for range 2 { // removing twice is no error
		if err := r.RemoveCheckout(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if got := src.Git("worktree", "list"); strings.Contains(got, "\n") {
		t.Errorf("worktrees left: %s", got)
	}
}

// Whatever a killed run, or a person, left in the folder, the next checkout is
// right again.
func TestCheckoutHeals(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, src *gittest.Repo, dir, admin string){
		"index locked by a killed git": func(t *testing.T, _ *gittest.Repo, _, admin string) { write(t, admin+"/index.lock", "") },
		"HEAD locked by a killed git":  func(t *testing.T, _ *gittest.Repo, _, admin string) { write(t, admin+"/HEAD.lock", "") },
		"broken index":                 func(t *testing.T, _ *gittest.Repo, _, admin string) { write(t, admin+"/index", "garbage") },
		"no index":                     func(t *testing.T, _ *gittest.Repo, _, admin string) { remove(t, admin+"/index") },
		"broken HEAD":                  func(t *testing.T, _ *gittest.Repo, _, admin string) { write(t, admin+"/HEAD", "\x00") },
		"no HEAD":                      func(t *testing.T, _ *gittest.Repo, _, admin string) { remove(t, admin+"/HEAD") },
		"no commondir":                 func(t *testing.T, _ *gittest.Repo, _, admin string) { remove(t, admin+"/commondir") },
		"no gitdir":                    func(t *testing.T, _ *gittest.Repo, _, admin string) { remove(t, admin+"/gitdir") },
		"broken .git":                  func(t *testing.T, _ *gittest.Repo, dir, _ string) { write(t, dir+"/.git", "garbage") },
		"no .git":                      func(t *testing.T, _ *gittest.Repo, dir, _ string) { remove(t, dir+"/.git") },
		"empty folder":                 func(t *testing.T, _ *gittest.Repo, dir, _ string) { remove(t, dir); mkdir(t, dir) },
		"no folder":                    func(t *testing.T, _ *gittest.Repo, dir, _ string) { remove(t, dir) },
		"file instead of the folder":   func(t *testing.T, _ *gittest.Repo, dir, _ string) { remove(t, dir); write(t, dir, "") },
		"pruned":                       func(t *testing.T, _ *gittest.Repo, _, admin string) { remove(t, admin) },
		"locked worktree":              func(t *testing.T, src *gittest.Repo, dir, _ string) { src.Git("worktree", "lock", dir) },
		"locked and gone": func(t *testing.T, src *gittest.Repo, dir, _ string) {
			src.Git("worktree", "lock", dir)
			remove(t, dir)
		},
		"on a branch": func(t *testing.T, _ *gittest.Repo, dir, _ string) { gittest.At(t, dir).Git("checkout", "-qb", "x") },
		"in the middle of a merge": func(t *testing.T, src *gittest.Repo, dir, _ string) {
			wt := gittest.At(t, dir)
			wt.Git("checkout", "-q", "-b", "side", "v1")
			wt.WriteCommit("a.txt", "three\n", "three")
			wt.Git("merge", "-q", "--no-commit", "-X", "ours", "v2")
		},
		"another repository's": func(t *testing.T, _ *gittest.Repo, dir, _ string) {
			other := sample(t)
			remove(t, dir)
			other.Git("worktree", "add", "-q", "--detach", dir, "v2")
		},
		"half made by git": func(t *testing.T, _ *gittest.Repo, dir, admin string) {
			remove(t, dir+"/a.txt")
			remove(t, dir+"/bin")
			remove(t, admin+"/index")
			write(t, admin+"/locked", "initializing")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := sample(t)
			r := open(t, src.Dir)
			// Below the user's own repository, where a git that searches
			// upwards would find that one.
			dir := filepath.Join(src.Dir, "dist", "src")
			checkout(t, r, "v1", dir)
			harm(t, src, dir, gittest.At(t, dir).Git("rev-parse", "--absolute-git-dir"))
			before := must[[]byte](t)(os.ReadFile(filepath.Join(src.Dir, ".git", "index")))
			checkout(t, r, "v2", dir)
			checkout(t, r, "v1", dir)
			if after := must[[]byte](t)(os.ReadFile(filepath.Join(src.Dir, ".git", "index"))); string(after) != string(before) {
				t.Error("the user's index changed")
			}
			if got := src.Git("status", "--porcelain", "--untracked-files=all"); got != " M a.txt\nA  staged\n?? untracked" {
				t.Errorf("the user's git status: %s", got)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// A folder that slipway did not make is never wiped.
func TestCheckoutRefusesForeignFolders(t *testing.T) {
	t.Parallel()
	src := sample(t)
	r := open(t, src.Dir)
	foreign := filepath.Join(t.TempDir(), "foreign")
	mkdir(t, foreign)
	write(t, foreign+"/precious", "data")
	linked := filepath.Join(t.TempDir(), "linked")
	src.Git("worktree", "add", "-q", "-b", "mine", linked)
	for _, dir := range []string{foreign, linked, src.Dir, filepath.Dir(src.Dir)} {
		before := contents(t, dir)
		wantInvalid(t, r.Checkout(t.Context(), "v1", dir), "was not made by slipway")
		wantInvalid(t, r.RemoveCheckout(t.Context(), dir), "was not made by slipway")
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("%s changed: %s", dir, d)
		}
		if _, err := os.Lstat(dir + ".slipway"); err == nil {
			t.Errorf("%s is marked as ours", dir)
		}
	}
}

// Checkouts into one folder at the same time wait for each other.
func TestCheckoutTogether(t *testing.T) {
	t.Parallel()
	src := sample(t)
	r := open(t, src.Dir)
	dir := filepath.Join(t.TempDir(), "src")
	errs := make(chan error)
	for i := range 6 {
		go func() { errs <- r.Checkout(t.Context(), []string{"v1", "v2"}[i%2], dir) }()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	checkout(t, r, "v1", dir)
}

func TestCheckoutUnknownCommit(t *testing.T) {
	t.Parallel()
	src := sample(t)
	r := open(t, src.Dir)
	dir := filepath.Join(t.TempDir(), "src")
	wantInvalid(t, r.Checkout(t.Context(), "v3", dir), "did you mean v1 or v2?")
	if err := r.Checkout(t.Context(), strings.Repeat("1", 40), dir); err == nil {
		t.Error("an unknown hash is checked out")
	}
	checkout(t, r, "v1", dir)
}

// Bare and shallow repositories can be checked out from, too.
func TestCheckoutFromBareAndShallow(t *testing.T) {
	t.Parallel()
	src := sample(t)
	bare := open(t, src.Remote())
	dir := filepath.Join(t.TempDir(), "src")
	checkout(t, bare, "v1", dir)
	checkout(t, bare, "v2", dir)
	checkout(t, open(t, src.Clone("--depth=1").Dir), "v2", filepath.Join(t.TempDir(), "src"))
}

// Bytes and modes come from the commit: not from line ending settings, hooks,
// sparse checkouts or the umask.
func TestCheckoutIgnoresSettings(t *testing.T) {
	t.Parallel()
	src := sample(t)
	src.Git("config", "core.autocrlf", "true")
	src.Git("config", "core.eol", "crlf")
	src.Git("config", "core.fileMode", "false")
	src.Git("config", "core.symlinks", "false")
	attributes := filepath.Join(t.TempDir(), "attributes")
	write(t, attributes, "* text eol=crlf ident\n")
	src.Git("config", "core.attributesFile", attributes)
	src.Git("config", "core.sparseCheckout", "true")
	src.Write(".git/info/sparse-checkout", "/bin/\n")
	src.Write(".git/hooks/post-checkout", "#!/bin/sh\necho hook > hooked\n")
	if err := os.Chmod(filepath.Join(src.Dir, ".git/hooks/post-checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "src")
	r := open(t, src.Dir)
	if err := r.Checkout(t.Context(), "v1", dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Checkout(t.Context(), "v2", dir); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ofCommit("v2"), contents(t, dir)); d != "" {
		t.Error(d)
	}
}

// Not parallel: the umask is the whole process's.
func TestCheckoutIgnoresUmask(t *testing.T) {
	src := sample(t)
	r := open(t, src.Dir)
	dir := filepath.Join(t.TempDir(), "src")
	for _, umask := range []int{0o077, 0o022, 0o002, 0o027} {
		old := syscall.Umask(umask)
		errs := []error{r.Checkout(t.Context(), "v1", dir), r.Checkout(t.Context(), "v2", dir)}
		syscall.Umask(old)
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		if d := cmp.Diff(ofCommit("v2"), contents(t, dir)); d != "" {
			t.Errorf("umask %03o: %s", umask, d)
		}
		if got := gittest.At(t, dir).Git("status", "--porcelain"); got != "" {
			t.Errorf("umask %03o: git status: %s", umask, got)
		}
		if err := r.RemoveCheckout(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
}

// Submodules are filled with what the commit names, and cleaned.
func TestCheckoutSubmodules(t *testing.T) {
	t.Parallel()
	sub, src := gittest.New(t), gittest.New(t)
	sub.WriteCommit("s.txt", "sub one\n", "one")
	src.Git("submodule", "--quiet", "add", sub.Dir, "lib/sub")
	src.Commit("with a submodule")
	src.Tag("v1")
	sub.WriteCommit("s.txt", "sub two\n", "two")
	gittest.At(t, filepath.Join(src.Dir, "lib/sub")).Git("pull", "-q")
	src.Commit("newer submodule")
	src.Tag("v2")
	src.Git("rm", "-q", "lib/sub", ".gitmodules")
	src.Commit("without it")
	src.Tag("v3")
	r := open(t, src.Dir)
	dir := filepath.Join(t.TempDir(), "src")
	file := filepath.Join(dir, "lib/sub/s.txt")
	for tag, want := range map[string]string{"v1": "sub one\n", "v2": "sub two\n"} {
		for range 2 {
			if err := r.Checkout(t.Context(), tag, dir); err != nil {
				t.Fatal(err)
			}
			if got := string(must[[]byte](t)(os.ReadFile(file))); got != want {
				t.Errorf("%s has %q", tag, got)
			}
			if got := gittest.At(t, dir).Git("status", "--porcelain", "--ignored"); got != "" {
				t.Errorf("%s: git status: %s", tag, got)
			}
			write(t, file, "changed")
			write(t, filepath.Join(dir, "lib/sub/new"), "new")
		}
	}
	if err := r.Checkout(t.Context(), "v3", dir); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); len(got) != 0 {
		t.Errorf("v3 has no files, but there are %v", got)
	}
}

// BenchmarkCheckout brings a checkout of a small repository to the commit that
// it is at already.
func BenchmarkCheckout(b *testing.B) {
	src := gittest.New(b)
	for _, n := range strings.Fields("a b c d e f g h i j") {
		src.Write(n+"/x", n)
		src.Write(n+"/y", n)
	}
	src.Commit("one")
	r := open(b, src.Dir)
	dir := filepath.Join(b.TempDir(), "src")
	for b.Loop() {
		if err := r.Checkout(b.Context(), "HEAD", dir); err != nil {
			b.Fatal(err)
		}
	}
}
