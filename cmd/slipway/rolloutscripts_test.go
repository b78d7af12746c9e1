package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
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
			"ocuroot":    cmdOcuroot,
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

// ocuroot STORE DIR [COMMIT=REVISION…] writes a store of Ocuroot's into a folder,
// with revisions of the repository here in the place of the store's commits.
func cmdOcuroot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ocuroot STORE DIR [COMMIT=REVISION…]")
	}
	archive, err := txtar.ParseFile(filepath.Join("..", "..", "internal", "rollout", "ocuroot", "testdata", args[0]+".txtar"))
	ts.Check(err)
	var pairs []string
	for _, pair := range args[2:] {
		commit, revision, _ := strings.Cut(pair, "=")
		ts.Check(ts.Exec("git", "rev-parse", revision))
		pairs = append(pairs, commit, strings.TrimSpace(ts.ReadFile("stdout")))
	}
	commits := strings.NewReplacer(pairs...)
	for _, f := range archive.Files {
		name := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(commits.Replace(f.Name)))
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
		ts.Check(os.WriteFile(name, []byte(commits.Replace(string(f.Data))), 0o644))
	}
}
