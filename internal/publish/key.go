package publish

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// maxKey is S3's limit in bytes.
const maxKey = 1024

// CheckKey says what is wrong with a key, so that all stores take the same ones.
func CheckKey(key string) error {
	bad := func(why string) error {
		return release.Invalidf("give a path such as _releases/v1.2.3/hello", "%q can't be a key: %s", key, why)
	}
	switch {
	case key == "":
		return bad("it is empty")
	case len(key) > maxKey:
		return bad("it is longer than 1024 bytes")
	case !utf8.ValidString(key):
		return bad("it is not UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return bad("it has a control character")
	case strings.Contains(key, `\`):
		return bad("it has a backslash")
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch segment {
		case "":
			return bad("it has an empty segment")
		case ".", "..":
			return bad("it has a segment " + segment)
		}
	}
	return nil
}
