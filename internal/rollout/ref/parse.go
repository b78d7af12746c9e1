package ref

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

const (
	mostBytes = 1000 // of a reference in its canonical form
	mostName  = 200  // of one part: file systems keep 255, and stores add to it
	mostDigit = 9    // of a release's number
	suffix    = ".ocu.star"
)

var (
	kinds       = []Kind{Call, Deploy, Custom, Environment, Commit, Release, Freeze}
	globalKinds = []Kind{Environment, Custom, Freeze}
)

// Parse reads a reference in any of its forms:
//
//	github.com/acme/app/-/web/release.ocu.star/@r7/call/build#output/tag
//	./call/build#output/tag     the release that it is read in
//	./@/call/build              the latest release of this package that has it
//	./@7/…, ./@r7/…, ./@1.2.0/… a release by number, or by a tag
//	./-/web/x.ocu.star/@/…      another package of this repository, from its root
//	web/x.ocu.star/@/…          the same, from the current folder
//	@/environment/staging       a document of no repository
//	+/…, ./+r7/…                an intent: what is wished
//
// "task" is read as "call", "outputs" at the start of a fragment as "output",
// "@7" and "@v7" as "@r7". An error is of kind release.Invalid and names the
// character at which the reference goes wrong.
func Parse(s string) (Ref, error) {
	p := parser{input: s}
	if err := p.characters(); err != nil {
		return Ref{}, err
	}
	body, fragment, hasFragment := strings.Cut(s, "#")
	p.split(body)
	r, err := p.document()
	if err != nil {
		return Ref{}, err
	}
	if hasFragment {
		if r.Fragment, err = p.fragment(r, fragment, len(body)+1); err != nil {
			return Ref{}, err
		}
	}
	if n := len(r.String()); n > mostBytes {
		return Ref{}, p.tooLong(n)
	}
	return r, nil
}

// parser has the reference's segments and where each begins.
type parser struct {
	input    string
	segments []string
	at       []int // byte of input at which a segment begins
	next     int   // segment to read
}

// fail makes an error about the character at a byte of the input.
func (p *parser) fail(at int, hint, format string, args ...any) error {
	n := utf8.RuneCountInString(p.input[:min(at, len(p.input))]) + 1
	return release.Invalidf(hint, "reference %s: %s (character %d)", quote(p.input), fmt.Sprintf(format, args...), n)
}

func (p *parser) tooLong(n int) error {
	return release.Invalidf("give the work, the file or the environment a shorter name",
		"reference %s has %d bytes; at most %d are kept", quote(p.input), n, mostBytes)
}

func quote(s string) string {
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "") + "…"
	}
	return strconv.Quote(s)
}

// characters refuses what no reference has anywhere.
func (p *parser) characters() error {
	switch {
	case p.input == "":
		return release.Invalidf("write [repository]/-/[file]/@[release]/[kind]/[name], or ./call/build", "a reference is empty")
	case len(p.input) > 2*mostBytes:
		return p.tooLong(len(p.input))
	}
	for i, c := range p.input {
		switch {
		case c == '=':
			return p.fail(i, "a name can't have an equals sign; a value is not part of a reference", `unexpected "="`)
		case c == utf8.RuneError && !strings.HasPrefix(p.input[i:], "\uFFFD"):
			return p.fail(i, "write it in UTF-8", "bytes that are no text")
		case unicode.IsControl(c):
			return p.fail(i, "take it out", "a control character %q", c)
		}
	}
	return nil
}

func (p *parser) split(body string) {
	at := 0
	for s := range strings.SplitSeq(body, "/") {
		p.segments, p.at = append(p.segments, s), append(p.at, at)
		at += len(s) + 1
	}
}

// more reports whether there is a segment left.
func (p *parser) more() bool { return p.next < len(p.segments) }

// peek is the next segment, "" at the end.
func (p *parser) peek() string {
	if !p.more() {
		return ""
	}
	return p.segments[p.next]
}

// place is the byte at which the next segment begins, or the body ends.
func (p *parser) place() int {
	if p.more() {
		return p.at[p.next]
	}
	last := len(p.segments) - 1
	return p.at[last] + len(p.segments[last])
}

// document reads all but the fragment.
func (p *parser) document() (Ref, error) {
	for i, s := range p.segments {
		if err := p.segment(i, s); err != nil {
			return Ref{}, err
		}
	}
	var r Ref
	if marked(p.peek()) {
		return p.global()
	}
	if err := p.whose(&r); err != nil {
		return Ref{}, err
	}
	if marked(p.peek()) {
		if err := p.version(&r); err != nil {
			return Ref{}, err
		}
	}
	if p.more() {
		if err := p.kindAndName(&r); err != nil {
			return Ref{}, err
		}
	}
	return r, nil
}

