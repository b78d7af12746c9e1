package release

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// placeholder is {name}, but not ${name}, which belongs to a shell.
var placeholder = regexp.MustCompile(`\$?\{([a-z][a-z0-9_-]*)\}`)

// Expand fills {name} placeholders in a template from vars. A name that vars
// does not have is an error that names the nearest one.
func Expand(template string, vars map[string]string) (string, error) {
	return expand(template, vars, func(_, value string) (string, error) { return value, nil }, true)
}

// shellSafe are the characters that mean nothing to a shell anywhere.
var shellSafe = regexp.MustCompile(`^[A-Za-z0-9._+/:@%,=-]*$`)

// expandScript fills placeholders in a text that a shell will read. Tags are
// written by whoever may push one, so a value that a shell would read as more
// than a word is refused. Braces that are no placeholder (awk's, a shell
// function's) stay as they are.
func expandScript(script string, vars map[string]string) (string, error) {
	return expand(script, vars, func(name, value string) (string, error) {
		if name == "output" || shellSafe.MatchString(value) {
			return value, nil
		}
		return "", fmt.Errorf("{%s} is %q here, which a shell would not read as one word: write \"$SLIPWAY_%s\", or give the command as a list", name, value, strings.ToUpper(name))
	}, false)
}

func expand(template string, vars map[string]string, fill func(name, value string) (string, error), strict bool) (string, error) {
	var failure error
	out := placeholder.ReplaceAllStringFunc(template, func(m string) string {
		if m[0] == '$' {
			return m
		}
		name := m[1 : len(m)-1]
		value, ok := vars[name]
		if !ok {
			near := Nearest(name, slices.Sorted(maps.Keys(vars)))
			if failure == nil && (strict || (near != "" && levenshtein.Distance(name, near, nil) == 1)) {
				failure = unknownPlaceholder(name, near, vars)
			}
			return m
		}
		s, err := fill(name, value)
		if err != nil && failure == nil {
			failure = err
		}
		return s
	})
	return out, failure
}

func unknownPlaceholder(name, near string, vars map[string]string) error {
	if near != "" {
		return fmt.Errorf("unknown placeholder {%s}: did you mean {%s}?", name, near)
	}
	return fmt.Errorf("unknown placeholder {%s}: there are {%s}", name, strings.Join(slices.Sorted(maps.Keys(vars)), "}, {"))
}

// Nearest finds the word in list that name was probably meant to be; empty when
// none is near.
func Nearest(name string, list []string) string {
	best, bestDistance := "", (len(name)+1)/2+1
	for _, w := range list {
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(w), nil)
		if d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._+@=-]+|\.\.+`)

// FileName makes a value fit for a file or asset name: what forges rename or
// would read as a path (slashes, two dots, spaces, letters beyond ASCII)
// becomes a dash.
func FileName(value string) string {
	return strings.Trim(unsafeInName.ReplaceAllString(value, "-"), "-.")
}
