package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

const helloC = "#include <stdio.h>\nint main(void) { puts(\"hello from C\"); return 0; }\n"

// A command's binary is taken from {output}, which may lie under any path, as a
// script, as an argument list, and from the path that `output` names.
func TestCommand(t *testing.T) {
	t.Parallel()
	source := tree(t, map[string]string{"src/hello.c": helloC})
	outputs := script("c", amd64, `mkdir -p "bin/$SLIPWAY_ARCH" && gcc -static -o "bin/$SLIPWAY_ARCH/hello" hello.c`)
	outputs.Output = "bin/amd64/hello"
	list := script("b", amd64, "")
	list.Run = release.PlanCommand{Args: []string{"gcc", "-static", "-o{output}", "hello.c"}}
	builds := []release.PlanBuild{script("a", amd64, "gcc -static -o {output} hello.c; chmod 600 {output}"), list, outputs}
	for i := range builds {
		builds[i].Dir, builds[i].Static = "src", release.StaticRequired
	}
	dist := filepath.Join(t.TempDir(), `it's "quoted" $(touch x) dist; `)
	for _, b := range mustBuild(t, source, dist, builds) {
		var said strings.Builder
		if err := proc.Run(t.Context(), proc.Cmd{Args: []string{b.Path}, Stderr: &said, Merged: true}); err != nil || said.String() != "hello from C\n" {
			t.Errorf("%s says %q, %v", b.ID, said.String(), err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(source, "src", "*")); len(files) != 2 {
		t.Errorf("the source has %v", files)
	}
}

// Commands that leave their binary at one path run one after another, and one
// that leaves nothing does not pass with the binary of the one before.
func TestCommandSharedOutput(t *testing.T) {
	t.Parallel()
	var builds []release.PlanBuild
	for _, p := range []release.Platform{amd64, i386, arm64, armv6} {
		b := script("x", p, `test ! -e out && echo "$SLIPWAY_PLATFORM" >out && sleep 0.05 && echo "$SLIPWAY_VARIANT" >>out`)
		b.Output = "out"
		builds = append(builds, b)
	}
	source := t.TempDir()
	for _, b := range mustBuild(t, source, t.TempDir(), builds) {
		if want := b.Platform.Slug() + "\n" + b.Platform.Variant + "\n"; read(t, b.Path) != want {
			t.Errorf("%s has %q", b.Platform, read(t, b.Path))
		}
	}
	builds[3].Run.Script = "true"
	_, err := binaries(t, source, t.TempDir(), builds)
	checkError(t, err, release.Failed, "output", "build x for linux/arm/v6", "left no file at out")
}

// What a command is told: the plan's variables and the platform, no tokens.
func TestCommandEnvironment(t *testing.T) {
	for _, kv := range os.Environ() { // what ./test sets
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "SLIPWAY_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	t.Setenv("SLIPWAY_TOKEN", "secret-1")
	t.Setenv("GITHUB_TOKEN", "secret-2")
	t.Setenv("GITEA_TOKEN", "secret-3")
	b := script("x", armv6, "env | grep -E '^(SLIPWAY_|GITHUB_TOKEN|GITEA_TOKEN|SOURCE|MINE|TZ)' | sort > {output}")
	b.Env = map[string]string{"MINE": "a b"}
	dist := t.TempDir()
	made := mustBuild(t, t.TempDir(), dist, []release.PlanBuild{b})
	want := "MINE=a b\nSLIPWAY_ARCH=arm\nSLIPWAY_EXE=\nSLIPWAY_OS=linux\nSLIPWAY_OUTPUT=" + dist + "/.slipway/build/tmp/linux_armv6.x/x\n" +
		"SLIPWAY_PLATFORM=linux_armv6\nSLIPWAY_TAG=v1.2.3\nSLIPWAY_TARGET=arm-unknown-linux-musleabihf\nSLIPWAY_VARIANT=v6\nSLIPWAY_VERSION=1.2.3\n" +
		"SOURCE_DATE_EPOCH=1772368200\nTZ=UTC\n"
	if got := read(t, made[0].Path); got != want {
		t.Errorf("the command sees\n%swant\n%s", got, want)
	}
}

// Each way in which a command can fail to leave a binary has its own words.
func TestCommandErrors(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret": "x"})
	with := func(b release.PlanBuild, change func(*release.PlanBuild)) release.PlanBuild {
		change(&b)
		return b
	}
	for name, test := range map[string]struct {
		build release.PlanBuild
		kind  release.Kind
		says  []string
		hint  string
	}{
		"fails": {script("x", amd64, "echo to stdout; echo to stderr >&2; echo again; exit 3"), release.Failed,
			[]string{"build x for linux/amd64: `echo to stdout; echo to stderr >&2; echo again; exit 3` exited with 3\nto stdout\nto stderr\nagain"}, ""},
		"says much":       {script("x", amd64, "seq 1000; exit 1"), release.Failed, []string{"exited with 1\n…\n971\n", "\n1000"}, ""},
		"unknown command": {script("x", amd64, "no-such-compiler"), release.Failed, []string{"exited with 127"}, "install it"},
		"unknown program": {with(script("x", amd64, ""), func(b *release.PlanBuild) { b.Run.Args = []string{"no-such-compiler"} }),
			release.Failed, []string{"no-such-compiler is not installed"}, "install no-such-compiler"},
		"no output":       {script("x", amd64, "true"), release.Failed, []string{"`true` ended well but left no file at {output}"}, "{output}"},
		"output a folder": {script("x", amd64, "mkdir {output}"), release.Failed, []string{"not a file"}, ""},
		"output a link":   {script("x", amd64, "ln -s /etc/hostname {output}"), release.Failed, []string{"not a file"}, ""},
		"empty":           {script("x", amd64, ": > {output}"), release.Failed, []string{"empty file"}, ""},
		"wrong architecture": {script("x", arm64, "echo 'int main(){return 0;}' | gcc -static -x c - -o {output}"), release.Failed,
			[]string{"build x for linux/arm64", "the binary is for amd64, but the platform is linux/arm64"}, "cross-compile"},
		"dynamic": {script("x", amd64, "echo 'int main(){return 0;}' | gcc -x c - -o {output}"), release.Failed,
			[]string{"dynamically linked", "libc.so.6"}, "-static"},
		"an object file": {script("x", amd64, "echo 'int main(){return 0;}' | gcc -c -x c - -o {output}"), release.Failed,
			[]string{"an object file"}, "link it"},
		"output outside": {with(script("x", amd64, "true"), func(b *release.PlanBuild) { b.Output = "../x" }),
			release.Invalid, []string{`output "../x"`, "leads out of the repository"}, ""},
		"output through a link": {with(script("x", amd64, "ln -s "+outside+" out1"), func(b *release.PlanBuild) { b.Output = "out1/secret" }),
			release.Failed, []string{"out1/secret can't be taken"}, ""},
		"folder through a link": {with(script("x", amd64, "true"), func(b *release.PlanBuild) { b.Dir = "link" }),
			release.Invalid, []string{`"link"`}, "dir"},
		"script that is none": {script("x", amd64, "if {output}"), release.Invalid, []string{"can't be read as a shell's"}, "sh -c"},
		"no command":          {script("x", amd64, ""), release.Invalid, []string{"no command"}, ""},
		"static: true and a script": {with(script("x", amd64, "echo '#!/bin/sh' > {output}"), func(b *release.PlanBuild) { b.Static = release.StaticRequired }),
			release.Failed, []string{"not an ELF file"}, "static: true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := t.TempDir()
			if err := os.Symlink(outside, filepath.Join(source, "link")); err != nil {
				t.Fatal(err)
			}
			_, err := binaries(t, source, t.TempDir(), []release.PlanBuild{test.build})
			checkError(t, err, test.kind, test.hint, test.says...)
		})
	}
}

// The first failure stops the others, grandchildren and all, and is the error;
// an ended context is told as such.
func TestFailureStopsSiblings(t *testing.T) {
	t.Parallel()
	builds := []release.PlanBuild{script("slow", amd64, "sleep 60 & wait"), script("bad", amd64, "sleep 0.2; exit 7")}
	begun := time.Now()
	_, err := Binaries(t.Context(), Options{Source: t.TempDir(), Dist: t.TempDir(), Builds: builds, Parallel: 2, Stage: stage()})
	checkError(t, err, release.Failed, "", "build bad for linux/amd64")
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Binaries(ctx, Options{Source: t.TempDir(), Dist: t.TempDir(), Builds: builds[:1], Stage: stage()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// Two binaries of one name on one platform both exist, at different paths.
func TestSameBinaryName(t *testing.T) {
	t.Parallel()
	a, b := script("a", amd64, "echo a > {output}"), script("b", amd64, "echo b > {output}")
	a.Binary, b.Binary = "tool", "tool"
	made := mustBuild(t, t.TempDir(), t.TempDir(), []release.PlanBuild{a, b})
	if got := read(t, made[0].Path) + read(t, made[1].Path); got != "a\nb\n" {
		t.Error(got)
	}
	_, err := binaries(t, t.TempDir(), t.TempDir(), []release.PlanBuild{a, a})
	checkError(t, err, release.Invalid, "id", "a for linux/amd64 is planned twice")
}

// With nothing changed nothing is run; whatever could change the bytes runs it
// again, and so does a binary that was tampered with or a run that was killed.
func TestReuse(t *testing.T) {
	t.Parallel()
	dist, source := t.TempDir(), t.TempDir()
	o := Options{Source: source, Dist: dist, Commit: commit, Time: commitTime, Stage: stage(), Vars: map[string]string{"tag": "v1"},
		Builds: []release.PlanBuild{script("x", amd64, "echo run >>log; echo bits > {output}"), script("y", i386, "echo run >>log; echo other > {output}")}}
	runs := func() int { return strings.Count(read(t, filepath.Join(source, "log")), "run") }
	run := func(want int, change string) []release.Binary {
		t.Helper()
		before := 0
		if _, err := os.Stat(filepath.Join(source, "log")); err == nil {
			before = runs()
		}
		made, err := Binaries(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if ran := runs() - before; ran != want {
			t.Errorf("%s: %d commands ran, want %d", change, ran, want)
		}
		reused := 0
		for _, b := range made {
			if b.Reused {
				reused++
			}
		}
		if reused != len(made)-want {
			t.Errorf("%s: %d are told as reused", change, reused)
		}
		return made
	}
	made := run(2, "first")
	if !slices.Equal(read2(t, made), []string{"bits\n", "other\n"}) {
		t.Error(read2(t, made))
	}
	run(0, "nothing changed")
	o.Rebuild = true
	run(2, "rebuild")
	o.Rebuild = false
	if err := os.WriteFile(made[0].Path, []byte("BITS\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	made = run(1, "tampered")
	if read(t, made[0].Path) != "bits\n" {
		t.Error("the tampered binary stayed")
	}
	o.Builds[1].Env = map[string]string{"A": "b"}
	run(1, "env")
	o.Commit = strings.Repeat("f", 40)
	run(2, "commit")
	o.Vars = map[string]string{"tag": "v2"}
	run(2, "tag")

	// What a killed run leaves: an unfinished file, a cut record.
	for _, name := range []string{"tmp/linux_amd64.x/x", "records/linux_386.y.json"} {
		path := filepath.Join(dist, ".slipway/build", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(`{"na`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(1, "killed")
	if left, _ := os.ReadDir(filepath.Join(dist, ".slipway/build/tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// A build that is not planned any more leaves nothing.
	o.Builds = o.Builds[:1]
	run(0, "one less")
	if _, err := os.Stat(made[1].Path); err == nil {
		t.Error("the binary of a build that is gone is still there")
	}
}

func read2(t *testing.T, made []release.Binary) []string {
	var out []string
	for _, b := range made {
		out = append(out, read(t, b.Path))
	}
	return out
}

// What commands print comes as whole lines, each behind its build's name.
func TestOutput(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	_, err := Binaries(t.Context(), Options{Source: t.TempDir(), Dist: t.TempDir(), Stage: stage(), Output: &said, Builds: []release.PlanBuild{
		script("x", amd64, "printf one; echo ' two' >&2; printf three; echo > {output}"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "x linux/amd64: one two\nx linux/amd64: three\n"; said.String() != want {
		t.Errorf("%q, want %q", said.String(), want)
	}
}
