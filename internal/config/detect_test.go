package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func files(pairs ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

const mainGo = "package main\n\nfunc main() {}\n"

// Detect finds the main packages that go would build for users, and no other.
func TestDetect(t *testing.T) {
	t.Parallel()
	const mod = "module example.com/acme/hello\n"
	for _, tt := range []struct {
		name  string
		files fstest.MapFS
		want  Facts
	}{
		{"nothing", files("README.md", "x"), Facts{}},
		{"root", files("go.mod", mod, "main.go", mainGo), Facts{HasGoMod: true, Module: "example.com/acme/hello", GoMains: []GoMain{{".", "hello"}}}},
		{"major version", files("go.mod", "module example.com/acme/hello/v2 // two\n", "main.go", mainGo),
			Facts{HasGoMod: true, Module: "example.com/acme/hello/v2", GoMains: []GoMain{{".", "hello"}}}},
		{"gopkg.in", files("go.mod", "module gopkg.in/hello.v3\n", "main.go", mainGo),
			Facts{HasGoMod: true, Module: "gopkg.in/hello.v3", GoMains: []GoMain{{".", "hello"}}}},
		{"several, in order", files("go.mod", mod, "cmd/b/main.go", mainGo, "cmd/a/x.go", mainGo, "lib.go", "package hello\n"),
			Facts{HasGoMod: true, Module: "example.com/acme/hello", GoMains: []GoMain{{"./cmd/a", "a"}, {"./cmd/b", "b"}}}},
		{"one name twice", files("go.mod", mod, "server/cmd/main.go", mainGo, "client/cmd/main.go", mainGo, "cmd/v2/main.go", mainGo, "hello/main.go", mainGo, "main.go", mainGo),
			Facts{HasGoMod: true, Module: "example.com/acme/hello", GoMains: []GoMain{{".", "hello"}, {"./client/cmd", "client-cmd"}, {"./cmd/v2", "cmd-v2"}, {"./hello", "hello-2"}, {"./server/cmd", "server-cmd"}}}},
		{"not for users", files("go.mod", mod, "vendor/x/main.go", mainGo, "testdata/main.go", mainGo, "examples/a/main.go", mainGo, "example/main.go", mainGo,
			".git/main.go", mainGo, "_old/main.go", mainGo, "node_modules/main.go", mainGo, "internal/tool/main.go", mainGo, "sub/go.mod", "module x\n", "sub/main.go", mainGo),
			Facts{HasGoMod: true, Module: "example.com/acme/hello"}},
		{"not compiled", files("go.mod", mod, "gen.go", "//go:build ignore\n\n"+mainGo, "win/main_windows.go", mainGo, "darwin/main.go", "//go:build darwin\n\n"+mainGo,
			"tests/main_test.go", mainGo),
			Facts{HasGoMod: true, Module: "example.com/acme/hello"}},
		{"a main beside a generator", files("go.mod", mod, "a.go", "//go:build ignore\n\npackage x\n", "b.go", "//go:build linux\n\npackage main\n\nvar x = 1\n", "c.go", mainGo),
			Facts{HasGoMod: true, Module: "example.com/acme/hello", GoMains: []GoMain{{".", "hello"}}}},
		{"package main without func main", files("go.mod", mod, "a.go", "package main\n\ntype t int\n\nfunc (t) main() {}\n"), Facts{HasGoMod: true, Module: "example.com/acme/hello"}},
		{"broken files", files("go.mod", "modul x", "a.go", "\xff\x00", "b/b.go", "package", "c/c.go", "package main\nfunc main() { ) }\n"),
			Facts{HasGoMod: true, GoMains: []GoMain{{"./c", "c"}}}},
		{"nested modules only", files("server/go.mod", mod, "server/main.go", mainGo, "a/b/go.mod", mod, "a/b/c/d/go.mod", mod), Facts{NestedModules: []string{"a/b", "server"}}},
		{"Rust", files("Cargo.toml", "[workspace]\nname = \"no\"\n[package] # it\nversion = \"1\"\nname = \"hello-rs\"\n[dependencies]\n"), Facts{HasCargo: true, CargoName: "hello-rs"}},
		{"Rust workspace", files("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n[package.metadata]\nname = 'x'\n"), Facts{HasCargo: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.RepositoryName = "repo"
			got, err := Detect(tt.files, "repo")
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Errorf("%v\n%s", err, d)
			}
		})
	}
}

// A tree without end is refused with what to do; a folder that can't be read is
// an error, not an empty folder.
func TestDetectBounds(t *testing.T) {
	t.Parallel()
	deep := files("go.mod", "module x\n", strings.Repeat("a/", maxFolderDeep+2)+"main.go", mainGo)
	if _, err := Detect(deep, "x"); err == nil || !strings.Contains(err.Error(), "too many folders") {
		t.Errorf("deep: %v", err)
	}
	if _, err := Detect(unreadable{}, "x"); err == nil {
		t.Error("an unreadable folder is taken as empty")
	}
}

type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	if name == "." {
		return nil, fs.ErrPermission
	}
	return nil, fs.ErrNotExist
}

// Symbolic links do not lead Detect in circles or out of the repository.
func TestDetectLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, data := range map[string]string{"go.mod": "module x\n", "main.go": mainGo} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	got, err := Detect(os.DirFS(dir), "x")
	if d := cmp.Diff([]GoMain{{".", "x"}}, got.GoMains); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func BenchmarkDetect(b *testing.B) {
	dir := b.TempDir()
	write := func(name, data string) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	write("go.mod", "module x\n")
	source := "package p\n\n" + strings.Repeat("var _ = 1 // a line of code\n", 500)
	for i := range 2000 {
		for j := range 5 {
			write(fmt.Sprintf("p%d/q%d/f%d.go", i/50, i%50, j), source)
		}
	}
	for b.Loop() {
		if _, err := Detect(os.DirFS(dir), "x"); err != nil {
			b.Fatal(err)
		}
	}
}
