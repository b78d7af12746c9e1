package recipe_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

var update = flag.Bool("update", false, "write the Dockerfiles of testdata anew")

// tree is a file system of name, content, name, content …
func tree(t testing.TB, pairs ...string) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: 0o644}
	}
	return fsys
}

// golden compares a recipe with testdata/NAME and sees to it that BuildKit
// reads it.
func golden(t *testing.T, name string, r recipe.Recipe) {
	t.Helper()
	parse(t, r.Dockerfile)
	text := string(r.Dockerfile) + "\n--- .dockerignore\n" + string(r.Ignore)
	for _, c := range contexts(r) {
		text += "\n--- context " + c
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("%s (-want +got), write it anew with -update:\n%s", name, d)
	}
}

func contexts(r recipe.Recipe) []string {
	var out []string
	for name, c := range r.Contexts {
		text := name + " " + c.Dir + c.Image + "\n"
		for _, p := range c.Include {
			text += "  " + p + "\n"
		}
		for _, f := range c.Files {
			text += "  " + f.Path + "\n"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// parse reads a Dockerfile as BuildKit does.
func parse(t testing.TB, text []byte) []instructions.Stage {
	t.Helper()
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("BuildKit does not parse it: %v\n%s", err, text)
	}
	if len(ast.Warnings) > 0 {
		t.Errorf("BuildKit warns: %+v", ast.Warnings)
	}
	stages, _, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		t.Fatalf("BuildKit does not understand it: %v\n%s", err, text)
	}
	return stages
}

// expanded runs the lexer over an instruction's words, with nothing set.
func expanded(t testing.TB, cmd instructions.Command) {
	t.Helper()
	lex := shell.NewLex('\\')
	if x, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		if err := x.Expand(func(word string) (string, error) {
			out, unset, err := lex.ProcessWord(word, nothing{})
			if len(unset) > 0 {
				t.Errorf("%q has variables: %v", word, unset)
			}
			return out, err
		}); err != nil {
			t.Fatalf("the lexer does not read it: %v", err)
		}
	}
}

type nothing struct{}

func (nothing) Get(string) (string, bool) { return "", false }
func (nothing) Keys() []string            { return nil }

