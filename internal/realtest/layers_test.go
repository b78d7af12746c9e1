package realtest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/proc"
)

const ours = "github.com/slipway-dev/slipway/"

// arrow is an import: from a folder of ours to a package.
type arrow struct{ from, to string }

// The layer rule of ARCHITECTURE.md bites: an arrow that points up, or at what
// has its one place elsewhere, is refused.
func TestLayerRuleRefuses(t *testing.T) {
	t.Parallel()
	// In two rounds, so that the arrows of one don't make a circle.
	for _, arrows := range [][]arrow{
		{
			{"internal/engine", ours + "internal/forge/github"},
			{"internal/engine", ours + "internal/forge/gitea"},
			{"internal/engine", ours + "internal/config"},
			{"internal/engine", ours + "internal/project"},
			{"internal/engine", ours + "internal/rehearse"},
			{"internal/engine", "os/exec"},
			{"internal/forge/github", ours + "internal/forge/gitea"},
			{"internal/forge", "github.com/google/go-github/v60/github"},
			{"internal/forge/simforge", "github.com/google/go-github/v60/github"},
			{"internal/forge/wire", "code.gitea.io/sdk/gitea"},
			{"internal/release", ours + "internal/state"},
			{"internal/release", "os"},
			{"internal/release", "net/http"},
			{"internal/build", "os/exec"},
			{"internal/pack", ours + "internal/forge"},
			{"internal/pack", ours + "internal/forge/github"},
			{"internal/project", ours + "internal/forge/github"},
			{"action", ours + "internal/engine"},
			{"workflows", ours + "internal/config"},
			{"action", ours + "internal/forge/github"},
			{"cmd/slipway", "github.com/google/go-github/v60/github"},
			{"cmd/slipway", "code.gitea.io/sdk/gitea"},
			{"cmd/slipway", "os/exec"},
			{"cmd/slipway", "github.com/docker/buildx/build"},
			{"bot", ours + "internal/forge/github"},
			{"bot", ours + "internal/image/maker"},
			{"bot", "github.com/riverqueue/river"},
			{"bot", "os/exec"},
			{"action", ours + "bot"},
			{"internal/rehearse", ours + "bot"},
			{"internal/engine", ours + "internal/ledger"},
			{"internal/ledger", ours + "internal/forge"},
			{"internal/command", ours + "internal/forge"},
			{"internal/schedule", ours + "internal/config"},
			{"internal/state/sqlstate", "github.com/jackc/pgx/v5"},
			{"internal/engine", "github.com/google/go-containerregistry/pkg/v1"},
			{"internal/engine", ours + "internal/image/registry"},
			{"internal/image", ours + "internal/engine"},
			{"cmd/slipway", "testing"},
			{"cmd/slipway", ours + "internal/realtest"},
			{"cmd/slipway", ours + "internal/git/gittest"},
		},
		{
			{"internal/forge/gitea", ours + "internal/forge/github"},
			{"internal/forge/gitea", ours + "internal/engine"},
			{"internal/forge", ours + "internal/engine"},
			{"internal/git", ours + "internal/engine"},
			{"internal/build", ours + "internal/engine"},
			{"internal/state", ours + "internal/engine"},
			{"internal/ledger", ours + "bot"},
			{"internal/state/sqlstate", ours + "internal/ledger"},
			{"cmd/slipway", "modernc.org/sqlite"},
			{"internal/report", ours + "internal/engine"},
			{"internal/project", ours + "internal/engine"},
			{"internal/rehearse", ours + "internal/engine"},
			{"internal/proc", ours + "internal/release"},
			{"internal/progress", ours + "internal/release"},
			{"releasenotes", ours + "internal/release"},
			{"releasenotes", "net/http"},
		},
	} {
		if diff := cmp.Diff(sorted(arrows), refused(t, arrows), cmp.AllowUnexported(arrow{})); diff != "" {
			t.Errorf("refused arrows (-want +got):\n%s", diff)
		}
	}
}

