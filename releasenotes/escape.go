package releasenotes

import (
	"strings"
	"unicode/utf8"
)

// Escape makes untrusted text one line of Markdown that reads as the text
// does and does nothing else: no HTML, links, images, headings or mentions.
// Balanced `code` spans stay code, and addresses stay addresses.
func Escape(text string) string {
	return string(appendEscaped(nil, text))
}

// special marks the bytes that appendEscaped must look at.
var special = func() (t [256]bool) {
	for _, c := range "\\`*_[]<>|~$@&:#+-=" {
		t[c] = true
	}
	return t
}()

func appendEscaped(dst []byte, text string) []byte {
	text = oneLine(text)
	i := appendStart(&dst, text)
	plain := i // text[plain:i] needs no escape
	for i < len(text) {
		c := text[i]
		if !special[c] {
			i++
			continue
		}
		n := 1
		replacement := ""
		switch c {
		case '\\', '*', '[', ']', '|', '~', '$':
			dst = append(append(dst, text[plain:i]...), '\\', c)
			i++
			plain = i
			continue
		case '<':
			replacement = "&lt;"
		case '>':
			replacement = "&gt;"
		case '_':
			if !insideWord(text, i) {
				replacement = `\_`
			}
		case '&':
			if isEntity(text[i:]) {
				replacement = "&amp;"
			}
		case '@':
			// Forges look for mentions in the rendered text, where a backslash
			// or an entity is gone; a zero-width space is not.
			if i+1 < len(text) && isWord(text[i+1]) && (i == 0 || !isAlnum(text[i-1])) {
				replacement = "@&#8203;"
			}
		case ':':
			if start, end := address(text, i); end > 0 && start >= plain {
				dst = append(dst, text[plain:start]...)
				dst = appendAddress(dst, text[start:end])
				i, plain = end, end
				continue
			}
		case '`':
			run := runLength(text, i)
			if end := closingRun(text, i+run, run); end > 0 {
				i = end
				continue
			}
			dst = append(dst, text[plain:i]...)
			for range run {
				dst = append(dst, '\\', '`')
			}
			i += run
			plain = i
			continue
		}
		if replacement != "" {
			dst = append(append(dst, text[plain:i]...), replacement...)
			plain = i + n
		}
		i += n
	}
	return append(dst, text[plain:]...)
}

// appendStart escapes what means something at the beginning of a block alone
// and returns how much of the text it has written.
func appendStart(dst *[]byte, text string) int {
	if text == "" {
		return 0
	}
	switch c := text[0]; {
	case c == '#' || c == '+' || c == '-' || c == '=':
		*dst = append(*dst, '\\', c)
		return 1
	case isDigit(c):
		i := 0
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		if i < len(text) && (text[i] == '.' || text[i] == ')') && (i+1 == len(text) || text[i+1] == ' ') {
			*dst = append(append(*dst, text[:i]...), '\\', text[i])
			return i + 1
		}
	}
	return 0
}

// insideWord says whether the underscore at i stands between letters or
// digits, where it can't begin or end emphasis.
func insideWord(s string, i int) bool {
	return i > 0 && i+1 < len(s) && isAlnum(s[i-1]) && isAlnum(s[i+1])
}

// isEntity says whether s, which begins with &, begins with what could be an
// entity such as &lt; or &#64;.
func isEntity(s string) bool {
	i := 1
	for i < len(s) && (isAlnum(s[i]) || s[i] == '#') {
		i++
	}
	return i > 1 && i < len(s) && s[i] == ';'
}

func runLength(s string, i int) int {
	n := 0
	for i+n < len(s) && s[i+n] == s[i] {
		n++
	}
	return n
}

// closingRun finds the end of the run of exactly n backticks that closes a
// code span whose content begins at i; 0 when there is none.
func closingRun(s string, i, n int) int {
	for i < len(s) {
		at := strings.IndexByte(s[i:], '`')
		if at < 0 {
			return 0
		}
		i += at
		run := runLength(s, i)
		i += run
		if run == n {
			return i
		}
	}
	return 0
}

// address finds the web address whose colon stands at i.
func address(s string, i int) (start, end int) {
	if !strings.HasPrefix(s[i:], "://") || i+3 >= len(s) || !isAlnum(s[i+3]) {
		return 0, 0
	}
	switch {
	case strings.HasSuffix(s[:i], "https"):
		start = i - len("https")
	case strings.HasSuffix(s[:i], "http"):
		start = i - len("http")
	default:
		return 0, 0
	}
	if start > 0 && isWord(s[start-1]) {
		return 0, 0
	}
	end = i + 3
	for end < len(s) && s[end] > ' ' && s[end] < utf8.RuneSelf && !strings.ContainsRune("<>`\"|", rune(s[end])) {
		end++
	}
	return start, end
}

// appendAddress writes an address so that nothing in it is markup: where a
// backslash would become part of the address, percent signs do.
func appendAddress(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_' && insideWord(s, i), c == ':', c == '#', c == '+', c == '-', c == '=':
			dst = append(dst, c)
		case c == '&' && !isEntity(s[i:]):
			dst = append(dst, c)
		case special[c]:
			dst = appendPercent(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func appendPercent(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// appendTarget writes a link's target, which comes from settings, so that it
// ends where it should.
func appendTarget(dst []byte, target string) []byte {
	for i := range len(target) {
		switch c := target[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("()<>[]\\\"`|", c) >= 0:
			dst = appendPercent(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
