package lang

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// program is a file with everything that it loads. After the evaluation it is
// only read.
type program struct {
	main    string
	self    ref.Ref
	files   map[string]*file
	slipway bool // the main file calls slipway("1")
}

// file is one evaluated source.
type file struct {
	path     string
	source   string
	sha256   string
	calls    map[[2]int32]*syntax.CallExpr // by the place of their bracket, where Starlark says a call is
	ops      map[[2]int32]syntax.Position  // start of an expression by its operator's place
	globals  starlark.StringDict           // nil until it is evaluated
	loading  bool
	slipway  bool // calls slipway("1")
	declared declaration
}

// mostSource is how many bytes a file may have.
const mostSource = 4 << 20

// fileOptions are the language: everything that Ocuroot allowed.
var fileOptions = syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}

// read takes a file of the repository. The path must be clean.
func (p *program) read(root fs.FS, name string) (*file, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	content, err := io.ReadAll(io.LimitReader(f, mostSource+1))
	if err != nil {
		return nil, err
	}
	if len(content) > mostSource {
		return nil, fmt.Errorf("it has more than %d MiB", mostSource>>20)
	}
	if bytes.IndexByte(content, 0) >= 0 || !utf8.Valid(content) {
		return nil, errors.New("it is no text in UTF-8")
	}
	sum := sha256.Sum256(content)
	out := &file{path: name, source: strings.TrimPrefix(string(content), "\uFEFF"), sha256: hex.EncodeToString(sum[:])}
	p.files[name] = out
	return out, nil
}

// compile parses a file and finds what it declares.
func (p *program) compile(f *file, predeclared starlark.StringDict) (*starlark.Program, error) {
	tree, err := fileOptions.Parse(f.path, f.source, 0)
	if err != nil {
		return nil, err
	}
	if err := p.declare(f, tree); err != nil {
		return nil, err
	}
	f.index(tree)
	guard(tree)
	return starlark.FileProgram(tree, predeclared.Has)
}

// index remembers where expressions begin: Starlark says where their bracket
// or operator is.
func (f *file) index(tree *syntax.File) {
	f.calls = map[[2]int32]*syntax.CallExpr{}
	f.ops = map[[2]int32]syntax.Position{}
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			f.calls[[2]int32{n.Lparen.Line, n.Lparen.Col}] = n
		case *syntax.IndexExpr:
			f.ops[[2]int32{n.Lbrack.Line, n.Lbrack.Col}] = syntax.Start(n)
		case *syntax.DotExpr:
			f.ops[[2]int32{n.Dot.Line, n.Dot.Col}] = syntax.Start(n)
		case *syntax.BinaryExpr:
			f.ops[[2]int32{n.OpPos.Line, n.OpPos.Col}] = syntax.Start(n)
		}
		return true
	})
}

// start is where the expression at a place of Starlark's begins.
func (p *program) start(pos syntax.Position) Position {
	if f := p.files[pos.Filename()]; f != nil {
		if call := f.calls[[2]int32{pos.Line, pos.Col}]; call != nil {
			return position(syntax.Start(call))
		}
		if op, ok := f.ops[[2]int32{pos.Line, pos.Col}]; ok {
			return position(op)
		}
	}
	return position(pos)
}

// argument is where an argument of a call stands: by its keyword, or by its
// index among those without one.
func (p *program) argument(pos syntax.Position, keyword string, index int) Position {
	f := p.files[pos.Filename()]
	if f == nil {
		return position(pos)
	}
	call := f.calls[[2]int32{pos.Line, pos.Col}]
	if call == nil {
		return p.start(pos)
	}
	for i, arg := range call.Args {
		binary, named := arg.(*syntax.BinaryExpr)
		named = named && binary.Op == syntax.EQ
		if named {
			if id, ok := binary.X.(*syntax.Ident); ok && id.Name == keyword {
				return position(syntax.Start(arg))
			}
			continue
		}
		if _, star := arg.(*syntax.UnaryExpr); !star && i == index {
			return position(syntax.Start(arg))
		}
	}
	return position(syntax.Start(call))
}

func position(pos syntax.Position) Position {
	if !pos.IsValid() {
		return Position{File: pos.Filename()}
	}
	return Position{File: pos.Filename(), Line: int(pos.Line), Column: int(pos.Col)}
}

// sources lists what was read.
func (p *program) sources() []Source {
	out := make([]Source, 0, len(p.files))
	for name, f := range p.files {
		out = append(out, Source{Path: name, SHA256: f.sha256})
	}
	slices.SortFunc(out, func(a, b Source) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// find gives the name under which a function can be found again: its own, or
// that of a variable at the top of a file.
func (p *program) find(fn *starlark.Function) (Function, bool) {
	own := fn.Position().Filename()
	if f := p.files[own]; f != nil && f.globals[fn.Name()] == fn {
		return function(fn.Name(), own, fn), true
	}
	names := []string{own, p.main}
	for _, s := range p.sources() {
		names = append(names, s.Path)
	}
	for _, name := range names {
		f := p.files[name]
		if f == nil {
			continue
		}
		for _, global := range f.globals.Keys() {
			if f.globals[global] == fn {
				return function(global, name, fn), true
			}
		}
	}
	return Function{}, false
}

func function(name, file string, fn *starlark.Function) Function {
	return Function{Name: name, File: file, Line: int(fn.Position().Line)}
}

// lookup is the function that a name stands for.
func (p *program) lookup(name, file string) (*starlark.Function, bool) {
	f := p.files[path.Clean(file)]
	if f == nil {
		return nil, false
	}
	fn, ok := f.globals[name].(*starlark.Function)
	return fn, ok
}

// functions lists the names of a file's functions.
func (p *program) functions(file string) []string {
	f := p.files[file]
	if f == nil {
		return nil
	}
	var out []string
	for _, name := range f.globals.Keys() {
		if _, ok := f.globals[name].(*starlark.Function); ok {
			out = append(out, name)
		}
	}
	return out
}

// didYouMean is a hint that names what is nearest, or else all there is.
func didYouMean(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	if n := release.Nearest(name, known); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	slices.Sort(known)
	return "there are " + clip(strings.Join(known, ", "), 200)
}