// The arrows that the house stands on are allowed.
func TestLayerRuleAllows(t *testing.T) {
	t.Parallel()
	arrows := []arrow{
		{"cmd/slipway", ours + "internal/engine"},
		{"cmd/slipway", ours + "internal/forge/github"},
		{"cmd/slipway", ours + "internal/forge/gitea"},
		{"internal/engine", ours + "internal/forge"},
		{"internal/engine", ours + "internal/build"},
		{"internal/forge/github", ours + "internal/forge"},
		{"internal/forge/github", "github.com/google/go-github/v60/github"},
		{"internal/forge/gitea", ours + "internal/forge"},
		{"internal/forge/gitea", "code.gitea.io/sdk/gitea"},
		{"internal/build", ours + "internal/proc"},
		{"internal/proc", "os/exec"},
		{"internal/project", ours + "internal/config"},
		{"internal/project", ours + "internal/forge"},
		{"internal/rehearse", ours + "internal/project"},
		{"internal/rehearse", ours + "internal/forge/simforge"},
		{"internal/release", ours + "releasenotes"},
		{"cmd/slipway", ours + "bot"},
		{"bot", ours + "internal/ledger"},
		{"bot", ours + "internal/command"},
		{"bot", ours + "internal/engine"},
		{"internal/config", ours + "internal/schedule"},
		{"internal/ledger", ours + "internal/state/sqlstate"},
		{"internal/ledger", "github.com/riverqueue/river"},
	}
	if got := refused(t, arrows); len(got) > 0 {
		t.Errorf("refused: %v", got)
	}
}

// Each package has a rule: none may import the edges, but the edges themselves.
func TestEachPackageHasALayer(t *testing.T) {
	t.Parallel()
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	var arrows []arrow
	for _, top := range []string{"releasenotes", "internal", "action", "bot", "workflows"} {
		err = filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || rel == filepath.Join("internal", "realtest")) {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				arrows = append(arrows, arrow{filepath.ToSlash(filepath.Dir(rel)), ours + "cmd/slipway"})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	arrows = slices.Compact(sorted(arrows))
	if diff := cmp.Diff(arrows, refused(t, arrows), cmp.AllowUnexported(arrow{})); diff != "" {
		t.Errorf("packages without a rule in .golangci.yml (-want +got):\n%s", diff)
	}
}

// refused returns those arrows, sorted, that the project's configuration of
// the linter refuses in a module of stubs.
func refused(t *testing.T, arrows []arrow) []arrow {
	t.Helper()
	linter := filepath.Join(need(t, linterPart()), "golangci-lint")
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		".golangci.yml": string(config),
		"go.mod": "module github.com/slipway-dev/slipway\n\ngo 1.26.0\n\n" +
			"require github.com/google/go-github/v60 v60.0.0\nrequire code.gitea.io/sdk/gitea v0.25.1\n\n" +
			"replace github.com/google/go-github/v60 => ./sdk/github\nreplace code.gitea.io/sdk/gitea => ./sdk/gitea\n",
		"sdk/github/go.mod":           "module github.com/google/go-github/v60\n",
		"sdk/github/github/github.go": "package github\n",
		"sdk/gitea/go.mod":            "module code.gitea.io/sdk/gitea\n",
		"sdk/gitea/gitea.go":          "package gitea\n",
	}
	at := map[string]arrow{}
	for i, a := range arrows {
		file := fmt.Sprintf("%s/arrow%d.go", a.from, i)
		files[file] = fmt.Sprintf("package stub\n\nimport _ %q\n", a.to)
		at[file] = a
		if folder, ok := strings.CutPrefix(a.to, ours); ok {
			files[folder+"/stub.go"] = "package stub\n"
		}
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Findings are no error here; an error is one of the linter's own.
	out, err := proc.Output(t.Context(), proc.Cmd{
		Args: []string{linter, "run", "--enable-only=depguard", "--issues-exit-code=0", "--allow-parallel-runners", "./..."},
		Dir:  dir, Env: []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off"},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := map[arrow]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+/arrow\d+\.go):.*\(depguard\)$`).FindAllStringSubmatch(string(out), -1) {
		got[at[m[1]]] = true
	}
	return sorted(slices.Collect(maps.Keys(got)))
}

func sorted(arrows []arrow) []arrow {
	return slices.SortedFunc(slices.Values(arrows), func(a, b arrow) int {
		return strings.Compare(a.from+" "+a.to, b.from+" "+b.to)
	})
}
