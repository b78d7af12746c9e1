package git

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// CheckTagName says what is wrong with a tag's name, by the rules of git
// check-ref-format and two of ours: UTF-8, and no dash in front. The error is
// Invalid.
func CheckTagName(name string) error {
	if why := badTagName(name); why != "" {
		return release.Invalidf("give the tag's name alone, such as v1.2.3", "%q can't be a tag: %s", name, why)
	}
	return nil
}

func badTagName(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case len(name) > 1024:
		return "the name is longer than 1024 bytes"
	case !utf8.ValidString(name):
		return "the name is not UTF-8"
	case name[0] == '-':
		return "a name can't start with -"
	case strings.HasPrefix(name, "refs/"):
		return "leave out refs/tags/"
	case strings.Contains(name, ".."):
		return "a name can't have .. in it"
	case strings.Contains(name, "@{"):
		return "a name can't have @{ in it"
	case strings.HasSuffix(name, "."):
		return "a name can't end with a dot"
	}
	for _, c := range name {
		switch {
		case c == ' ':
			return "a name can't have a space in it"
		case unicode.IsControl(c):
			return "a name can't have a control character in it"
		case strings.ContainsRune(`~^:?*[\`, c):
			return "a name can't have " + string(c) + " in it"
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return "a name can't start or end with /, or have // in it"
		case part[0] == '.':
			return "no part of a name can start with a dot"
		case strings.HasSuffix(part, ".lock"):
			return "no part of a name can end with .lock"
		}
	}
	return ""
}
