package recipe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

const (
	mainGo = "package main\n\nfunc main() {}\n"
	goMod  = "module example.com/acme/hello\n\ngo 1.26\n"
)

// TestSourceChoices: which builder image, programs and entrypoint the files of
// each language lead to.
func TestSourceChoices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files      []string
		from       release.PlanFrom
		image      string
		entrypoint string
		has        []string // in the Dockerfile
		hasNot     []string
	}{
		"go version":         {[]string{"go.mod", goMod, "main.go", mainGo}, release.PlanFrom{}, "golang:1.26", "/app/hello", []string{"go test ./...", "go mod download"}, nil},
		"go toolchain":       {[]string{"go.mod", goMod + "toolchain go1.26.8\n", "main.go", mainGo}, release.PlanFrom{}, "golang:1.26.8", "/app/hello", nil, nil},
		"given toolchain":    {[]string{"go.mod", goMod, "main.go", mainGo}, release.PlanFrom{Toolchain: "1.25"}, "golang:1.25", "/app/hello", nil, nil},
		"stable":             {[]string{"go.mod", goMod, "main.go", mainGo}, release.PlanFrom{Toolchain: "stable"}, "golang:latest", "/app/hello", nil, nil},
		"major version":      {[]string{"go.mod", "module example.com/hello/v2\n", "main.go", mainGo}, release.PlanFrom{}, "golang:latest", "/app/hello", nil, nil},
		"cmd":                {[]string{"go.mod", goMod, "cmd/a/main.go", mainGo, "cmd/hello/main.go", mainGo, "tools/x/main.go", mainGo, "lib.go", "package hello\n"}, release.PlanFrom{}, "golang:1.26", "/app/hello", []string{`"$SLIPWAY_OUT/a" ./cmd/a`}, []string{"tools"}},
		"elsewhere":          {[]string{"go.mod", goMod, "server/main.go", mainGo, "testdata/x/main.go", mainGo, "ignored.go", "//go:build ignore\n\n" + mainGo}, release.PlanFrom{}, "golang:1.26", "/app/server", nil, []string{"testdata"}},
		"packages":           {[]string{"go.mod", goMod, "cmd/a/main.go", mainGo, "cmd/b/main.go", mainGo}, release.PlanFrom{Packages: []string{"./cmd/..."}}, "golang:1.26", "/app/a", []string{"./cmd/b"}, nil},
		"vendored":           {[]string{"go.mod", goMod, "main.go", mainGo, "vendor/modules.txt", ""}, release.PlanFrom{}, "golang:1.26", "/app/hello", nil, []string{"go mod download"}},
		"workspace":          {[]string{"go.work", "go 1.26\nuse ./a\n", "a/go.mod", "module example.com/a\n\nreplace example.com/b => ../b\n", "a/main.go", mainGo, "b/go.mod", "module example.com/b\n"}, release.PlanFrom{Packages: []string{"./a"}}, "golang:1.26", "/app/a", []string{"go test ./a/...", "COPY a/go.mod ./a/go.mod", "COPY b/go.mod ./b/go.mod", "COPY go.work ./go.work"}, nil},
		"no tests":           {[]string{"go.mod", goMod, "main.go", mainGo}, release.PlanFrom{Test: "none"}, "golang:1.26", "/app/hello", nil, []string{"go test"}},
		"go with Makefile":   {[]string{"go.mod", goMod, "main.go", mainGo, "Makefile", "", "x.c", ""}, release.PlanFrom{}, "golang:1.26", "/app/hello", nil, nil},
		"rust":               {[]string{"Cargo.toml", "[package]\nname='hello'\n", "src/main.rs", ""}, release.PlanFrom{}, "rust:alpine", "/app/hello", []string{"cargo test"}, []string{"--locked"}},
		"rust toolchain":     {[]string{"Cargo.toml", "[package]\nname='hello'\n", "src/main.rs", "", "rust-toolchain.toml", "[toolchain]\nchannel = \"1.90.0\"\n"}, release.PlanFrom{}, "rust:1.90.0-alpine", "/app/hello", nil, nil},
		"rust plain file":    {[]string{"Cargo.toml", "[package]\nname='hello'\n", "src/main.rs", "", "rust-toolchain", "nightly\n"}, release.PlanFrom{}, "rustlang/rust:nightly-alpine", "/app/hello", nil, nil},
		"rust bins":          {[]string{"Cargo.toml", "[package]\nname='x'\ndefault-run='b'\n[[bin]]\nname='b'\npath='src/main.rs'\n", "src/main.rs", "", "src/bin/a.rs", "", "src/bin/c/main.rs", ""}, release.PlanFrom{}, "rust:alpine", "/app/b", nil, nil},
		"rust project":       {[]string{"Cargo.toml", "[workspace]\nmembers=['crates/*']\n", "crates/a/Cargo.toml", "[package]\nname='a'\n", "crates/a/src/main.rs", "", "crates/h/Cargo.toml", "[package]\nname='hello'\n", "crates/h/src/main.rs", "", "crates/l/Cargo.toml", "[package]\nname='l'\n"}, release.PlanFrom{}, "rust:alpine", "/app/a", nil, nil},
		"make":               {[]string{"Makefile", "CC ?= cc\nall: hello\n.PHONY: check\ncheck:\n\ttrue\n", "src/hello.c", ""}, release.PlanFrom{Artifacts: []string{"bin/hello"}}, "gcc:15", "/app/hello", []string{"make check", "cp -R ./bin/hello"}, []string{"make install"}},
		"make test":          {[]string{"GNUmakefile", "test check: all\n", "hello.c", ""}, release.PlanFrom{Packages: []string{"bin/hello"}, Toolchain: "14"}, "gcc:14", "/app/hello", []string{"make test", "make bin/hello"}, nil},
		"test is a variable": {[]string{"Makefile", "test := x\nall:\n", "hello.c", ""}, release.PlanFrom{Artifacts: []string{"hello"}}, "gcc:15", "/app/hello", nil, []string{"make test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := recipe.Source(source(c.from), tree(t, c.files...), recipe.Options{Project: "acme/hello"})
			if err != nil {
				t.Fatal(err)
			}
			stages := parse(t, r.Dockerfile)
			if stages[0].BaseName != c.image {
				t.Errorf("builder image %s, want %s", stages[0].BaseName, c.image)
			}
			var got string
			for _, cmd := range stages[1].Commands {
				if e, ok := cmd.(*instructions.EntrypointCommand); ok {
					got = strings.Join(e.CmdLine, " ")
				}
			}
			if got != c.entrypoint {
				t.Errorf("entrypoint %s, want %s", got, c.entrypoint)
			}
			for _, want := range c.has {
				if !strings.Contains(string(r.Dockerfile), want) {
					t.Errorf("no %q in\n%s", want, r.Dockerfile)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(string(r.Dockerfile), not) {
					t.Errorf("%q in\n%s", not, r.Dockerfile)
				}
			}
		})
	}
}

