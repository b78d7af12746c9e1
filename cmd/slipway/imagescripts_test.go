package main

import (
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/goproxytest"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// Each script in testdata/image holds promises of the image commands, on a real
// BuildKit and a real registry; its first lines say which. A script has
//
//	BUILDX_BUILDER  the builder
//	REPO            a repository of its own, HOST:PORT/script-NAME
//	TOOLCHAIN       an image with gcc, make, go and cargo
//	BASE            an image with busybox
func TestImageScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, imageParams(t, filepath.Join("testdata", "image")))
}

// Promise: `slipway cache prune` cleans the builder's cache up, and what others
// have there stays. This runs before all tests that build side by side.
func TestImagePrune(t *testing.T) {
	testscript.Run(t, imageParams(t, filepath.Join("testdata", "prune")))
}

func imageParams(t *testing.T, dir string) testscript.Params {
	builder, registry := realtest.BuildKit(t), realtest.Registry(t)
	parts := []string{
		"BUILDX_BUILDER=" + builder, "REGISTRY=" + registry,
		"TOOLCHAIN=" + realtest.ToolchainImage(t, registry), "BASE=" + realtest.BaseImage(t, registry),
	}
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, cleanEnv(t, filepath.Join(e.WorkDir, "home"))...)
			e.Vars = append(e.Vars, parts...)
			// One folder's name begins with script-, so does its repository's.
			e.Vars = append(e.Vars, "REPO="+registry+"/"+strings.ToLower(filepath.Base(e.WorkDir)))
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"git-commit": cmdGitCommit,
			"githttp":    cmdGitHTTP,
			"goproxy":    cmdGoProxy,
			"expand":     cmdExpand,
			"unchanged":  cmdUnchanged,
		},
	}
}

// githttp DIR serves the repositories in DIR as git does, and sets GITHTTP.
func cmdGitHTTP(ts *testscript.TestScript, _ bool, args []string) {
	git, err := exec.LookPath("git")
	ts.Check(err)
	s := httptest.NewServer(&cgi.Handler{Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + ts.MkAbs(args[0]), "GIT_HTTP_EXPORT_ALL=1"}})
	ts.Defer(s.Close)
	ts.Setenv("GITHTTP", s.URL)
}

// goproxy DIR serves the modules in DIR, and leads the go command there alone.
func cmdGoProxy(ts *testscript.TestScript, _ bool, args []string) {
	s, err := goproxytest.NewServer(ts.MkAbs(args[0]), "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Setenv("GOPROXY", s.URL)
	ts.Setenv("GOSUMDB", "off")
}

// expand FILE… writes the script's variables into files, in the place of @NAME@.
func cmdExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := ts.ReadFile(name)
		for _, v := range []string{"TOOLCHAIN", "BASE", "REPO"} {
			text = strings.ReplaceAll(text, "@"+v+"@", ts.Getenv(v))
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// unchanged DIR holds that nothing in a repository's folder differs from its
// HEAD: no file is new, ignored ones included.
func cmdUnchanged(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("git", "-C", ts.MkAbs(args[0]), "status", "--porcelain", "--ignored"))
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("%s has changed:\n%s", args[0], out)
	}
}