func (p *parser) segment(i int, s string) error {
	switch {
	case s == "" && i == 0:
		return p.fail(0, "paths begin at the current folder, or with ./-/ at the repository's root", `a reference doesn't begin with "/"`)
	case s == "":
		// "./" alone would be an empty part too; it is written ".".
		return p.fail(p.at[i], "take the slash away, or write the name", "an empty part")
	case s == "..":
		return p.fail(p.at[i], "write ./-/ and the path from the repository's root", `".." leads nowhere in a reference`)
	case s == "." && i > 0:
		return p.fail(p.at[i], `"." stands at the beginning only`, `an unexpected "."`)
	}
	return nil
}

// marked reports whether a segment is the part with the release.
func marked(s string) bool { return s != "" && (s[0] == '@' || s[0] == '+') }

// global reads "@/environment/x".
func (p *parser) global() (Ref, error) {
	r := Ref{Global: true}
	at := p.place()
	if err := p.version(&r); err != nil {
		return Ref{}, err
	}
	if r.Release != "" {
		return Ref{}, p.fail(at, "write ./"+p.segments[0]+"/… for this package, or the package's file before it", "a release without its package")
	}
	if !p.more() {
		return Ref{}, p.fail(p.place(), "write @/environment/NAME, or ./@ for this package", "nothing after %q", p.input)
	}
	at = p.place()
	if err := p.kindAndName(&r); err != nil {
		return Ref{}, err
	}
	if !slices.Contains(globalKinds, r.Kind) {
		return Ref{}, p.fail(at, "write ./"+p.input+" for this package", "a %s belongs to a package", r.Kind)
	}
	r.Versioned = true
	return r, nil
}

// whose reads the repository and the file, up to the release or the kind.
func (p *parser) whose(r *Ref) error {
	repo, err := p.repository()
	if err != nil {
		return err
	}
	r.Repo = repo
	if repo == "" && p.peek() == "." {
		p.next++
		if !p.more() || marked(p.peek()) || p.ownDocument() {
			r.Path = "."
			return nil
		}
		if rest := p.segments[p.next:]; len(rest) > 1 && !slices.ContainsFunc(rest, fileOrRelease) {
			return p.unknownKind(rest[0], p.place())
		}
	}
	return p.file(r)
}

// fileOrRelease tells a path from "./kind/name".
func fileOrRelease(s string) bool { return marked(s) || strings.HasSuffix(s, ".star") }

// repository reads up to and with the "-", if there is one before the release.
func (p *parser) repository() (string, error) {
	for i, s := range p.segments {
		switch {
		case marked(s):
			return "", nil
		case s != "-":
			continue
		case i == 0:
			return "", p.fail(0, "write ./-/ for this repository", "no repository before the first part")
		case p.segments[0] == "." && i > 1:
			return "", p.fail(p.at[i], "write ./-/path or repository/-/path", `an unexpected "-"`)
		}
		p.next = i + 1
		return strings.Join(p.segments[:i], "/"), nil
	}
	return "", nil
}

// ownDocument reports whether "./" is followed by a kind. "./deploy/x.ocu.star"
// is a file in a folder with a kind's name.
func (p *parser) ownDocument() bool {
	rest := p.segments[p.next:]
	if _, ok := kindOf(rest[0]); !ok {
		return false
	}
	return !slices.ContainsFunc(rest, fileOrRelease)
}

// file reads a package's file.
func (p *parser) file(r *Ref) error {
	begin := p.next
	for p.more() && !marked(p.peek()) {
		s := p.peek()
		if s == "-" {
			return p.fail(p.place(), "one /-/ stands between the repository and the file", `a second "-"`)
		}
		if i := strings.IndexByte(s, '@'); i >= 0 {
			return p.fail(p.place()+i, "write a slash before it: "+s[:i]+"/"+s[i:], `unexpected "@"`)
		}
		p.next++
		if strings.HasSuffix(s, suffix) && p.more() && !marked(p.peek()) {
			if _, ok := kindOf(p.peek()); !ok {
				return p.fail(p.place(), "write /@ for the latest release, or /@7 and the like", "no release after %s", s)
			}
			break
		}
	}
	r.Path = strings.Join(p.segments[begin:p.next], "/")
	if r.Path == "" {
		return p.fail(p.place(), "write the path of the package's file after /-/", "no file")
	}
	return nil
}