// TestSourceProblems: what is wrong with sources or settings is said before
// anything is built, with what to do.
func TestSourceProblems(t *testing.T) {
	t.Parallel()
	good := []string{"go.mod", goMod, "main.go", mainGo}
	for name, c := range map[string]struct {
		files  []string
		from   release.PlanFrom
		change func(*release.PlanImage)
		words  []string
	}{
		"no language":     {[]string{"README", ""}, release.PlanFrom{}, nil, []string{"go.mod", "Cargo.toml", "Makefile", "language"}},
		"Makefile only":   {[]string{"Makefile", ""}, release.PlanFrom{}, nil, []string{"Makefile"}},
		"no program":      {[]string{"go.mod", goMod, "x.go", "package x\n"}, release.PlanFrom{}, nil, []string{"no program"}},
		"bad go.mod":      {[]string{"go.mod", "modul x\ngo\nreplace\n", "main.go", mainGo}, release.PlanFrom{}, nil, []string{"go.mod:"}},
		"no go.mod":       {[]string{"main.go", mainGo}, release.PlanFrom{Language: "go"}, nil, []string{"no go.mod"}},
		"module outside":  {[]string{"go.mod", goMod + "replace example.com/l => ../lib\n", "main.go", mainGo}, release.PlanFrom{}, nil, []string{"../lib", "context"}},
		"go toolchain":    {good, release.PlanFrom{Toolchain: "nightly"}, nil, []string{"nightly", "build-image"}},
		"rust toolchain":  {[]string{"Cargo.toml", "[package]\nname='x'\n", "src/main.rs", ""}, release.PlanFrom{Toolchain: "beta"}, nil, []string{"beta", "build-image"}},
		"bad Cargo.toml":  {[]string{"Cargo.toml", "[package\n"}, release.PlanFrom{}, nil, []string{"Cargo.toml:1:"}},
		"rust library":    {[]string{"Cargo.toml", "[package]\nname='x'\n", "src/lib.rs", ""}, release.PlanFrom{}, nil, []string{"no program"}},
		"no install":      {[]string{"Makefile", "all:\n", "x.c", ""}, release.PlanFrom{}, nil, []string{"install", "artifacts"}},
		"install":         {[]string{"Makefile", "install:\n", "x.c", ""}, release.PlanFrom{}, nil, []string{"entrypoint", "/usr/local/bin/hello"}},
		"cmake":           {[]string{"CMakeLists.txt", "", "x.c", ""}, release.PlanFrom{}, nil, []string{"cmake", "build-image"}},
		"command":         {nil, release.PlanFrom{Language: "command", Build: "x"}, nil, []string{"build-image"}},
		"command nothing": {nil, release.PlanFrom{Language: "command"}, nil, []string{"build"}},
		"own build":       {good, release.PlanFrom{Build: "make"}, nil, []string{"entrypoint", "artifacts"}},
		"artifact out":    {good, release.PlanFrom{Artifacts: []string{"../x"}}, nil, []string{"../x"}},
		"two artifacts":   {good, release.PlanFrom{Artifacts: []string{"a/x", "b/x"}}, nil, []string{"two artifacts", "x"}},
		"flag":            {good, release.PlanFrom{Packages: []string{"-toolexec=x"}}, nil, []string{"-toolexec=x"}},
		"shell":           {good, release.PlanFrom{Packages: []string{"$(id)"}}, nil, []string{"$(id)"}},
		"image":           {good, release.PlanFrom{BuildImage: "golang AS x\nRUN id"}, nil, []string{"golang"}},
		"secret":          {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Secrets = []release.ImageSecret{{ID: "a,target=/x"}} }, []string{"a,target"}},
		"user":            {good, release.PlanFrom{}, func(i *release.PlanImage) { i.User = "x y" }, []string{"x y"}},
		"env line":        {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Env = map[string]string{"A": "x\nRUN id"} }, []string{"environment variable A", "line break"}},
		"env name":        {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Env = map[string]string{"A B": ""} }, []string{"A B"}},
		"label name":      {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Labels = map[string]string{"a=b": ""} }, []string{"a=b"}},
		"argument":        {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Args = map[string]string{"A B": ""} }, []string{"A B"}},
		"workdir":         {good, release.PlanFrom{}, func(i *release.PlanImage) { i.Workdir = "app" }, []string{"app"}},
		"long script":     {good, release.PlanFrom{Test: strings.Repeat("true\n", 20000)}, nil, []string{"line of", "file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := source(c.from)
			if c.change != nil {
				c.change(&img)
			}
			_, err := recipe.Source(img, tree(t, c.files...), recipe.Options{Project: "acme/hello"})
			fails(t, err, c.words...)
		})
	}
}

