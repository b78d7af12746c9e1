package lang

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// scan is what is known of a file up to a place: its brackets, and the end of
// its last token. It knows strings and comments, and nothing else.
type scan struct {
	open    []bracket
	lastEnd int // byte after the last token
}

// bracket is one that is not closed yet.
type bracket struct {
	at      int // byte of it
	char    byte
	element int // byte at which its current element begins, with the space before it
}

// scanTo reads the source up to a byte.
func scanTo(src string, end int) scan {
	var s scan
	for i := 0; i < end && i < len(src); {
		switch c := src[i]; c {
		case '#':
			n := strings.IndexByte(src[i:], '\n')
			if n < 0 {
				return s
			}
			i += n
		case '"', '\'':
			i = stringEnd(src, i)
			s.lastEnd = i
		case ' ', '\t', '\n', '\r':
			i++
		default:
			s.take(c, i)
			i++
			s.lastEnd = i
		}
	}
	return s
}

func (s *scan) take(c byte, i int) {
	switch c {
	case '(', '[', '{':
		s.open = append(s.open, bracket{at: i, char: c, element: i + 1})
	case ')', ']', '}':
		if len(s.open) > 0 {
			s.open = s.open[:len(s.open)-1]
		}
	case ',':
		if n := len(s.open); n > 0 {
			s.open[n-1].element = i + 1
		}
	}
}

// stringEnd is the byte after the string that begins at a quote.
func stringEnd(src string, i int) int {
	quote := src[i : i+1]
	if strings.HasPrefix(src[i:], strings.Repeat(quote, 3)) {
		quote = src[i : i+3]
	}
	for j := i + len(quote); j < len(src); j++ {
		switch {
		case src[j] == '\\':
			j++
		case strings.HasPrefix(src[j:], quote):
			return j + len(quote)
		case src[j] == '\n' && len(quote) == 1:
			return j
		}
	}
	return len(src)
}

// offset is the byte of a place of Starlark's, whose columns count characters.
func offset(src string, pos syntax.Position) int {
	at := 0
	for line := int32(1); line < pos.Line; line++ {
		n := strings.IndexByte(src[at:], '\n')
		if n < 0 {
			return len(src)
		}
		at += n + 1
	}
	for col := int32(1); col < pos.Col && at < len(src) && src[at] != '\n'; col++ {
		_, n := utf8.DecodeRuneInString(src[at:])
		at += n
	}
	return at
}

// placeOf is the line and column of a byte.
func placeOf(file, src string, at int) Position {
	before := src[:min(at, len(src))]
	line := strings.Count(before, "\n")
	start := strings.LastIndexByte(before, '\n') + 1
	return Position{File: file, Line: line + 1, Column: utf8.RuneCountInString(before[start:]) + 1}
}

// lineAt is the line that a byte is in.
func lineAt(src string, at int) string {
	at = min(at, len(src))
	start := strings.LastIndexByte(src[:at], '\n') + 1
	line, _, _ := strings.Cut(src[start:], "\n")
	return strings.TrimRight(line, "\r")
}

// tokenBefore is where the token begins that ends at a byte.
func tokenBefore(src string, end int) int {
	if end <= 0 || end > len(src) {
		return max(0, min(end, len(src)))
	}
	start := end
	for start > 0 {
		r, n := utf8.DecodeLastRuneInString(src[:start])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		start -= n
	}
	if start < end {
		return start
	}
	if quote := src[end-1]; quote == '"' || quote == '\'' {
		lineStart := strings.LastIndexByte(src[:end-1], '\n') + 1
		for i := lineStart; i < end; {
			if src[i] != '"' && src[i] != '\'' {
				i++
				continue
			}
			next := stringEnd(src, i)
			if next >= end {
				return i
			}
			i = next
		}
	}
	return end - 1
}
