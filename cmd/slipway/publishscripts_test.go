package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each script in testdata/publish holds promises of publishing beyond the forge,
// with a folder as the place; its first lines say which.
func TestPublishScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "publish"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, cleanEnv(t, filepath.Join(e.WorkDir, "home"))...)
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"git-commit":  cmdGitCommit,
			"exits":       cmdExits,
			"simforge":    cmdSimforge,
			"serve":       cmdServe,
			"listed":      cmdListed,
			"bad-configs": cmdBadConfigs,
		},
	})
}

// serve DIR FILE… serves a folder over HTTP, and writes the server's address into
// files in the place of @SERVER@.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve DIR FILE…")
	}
	s := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(s.Close)
	ts.Setenv("SERVER", s.URL)
	for _, name := range args[1:] {
		text := strings.ReplaceAll(ts.ReadFile(name), "@SERVER@", s.URL)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// listed FILE prints what a list of releases names, a binary a line: group,
// release, platform, file name, path.
func cmdListed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listed FILE")
	}
	var groups []struct {
		Name   string
		Builds []struct {
			Version string
			Builds  []struct{ Platform, Binary, Path string }
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &groups))
	for _, g := range groups {
		for _, r := range g.Builds {
			for _, b := range r.Builds {
				fmt.Fprintln(ts.Stdout(), g.Name, r.Version, b.Platform, b.Binary, b.Path)
			}
		}
	}
}

var placeOfProblem = regexp.MustCompile(`(?m)^error: \.slipway\.yaml:\d+:\d+: `)

// bad-configs BASE CASES holds that each case, added to the config BASE, is
// refused with its place, and with the text of the case's lines that begin with >.
// Empty lines stand between cases.
func cmdBadConfigs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bad-configs BASE CASES")
	}
	base := ts.ReadFile(args[0])
	for text := range strings.SplitSeq(strings.TrimSpace(ts.ReadFile(args[1])), "\n\n") {
		var config, want []string
		for line := range strings.SplitSeq(text, "\n") {
			if said, is := strings.CutPrefix(line, "> "); is {
				want = append(want, said)
				continue
			}
			config = append(config, line)
		}
		ts.Check(os.WriteFile(ts.MkAbs(".slipway.yaml"), []byte(base+strings.Join(config, "\n")+"\n"), 0o644))
		if ts.Exec("slipway", "check") == nil {
			ts.Logf("nothing is said of\n%s", strings.Join(config, "\n"))
			ts.Fatalf("a bad config passes")
		}
		said := ts.ReadFile("stderr")
		if len(want) == 0 || !placeOfProblem.MatchString(said) {
			ts.Fatalf("no place is named, or nothing is wanted of\n%s\n%s", text, said)
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				ts.Fatalf("of\n%s\nit says\n%swithout %q", strings.Join(config, "\n"), said, w)
			}
		}
	}
}
