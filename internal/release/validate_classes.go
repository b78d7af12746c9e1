package release

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

var className = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (v *validator) classes() {
	emptyList(v, "classes", v.given.Classes, "nothing would ever be released; leave the key out for stable, extra and development")
	first := map[string]int{}
	for i, c := range v.given.Classes {
		field := at("classes", i)
		j, twice := first[c.Name]
		switch {
		case c.Name == "":
			v.add(field+".name", "", "the class has no name")
		case !className.MatchString(c.Name):
			v.add(field+".name", "use lower-case letters, digits and -, beginning with a letter or digit", "%q is no name for a class", c.Name)
		case twice:
			v.add(field+".name", "", "classes[%d] is called %q too", j, c.Name)
		}
		if !twice {
			first[c.Name] = i
		}
		v.class(field, c)
	}
}

func (v *validator) class(field string, c Class) {
	switch {
	case c.Tag == "" && c.Branch == "":
		v.add(field+".tag", "write tag: with a regular expression, or branch: with the name of a branch", "the class takes nothing: it has neither tag nor branch")
	case c.Tag != "" && c.Branch != "":
		v.add(field+".branch", "make two classes", "a class takes tags or a branch, not both")
	}
	if c.Tag != "" {
		v.tagClass(field, c)
		return
	}
	v.branchClass(field, c)
}

func (v *validator) tagClass(field string, c Class) {
	if c.ReleaseTag != "" {
		v.add(field+".release-tag", "leave it out: the release is made for the tag that is there", "release-tag is only for classes with a branch")
	}
	re := v.pattern(field+".tag", c.Tag)
	if strings.Contains(c.Tag, "refs/tags/") {
		v.warn(field+".tag", "write the tag's own name, such as v1.2.3", "a tag's name does not begin with refs/tags/")
	}
	if re == nil {
		return
	}
	vars := sampleClassVars()
	vars["series"], vars["tag_version"] = "v", "1.2.3"
	for _, group := range re.SubexpNames() {
		if group == "" {
			continue
		}
		if vars[group] = "1"; !placeholder.MatchString("{" + group + "}") {
			v.add(field+".tag", "use lower-case letters, digits and _, beginning with a letter", "the group %s can't be a placeholder", group)
		}
	}
	v.template(field+".version", c.Version, vars)
}

func (v *validator) branchClass(field string, c Class) {
	if c.Branch != "" && !doublestar.ValidatePattern(c.Branch) {
		v.add(field+".branch", "a glob has *, **, ?, [a-z] and {a,b}; a backslash takes the next character as it is", "%q is no glob", c.Branch)
	}
	if rest, ok := strings.CutPrefix(c.Branch, "refs/heads/"); ok {
		v.add(field+".branch", "write "+rest, "a branch's name does not begin with refs/heads/")
	}
	vars := sampleClassVars()
	v.template(field+".version", c.Version, vars)
	vars["version"], vars["class"] = "1.2.3", orDefault(c.Name, "development")
	tag, ok := v.template(field+".release-tag", c.ReleaseTag, vars)
	switch {
	case !ok || c.ReleaseTag == "":
	case !validName(tag):
		v.add(field+".release-tag", "", "it gives %q, which git does not take as a tag", tag)
	case !slices.ContainsFunc([]string{"{short}", "{commit}", "{version}"}, func(p string) bool { return strings.Contains(c.ReleaseTag, p) }):
		v.warn(field+".release-tag", "put {short} into it", "two commits can get the same tag, and the second release would be refused")
	}
}

func sampleClassVars() map[string]string {
	return eventVars(Event{Tag: "v1.2.3", Branch: "main", Commit: strings.Repeat("0123456789", 4), Time: time.Unix(1700000000, 0)})
}

func (v *validator) template(field, template string, vars map[string]string) (string, bool) {
	s, err := Expand(template, vars)
	if err != nil {
		v.add(field, "", "%v", err)
	}
	return s, err == nil
}

// pattern compiles a regular expression; nil when it is none.
func (v *validator) pattern(field, expr string) *regexp.Regexp {
	re, err := regexp.Compile(expr)
	if err == nil {
		// The whole tag must match, and a pattern that ends inside \Q can't be
		// closed.
		if _, err = regexp.Compile(`^(?:` + expr + `)$`); err == nil {
			return re
		}
		v.add(field, "close \\Q with \\E", "the pattern ends inside \\Q")
		return nil
	}
	message, hint := explainPattern(expr, err)
	v.add(field, hint, "%s", message)
	return nil
}

// explainPattern says what RE2 dislikes in a pattern, and where.
func explainPattern(expr string, err error) (message, hint string) {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return fmt.Sprintf("%q is no regular expression: %v", expr, err), ""
	}
	what, part := string(se.Code), se.Expr
	if look := lookaround.FindString(part); look != "" {
		what, part = "lookahead or lookbehind", look
	}
	where := ""
	if i := strings.Index(expr, se.Expr); i >= 0 && part != "" && part != expr {
		where = fmt.Sprintf(" at character %d (%s)", utf8.RuneCountInString(expr[:i])+1, part)
	}
	return fmt.Sprintf("%q is no regular expression: %s%s", expr, what, where), patternHint(se)
}

var lookaround = regexp.MustCompile(`^\(\?<?[=!]`)

func patternHint(e *syntax.Error) string {
	switch {
	case lookaround.MatchString(e.Expr):
		return "RE2 has neither: a class above this one can take what it must not match"
	case strings.HasPrefix(e.Expr, "(?>"), e.Code == syntax.ErrInvalidRepeatOp:
		return "RE2 has no atomic groups and no possessive repeats"
	case len(e.Expr) == 2 && e.Expr[0] == '\\' && '1' <= e.Expr[1] && e.Expr[1] <= '9':
		return "RE2 has no backreferences"
	case e.Code == syntax.ErrMissingRepeatArgument:
		return "for any text write .*; a glob is no regular expression"
	case e.Code == syntax.ErrInvalidEscape:
		return "the syntax is described at https://golang.org/s/re2syntax"
	case e.Code == syntax.ErrMissingParen, e.Code == syntax.ErrUnexpectedParen:
		return `for a bracket itself write \( or \)`
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
