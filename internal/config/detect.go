package config

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/slipway-dev/slipway/internal/release"
)

// Facts are what the defaults depend on.
type Facts struct {
	RepositoryName string   // without the owner
	DefaultBranch  string   // Detect does not know it; empty means main
	HasGoMod       bool     // at the root
	Module         string   // path of the module at the root
	GoMains        []GoMain // main packages of that module, sorted by folder
	NestedModules  []string // folders with a go.mod, when there is none at the root
	HasCargo       bool     // a Cargo.toml at the root
	CargoName      string   // the package in it; empty for a bare workspace
}

// GoMain is a main package.
type GoMain struct {
	Dir  string // as go build takes it: "." or "./cmd/hello"
	Name string // of its binary; unique among the mains
}

// Bounds of Detect.
const (
	maxFolders    = 50_000
	maxFolderDeep = 32
	nestedDeep    = 3        // how deep go.mod files are looked for when the root has none
	headerSize    = 64 << 10 // bytes in which a package clause must stand
	maxSource     = 4 << 20  // bytes of a source file that are parsed
)

// Detect looks at a repository's files. It reads one file of most folders, and
// skips vendor, internal, testdata, examples, nested modules and folders that go
// itself skips: what lies there is not for users. Its error is an unreadable folder or a tree without end.
func Detect(fsys fs.FS, repositoryName string) (Facts, error) {
	f := Facts{RepositoryName: repositoryName}
	if data, err := readFile(fsys, "Cargo.toml"); err == nil {
		f.HasCargo, f.CargoName = true, cargoPackage(data)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("read Cargo.toml: %w", err)
	}
	data, err := readFile(fsys, "go.mod")
	switch {
	case err == nil:
		f.HasGoMod, f.Module = true, modfile.ModulePath(data)
	case !errors.Is(err, fs.ErrNotExist):
		return f, fmt.Errorf("read go.mod: %w", err)
	}
	s := scan{fsys: fsys, inModule: f.HasGoMod, context: buildContext(fsys)}
	if err := s.folder(".", 0); err != nil {
		return f, err
	}
	f.NestedModules = s.nested
	f.GoMains = nameMains(s.mains, f)
	return f, nil
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	return readHead(fsys, name, maxSource)
}

func readHead(fsys fs.FS, name string, size int64) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, size))
}

var cargoTable = regexp.MustCompile(`(?m)^\s*\[package\]\s*(?:#.*)?$`)
var cargoName = regexp.MustCompile(`(?m)^\s*name\s*=\s*["']([A-Za-z0-9_-]+)["']`)

// cargoPackage finds the name in the [package] table.
func cargoPackage(toml []byte) string {
	at := cargoTable.FindIndex(toml)
	if at == nil {
		return ""
	}
	table, _, _ := strings.Cut(string(toml[at[1]:]), "\n[")
	if m := cargoName.FindStringSubmatch(table); m != nil {
		return m[1]
	}
	return ""
}

// buildContext says which files go would compile for Linux, whatever the
// machine that looks.
func buildContext(fsys fs.FS) *build.Context {
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags, c.ToolTags = "linux", "amd64", false, nil, nil
	c.JoinPath = path.Join
	c.OpenFile = func(name string) (io.ReadCloser, error) { return fsys.Open(name) }
	return &c
}

type scan struct {
	fsys     fs.FS
	inModule bool
	context  *build.Context
	folders  int
	mains    []string // folders
	nested   []string
}

func (s *scan) folder(dir string, depth int) error {
	if s.folders++; s.folders > maxFolders || depth > maxFolderDeep {
		return release.Invalidf("write `builds:` into "+FileName, "the repository has too many folders to look for main packages (at %s)", dir)
	}
	entries, err := fs.ReadDir(s.fsys, dir)
	if err != nil {
		return fmt.Errorf("look for main packages: %w", err)
	}
	if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "go.mod" && !e.IsDir() }) {
		if !s.inModule {
			s.nested = append(s.nested, dir)
		}
		return nil
	}
	if s.inModule && s.isMain(dir, entries) {
		s.mains = append(s.mains, dir)
	}
	if !s.inModule && depth == nestedDeep {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && !skipped(e.Name()) {
			if err := s.folder(path.Join(dir, e.Name()), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func skipped(name string) bool {
	switch name {
	case "vendor", "internal", "testdata", "node_modules", "example", "examples":
		return true
	}
	return name[0] == '.' || name[0] == '_'
}

// isMain reads package clauses until one says what the package is. Files that
// go would not compile (//go:build ignore) say nothing.
func (s *scan) isMain(dir string, entries []fs.DirEntry) bool {
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name[0] == '_' || name[0] == '.' {
			continue
		}
		p := path.Join(dir, name)
		pkg, constrained := s.packageName(p)
		if strings.Contains(name, "_") || constrained || pkg == "main" {
			if ok, err := s.context.MatchFile(dir, name); !ok || err != nil {
				continue
			}
		}
		if pkg != "main" {
			return false
		}
		if s.hasMain(p) {
			return true
		}
	}
	return false
}

// packageName reads a file's package clause, and whether a build constraint
// may stand before it.
func (s *scan) packageName(p string) (name string, constrained bool) {
	for _, size := range []int64{4 << 10, headerSize} {
		head, err := readHead(s.fsys, p, size)
		if err != nil {
			return "", true
		}
		f, _ := parser.ParseFile(token.NewFileSet(), p, head, parser.PackageClauseOnly)
		if f != nil && f.Name != nil && f.Name.Name != "_" && f.Name.Name != "" {
			return f.Name.Name, bytes.Contains(head, []byte("//go:build"))
		}
		if int64(len(head)) < size {
			break
		}
	}
	return "", true
}

func (s *scan) hasMain(p string) bool {
	data, err := readFile(s.fsys, p)
	if err != nil {
		return false
	}
	f, _ := parser.ParseFile(token.NewFileSet(), p, data, parser.SkipObjectResolution)
	return f != nil && slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "main"
	})
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// nameMains gives each main package the name that go install would: its
// folder's, or the module's at the root. Where two would be the same the names
// are made of the whole path.
func nameMains(dirs []string, f Facts) []GoMain {
	count := map[string]int{}
	for _, d := range dirs {
		count[mainName(d, f)]++
	}
	used := map[string]bool{}
	var out []GoMain
	for _, d := range dirs {
		name := mainName(d, f)
		if count[name] > 1 && d != "." {
			name = release.FileName(strings.ReplaceAll(d, "/", "-"))
		}
		for base, n := name, 2; used[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		used[name] = true
		if d != "." {
			d = "./" + d
		}
		out = append(out, GoMain{Dir: d, Name: name})
	}
	return out
}

func mainName(dir string, f Facts) string {
	if dir == "." {
		dir = f.Module
		if prefix, _, ok := module.SplitPathVersion(f.Module); ok {
			dir = prefix
		}
	} else if parent := path.Dir(dir); majorVersion.MatchString(path.Base(dir)) && parent != "." {
		dir = parent
	}
	for _, name := range []string{path.Base(dir), f.RepositoryName} {
		if name = release.FileName(name); name != "" {
			return name
		}
	}
	return "main"
}
