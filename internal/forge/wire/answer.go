package wire

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Answer is an answer that is not 2xx.
type Answer struct {
	Op     string
	Method string
	Status int
	Header http.Header
	Body   []byte // at most 64 KB of it
	// JSON is false for a web page or plain text, which a proxy may have written.
	JSON bool
	// Message is what the answer says, in one line: JSON's "message", a page's
	// title, the first words of a text.
	Message string
}

func newAnswer(op, method string, resp *http.Response, body []byte) Answer {
	a := Answer{Op: op, Method: method, Status: resp.StatusCode, Header: resp.Header, Body: body}
	var said struct {
		Message string `json:"message"`
	}
	a.JSON = json.Unmarshal(body, &said) == nil
	if a.JSON {
		a.Message = oneLine(said.Message)
	} else {
		a.Message = describeText(body)
	}
	return a
}

// KindOf is what a status means on any forge, for Dialect.Explain to refine.
func KindOf(a Answer) error {
	switch {
	case a.Status == http.StatusRequestEntityTooLarge:
		return forge.ErrTooLarge
	case a.Status >= 500, a.Status == http.StatusTooManyRequests, a.Status == http.StatusRequestTimeout:
		return forge.ErrUnavailable
	case !a.JSON && len(a.Body) > 0, a.Status < 400:
		// Forges answer in JSON: a page is from another kind of server, or
		// from a proxy with a login.
		return forge.ErrNotForge
	case a.Status == http.StatusUnauthorized:
		return forge.ErrUnauthorized
	case a.Status == http.StatusForbidden:
		return forge.ErrForbidden
	case a.Status == http.StatusNotFound, a.Status == http.StatusGone:
		return forge.ErrNotFound
	case a.Status == http.StatusConflict:
		return forge.ErrConflict
	}
	return forge.ErrRejected
}

var (
	pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	pageStart = regexp.MustCompile(`(?i)^\s*<(!doctype|html|head|body)`)
)

// describeText says in a line what a body is that is not JSON.
func describeText(body []byte) string {
	text := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff"))
	start := text[:min(len(text), 1024)]
	for i := 0; i < utf8.UTFMax && !utf8.ValidString(start); i++ {
		start = start[:len(start)-1] // a character cut in two
	}
	switch {
	case text == "":
		return ""
	case pageStart.MatchString(text):
		if m := pageTitle.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
			return `a web page "` + oneLine(html.UnescapeString(m[1])) + `"`
		}
		return "a web page without a title"
	case !utf8.ValidString(start) || strings.IndexByte(start, 0) >= 0:
		return "binary data"
	}
	return `the text "` + oneLine(start) + `"`
}

// oneLine makes a foreign text fit for a message: one line, no control
// characters, at most 200 characters.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	const most = 200
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
