package lang

import (
	"fmt"
	"regexp"

	"github.com/Masterminds/semver/v3"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// declaration is what a file says about its language.
type declaration struct {
	ocuroot, slipway string // versions, empty when not called
}

const slipwayVersion = "1"

// declare reads the calls of ocuroot and slipway at the top of a file, before
// it is evaluated: they hold for the whole of it.
func (p *program) declare(f *file, tree *syntax.File) error {
	for _, stmt := range tree.Stmts {
		expr, ok := stmt.(*syntax.ExprStmt)
		if !ok {
			continue
		}
		call, ok := expr.X.(*syntax.CallExpr)
		if !ok {
			continue
		}
		id, ok := call.Fn.(*syntax.Ident)
		if !ok || id.Name != "ocuroot" && id.Name != "slipway" {
			continue
		}
		if err := f.declared.take(id.Name, call); err != nil {
			return err
		}
	}
	f.slipway = f.declared.slipway != ""
	if f.path == p.main {
		p.slipway = f.slipway
	}
	return nil
}

func (d *declaration) take(name string, call *syntax.CallExpr) error {
	at := position(syntax.Start(call))
	known, slot := "0.3.0", &d.ocuroot
	if name == "slipway" {
		known, slot = slipwayVersion, &d.slipway
	}
	hint := fmt.Sprintf("write %s(%q)", name, known)
	if *slot != "" {
		return faultf(at, "leave one of them out", "%s() is called twice", name)
	}
	for i, arg := range call.Args {
		if binary, ok := arg.(*syntax.BinaryExpr); ok && binary.Op == syntax.EQ {
			id, isIdent := binary.X.(*syntax.Ident)
			if name == "slipway" && isIdent && id.Name == "max_parallel" {
				continue
			}
			return faultf(position(syntax.Start(arg)), hint, "%s() takes the version alone", name)
		}
		literal, ok := arg.(*syntax.Literal)
		text, isText := "", false
		if ok {
			text, isText = literal.Value.(string)
		}
		if i > 0 || !isText {
			return faultf(position(syntax.Start(arg)), hint, "%s() takes the version as a string, written out", name)
		}
		if err := checkVersion(name, text); err != nil {
			err.at = position(syntax.Start(arg))
			return err
		}
		*slot = text
	}
	if *slot == "" {
		return faultf(at, hint, "%s() has no version", name)
	}
	return nil
}

var exact03 = regexp.MustCompile(`^v?0\.3(\.\d{1,9})?$`)

// checkVersion takes any of Ocuroot's 0.3, as a version or a constraint that
// one of them meets.
func checkVersion(name, version string) *fault {
	if name == "slipway" {
		if version == slipwayVersion {
			return nil
		}
		return faultf(Position{}, `write slipway("1")`, "there is no version %q of slipway's language: this is version 1", clip(version, 40))
	}
	if exact03.MatchString(version) {
		return nil
	}
	if constraint, err := semver.NewConstraint(version); err == nil && len(version) <= 100 {
		for _, v := range []*semver.Version{semver.New(0, 3, 0, "", ""), semver.New(0, 3, 14, "", ""), semver.New(0, 3, 99, "", "")} {
			if constraint.Check(v) {
				return nil
			}
		}
	}
	return faultf(Position{}, `write ocuroot("0.3.0")`, "version %q of Ocuroot's language is not known: all of 0.3 is", clip(version, 40))
}

// declareInside answers a call of ocuroot or slipway while the file runs. The
// version was read before that.
func declareInside(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if at := e.here(thread); e.mode == running || thread.CallFrame(1).Name != "<toplevel>" {
		return nil, faultf(at, "write it as the first line of the file", "%s() stands inside of a function", b.Name())
	}
	if d := e.program.files[e.stack[len(e.stack)-1]].declared; b.Name() == "ocuroot" && d.ocuroot == "" || b.Name() == "slipway" && d.slipway == "" {
		return nil, faultf(e.here(thread), "write it as the first line of the file", "%s() stands inside of an if or a loop", b.Name())
	}
	if b.Name() == "ocuroot" {
		return starlark.None, nil
	}
	var version string
	var most int
	if err := unpack(b.Name(), args, kwargs, "version", &version, "max_parallel?", &most); err != nil {
		return nil, err
	}
	if most < 0 {
		return nil, faultf(e.at(thread, "max_parallel", 1), "0 is for no limit", "max_parallel is %d", most)
	}
	if e.inMain() {
		e.maxParallel = most
	}
	return starlark.None, nil
}