// TestSourceFolder: sources in a folder of the repository are built as from
// that folder.
func TestSourceFolder(t *testing.T) {
	t.Parallel()
	root, err := recipe.Source(source(release.PlanFrom{}), tree(t, goFiles...), recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := source(release.PlanFrom{})
	img.Context = "services/hello"
	in, err := recipe.Source(img, tree(t, "services/hello/go.mod", goFiles[1], "services/hello/main.go", mainGo, "go.mod", "x"), recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(root.Dockerfile), string(in.Dockerfile)); d != "" {
		t.Errorf("(-root +folder):\n%s", d)
	}
	img.Context = "services/none"
	_, err = recipe.Source(img, tree(t, goFiles...), recipe.Options{})
	fails(t, err, "services/none")
}

// TestAging: cargo sees a file as changed when its content changed since the
// last build, and only then, whatever the times of the checkout are.
func TestAging(t *testing.T) {
	t.Parallel()
	r, err := recipe.Source(source(release.PlanFrom{}), tree(t, "Cargo.toml", "[package]\nname='x'\n", "src/main.rs", ""), recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var script string
	for _, cmd := range parse(t, r.Dockerfile)[0].Commands {
		if e, ok := cmd.(*instructions.EnvCommand); ok && e.Env[0].Key == "SLIPWAY_PREPARE" {
			expanded(t, e)
			script = e.Env[0].Value
		}
	}
	_, script, _ = strings.Cut(script, "export LC_ALL=C; ")
	script, _, ok := strings.Cut(script, "; cargo fetch")
	if !ok {
		t.Fatalf("no script in\n%s", r.Dockerfile)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// younger gives what is younger than what the last build made.
	younger := func() []string {
		t.Helper()
		script := strings.ReplaceAll(script, "/tmp/slipway-", dir+"/target/tmp-")
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", "mkdir -p target; touch target/before; "+script+
			"; [ -e target/output ] || touch -d 2001-01-01 target/output; find . -path ./target -prune -o -newer target/output -print | sort; touch target/output")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Fields(string(out))
	}
	all := []string{".", "./a.rs", "./b.rs", "./sub", "./sub/c.rs"}
	write("a.rs", "1")
	write("b.rs", "1")
	write("sub/c.rs", "1")
	for i, step := range []struct {
		change func()
		want   []string
	}{
		{func() {}, all},
		{func() {}, nil},
		{func() { write("a.rs", "1") }, nil},                // another checkout
		{func() { write("b.rs", "2") }, []string{"./b.rs"}}, // a change
		{func() { write("b.rs", "1") }, []string{"./b.rs"}}, // and back
		{func() { _ = os.Remove(filepath.Join(dir, "sub/c.rs")) }, []string{".", "./sub"}},
		{func() { write("sub/c.rs", "1") }, []string{".", "./sub", "./sub/c.rs"}},
		{func() {}, nil},
	} {
		step.change()
		if got := younger(); !slices.Equal(got, step.want) {
			t.Fatalf("step %d: young are %v, want %v", i, got, step.want)
		}
	}
}
