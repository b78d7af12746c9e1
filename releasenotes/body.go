package releasenotes

import (
	"strings"
	"unicode/utf8"
)

// parseBody reads what matters in a body: BREAKING CHANGE footers,
// co-authors, and which commits a revert takes back.
func (m *Message) parseBody(body string) {
	var note []string // lines of the BREAKING CHANGE footer that is open
	open := false
	finish := func() {
		if open {
			if text := strings.TrimSpace(strings.Join(note, "\n")); text != "" {
				m.Notes = append(m.Notes, text)
			}
			note, open = nil, false
		}
	}
	for body != "" {
		var line string
		line, body, _ = strings.Cut(body, "\n")
		line = strings.TrimRight(line, " \t\r")
		if text, ok := breakingFooter(line); ok {
			finish()
			m.Breaking, open = true, true
			note = append(note, text)
			continue
		}
		if person, ok := coAuthor(line); ok {
			finish()
			m.CoAuthors = append(m.CoAuthors, person)
			continue
		}
		if open && isFooter(line) {
			finish()
		}
		if open {
			note = append(note, line)
		}
		if m.Type == "revert" {
			m.Reverts.parseLine(line)
		}
	}
	finish()
}

// breakingFooter reads "BREAKING CHANGE: text". The plural is a common slip;
// small letters are prose.
func breakingFooter(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "BREAKING")
	if !ok || len(rest) < len(" CHANGE:") || (rest[0] != ' ' && rest[0] != '-') {
		return "", false
	}
	if rest, ok = strings.CutPrefix(rest[1:], "CHANGE"); !ok {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "S")
	if text, ok := strings.CutPrefix(rest, " #"); ok {
		return strings.TrimSpace(text), true
	}
	text, ok := strings.CutPrefix(rest, ":")
	return strings.TrimSpace(text), ok
}

// coAuthor reads "Co-authored-by: Name <email>", in any case as git does.
func coAuthor(line string) (Person, bool) {
	const token = "co-authored-by:"
	if len(line) < len(token) || line[0]|0x20 != 'c' || !strings.EqualFold(line[:len(token)], token) {
		return Person{}, false
	}
	name, rest, ok := strings.Cut(line[len(token):], "<")
	email, _, closed := strings.Cut(rest, ">")
	p := Person{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email)}
	return p, ok && closed && (p.Name != "" || p.Email != "")
}

// isFooter says whether a line begins the next footer. The specification takes
// any "Word: text" for one, which would cut a note at "Before: …"; here a
// footer is what git writes ("Signed-off-by: …") or what closes issues.
func isFooter(line string) bool {
	i := 0
	for i < len(line) && (isAlnum(line[i]) || line[i] == '-') {
		i++
	}
	if i == 0 || i == len(line) || i > 40 {
		return false
	}
	token, rest := line[:i], line[i:]
	if !strings.HasPrefix(rest, ": ") && !strings.HasPrefix(rest, " #") {
		return false
	}
	if strings.Contains(token, "-") {
		return 'A' <= token[0] && token[0] <= 'Z'
	}
	switch strings.ToLower(token) {
	case "refs", "ref", "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved", "issue", "bug", "cc", "link", "see":
		return true
	}
	return false
}

// parseLine finds what a revert's body says that it takes back: "This reverts
// commit <hash>", GitHub's "Reverts owner/repo#12", and the conventional
// "Refs: <hash>, <hash>".
func (r *Reverted) parseLine(line string) {
	if rest, ok := strings.CutPrefix(line, "This reverts commit "); ok {
		r.addHashes(rest, 1)
	} else if rest, ok := strings.CutPrefix(line, "This reverts commits "); ok {
		r.addHashes(rest, 1<<10)
	} else if rest, ok := strings.CutPrefix(line, "Refs: "); ok {
		r.addHashes(rest, 1<<10)
	} else if rest, ok := strings.CutPrefix(line, "Reverts "); ok {
		repo, number, ok := strings.Cut(rest, "#")
		if !ok || strings.ContainsAny(repo, " \t") {
			return
		}
		if n, _, ok := leadingNumber(number); ok {
			r.Pulls = addNumber(r.Pulls, n)
		}
	}
}

// addHashes takes up to limit hashes from the beginning of a text, separated
// by commas, spaces or "and".
func (r *Reverted) addHashes(s string, limit int) {
	for limit > 0 {
		s = strings.TrimLeft(s, ", ")
		s = strings.TrimPrefix(s, "and ")
		i := 0
		for i < len(s) && isHex(s[i]) {
			i++
		}
		if i < 7 || i > 64 || (i < len(s) && isWord(s[i])) {
			return
		}
		r.Hashes = append(r.Hashes, s[:i])
		s = s[i:]
		limit--
	}
}

func isHex(c byte) bool { return isDigit(c) || ('a' <= c && c <= 'f') }

// oneLine makes untrusted text one line of valid UTF-8: white space becomes
// single spaces, and characters that are invisible or turn the direction of
// writing are dropped, so that what is read is what is there.
func oneLine(s string) string {
	if isOneLine(s) {
		return s
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case r == ' ' || (r >= '\t' && r <= '\r') || r == 0x85 || r == 0xa0 || r == 0x2028 || r == 0x2029:
			space = b.Len() > 0
			continue
		case r < ' ' || (r >= 0x7f && r < 0xa0) || r == 0x61c || r == 0x200b || r == 0x200e || r == 0x200f ||
			(r >= 0x202a && r <= 0x202e) || (r >= 0x2060 && r <= 0x206f) || r == 0xfeff || (r >= 0xe0000 && r <= 0xe007f):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isOneLine is true for the common text that needs no change.
func isOneLine(s string) bool {
	space := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= 0x7f || (c == ' ' && space) {
			return false
		}
		space = c == ' '
	}
	return (s == "" || !space) && utf8.ValidString(s)
}
