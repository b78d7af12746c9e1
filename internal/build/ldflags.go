package build

import (
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// joinLdflags writes linker arguments as the one value of -ldflags, in the
// quoting that the go command undoes: an argument stands in one kind of quotes,
// and nothing can be escaped in them.
func joinLdflags(args []string) (string, error) {
	var out []string
	for _, a := range args {
		switch {
		case a != "" && !strings.ContainsAny(a, " \t\r\n'\""):
			out = append(out, a)
		case !strings.Contains(a, "'"):
			out = append(out, "'"+a+"'")
		case !strings.Contains(a, `"`):
			out = append(out, `"`+a+`"`)
		default:
			return "", release.Invalidf("leave out one kind of quotes", "ldflags: %q has both ' and \", which `go build -ldflags` can't be told", a)
		}
	}
	s := strings.Join(out, " ")
	if strings.HasPrefix(s, "'") || strings.HasPrefix(s, `"`) {
		// A value may not begin with a quote unless it is behind a pattern.
		s = "all=" + s
	}
	return s, nil
}
