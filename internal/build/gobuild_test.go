package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// A Go module becomes static binaries for all of Garage's platforms, stamped
// as the plan says, executable, in the plan's order.
func TestGoPlatforms(t *testing.T) {
	t.Parallel()
	builds := goBuild("hello", amd64, i386, arm64, armv6)
	builds[0].Ldflags = []string{"-X=main.version=it's 1.2.3", "-s", "-w"} // a first argument that needs quotes
	made := mustBuild(t, hello(t), t.TempDir(), builds)
	for i, b := range made {
		if b.ID != "hello" || b.Platform != builds[i].Platform || b.Reused {
			t.Errorf("binary %d is %+v", i, b)
		}
		st, err := os.Stat(b.Path)
		if err != nil || st.Mode() != 0o755 || st.Size() != b.Size {
			t.Errorf("%s: %v, %v", b.Path, st, err)
		}
		if err := CheckBinary(b.Path, b.Platform, release.StaticRequired); err != nil {
			t.Error(err)
		}
	}
	for i, want := range []string{"hello it's 1.2.3\n", "hello 1.2.3\n"} {
		var said strings.Builder
		if err := proc.Run(t.Context(), proc.Cmd{Args: []string{made[i].Path}, Stderr: &said}); err != nil || said.String() != want {
			t.Errorf("%s says %q (%v), want %q", made[i].Platform, said.String(), err, want)
		}
	}
}

