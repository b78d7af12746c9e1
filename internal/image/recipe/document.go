package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// document writes a Dockerfile. It keeps to the syntax of Dockerfile 1.2 but for
// COPY --link, so that the builder of an old docker engine reads it too: no
// here-documents and no `# syntax` line, which would have to be fetched.
type document struct {
	text     bytes.Buffer
	problems release.Problems
}

// mostLine is the longest line that BuildKit's parser reads, with a margin.
const mostLine = 64_000

func (d *document) refuse(hint, format string, args ...any) {
	d.problems = append(d.problems, release.Problem{Message: fmt.Sprintf(format, args...), Hint: hint})
}

// line writes one line as it is.
func (d *document) line(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

func (d *document) comment(text string) { d.line("# %s", text) }

// end gives the Dockerfile, or every problem with it.
func (d *document) end() ([]byte, error) {
	for l := range bytes.Lines(d.text.Bytes()) {
		if len(l) > mostLine {
			d.refuse("put the script into a file of the repository and call that", "the Dockerfile would have a line of %d bytes, which BuildKit does not read: %.60s…", len(l), l)
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems
	}
	return d.text.Bytes(), nil
}

// control tells characters that a Dockerfile can't hold in a value.
func control(r rune) bool { return r != '\t' && unicode.IsControl(r) || r == '\uFEFF' }

// plain refuses text that can't stand in a Dockerfile.
func (d *document) plain(what, s string) bool {
	switch {
	case !utf8.ValidString(s):
		d.refuse("", "%s is not UTF-8", what)
	case strings.ContainsFunc(s, control):
		d.refuse("write it on one line", "%s holds a line break or another control character, which can't be written in a Dockerfile", what)
	default:
		return true
	}
	return false
}

// quote writes a value so that the Dockerfile's lexer reads just this value:
// nothing in it is expanded.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}

var (
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	labelName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_./-]*[A-Za-z0-9_])?$`)
	userName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
	simple    = regexp.MustCompile(`^[A-Za-z0-9_./@%+,:=-]+$`)
)

func (d *document) env(name, value string) {
	if !envName.MatchString(name) {
		d.refuse("use letters, digits and _", "%q is no name of an environment variable", name)
	} else if d.plain("the environment variable "+name, value) {
		d.line("ENV %s=%s", name, quote(value))
	}
}

func (d *document) label(name, value string) {
	if !labelName.MatchString(name) {
		d.refuse("use letters, digits, dots and dashes", "%q is no name of a label", name)
	} else if d.plain("the label "+name, value) {
		d.line("LABEL %s=%s", name, quote(value))
	}
}

// arg declares a build argument; its value comes with the build.
func (d *document) arg(name string) {
	if !envName.MatchString(name) {
		d.refuse("use letters, digits and _", "%q is no name of a build argument", name)
		return
	}
	d.line("ARG %s", name)
}

func (d *document) user(user string) {
	if !userName.MatchString(user) {
		d.refuse("write a name or number, or user:group", "%q is no user", user)
		return
	}
	d.line("USER %s", user)
}

func (d *document) workdir(dir string) {
	if !strings.HasPrefix(dir, "/") {
		d.refuse("write it from the root on", "the working directory %q is no absolute path", dir)
	} else if d.plain("the working directory", dir) {
		d.line("WORKDIR %s", word(dir))
	}
}

// argv writes a command in the JSON form, which neither a shell nor the
// Dockerfile's lexer looks at.
func (d *document) argv(instruction string, argv []string) {
	for _, a := range argv {
		if !utf8.ValidString(a) {
			d.refuse("", "%s holds %q, which is not UTF-8", instruction, a)
			return
		}
	}
	d.line("%s %s", instruction, list(argv))
}

// list is a JSON array as it is written in Dockerfiles.
func list(words []string) string {
	parts := make([]string, len(words))
	for i, w := range words {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(w) // a string can always be encoded
		// Two of them would be looked at as the start of a here-document.
		parts[i] = strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "<<", `\u003c\u003c`)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// word is one word for the Dockerfile's lexer.
func word(s string) string {
	if simple.MatchString(s) {
		return s
	}
	return quote(s)
}

// lexed takes from a text in the JSON form what the lexer, which looks at paths
// in that form too, would take for a quote or a variable.
var lexed = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`, `$`, `\$`)

// notPattern makes a path that COPY doesn't take for a pattern.
var notPattern = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")

// copy writes a COPY of one path to another. flags are ours.
func (d *document) copy(flags, from, to string) {
	d.copyPattern(flags, from, notPattern.Replace(from), to)
}

// copyIfThere is copy into a folder of a file that may be missing: of a pattern
// that matches this path alone BuildKit does not complain.
func (d *document) copyIfThere(flags, from, folder string) {
	last := len(from) - 1
	if end := from[last]; end < '0' || end > 'z' || strings.IndexByte(`?[\]^`, end) >= 0 {
		d.copy(flags, from, folder) // it can't be a pattern's last character
		return
	}
	d.copyPattern(flags, from, notPattern.Replace(from[:last])+"["+from[last:]+"]", folder)
}

func (d *document) copyPattern(flags, from, pattern, to string) {
	if flags != "" {
		flags += " "
	}
	for _, p := range []string{from, to} {
		if !d.plain("the path "+p, p) {
			return
		}
		if strings.Contains(p, `\`) {
			d.refuse("rename it", "the path %q has a backslash, which can't be copied into an image", p)
			return
		}
	}
	if simple.MatchString(from) && simple.MatchString(to) {
		d.line("COPY %s%s %s", flags, pattern, to)
		return
	}
	d.line("COPY %s%s", flags, list([]string{lexed.Replace(pattern), lexed.Replace(to)}))
}

// run writes a RUN of statements that were written here; what is a user's in
// them was checked for control characters and is quoted by shell.
func (d *document) run(mounts []string, statements ...string) {
	d.line("RUN %s", strings.Join(append(append([]string{}, flags(mounts)...), strings.Join(append([]string{"set -eu"}, statements...), "; \\\n    ")), " \\\n    "))
}

// script writes a RUN of a user's script, between statements that were written
// here. It is an argument of its own, so that no text of it can be taken for
// anything else. name is what people see of it while it runs and when it fails.
func (d *document) script(name string, mounts, before []string, script string, after []string) {
	if !utf8.ValidString(script) || strings.Contains(script, "\x00") {
		d.refuse("", "the script %.40q is not UTF-8 text", script)
		return
	}
	name = "# " + name + "\n"
	argv := []string{"sh", "-euc", name + script}
	if len(before)+len(after) > 0 {
		outer := append(append(append([]string{}, before...), `sh -euc "$1"`), after...)
		argv = []string{"sh", "-euc", name + strings.Join(outer, "; "), "slipway", script}
	}
	d.line("RUN %s", strings.Join(append(flags(mounts), list(argv)), " \\\n    "))
}

func flags(mounts []string) []string {
	out := make([]string, len(mounts))
	for i, m := range mounts {
		out[i] = "--mount=" + m
	}
	return out
}

// shell quotes a text as one word of a shell.
func shell(s string) string {
	if simple.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