// version reads "@", "@7", "+r7", "@1.2.0".
func (p *parser) version(r *Ref) error {
	s, at := p.peek(), p.place()
	p.next++
	r.Versioned, r.Intent = true, s[0] == '+'
	name := canonicalRelease(s[1:])
	if i := strings.IndexFunc(name, func(c rune) bool { return !inTag(c) }); i >= 0 {
		c, _ := utf8.DecodeRuneInString(name[i:])
		return p.fail(at+1+i, `a release is @7, or a tag of letters, digits, "-", "_" and "."`, "a release can't have %q", c)
	}
	if strings.Trim(name, ".") == "" && name != "" {
		return p.fail(at+1, "write a release's number, or its tag", "%q is no release", name)
	}
	if digits := strings.TrimLeft(name, "rv"); len(name)-len(digits) <= 1 && len(digits) > mostDigit && strings.Trim(digits, "0123456789") == "" {
		return p.fail(at+1, "releases count from 1", "no release has the number %s", digits)
	}
	r.Release = name
	return nil
}

func inTag(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// kindAndName reads what follows the release.
func (p *parser) kindAndName(r *Ref) error {
	word, at := p.peek(), p.place()
	kind, ok := kindOf(word)
	if !ok {
		return p.unknownKind(word, at)
	}
	p.next++
	begin := p.next
	for ; p.more(); p.next++ {
		if marked(p.peek()) {
			return p.fail(p.place(), "the release stands before the kind: ./@7/"+word+"/…", "a release inside the name")
		}
	}
	r.Kind, r.Name = kind, strings.Join(p.segments[begin:], "/")
	switch {
	case r.Name == "" && kind != Release:
		return p.fail(p.place(), "write "+word+"/NAME", "a %s without a name", word)
	case kind == Environment && !r.Global:
		return p.fail(at, "write @/environment/"+r.Name, "an environment belongs to no package")
	}
	return nil
}

func (p *parser) unknownKind(word string, at int) error {
	words := make([]string, 0, len(kinds)+1)
	for _, k := range kinds {
		words = append(words, string(k))
	}
	words = append(words, "task")
	hint := "there are " + strings.Join(words, ", ")
	if near := release.Nearest(word, words); near != "" {
		hint = fmt.Sprintf("did you mean %q? There are %s", near, strings.Join(words, ", "))
	}
	return p.fail(at, hint, "unknown kind %s", quote(word))
}

func kindOf(word string) (Kind, bool) {
	if word == "task" {
		return Call, true
	}
	k := Kind(word)
	return k, slices.Contains(kinds, k)
}

// fragment reads what stands behind the "#", which is at byte at-1.
func (p *parser) fragment(r Ref, s string, at int) (string, error) {
	if r.Kind == None && !r.Versioned {
		return "", p.fail(at-1, "write the document before it, such as ./call/build#output/tag", "a fragment without a document")
	}
	for i, part := range strings.Split(s, "/") {
		switch {
		case part == "":
			return "", p.fail(at, "write #output/NAME", "an empty part in the fragment")
		case i > 0 && marked(part) && part[0] == '@':
			return "", p.fail(at, "the release stands before the #", "a release inside the fragment")
		case strings.Contains(part, "#"):
			return "", p.fail(at+strings.Index(part, "#"), "one # stands between the document and the field", `a second "#"`)
		case i == 0 && part == "outputs" && (r.Kind == Call || r.Kind == Deploy || r.Kind == Release):
			s = "output" + strings.TrimPrefix(s, "outputs")
		}
		at += len(part) + 1
	}
	return s, nil
}

// canonicalRelease writes a release's number with its "r".
func canonicalRelease(s string) string {
	digits := s
	if s != "" && (s[0] == 'r' || s[0] == 'v') {
		digits = s[1:]
	}
	if n, err := strconv.Atoi(digits); err == nil && strings.Trim(digits, "0123456789") == "" && len(digits) <= mostDigit {
		return "r" + strconv.Itoa(n)
	}
	return s
}

// Number is a release's number: 7 for "r7". It is false for a tag and for the
// latest.
func Number(release string) (int, bool) {
	digits, ok := strings.CutPrefix(release, "r")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || canonicalRelease(release) != release || len(digits) > mostDigit {
		return 0, false
	}
	return n, true
}

// CheckName says what is wrong with a name that is to be one part of a
// reference: a call's, an environment's, an approval's.
func CheckName(name string) error {
	p := parser{input: name}
	if name == "" {
		return release.Invalidf("give it one", "a name is empty")
	}
	if err := p.characters(); err != nil {
		return err
	}
	if i := strings.IndexAny(name, "/#"); i >= 0 {
		return p.fail(i, "a name stands in references; write a dash", "a name can't have %q", name[i])
	}
	if marked(name) || name == "." || name == ".." || name == "-" {
		return p.fail(0, "begin with a letter or a digit", "a name can't be or begin so")
	}
	if len(name) > mostName {
		return p.fail(mostName, "shorten it", "a name of %d bytes; at most %d are kept", len(name), mostName)
	}
	return nil
}
