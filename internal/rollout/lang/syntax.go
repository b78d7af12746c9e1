package lang

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/slipway-dev/slipway/internal/release"
)

// syntaxProblem says what is wrong with a file that can't be parsed.
func (p *program) syntaxProblem(err syntax.Error) release.Problem {
	at := position(err.Pos)
	f := p.files[err.Pos.Filename()]
	if f == nil {
		return release.Problem{File: at.File, Line: at.Line, Column: at.Column, Message: err.Msg}
	}
	src := f.source
	// Starlark gives the end of the token that it did not want, or its beginning.
	end := offset(src, err.Pos)
	start := end
	switch {
	case strings.HasPrefix(err.Msg, "got newline"), strings.HasPrefix(err.Msg, "got end of file"), strings.HasPrefix(err.Msg, "got indent"), strings.HasPrefix(err.Msg, "got outdent"):
		if strings.HasPrefix(err.Msg, "got newline") {
			start = scanTo(src, end).lastEnd
		}
	case strings.HasPrefix(err.Msg, "got ") && !strings.HasSuffix(err.Msg, "want primary expression"):
		start = tokenBefore(src, end)
	}
	token := word(src, start)
	s := scanTo(src, start)
	if problem, ok := missingComma(f, s, start, err); ok {
		return problem
	}
	at = placeOf(f.path, src, start)
	problem := release.Problem{File: at.File, Line: at.Line, Column: at.Column, Hint: p.syntaxHint(src, s, start, token, err.Msg)}
	problem.Message = fmt.Sprintf("syntax error in %q: %s", clip(lineAt(src, start), 100), err.Msg)
	if clip(lineAt(src, start), 100) == "" {
		problem.Message = "syntax error: " + err.Msg
	}
	return problem
}

// word is the identifier that begins at a byte, or the character there.
func word(src string, at int) string {
	end := at
	for end < len(src) && (src[end] == '_' || src[end] >= 'a' && src[end] <= 'z' || src[end] >= 'A' && src[end] <= 'Z' || src[end] >= '0' && src[end] <= '9') {
		end++
	}
	if end == at && end < len(src) {
		end++
	}
	return src[at:end]
}

// missingComma tries a comma between the last two tokens, in brackets: when more
// of the file can be read with it, then that is what is missing.
func missingComma(f *file, s scan, start int, err syntax.Error) (release.Problem, bool) {
	if len(s.open) == 0 || s.lastEnd == 0 || s.lastEnd > start || !strings.HasPrefix(err.Msg, "got ") {
		return release.Problem{}, false
	}
	inner := s.open[len(s.open)-1]
	element := strings.TrimSpace(f.source[min(inner.element, s.lastEnd):s.lastEnd])
	if element == "" || formatted(element) && strings.ContainsAny(f.source[start:min(start+1, len(f.source))], `"'`) || starlarkWord(word(f.source, start)) {
		return release.Problem{}, false
	}
	_, again := fileOptions.Parse(f.path, f.source[:s.lastEnd]+","+f.source[s.lastEnd:], 0)
	var next syntax.Error
	if again != nil && (!errors.As(again, &next) || !further(next.Pos, err.Pos)) {
		return release.Problem{}, false
	}
	if i := strings.LastIndexByte(element, '\n'); i >= 0 {
		element = element[i+1:]
	}
	at := placeOf(f.path, f.source, s.lastEnd)
	return release.Problem{File: at.File, Line: at.Line, Column: at.Column, Message: "a comma is missing after " + clip(element, 80)}, true
}

// further reports whether a place is behind another, by more than the comma
// that was put in.
func further(a, b syntax.Position) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Col > b.Col+1
}

// formatted reports whether a token is the f of an f-string.
func formatted(token string) bool {
	fields := strings.FieldsFunc(token, func(r rune) bool { return r == ' ' || r == '(' || r == '=' || r == '\n' || r == ',' })
	if len(fields) == 0 {
		return false
	}
	return slices.Contains([]string{"f", "F", "rf", "fr", "Rf", "fR", "rF", "Fr", "RF", "FR"}, fields[len(fields)-1])
}

// starlarkWord reports whether a word begins or goes on with a statement: no
// comma can stand before it.
func starlarkWord(w string) bool {
	return slices.Contains([]string{"def", "if", "else", "elif", "for", "while", "return", "load", "in", "and", "or", "not", "pass", "break", "continue"}, w) || pythonWords[w] != ""
}

// pythonWords are words of Python that Starlark has not, with what it has.
var pythonWords = map[string]string{
	"import":   `write load("./tasks.ocu.star", "name") to get names from another file`,
	"from":     `write load("./tasks.ocu.star", "name") to get names from another file`,
	"class":    "Starlark has no classes: write struct(name=…), or a dict",
	"try":      "Starlark can't catch errors: ask before, or use continue_on_error=True",
	"except":   "Starlark can't catch errors: ask before, or use continue_on_error=True",
	"finally":  "Starlark can't catch errors: ask before, or use continue_on_error=True",
	"raise":    `write fail("what is wrong")`,
	"assert":   `write if not …: fail("what is wrong")`,
	"is":       "write == instead of is",
	"with":     "Starlark has no with",
	"as":       "Starlark has no as",
	"del":      "write d.pop(key)",
	"yield":    "Starlark has no generators: return a list",
	"async":    "work of one phase runs at the same time by itself",
	"await":    "work of one phase runs at the same time by itself",
	"global":   "functions can't change global variables: return the value",
	"nonlocal": "functions can't change outer variables: return the value",
}