// The same commit gives the same bytes from another folder, user, clock, umask,
// Go build cache and Go environment.
func TestGoSameBytes(t *testing.T) {
	t.Parallel()
	build := func(umask string, env ...string) []release.Binary {
		// The folders differ in length, too.
		source, dist := hello(t), filepath.Join(t.TempDir(), strings.Repeat("d", len(env)*7), "dist")
		given, err := json.Marshal(map[string]any{"Source": source, "Dist": dist, "Builds": goBuild("hello", amd64)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-c", `umask "$0" && exec "$1"`, umask, os.Args[0]},
			Env: append(env, helperVar+"="+string(given))})
		if err != nil {
			t.Fatal(err)
		}
		var made []release.Binary
		if err := json.Unmarshal(out, &made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	home := t.TempDir()
	goenv := filepath.Join(home, "goenv")
	if err := os.WriteFile(goenv, []byte("GOFLAGS=-gcflags=-N\nGOEXPERIMENT=nogreenteagc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	one := build("022")
	two := build("077", "HOME="+home, "TZ=Asia/Tokyo", "USER=other", "GOCACHE="+filepath.Join(home, "cache"), "GOENV="+goenv,
		"GOAMD64=v3", "CGO_ENABLED=1", "GOEXPERIMENT=nogreenteagc", "GOARCH=arm64", "GODEBUG=madvdontneed=1", "CC=false")
	if d := cmp.Diff(one, two); d != "" {
		t.Error(d)
	}
}

// A failing build names the build and platform and repeats the compiler's own
// lines, with a hint of what to do.
func TestGoErrors(t *testing.T) {
	t.Parallel()
	with := func(change func(*release.PlanBuild)) release.PlanBuild {
		b := goBuild("hello", amd64)[0]
		change(&b)
		return b
	}
	for name, test := range map[string]struct {
		files map[string]string
		build release.PlanBuild
		kind  release.Kind
		says  []string
		hint  string
	}{
		"does not compile": {
			files: map[string]string{"main.go": "package main\n\nfunc main() { nothing() }\n"},
			build: with(func(*release.PlanBuild) {}),
			kind:  release.Failed, says: []string{"build hello for linux/amd64: go build exited with 1", "main.go:3:15: undefined: nothing"},
			hint: "clean checkout",
		},
		"no main package": {
			build: with(func(b *release.PlanBuild) { b.Main = "./lib" }),
			kind:  release.Invalid, says: []string{"build hello for linux/amd64", "./lib is not a main package"}, hint: "./cmd/hello",
		},
		"main like an import path": {
			build: with(func(b *release.PlanBuild) { b.Main = "lib" }),
			kind:  release.Failed, says: []string{"package lib is not in std"}, hint: "./cmd/hello",
		},
		"main like an option": {
			build: with(func(b *release.PlanBuild) { b.Main = "-toolexec=/bin/false" }),
			kind:  release.Failed, says: []string{"-toolexec=/bin/false"},
		},
		"no module": {
			files: map[string]string{"go.mod": ""},
			build: with(func(*release.PlanBuild) {}),
			kind:  release.Failed, says: []string{"build hello"},
		},
		"module in another folder": {
			build: with(func(b *release.PlanBuild) { b.Dir = "nowhere" }),
			kind:  release.Invalid, says: []string{`no folder "nowhere"`}, hint: "dir",
		},
		"both kinds of quotes": {
			build: with(func(b *release.PlanBuild) { b.Ldflags = []string{`-X=main.version=it's "x"`} }),
			kind:  release.Invalid, says: []string{"ldflags", "both"}, hint: "quotes",
		},
		"missing dependency": {
			files: map[string]string{"main.go": "package main\n\nimport _ \"example.test/other\"\n\nfunc main() {}\n"},
			build: with(func(*release.PlanBuild) {}),
			kind:  release.Failed, says: []string{"no required module provides package example.test/other"}, hint: "go mod tidy",
		},
		"unknown platform": {
			build: with(func(b *release.PlanBuild) { b.Platform = release.Platform{OS: "linux", Arch: "pdp11"} }),
			kind:  release.Failed, says: []string{"linux/pdp11"}, hint: "go tool dist list",
		},
		"a name that leads out": {
			build: with(func(b *release.PlanBuild) { b.Binary = "../hello" }),
			kind:  release.Invalid, says: []string{`"../hello"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := hello(t)
			for f, text := range test.files {
				if err := os.WriteFile(filepath.Join(source, f), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			dist := t.TempDir()
			_, err := binaries(t, source, dist, []release.PlanBuild{test.build})
			checkError(t, err, test.kind, test.hint, test.says...)
			if left, _ := filepath.Glob(filepath.Join(dist, ".slipway/build/*/*/*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func checkError(t *testing.T, err error, kind release.Kind, hint string, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if release.KindOf(err) != kind {
		t.Errorf("kind %d, want %d", release.KindOf(err), kind)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error does not say %q:\n%v", s, err)
		}
	}
	if got := release.HintOf(err); got == "" && hint != "" || !strings.Contains(got, hint) {
		t.Errorf("hint is %q, want something of %q", got, hint)
	}
}

// A go.work above the checkout has no say; one that is committed has.
func TestGoWorkspace(t *testing.T) {
	t.Parallel()
	above := hello(t)
	if err := os.WriteFile(filepath.Join(above, "go.work"), []byte("go 1.21\n\nuse ./elsewhere\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(above, "checkout")
	if err := os.CopyFS(source, os.DirFS(hello(t))); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, source, t.TempDir(), goBuild("hello", amd64))

	if err := os.WriteFile(filepath.Join(source, "go.work"), []byte("go 1.21\n\nuse ./elsewhere\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := binaries(t, source, t.TempDir(), goBuild("hello", amd64)); err == nil {
		t.Error("the committed go.work, which is wrong, was not read")
	}
	// Nor does a module above the checkout.
	empty := filepath.Join(above, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := binaries(t, empty, t.TempDir(), goBuild("hello", amd64))
	checkError(t, err, release.Invalid, "go mod init", "there is no go.mod")
}

// A dynamic binary fails with what it needs; the same program, linked
// statically, passes, and so does a dynamic one with static: false.
func TestCgoStatic(t *testing.T) {
	t.Parallel()
	source := tree(t, map[string]string{
		"go.mod":  "module example.test/c\n\ngo 1.21\n",
		"main.go": "package main\n\n// #include <stdlib.h>\nimport \"C\"\n\nfunc main() { C.abs(-1) }\n",
	})
	b := goBuild("c", amd64)
	b[0].CGO, b[0].Static = true, release.StaticIfELF
	dist := t.TempDir()
	_, err := binaries(t, source, dist, b)
	checkError(t, err, release.Failed, "-static", "build c for linux/amd64", "dynamically linked", "libc.so.6", "ld-linux-x86-64")

	b[0].Static = release.StaticOff
	mustBuild(t, source, dist, b)
	b[0].Static = release.StaticRequired
	b[0].Ldflags = []string{"-linkmode=external", `-extldflags=-static -s`}
	mustBuild(t, source, dist, b)
}

func TestJoinLdflags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-s", "-w", "-X", "main.v=1"}, "-s -w -X main.v=1"},
		{[]string{"-X", "main.v=a b", "-X", "main.w=it's"}, `-X 'main.v=a b' -X "main.w=it's"`},
		{[]string{"-X", ""}, "-X ''"},
		{[]string{"-X=main.v=a b"}, "all='-X=main.v=a b'"},
	} {
		if got, err := joinLdflags(test.args); err != nil || got != test.want {
			t.Errorf("%q: %q, %v; want %q", test.args, got, err, test.want)
		}
	}
}

// Of the user's GOFLAGS only where modules come from is kept.
func TestKeptFlags(t *testing.T) {
	t.Parallel()
	if got := keptFlags("-buildvcs=false --mod=vendor -tags=x -modfile=other.mod -modcacherw"); got != "--mod=vendor -modfile=other.mod" {
		t.Error(got)
	}
}
