package release

import (
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"
)

var driveLetter = regexp.MustCompile(`^[A-Za-z]:`)

// dir checks a folder of the repository.
func (v *validator) dir(field, dir string) {
	if dir != "" {
		v.path(field, "", dir)
	}
}

// path checks a path or glob that must stay inside the repository when it is
// read from dir. It reports at most one problem.
func (v *validator) path(field, dir, p string) bool {
	switch {
	case p == "":
		v.add(field, "", "the path is empty")
	case strings.ContainsFunc(p, unicode.IsControl):
		v.add(field, "", "%q has a control character in it", p)
	case driveLetter.MatchString(p) || strings.HasPrefix(p, "/"):
		v.add(field, "write it relative to the repository's root", "%q is an absolute path", p)
	case strings.HasPrefix(p, "~/") || p == "~":
		v.add(field, "write it relative to the repository's root", "%q is in a home folder", p)
	case leaves(path.Join(dir, p)) || leaves(p) && dir == "":
		v.add(field, "only what is in the commit can be released", "%q leaves the repository", p)
	default:
		return true
	}
	return false
}

func leaves(p string) bool {
	p = path.Clean(p)
	return p == ".." || strings.HasPrefix(p, "../")
}

// glob is path for a list entry that may be a glob.
func (v *validator) glob(field, p string) {
	if strings.Contains(p, `\`) && !strings.ContainsAny(p, "*?[{") {
		v.add(field, "write / between folders", "%q has a backslash in it", p)
		return
	}
	if v.path(field, "", p) && !doublestar.ValidatePattern(p) {
		v.add(field, "a glob has *, **, ?, [a-z] and {a,b}", "%q is no glob", p)
	}
}

// isGlob reports whether a path has a character that globs give a meaning.
func isGlob(p string) bool { return strings.ContainsAny(p, `*?[{\`) }
