package build

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-dev/slipway/internal/release"
)

func step(name, run string) release.PlanStep {
	return release.PlanStep{Name: name, Run: release.PlanCommand{Script: run}}
}

func on(s release.PlanStep, p release.Platform) release.PlanStep {
	s.Platform, s.Release = &p, true
	return s
}

// Steps run in order, in the source; the first that fails ends it, and the
// error repeats what it printed, stdout and stderr in order.
func TestSteps(t *testing.T) {
	t.Parallel()
	source := tree(t, map[string]string{"sub/file": ""})
	in := step("in sub", `test -e file && echo "$MINE" >> ../log`)
	in.Dir, in.Env = "sub", map[string]string{"MINE": "a b"}
	list := release.PlanStep{Name: "list", Run: release.PlanCommand{Args: []string{"sh", "-c", `echo "$1 $SLIPWAY_TAG" >>log`, "sh", "$(x)"}}}
	var said strings.Builder
	results, err := Steps(t.Context(), StepOptions{Source: source, Time: commitTime, Vars: map[string]string{"tag": "v1"}, Stage: stage(), Output: &said},
		[]release.PlanStep{in, list, step("bad", "echo --- FAIL; echo why >&2; echo FAIL; exit 4"), step("never", "touch never")})
	checkError(t, err, release.Failed, "", "test \"bad\": `echo --- FAIL; echo why >&2; echo FAIL; exit 4` exited with 4\n--- FAIL\nwhy\nFAIL")
	want := []release.StepResult{{Name: "in sub", Outcome: "passed"}, {Name: "list", Outcome: "passed"},
		{Name: "bad", Outcome: "failed", Reason: "test \"bad\": `echo --- FAIL; echo why >&2; echo FAIL; exit 4` exited with 4"}}
	if d := cmp.Diff(want, results, cmpopts.IgnoreFields(release.StepResult{}, "Duration")); d != "" {
		t.Error(d)
	}
	if got := read(t, filepath.Join(source, "log")); got != "a b\n$(x) v1\n" {
		t.Errorf("log is %q", got)
	}
	if said.String() != "bad: --- FAIL\nbad: why\nbad: FAIL\n" {
		t.Errorf("output is %q", said.String())
	}
	if _, err := os.Stat(filepath.Join(source, "never")); err == nil {
		t.Error("a step ran after the one that failed")
	}
	_, err = Steps(t.Context(), StepOptions{Source: source, Stage: stage()}, []release.PlanStep{{Name: "x", Dir: "../..", Run: in.Run}})
	checkError(t, err, release.Invalid, "dir", `test "x"`)
}

// Steps of a platform get its own binary: the 386 one runs here too. A platform
// that this machine can't run is skipped, and says so.
func TestStepsOnPlatforms(t *testing.T) {
	t.Parallel()
	source := hello(t)
	made := mustBuild(t, source, t.TempDir(), goBuild("my-tool", amd64, i386, arm64))
	s := step("runs", `test "$SLIPWAY_BINARY_MY_TOOL" = "$SLIPWAY_BIN_DIR/my-tool" && PATH="$SLIPWAY_BIN_DIR" my-tool 2>&1; echo "$GOOS/$GOARCH/$GO386"`)
	var said strings.Builder
	results, err := Steps(t.Context(), StepOptions{Source: source, Stage: stage(), Binaries: made, Output: &said},
		[]release.PlanStep{on(s, amd64), on(s, i386), on(s, arm64)})
	if err != nil {
		t.Fatal(err)
	}
	outcomes := []string{}
	for _, r := range results {
		outcomes = append(outcomes, r.Outcome)
	}
	// What can be run is told by running a real program, here Go's own.
	want, out := []string{"passed", "skipped", "skipped"}, "runs linux/amd64: hello 1.2.3\nruns linux/amd64: linux/amd64/\n"
	for i, p := range []release.Platform{i386, arm64} {
		if runs(t, made[i+1].Path) {
			want[i+1] = "passed"
			out += "runs " + p.String() + ": hello 1.2.3\nruns " + p.String() + ": linux/" + p.Arch + "/" + map[string]string{"386": "sse2"}[p.Arch] + "\n"
		} else if !strings.Contains(results[i+1].Reason, "neither its kernel nor a registered emulator runs "+p.String()) {
			t.Errorf("reason is %q", results[i+1].Reason)
		}
	}
	if d := cmp.Diff(want, outcomes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(out, said.String()); d != "" {
		t.Error(d)
	}
}

func runs(t *testing.T, path string) bool {
	b := []byte(read(t, path))
	return try(t.Context(), b) == nil
}

// Whether a platform runs here agrees with whether a real program does.
func TestCanRun(t *testing.T) {
	t.Parallel()
	built := []release.Platform{amd64, i386, arm64, armv6}
	made := mustBuild(t, hello(t), t.TempDir(), goBuild("x", built...))
	for i, p := range built {
		can, why := CanRun(t.Context(), p)
		if does := runs(t, made[i].Path); does != can || can != (why == "") {
			t.Errorf("%s: CanRun says %v (%s), a program says %v", p, can, why, does)
		}
	}
	for _, p := range []release.Platform{{OS: "windows", Arch: "amd64"}, {OS: "linux", Arch: "pdp11"}, {OS: "linux", Arch: "amd64", Variant: "v9"}} {
		if can, why := CanRun(t.Context(), p); can || why == "" {
			t.Errorf("%s: %v, %q", p, can, why)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if can, why := CanRun(ctx, i386); can || why == "" {
		t.Error("it ran after the end of the context")
	}
	// Every probe is a program of its platform by the check's own measure.
	for _, p := range append(built, s390x, release.Platform{OS: "linux", Arch: "riscv64"}, release.Platform{OS: "linux", Arch: "ppc64le"},
		release.Platform{OS: "linux", Arch: "arm", Variant: "v7"}, release.Platform{OS: "linux", Arch: "amd64", Variant: "v3"}) {
		b, ok := probe(p)
		path := filepath.Join(t.TempDir(), "probe")
		if err := os.WriteFile(path, b, 0o755); err != nil || !ok {
			t.Fatal(err, ok)
		}
		if err := CheckBinary(path, p, release.StaticRequired); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}