func (p *program) syntaxHint(src string, s scan, start int, token, message string) string {
	line := lineAt(src, start)
	last := lastWord(src[:min(s.lastEnd, len(src))])
	switch {
	case pythonWords[token] != "":
		return pythonWords[token]
	case strings.HasPrefix(message, "got string literal") && formatted(last):
		return `Starlark has no f-strings: write "… {}".format(x)`
	case last == "print":
		return "print is a function: print(…)"
	case last == "assert":
		return pythonWords["assert"]
	case strings.Contains(message, "unindent does not match"), strings.HasPrefix(message, "got indent"):
		return indentHint(src, line)
	case strings.HasSuffix(message, "want indent"):
		return "the lines below it are indented by four spaces; an empty body is pass"
	case strings.HasPrefix(message, "got newline, want ':'"):
		return "a colon is missing at the end of the line"
	case strings.HasPrefix(message, "got '=', want ':'"), strings.Contains(message, "keyword argument must have form"):
		return "compare with =="
	case strings.HasPrefix(message, "got '->'"), strings.HasPrefix(message, "got ':', want ')'"), strings.HasPrefix(message, "got ':', want ','"):
		return "Starlark has no types in its code"
	case strings.Contains(message, "in string"):
		return `the string has no end; """…""" may have several lines`
	case strings.Contains(message, "input character '!'"):
		return "write not x"
	case strings.Contains(message, "input character '@'"):
		return "Starlark has no decorators"
	case token == "|" || token == "&":
		return "write and, or"
	}
	if n := len(s.open); n > 0 {
		at := placeOf("", src, s.open[n-1].at)
		return fmt.Sprintf("is the %c of line %d closed?", s.open[n-1].char, at.Line)
	}
	return ""
}

func lastWord(s string) string {
	i := strings.LastIndexFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	return s[i+1:]
}

func indentHint(src, line string) string {
	if strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t") && strings.Contains(src, "\n    ") {
		return "the line is indented with a tab, and others with spaces"
	}
	return "indent it like the lines of the same block"
}

// resolveProblem says what is wrong with a name.
func (p *program) resolveProblem(err resolve.Error) release.Problem {
	at := position(err.Pos)
	out := release.Problem{File: at.File, Line: at.Line, Column: at.Column}
	out.Message, out.Hint = splitHint(err.Msg)
	name, undefined := strings.CutPrefix(out.Message, "undefined: ")
	switch {
	case undefined:
		out.Message = name + " is not defined"
		out.Hint = p.undefinedHint(err.Pos.Filename(), name)
	case strings.Contains(err.Msg, "while loops"):
		out.Message, out.Hint = "Starlark has no while here", "write for i in range(n): … break"
	case strings.HasPrefix(err.Msg, "load statement within"):
		out.Hint = "write load at the top level of the file"
	case strings.Contains(err.Msg, "not exported"):
		out.Hint = "leave out the underscore where it is defined"
	case strings.HasPrefix(err.Msg, "positional argument may not follow named"):
		out.Hint = "arguments without a name come first"
	case strings.HasPrefix(err.Msg, "required parameter may not follow optional"):
		out.Hint = "parameters with a default come last"
	}
	return out
}

// elsewhere are names that other languages, or older versions of Ocuroot, have.
var elsewhere = map[string]string{
	"true": "write True", "false": "write False", "null": "write None", "nil": "write None", "none": "write None",
	"open": "write host.read_file(path) or host.write_file(path, content)", "isinstance": `write type(x) == "string"`,
	"map": "write [f(x) for x in list]", "filter": "write [x for x in list if …]", "sum": "add up in a for loop",
	"format": `write "{}".format(x)`, "round": "write int(x + 0.5)", "exit": `write fail("why")`, "subprocess": "write host.shell(command)",
	"time": "Starlark knows no time here: write host.shell(\"date\")", "random": "a package file gives the same each time it is read",
	"package": "since Ocuroot 0.3 there is no package(): call phase() at the top level of the file", "handoff": "it is next() since Ocuroot 0.3",
	"self": "Starlark has no classes", "Exception": `write fail("what is wrong")`, "delay": `write soak("2h"), with slipway("1")`,
}

func (p *program) undefinedHint(name, undefined string) string {
	if hint := elsewhere[undefined]; hint != "" {
		return hint
	}
	known := predeclared().Keys()
	known = append(known, starlark.Universe.Keys()...)
	if f := p.files[name]; f != nil {
		known = append(known, definedIn(f)...)
	}
	known = slices.DeleteFunc(known, func(s string) bool { return strings.HasPrefix(s, "%") })
	if n := release.Nearest(undefined, known); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	return fmt.Sprintf("def it, or load it: load(\"./tasks.ocu.star\", %q)", clip(undefined, 60))
}

// definedIn lists the names that a file gives.
func definedIn(f *file) []string {
	tree, err := fileOptions.Parse(f.path, f.source, 0)
	if err != nil {
		return nil
	}
	var out []string
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			out = append(out, n.Name.Name)
		case *syntax.AssignStmt:
			if id, ok := n.LHS.(*syntax.Ident); ok {
				out = append(out, id.Name)
			}
		case *syntax.LoadStmt:
			for _, id := range n.To {
				out = append(out, id.Name)
			}
		}
		return true
	})
	return out
}
