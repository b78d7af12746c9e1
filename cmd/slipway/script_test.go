package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// Each script in testdata holds promises of the binary; its first lines say
// which.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, cleanEnv(t, filepath.Join(e.WorkDir, "home"))...)
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"simforge":    cmdSimforge,
			"webserver":   cmdWebserver,
			"published":   cmdPublished,
			"foreign":     cmdForeign,
			"git-commit":  cmdGitCommit,
			"event":       cmdEvent,
			"deployments": cmdDeployments,
			"exits":       cmdExits,
		},
	})
}

// scriptForge is the forge of a running script.
type scriptForge struct {
	server *simforge.Server
	repo   *memory.Repo
}

// scripts are the forges of the running scripts, by *testscript.TestScript.
var scripts sync.Map

// simforge [github|gitea] DIR [FAULT…] starts a forge with the repository in
// DIR pushed to it as acme/hello, and sets the variables that lead slipway to it.
func cmdSimforge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: simforge github|gitea DIR [FAULT…]")
	}
	o := simforge.Options{Dialect: memory.Dialect(args[0])}
	for _, name := range args[2:] {
		f, err := simforge.ParseFault(name)
		ts.Check(err)
		o.Faults = append(o.Faults, f)
	}
	s, err := simforge.Start(o)
	ts.Check(err)
	ts.Defer(func() {
		if unmet := s.Unhit(); len(unmet) > 0 {
			ts.Logf("faults that nothing met: %v", unmet)
		}
		s.Close()
	})
	bare := ts.MkAbs(fmt.Sprintf("forge-%s.git", strings.TrimPrefix(s.URL, "http://127.0.0.1:")))
	ts.Check(ts.Exec("git", "clone", "--quiet", "--bare", ts.MkAbs(args[1]), bare))
	repo := s.AddGitRepo(memory.Options{FullName: "acme/hello"}, bare)
	ts.Setenv("BARE", bare)
	ts.Setenv("SLIPWAY_SERVER", s.URL)
	ts.Setenv("SLIPWAY_FORGE", args[0])
	ts.Setenv("SLIPWAY_REPOSITORY", "acme/hello")
	ts.Setenv("SLIPWAY_TOKEN", simforge.WriteToken)
	ts.Setenv("READ_TOKEN", simforge.ReadToken)
	scripts.Store(ts, scriptForge{s, repo})
}

// webserver TEXT starts a server that answers everything with TEXT as HTML.
func cmdWebserver(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, args[0])
	}))
	ts.Defer(s.Close)
	ts.Setenv("WEBSERVER", s.URL)
}

// published TAG N holds that a reader sees a release of TAG with N assets;
// ! published TAG that there is none.
func cmdPublished(ts *testscript.TestScript, neg bool, args []string) {
	x, ok := scripts.Load(ts)
	if !ok {
		ts.Fatalf("there is no simforge")
	}
	var found []forge.Release
	for _, r := range x.(scriptForge).repo.PublicReleases() {
		if r.Tag == args[0] {
			found = append(found, r)
		}
	}
	switch {
	case neg && len(found) > 0:
		ts.Fatalf("%s is published", args[0])
	case neg:
	case len(found) != 1:
		ts.Fatalf("%d releases of %s are published", len(found), args[0])
	case fmt.Sprint(len(found[0].Assets)) != args[1]:
		ts.Fatalf("%s has %d assets, not %s", args[0], len(found[0].Assets), args[1])
	}
}

// foreign draft|published|burnt TAG makes a release as somebody else would; a
// burnt tag's was published and deleted.
func cmdForeign(ts *testscript.TestScript, _ bool, args []string) {
	x, _ := scripts.Load(ts)
	f := x.(scriptForge).repo.Forge(memory.Writer)
	d := forge.Draft{Tag: args[1], Title: args[1], Body: "by hand"}
	r, err := f.CreateDraft(context.Background(), d)
	ts.Check(err)
	if args[0] != "draft" {
		_, err = f.Update(context.Background(), r.ID, forge.Update{Draft: d, Publish: true})
		ts.Check(err)
	}
	if args[0] == "burnt" {
		id, err := strconv.ParseInt(r.ID, 10, 64)
		ts.Check(err)
		ts.Check(x.(scriptForge).repo.Delete(memory.Writer, id))
	}
}

// git-commit DIR MESSAGE [TAG…] commits everything in DIR, which becomes a
// repository if need be, and tags it.
func cmdGitCommit(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		ts.Check(ts.Exec("git", "init", "--quiet", "--initial-branch=main", dir))
	}
	ts.Check(ts.Exec("git", "-C", dir, "add", "--all"))
	ts.Check(ts.Exec("git", "-C", dir, "commit", "--quiet", "--allow-empty", "--message", args[1]))
	for _, tag := range args[2:] {
		ts.Check(ts.Exec("git", "-C", dir, "tag", tag))
	}
}
