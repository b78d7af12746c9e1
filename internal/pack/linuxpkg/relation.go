package linuxpkg

import (
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// relation is a package that another needs, with or without a version:
// "libc6", "libc6 >= 2.36", "libc6 (>= 2.36)".
var relation = regexp.MustCompile(`^([A-Za-z0-9_/@.][A-Za-z0-9+._:/@()-]*?)\s*(?:\(?\s*(<<|<=|==?|>=|>>|<|>)\s*([A-Za-z0-9][^\s()<>=|,]*)\s*\)?)?$`)

// relations spells relations as the format has them. What is not of the common
// form, such as alternatives of a deb, is the format's own business.
func relations(format string, given []string) []string {
	var out []string
	for _, g := range given {
		out = append(out, spellRelation(format, strings.TrimSpace(g)))
	}
	return out
}

func spellRelation(format, g string) string {
	m := relation.FindStringSubmatch(g)
	if m == nil || m[2] == "" {
		return g
	}
	name, op, version := m[1], m[2], m[3]
	switch op {
	case "<<":
		op = "<"
	case ">>":
		op = ">"
	case "==":
		op = "="
	}
	switch format {
	case "deb":
		if op == "<" || op == ">" {
			op += op
		}
		return name + " (" + op + " " + version + ")"
	case "rpm":
		return name + " " + op + " " + version
	}
	return name + op + version
}

// checkRelations refuses what would be another field, and what only another format reads.
func checkRelations(p release.PlanPackage) error {
	for _, l := range []struct {
		field string
		given []string
	}{{"depends", p.Depends}, {"recommends", p.Recommends}, {"suggests", p.Suggests}, {"conflicts", p.Conflicts}, {"replaces", p.Replaces}, {"provides", p.Provides}} {
		for _, g := range l.given {
			common := relation.MatchString(strings.TrimSpace(g))
			if common || fitsOnly(p.Format, strings.TrimSpace(g)) {
				continue
			}
			return release.Invalidf("write a name, or a name with a version such as \"libc6 >= 2.36\"; what only one format understands belongs to an entry of `packages` with that format alone",
				"package %s: format %s can't say %s %q", p.Asset, p.Format, l.field, g)
		}
	}
	return nil
}

// fitsOnly tells what one format alone understands: alternatives and architectures
// of a deb, conditions of an rpm.
func fitsOnly(format, g string) bool {
	if g == "" || !oneLine(g) {
		return false
	}
	switch format {
	case "deb":
		parts := strings.Split(g, "|")
		return !slices.ContainsFunc(parts, func(s string) bool { return !debRelation.MatchString(strings.TrimSpace(s)) })
	case "rpm":
		return strings.HasPrefix(g, "(") && strings.HasSuffix(g, ")")
	case "apk":
		return apkRelation.MatchString(g)
	}
	return archRelation.MatchString(g)
}

var (
	debRelation  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(\s*\((<<|<=|=|>=|>>)\s*[^\s()]+\))?(\s*\[[a-z0-9! -]+\])?$`)
	apkRelation  = regexp.MustCompile(`^!?[A-Za-z0-9][A-Za-z0-9+._:/@-]*((<=|>=|[<>=~]|><)[A-Za-z0-9._~+-]+)?$`)
	archRelation = regexp.MustCompile(`^[A-Za-z0-9@_+][A-Za-z0-9@._+-]*((<=|>=|[<>=])[A-Za-z0-9._:~+-]+)?$`)
)
