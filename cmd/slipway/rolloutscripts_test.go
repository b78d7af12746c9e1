package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each script in testdata/rollout holds promises of the commands about release
// packages, on real git repositories; its first lines say which.
func TestRolloutScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "rollout"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, cleanEnv(t, filepath.Join(e.WorkDir, "home"))...)
			e.Vars = append(e.Vars, "SLIPWAY_USER=ada")
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"git-commit": cmdGitCommit,
			"exits":      cmdExits,
			"expand":     cmdExpand,
			"webserver":  cmdWebserver,
		},
	})
}

// exits CODE COMMAND… runs a command that must end with the exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = ended.ExitCode()
	}
	if code != want {
		ts.Fatalf("%s ended with exit code %d, not %d", args[1], code, want)
	}
}