// ignores tells whether BuildKit would leave a path out of the context.
func ignores(t testing.TB, ignore []byte, p string) bool {
	t.Helper()
	lines, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if err != nil {
		t.Fatal(err)
	}
	m, err := patternmatcher.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.MatchesOrParentMatches(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fails checks that an error is the user's and says all of the words.
func fails(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if release.KindOf(err) != release.Invalid {
		t.Errorf("%v is of kind %d, want Invalid", err, release.KindOf(err))
	}
	text := err.Error() + " " + release.HintOf(err)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

func builds() release.PlanImage {
	return release.PlanImage{
		ID: "hello", Kind: release.ImageOfBuilds, Base: "scratch", Builds: []string{"hello"}, User: release.DefaultUser,
		Labels: map[string]string{"org.opencontainers.image.version": "1.2.3"},
	}
}

func source(from release.PlanFrom) release.PlanImage {
	return release.PlanImage{
		ID: "hello", Kind: release.ImageOfSource, User: release.DefaultUser, Workdir: "/app", Port: 8080, Source: &from,
		Labels: map[string]string{"org.opencontainers.image.version": "1.2.3"},
	}
}

func s2i(from release.PlanS2I) release.PlanImage {
	if from.Builder == "" {
		from.Builder = "registry.example/s2i/c:1"
	}
	return release.PlanImage{ID: "hello", Kind: release.ImageOfS2I, S2I: &from, Labels: map[string]string{"org.opencontainers.image.version": "1.2.3"}}
}

var goFiles = []string{"go.mod", "module example.com/hello\n\ngo 1.26\n", "main.go", "package main\n\nfunc main() {}\n"}

// TestGolden: each kind of image has the Dockerfile that testdata shows.
func TestGolden(t *testing.T) {
	t.Parallel()
	o := recipe.Options{Project: "hello"}
	with := func(img release.PlanImage, change func(*release.PlanImage)) release.PlanImage {
		change(&img)
		return img
	}
	seeded := recipe.Options{Project: "hello", Seed: recipe.Seed{GoModCache: "/home/u/go/pkg/mod", CargoHome: "/home/u/.cargo"}}
	builder := recipe.BuilderImage{User: "1001", Workdir: "/opt/app", Labels: map[string]string{"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"}}
	for name, make := range map[string]func() (recipe.Recipe, error){
		"dockerfile": func() (recipe.Recipe, error) {
			return recipe.Dockerfile(release.PlanImage{ID: "x", Kind: release.ImageOfDockerfile, Dockerfile: "docker/Dockerfile"},
				tree(t, "docker/Dockerfile", "FROM alpine\nCOPY . /\n", ".dockerignore", "*.log", ".env.example", "", "config/.env", "S=1"))
		},
		"source-go": func() (recipe.Recipe, error) {
			return recipe.Source(source(release.PlanFrom{}), tree(t, append(goFiles, "go.sum", "")...), o)
		},
		"source-go-seed": func() (recipe.Recipe, error) {
			sum := "github.com/Foo/bar v1.0.0 h1:x=\ngithub.com/Foo/bar v1.0.0/go.mod h1:x=\nother.example/m v0.1.0/go.mod h1:x=\n"
			return recipe.Source(source(release.PlanFrom{Test: "none"}), tree(t, append(goFiles, "go.sum", sum)...), seeded)
		},
		"source-go-scripts": func() (recipe.Recipe, error) {
			img := source(release.PlanFrom{BuildImage: "registry.example/go:1", RuntimeImage: "alpine:3.22", Test: "go vet ./...\ngo test ./...", Build: "make all", Artifacts: []string{"bin/hello", "web/static files"}, Env: map[string]string{"GOFLAGS": "-mod=mod"}})
			img.Secrets, img.Args = []release.ImageSecret{{ID: "netrc"}}, map[string]string{"BRAND": "x"}
			return recipe.Source(img, tree(t, goFiles...), o)
		},
		"source-go-development": func() (recipe.Recipe, error) {
			img := source(release.PlanFrom{})
			img.Development = true
			return recipe.Source(img, tree(t, append(goFiles, ".env", "S=1", ".dockerignore", ".env\n")...), o)
		},
		"source-rust": func() (recipe.Recipe, error) {
			return recipe.Source(source(release.PlanFrom{}), tree(t, "Cargo.toml", "[package]\nname = \"hello\"\n", "Cargo.lock", "", "src/main.rs", ""), o)
		},
		"source-rust-seed": func() (recipe.Recipe, error) {
			lock := "[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n" +
				"[[package]]\nname = \"Dep\"\nversion = \"0.1.0\"\nsource = \"git+https://git.example/dep.git?rev=1#abc\"\n\n[[package]]\nname = \"hello\"\nversion = \"0.1.0\"\n"
			return recipe.Source(source(release.PlanFrom{Toolchain: "1.90", Packages: []string{"hello"}}), tree(t, "Cargo.toml", "[package]\nname = \"hello\"\n", "Cargo.lock", lock, "src/main.rs", ""), seeded)
		},
		"source-c": func() (recipe.Recipe, error) {
			return recipe.Source(source(release.PlanFrom{Packages: []string{"hello"}}), tree(t, "Makefile", "hello: hello.o\n\ntest: hello\n\t./hello\n", "hello.c", ""), o)
		},
		"source-c-install": func() (recipe.Recipe, error) {
			return recipe.Source(with(source(release.PlanFrom{RuntimeImage: "debian:trixie-slim"}), func(img *release.PlanImage) {
				img.Entrypoint = []string{"/usr/local/bin/hello"}
			}), tree(t, "Makefile", "install: hello\n\tinstall -D hello $(DESTDIR)/usr/local/bin/hello\n", "hello.c", ""), o)
		},
		"source-cmake": func() (recipe.Recipe, error) {
			return recipe.Source(source(release.PlanFrom{BuildImage: "registry.example/cmake:1", Packages: []string{"hello"}}), tree(t, "CMakeLists.txt", "", "hello.c", ""), o)
		},
		"source-command": func() (recipe.Recipe, error) {
			return recipe.Source(source(release.PlanFrom{Language: "command", BuildImage: "registry.example/zig:1", Build: "zig build -p \"$SLIPWAY_OUT\"\n", Artifacts: []string{"zig-out/bin/hello"}}), tree(t), o)
		},
		"s2i": func() (recipe.Recipe, error) {
			return recipe.S2I(s2i(release.PlanS2I{Exclude: release.DefaultExclude}), tree(t, "main.c", "", ".s2i/environment", "MODE=fast\n", ".s2iignore", "docs\n"), recipe.S2IImages{Builder: builder}, o)
		},
		"s2i-own-scripts": func() (recipe.Recipe, error) {
			b := builder
			b.Labels = map[string]string{"io.openshift.s2i.destination": "/opt/s2i", "io.openshift.s2i.assemble-user": "0"}
			return recipe.S2I(s2i(release.PlanS2I{Exclude: ""}), tree(t, "main.c", "", ".s2i/bin/assemble", "", ".s2i/bin/run", "", ".s2iignore", ".s2i\n"), recipe.S2IImages{Builder: b}, o)
		},
		"s2i-incremental": func() (recipe.Recipe, error) {
			return recipe.S2I(s2i(release.PlanS2I{Exclude: `\.log$`, Incremental: true, Previous: "registry.example/acme/hello:latest"}),
				tree(t, "main.c", "", "a.log", "", "logs/b.log", ""), recipe.S2IImages{Builder: builder, Previous: true}, o)
		},
		"s2i-runtime": func() (recipe.Recipe, error) {
			img := s2i(release.PlanS2I{RuntimeImage: "scratch", Artifacts: []string{"hello", "/opt/app/web:static/", "/etc/hello.conf:/etc/hello.conf"}, Incremental: true, Exclude: release.DefaultExclude})
			img.Secrets, img.Port = []release.ImageSecret{{ID: "token"}}, 9000
			return recipe.S2I(img, tree(t, "main.c", ""), recipe.S2IImages{Builder: builder}, o)
		},
		"usage": func() (recipe.Recipe, error) {
			return recipe.Usage("registry.example/s2i/c:1", "", builder)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := make()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, r)
			again, err := make()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(r, again) { // cmp takes its time over the certificates
				t.Errorf("the same twice differs:\n%s", cmp.Diff(r, again))
			}
		})
	}
}
