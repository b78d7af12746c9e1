package ref

import (
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/release"
)

// mostAlternatives bounds what the braces of a pattern multiply to.
const mostAlternatives = 64

// Pattern is a glob over the names of documents.
type Pattern struct {
	text         string
	alternatives [][]part // without braces; a document matches one of them
	prefix       string
}

// part is a segment of a pattern.
type part struct {
	any  bool   // "**": any number of segments
	glob bool   // text has special characters
	text string // a literal otherwise
	also string // a second spelling; empty for none
}

// Match reads a glob over the names of documents (see Ref.Document): "*" and "?"
// stay within a segment, "**" doesn't, {a,b} are alternatives, [a-c] a class.
// "task" and "call" are the same, and so are "@7" and "@r7". An error is of kind
// release.Invalid.
func Match(pattern string) (Pattern, error) {
	const hint = "write a glob such as **/deploy/production, repository/-/**/@*/commit/* or @/environment/*"
	switch {
	case pattern == "":
		return Pattern{}, release.Invalidf(hint, "a pattern is empty")
	case len(pattern) > mostBytes:
		return Pattern{}, release.Invalidf(hint, "pattern %s has %d bytes; at most %d can be", quote(pattern), len(pattern), mostBytes)
	case !doublestar.ValidatePattern(pattern):
		return Pattern{}, release.Invalidf(hint, "pattern %s has a bracket, brace or backslash without its other half", quote(pattern))
	}
	globs, ok := expand(pattern)
	if !ok {
		return Pattern{}, release.Invalidf("use *, or match several times", "pattern %s has more than %d alternatives", quote(pattern), mostAlternatives)
	}
	p := Pattern{text: pattern}
	for i, g := range globs {
		parts := split(g)
		p.alternatives = append(p.alternatives, parts)
		if i == 0 {
			p.prefix = literal(parts)
		} else {
			p.prefix = shared(p.prefix, literal(parts))
		}
	}
	return p, nil
}

// expand writes a pattern out: one without braces for each alternative.
func expand(pattern string) ([]string, bool) {
	todo, done := []string{pattern}, []string(nil)
	for len(todo) > 0 {
		if len(todo)+len(done) > mostAlternatives {
			return nil, false
		}
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		before, choices, after, ok := brace(s)
		if !ok {
			done = append(done, s)
			continue
		}
		for _, c := range slices.Backward(choices) {
			todo = append(todo, before+c+after)
		}
	}
	return done, true
}

// brace finds the first brace in s, and parts it at its own commas.
func brace(s string) (before string, choices []string, after string, ok bool) {
	depth, begin := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '[':
			i = classEnd(s, i)
		case c == '{':
			if depth++; depth == 1 {
				before, begin = s[:i], i+1
			}
		case c == ',' && depth == 1:
			choices = append(choices, s[begin:i])
			begin = i + 1
		case c == '}':
			if depth--; depth == 0 {
				return before, append(choices, s[begin:i]), s[i+1:], true
			}
		}
	}
	return s, nil, "", false
}

// classEnd is where the class that begins at i has its "]".
func classEnd(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case ']':
			return j
		}
	}
	return len(s)
}

const special = `*?[]{}\`

// split parts a pattern without braces into segments, in canonical spelling.
func split(glob string) []part {
	var parts []part
	released := false // the segment before has the release
	for s := range strings.SplitSeq(glob, "/") {
		p := part{any: s == "**", glob: strings.ContainsAny(s, special), text: s}
		switch {
		case s == "task" && released:
			p.text = string(Call)
		case s == "task":
			p.also = string(Call)
		case marked(s):
			p.text = s[:1] + canonicalRelease(s[1:])
			if p.glob && len(s) > 1 && strings.IndexByte("0123456789[", s[1]) >= 0 {
				p.also = s[:1] + "r" + s[1:] // "@1*" is a number's beginning, or a tag's
			}
		}
		if !p.any || len(parts) == 0 || !parts[len(parts)-1].any {
			parts = append(parts, p)
		}
		released = marked(s)
	}
	return parts
}

// literal is the beginning that has no special character, in whole segments.
func literal(parts []part) string {
	var same []string
	for _, p := range parts {
		if p.glob || p.also != "" {
			break
		}
		same = append(same, p.text)
	}
	return strings.Join(same, "/")
}

// shared is what two paths have in common, in whole segments.
func shared(a, b string) string {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(as) && n < len(bs) && as[n] == bs[n] {
		n++
	}
	return strings.Join(as[:n], "/")
}

// Match reports whether a document's name matches. It may be called from several
// goroutines.
func (p Pattern) Match(doc string) bool {
	for _, parts := range p.alternatives {
		if matches(parts, doc) {
			return true
		}
	}
	return false
}

// Prefix is the longest beginning of whole segments that every match has, so
// that a store need list only what lies there; "" for none.
func (p Pattern) Prefix() string { return p.prefix }

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// matches goes over both by segment. Where it fails, it goes back to the last
// "**" only and lets that have one segment more, so that the steps are bounded
// by the product of both lengths.
func matches(parts []part, doc string) bool {
	if last := parts[len(parts)-1]; !last.any && !last.match(doc[strings.LastIndexByte(doc, '/')+1:]) {
		return false
	}
	i, at := 0, 0              // the part, and the byte of doc, to compare next
	backPart, backAt := -1, -1 // behind the last "**"
	for at <= len(doc) {
		if i < len(parts) && parts[i].any {
			i++
			backPart, backAt = i, at
			continue
		}
		end := len(doc)
		if n := strings.IndexByte(doc[at:], '/'); n >= 0 {
			end = at + n
		}
		if i < len(parts) && parts[i].match(doc[at:end]) {
			i, at = i+1, end+1
			continue
		}
		if backPart < 0 {
			return false
		}
		n := strings.IndexByte(doc[backAt:], '/')
		if n < 0 {
			return backPart == len(parts)
		}
		backAt += n + 1
		i, at = backPart, backAt
	}
	return i == len(parts) || i == len(parts)-1 && parts[i].any
}

func (p part) match(segment string) bool {
	switch {
	case !p.glob:
		return p.text == segment || p.also != "" && p.also == segment
	case p.text == "*":
		return true
	}
	return doublestar.MatchUnvalidated(p.text, segment) || p.also != "" && doublestar.MatchUnvalidated(p.also, segment)
}
