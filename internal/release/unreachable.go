package release

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Unreachable warns of classes that can never match, because the classes above
// them take everything or because no valid name fits the pattern. It is exact:
// a class that it names takes no tag (or branch) at all. Patterns whose
// comparison would need too much work are passed over in silence, and so are
// patterns that Validate refuses.
func Unreachable(classes []Class) []Problem {
	var out []Problem
	b := budget{work: totalWork}
	compiled := compileClasses(classes)
	for i, c := range classes {
		if p, found := unreachable(classes, compiled, i, &b); found {
			p.Field = fmt.Sprintf("classes[%d].%s", i, c.key())
			out = append(out, p)
		}
	}
	return out
}

// Example gives a tag, or for a branch class a branch, that class i takes and
// none above it does; false when there is none or it is too hard to find.
func Example(classes []Class, i int) (string, bool) {
	if i < 0 || i >= len(classes) {
		return "", false
	}
	compiled := compileClasses(classes[:i+1])
	if compiled[i] == nil {
		return "", false
	}
	above := rivals(classes, compiled, i)
	if slices.Contains(progsOf(compiled, above), nil) {
		return "", false
	}
	s, r := witness(compiled[i], progsOf(compiled, above), &budget{work: totalWork})
	return s, r == foundOne
}

// key is the key that holds the class's pattern.
func (c Class) key() string {
	if c.Tag == "" && c.Branch != "" {
		return "branch"
	}
	return "tag"
}

// compileClasses has a nil where a pattern is missing, wrong or of a kind that
// is not compared.
func compileClasses(classes []Class) []*syntax.Prog {
	out := make([]*syntax.Prog, len(classes))
	for i, c := range classes {
		expr := c.Tag
		if c.key() == "branch" {
			var ok bool
			if expr, ok = globPattern(c.Branch); !ok {
				continue
			}
		}
		if expr == "" {
			continue
		}
		re, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			continue
		}
		if prog, err := syntax.Compile(re.Simplify()); err == nil {
			out[i] = prog
		}
	}
	return out
}

// rivals are the indices of the classes above i that take the same kind of
// event.
func rivals(classes []Class, compiled []*syntax.Prog, i int) []int {
	var out []int
	for j := range i {
		if classes[j].key() == classes[i].key() && (compiled[j] != nil || classes[j].Branch != "") {
			out = append(out, j)
		}
	}
	return out
}

func progsOf(compiled []*syntax.Prog, indices []int) []*syntax.Prog {
	out := make([]*syntax.Prog, len(indices))
	for n, i := range indices {
		out[n] = compiled[i]
	}
	return out
}

func unreachable(classes []Class, compiled []*syntax.Prog, i int, b *budget) (Problem, bool) {
	class, above := classes[i], rivals(classes, compiled, i)
	for _, j := range above {
		// The same pattern twice needs no search, even where none is possible.
		if class.key() == "branch" && classes[j].Branch == class.Branch {
			return takenBy(classes, i, []int{j}), true
		}
	}
	// A class that can't be compared takes an unknown part: leave it out, which
	// can only hide a warning, never make a wrong one.
	above = slices.DeleteFunc(above, func(j int) bool { return compiled[j] == nil })
	if compiled[i] == nil {
		return Problem{}, false
	}
	if _, r := witness(compiled[i], progsOf(compiled, above), b); r != foundNone {
		return Problem{}, false
	}
	if _, r := witness(compiled[i], nil, b); r == foundNone {
		return matchesNothing(class), true
	}
	return takenBy(classes, i, fewest(compiled, i, above, b)), true
}

// fewest leaves out the classes that are not needed to take all that class i
// takes: a single one if there is one, else what is left after trying each.
func fewest(compiled []*syntax.Prog, i int, above []int, b *budget) []int {
	covered := func(by []int) bool {
		_, r := witness(compiled[i], progsOf(compiled, by), b)
		return r == foundNone
	}
	for _, j := range above {
		if covered([]int{j}) {
			return []int{j}
		}
	}
	for n := len(above) - 1; n >= 0; n-- {
		if without := slices.Delete(slices.Clone(above), n, n+1); covered(without) {
			above = without
		}
	}
	return above
}

func takenBy(classes []Class, i int, by []int) Problem {
	names := make([]string, len(by))
	for n, j := range by {
		names[n] = "`" + classes[j].Name + "`"
	}
	return Problem{
		Warning: true,
		Message: fmt.Sprintf("class `%s` can never match: every %s it takes is already taken by %s above it", classes[i].Name, classes[i].key(), joinAnd(names)),
		Hint:    fmt.Sprintf("the first class that matches wins: move `%s` above %s", classes[i].Name, names[0]),
	}
}

func matchesNothing(c Class) Problem {
	return Problem{
		Warning: true,
		Message: fmt.Sprintf("class `%s` can never match: no valid %s name fits %s", c.Name, c.key(), patternOf(c)),
		Hint:    "the pattern must match the whole name; git allows no spaces, no control characters, none of ~ ^ : ? * [ \\, no `..`, no `@{`, and no part that is empty, begins with a dot or ends with .lock",
	}
}

func patternOf(c Class) string {
	if c.Tag != "" {
		return c.Tag
	}
	return c.Branch
}

func joinAnd(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// globPattern is a branch glob as a regular expression, with doublestar's
// meaning on names that have no empty part. It declines braces, classes and
// escapes.
func globPattern(glob string) (string, bool) {
	if glob == "" || strings.ContainsAny(glob, `{}[]\`) {
		return "", false
	}
	if glob == "**" {
		return `(?s:.*)`, true
	}
	parts := strings.Split(glob, "/")
	parts = slices.CompactFunc(parts, func(a, b string) bool { return a == "**" && b == "**" })
	var b strings.Builder
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == "**" && last && i == 0:
			return `(?s:.*)`, true
		case part == "**" && last:
			b.WriteString(`(?:/(?s:.*))?`)
		case part == "**" && i == 0:
			b.WriteString(`(?:[^/]+/)*`)
		case part == "**":
			b.WriteString(`/(?:[^/]+/)*`)
		default:
			if i > 0 && parts[i-1] != "**" {
				b.WriteString("/")
			}
			for _, r := range part {
				switch r {
				case '*':
					b.WriteString(`[^/]*`)
				case '?':
					b.WriteString(`[^/]`)
				default:
					b.WriteString(regexp.QuoteMeta(string(r)))
				}
			}
		}
	}
	return b.String(), true
}
