package workflows

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// plain is what YAML reads as text in every place without quotes.
	plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	// word is what looks plain but is another type to some reader of YAML.
	word = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n)$`)
	// quiet has nothing that needs an escape.
	quiet = regexp.MustCompile(`^[^\p{C}\x{2028}\x{2029}]*$`)
)

// scalar writes a text as YAML that stands in one line and in any place.
func scalar(s string) string {
	switch {
	case plain.MatchString(s) && !word.MatchString(s):
		return s
	case quiet.MatchString(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\uFFFD"))
}
