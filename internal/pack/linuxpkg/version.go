package linuxpkg

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// version is a release's version taken apart as its tag was made, by SemVer with
// any number of numbers.
type version struct {
	numbers string   // 1.2.3; empty when it has none
	pre     []string // identifiers after the hyphen: rc, 1
	build   string   // after the plus
	at      string   // when the commit was made, for what has no numbers: 20060102150405
	label   string   // what it is called, for what has no numbers
}

var (
	leadingNumbers = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)
	commitHash     = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	nameAndNumber  = regexp.MustCompile(`^([A-Za-z]+)([0-9]+)$`)
	hyphenDigit    = regexp.MustCompile(`^-[0-9]`)
	unfit          = regexp.MustCompile(`[^0-9A-Za-z]+`)
)

const stamp = "20060102150405"

// parseVersion takes any version: a commit, and a tag without numbers, stand for
// the time of the commit, so that the later one is an upgrade.
func parseVersion(s, commit string, at time.Time) version {
	v := version{at: at.UTC().Format(stamp)}
	if commitHash.MatchString(s) && strings.HasPrefix(commit, s) {
		v.label = s[:7]
		return v
	}
	v.numbers = leadingNumbers.FindString(s)
	if v.numbers == "" {
		v.label = strings.Trim(unfit.ReplaceAllString(s, "."), ".")
		return v
	}
	rest := s[len(v.numbers):]
	if !strings.Contains(v.numbers, ".") && hyphenDigit.MatchString(rest) { // a date: 2024-01-15
		dotted := strings.ReplaceAll(s, "-", ".")
		v.numbers = leadingNumbers.FindString(dotted)
		rest = dotted[len(v.numbers):]
	}
	rest, build, _ := strings.Cut(rest, "+")
	v.build = strings.Trim(unfit.ReplaceAllString(build, "."), ".")
	for _, id := range strings.Split(strings.Trim(unfit.ReplaceAllString(rest, "."), "."), ".") {
		switch {
		case id == "":
		case commitHash.MatchString(id) && strings.HasPrefix(commit, id):
			// A hash has no order; the time before it gives it one.
			v.pre = append(v.pre, v.at, id[:7])
		default:
			v.pre = append(v.pre, id)
		}
	}
	return v
}

// spell writes a version as a format's tools sort it: prereleases before their
// release, development builds before every release and by time.
func spell(format, s, commit string, at time.Time) string {
	v := parseVersion(s, commit, at)
	switch format {
	case "apk":
		return v.apk()
	case "archlinux":
		return v.archlinux()
	case "rpm":
		if len(v.pre) > 0 && isNumber(v.pre[0]) {
			return v.tilde("~~") // by SemVer before words, which rpm has the other way round
		}
	}
	return v.tilde("~")
}

// tilde is for dpkg and rpm, where ~ sorts before the end of a version.
func (v version) tilde(before string) string {
	if v.numbers == "" {
		return "0~git" + v.at + "." + v.label
	}
	out := v.numbers
	if len(v.pre) > 0 {
		out += before + strings.Join(v.pre, ".")
	}
	if v.build != "" {
		out += "+" + v.build
	}
	return out
}

// archlinux: a letter right behind the numbers makes a version older.
func (v version) archlinux() string {
	if v.numbers == "" {
		return "0.git" + v.at + "." + v.label
	}
	out := v.numbers
	if len(v.pre) > 0 {
		if isNumber(v.pre[0]) {
			out += "a" // before alpha
		}
		out += strings.Join(v.pre, ".")
	}
	if v.build != "" {
		out += "+" + v.build
	}
	return out
}

// apkSuffixes are apk's words for what comes before a release; it knows no others.
var apkSuffixes = map[string]string{
	"alpha": "alpha", "a": "alpha", "beta": "beta", "b": "beta", "rc": "rc", "c": "rc", "cr": "rc",
	"pre": "pre", "preview": "pre", "prerelease": "pre", "milestone": "pre", "m": "pre", "ea": "pre",
}

// apk: numbers{_suffix{number}}. What apk has no word for is an alpha, and further
// identifiers are patches of it; of those, and of a build, only numbers are kept.
func (v version) apk() string {
	if v.numbers == "" {
		return "0_git" + v.at[:8] + "_p" + v.at[8:]
	}
	out := v.numbers
	for i, id := range v.pre {
		switch word, number := splitIdentifier(id); {
		case i == 0 && word == "":
			out += "_alpha_alpha" + short(number) // by SemVer before words
		case i == 0:
			suffix := apkSuffixes[strings.ToLower(word)]
			if suffix == "" {
				suffix = "alpha"
			}
			out += "_" + suffix + short(number)
		case number != "" && out[len(out)-1] >= 'a':
			out += short(number) // rc, 1 is rc1
		case number != "":
			out += "_p" + short(number)
		}
	}
	if isNumber(v.build) {
		out += "_p" + short(v.build)
	}
	return out
}

// splitIdentifier parts rc1 into rc and 1; 5 is a number without a word, and what
// is neither is a word without a number.
func splitIdentifier(id string) (word, number string) {
	if isNumber(id) {
		return "", id
	}
	if m := nameAndNumber.FindStringSubmatch(id); m != nil {
		return m[1], m[2]
	}
	return id, ""
}

// short keeps a number within what apk counts: a time of the clock becomes two.
func short(number string) string {
	if len(number) == len(stamp) {
		return number[:8] + "_p" + number[8:]
	}
	if n, err := strconv.ParseInt(number, 10, 32); err == nil {
		return strconv.FormatInt(n, 10)
	}
	return number
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// checkVersion refuses what no spelling helps: nothing is left of it, or it is longer than tools take.
func checkVersion(p release.PlanPackage) error {
	if strings.Trim(unfit.ReplaceAllString(p.Version, ""), " ") == "" || len(p.Version) > 128 {
		return release.Invalidf("set `version` of the class, with letters and digits in it", "package %s: %q is no version", p.Asset, p.Version)
	}
	return nil
}
