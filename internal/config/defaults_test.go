package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// A Go repository without a file gets the default classes, a build for each
// main package on the four platforms, and one archive.
func TestDefault(t *testing.T) {
	t.Parallel()
	got := Default(Facts{RepositoryName: "hello", DefaultBranch: "trunk", HasGoMod: true, GoMains: []GoMain{{"./cmd/a", "a"}, {".", "hello"}}})
	four := []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"}
	want := release.Config{
		Project: "hello",
		Classes: []release.Class{
			{Name: "stable", Tag: `^v[0-9]+\.[0-9]+\.[0-9]+(\.[0-9]+)?$`}, {Name: "extra", Tag: ".+"},
			{Name: "development", Branch: "trunk", ReleaseTag: "dev-{short}"},
		},
		Builds: []release.Build{
			{ID: "a", Builder: "go", Main: "./cmd/a", Binary: "a", Platforms: four},
			{ID: "hello", Builder: "go", Main: ".", Binary: "hello", Platforms: four},
		},
		Archives: []release.Archive{{Builds: []string{"a", "hello"}, Formats: []string{"tar.gz"}, Name: "{project}_{version}_{platform}", Files: []string{"LICENSE*", "README*"}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What a file gives is never overridden, and an empty list means none.
func TestCompleteKeepsWhatIsGiven(t *testing.T) {
	t.Parallel()
	facts := Facts{RepositoryName: "repo", HasGoMod: true, GoMains: []GoMain{{".", "repo"}}}
	cfg, problems := Load("f", []byte(`
project: mine
classes: [{name: all, tag: .+}]
builds: [{id: x, main: ./x, binary: y, platforms: [linux/amd64]}]
archives: []
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got, problems := Complete(cfg, facts)
	want := release.Config{Project: "mine", Classes: []release.Class{{Name: "all", Tag: ".+"}}, Archives: []release.Archive{},
		Builds: []release.Build{{ID: "x", Builder: "go", Main: "./x", Binary: "y", Platforms: []string{"linux/amd64"}}}}
	if d := cmp.Diff(want, got); d != "" || len(problems) > 0 {
		t.Errorf("%v\n%s", problems, d)
	}
	again, problems := Complete(got, facts)
	if d := cmp.Diff(got, again); d != "" || len(problems) > 0 {
		t.Errorf("twice is not once: %v\n%s", problems, d)
	}
}

// Where nothing can be built, the hint is YAML that Load takes.
func TestCompleteNothingToBuild(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		facts   Facts
		cfg     release.Config
		problem string // part of the message
		hint    string // part of the hint
		warning bool
	}{
		{"empty", Facts{RepositoryName: "x"}, release.Config{}, "nothing to build", `run: "make TARGET={target} OUT={output}"`, false},
		{"Rust", Facts{RepositoryName: "x", HasCargo: true, CargoName: "hello"}, release.Config{}, "nothing to build",
			`[{id: hello, builder: command, run: "cargo build --release --target {target}", output: "target/{target}/release/hello{exe}"}]`, false},
		{"Rust workspace", Facts{RepositoryName: "x", HasCargo: true}, release.Config{}, "nothing to build", "release/x{exe}", false},
		{"Go below", Facts{RepositoryName: "x", NestedModules: []string{"srv/api"}}, release.Config{}, "nothing to build", "[{id: api, dir: srv/api}]", false},
		{"library", Facts{RepositoryName: "x", HasGoMod: true}, release.Config{}, "no main package", "builds: []", true},
		{"library with archives", Facts{RepositoryName: "x", HasGoMod: true}, release.Config{Archives: []release.Archive{{}}}, "nothing to build", "main: ./cmd/x", false},
		{"only files", Facts{RepositoryName: "x"}, release.Config{Assets: []string{"install.sh"}}, "", "", false},
		{"no builds meant", Facts{RepositoryName: "x"}, release.Config{Builds: []release.Build{}}, "", "", false},
	} {
		_, problems := Complete(tt.cfg, tt.facts)
		if tt.problem == "" {
			if len(problems) > 0 {
				t.Errorf("%s: %v", tt.name, problems)
			}
			continue
		}
		if len(problems) != 1 || !strings.Contains(problems[0].Message, tt.problem) || !strings.Contains(problems[0].Hint, tt.hint) || problems[0].Warning != tt.warning {
			t.Errorf("%s: %v", tt.name, problems)
			continue
		}
		if yaml, ok := strings.CutPrefix(problems[0].Hint, "write builds"); ok {
			if _, ps := Load("f", []byte("builds"+yaml)); len(ps) > 0 {
				t.Errorf("%s: its own hint is wrong: %v", tt.name, ps)
			}
		}
	}
}

// A reference to a build that only the repository could have brought is found
// after its main packages are known.
func TestCompleteReferences(t *testing.T) {
	t.Parallel()
	cfg, problems := Load("f", []byte("archives: [{builds: [helo]}]\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, problems = Complete(cfg, Facts{RepositoryName: "hello", HasGoMod: true, GoMains: []GoMain{{".", "hello"}}})
	want := "0:0 archives[0].builds[0]: there is no build \"helo\" (did you mean `hello`?)"
	if d := cmp.Diff(want, lines(problems)); d != "" {
		t.Error(d)
	}
}
