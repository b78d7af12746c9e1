package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// syntaxError says what the parser stopped at. A tab is named as such: it is
// the cause that can't be seen.
func (d *decoder) syntaxError(text string, err error) {
	d.unreadable = true
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) {
		d.fail(place{1, 1}, "", "", "the file is no valid YAML: %v", err)
		return
	}
	p := placeOf(at.GetToken())
	if line, column, ok := tabIndent(text, p.line); ok {
		d.fail(place{line, column}, "", "YAML is indented with spaces only", "the line is indented with a tab")
		return
	}
	hint := syntaxHint(at.GetMessage())
	if lines := strings.Split(text, "\n"); p.line <= len(lines) && bareTime.MatchString(lines[p.line-1]) {
		hint = "put the time into quotes"
	}
	message := at.GetMessage()
	if d.secret {
		message = quoted.ReplaceAllString(message, "…")
	}
	d.fail(p, "", hint, "no valid YAML: %s", message)
}

var quoted = regexp.MustCompile(`"[^"]*"`)

// bareTime is a cron expression whose first sign means something else to YAML.
var bareTime = regexp.MustCompile(`\bcron:\s*[*@]`)

// tabIndent finds a tab in the indentation of the given line or of one of the
// two lines before, where the parser may have lost the thread.
func tabIndent(text string, line int) (atLine, column int, found bool) {
	lines := strings.Split(text, "\n")
	for n := min(line, len(lines)); n >= max(line-2, 1); n-- {
		l := lines[n-1]
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && indent != l {
			return n, i + 1, true
		}
	}
	return 0, 0, false
}

func syntaxHint(message string) string {
	for _, h := range []struct{ part, hint string }{
		{"mapping value is not allowed", "put a text that has `: ` in it into quotes"},
		{"end character of double-quoted", "close the quote; inside double quotes \\ begins an escape, inside single quotes it does not"},
		{"end character of single-quoted", "close the quote; inside single quotes write '' for '"},
		{"reserved character", "put the text into quotes"},
		{"unexpected directive", "put a text that begins with % into quotes"},
		{"sequence end token", "close the list with ]"},
		{"or ']' must be specified", "close the list with ]"},
		{"mapping end token", "close the map with }"},
		{"or '}' must be specified", "close the map with }"},
		{"unexpected key name", "write `key: value`, with a space after the colon"},
		{"non-map value", "write `key: value`, with a space after the colon"},
		{"block sequence entries are not allowed", "begin the list on a line of its own"},
		{"undefined a", "a text that begins with & or * goes into quotes"},
	} {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return ""
}
