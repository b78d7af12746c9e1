package release

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
)

// TagName is a tag taken apart: "cli/v1.2.0-rc1" is series "cli/v" and version
// 1.2.0-rc1; "nightly-7" is series "nightly-" with the number 7.
type TagName struct {
	Series  string // what stands before the version; tags of one series follow each other
	Version string // without the v; empty when the tag has no version in it
	parsed  *version.Version
}

// A version stands at the end of a tag; at least two numbers make one, so that
// "nightly-7" and "x1" are no versions.
var versionAtEnd = regexp.MustCompile(`^(|.*?[^0-9.])([vV]?)([0-9]+(?:\.[0-9]+)+(?:[-+.]?[0-9A-Za-z][0-9A-Za-z.+~-]*)?)$`)

// The end of a date is no version: "2024-01-15.1".
var numberBefore = regexp.MustCompile(`[0-9][^0-9A-Za-z]$`)

// ParseTag takes a tag apart.
func ParseTag(tag string) TagName {
	if m := versionAtEnd.FindStringSubmatch(tag); m != nil && (m[2] != "" || !numberBefore.MatchString(m[1])) {
		if v, err := version.NewVersion(m[3]); err == nil {
			return TagName{Series: m[1] + m[2], Version: m[3], parsed: v}
		}
	}
	if i := strings.IndexAny(tag, "0123456789"); i >= 0 {
		return TagName{Series: tag[:i]}
	}
	return TagName{Series: tag}
}

// Plain reports whether the version is numbers alone, with no prerelease part.
func (t TagName) Plain() bool { return t.parsed != nil && t.parsed.Prerelease() == "" }

// CompareTags orders tags: by version where both have one (v0.9 before v0.10,
// a prerelease before its release), else by date, else by name.
func CompareTags(a TagName, aTime time.Time, b TagName, bTime time.Time) int {
	if a.parsed != nil && b.parsed != nil {
		if c := a.parsed.Compare(b.parsed); c != 0 {
			return c
		}
	}
	return cmp.Or(aTime.Compare(bTime), strings.Compare(a.Version, b.Version))
}
