package releasenotes

import (
	"strconv"
	"strings"
)

// Kind tells changes from the commits that only carry them.
type Kind uint8

const (
	// Change is a commit that says what it changes.
	Change Kind = iota
	// PullMerge is the merge of a pull request; Text is the pull request's
	// title, empty when the message does not tell it.
	PullMerge
	// BranchMerge is any other merge: it says nothing to a reader.
	BranchMerge
	// Fixup is a commit that waits to be squashed into another (fixup!,
	// squash!, amend!), or one without any message.
	Fixup
)

// Message is what a commit's message says. Strings are parts of the parsed
// subject and body wherever they can be.
type Message struct {
	Kind  Kind
	Type  string // conventional type in lower case, such as feat; revert for any revert; empty for plain text
	Scope string // conventional scope, as written
	Text  string // the subject without type, scope and pull request numbers
	// Breaking is set by "!" and by a BREAKING CHANGE footer; Notes are the
	// footers' texts, which may have several lines and paragraphs.
	Breaking bool
	Notes    []string
	// Pulls are the numbers of the pull requests that brought the commit, as
	// its subject tells them.
	Pulls     []int
	Reverts   Reverted // for a revert: what it takes back
	CoAuthors []Person

	title  string // the subject, for a PullMerge its title, with type and numbers
	prefix string // the type as written
}

// Reverted names what a revert takes back, as exactly as its message does.
type Reverted struct {
	Hashes  []string // hashes, full or abbreviated to at least seven digits
	Pulls   []int    // pull requests (GitHub's "Reverts owner/repo#12")
	Subject string   // the subject between quotes
}

// Person is an author.
type Person struct {
	Name, Email string
}

// Parse reads a commit's message: its subject and its body as in [Commit].
func Parse(subject, body string) Message {
	if line, rest, ok := strings.Cut(subject, "\n"); ok {
		subject, body = line, rest+"\n"+body
	}
	subject = strings.TrimSpace(subject)
	var m Message
	switch {
	case subject == "" || isFixup(subject):
		m.Kind = Fixup
		return m
	case strings.HasPrefix(subject, "Merge "):
		body = m.parseMerge(subject, body)
	default:
		m.title = subject
	}
	if m.Kind == BranchMerge {
		return m
	}
	m.parseTitle()
	m.parseBody(body)
	return m
}

func isFixup(subject string) bool {
	return strings.HasPrefix(subject, "fixup! ") || strings.HasPrefix(subject, "squash! ") ||
		strings.HasPrefix(subject, "amend! ")
}

// parseMerge takes a subject that begins with "Merge " apart and returns the
// body that is left to read.
func (m *Message) parseMerge(subject, body string) string {
	rest := subject[len("Merge "):]
	if pull, ok := strings.CutPrefix(rest, "pull request "); ok {
		// Gitea: 'title' (#12) from branch into main. The title is untrusted,
		// so that its end is the last mark of that form.
		if strings.HasPrefix(pull, "'") {
			if end := strings.LastIndex(pull, "' (#"); end > 0 {
				if n, after, ok := leadingNumber(pull[end+len("' (#"):]); ok && strings.HasPrefix(after, ")") {
					m.Kind, m.title, m.Pulls = PullMerge, strings.TrimSpace(pull[1:end]), []int{n}
					return body
				}
			}
		}
		// GitHub: #12 from owner/branch, and the title as the body's first line.
		if number, ok := strings.CutPrefix(pull, "#"); ok {
			if n, after, ok := leadingNumber(number); ok && (after == "" || after[0] == ' ') {
				body = strings.TrimLeft(body, "\r\n")
				title, left, _ := strings.Cut(body, "\n")
				m.Kind, m.title, m.Pulls = PullMerge, strings.TrimSpace(title), []int{n}
				return left
			}
		}
	}
	for _, noise := range [...]string{"branch '", "branch \"", "branches '", "remote-tracking branch", "remote branch", "tag '", "commit '", "pull request "} {
		if strings.HasPrefix(rest, noise) {
			m.Kind, m.title = BranchMerge, subject
			return ""
		}
	}
	m.title = subject
	return body
}

// parseTitle reads `type(scope)!: text (#12)` or `Revert "…"` or plain text.
func (m *Message) parseTitle() {
	text := m.title
	for {
		var n int
		var ok bool
		if text, n, ok = cutPullSuffix(text); !ok {
			break
		}
		m.Pulls = addNumber(m.Pulls, n)
	}
	m.Text = text
	if inner, ok := quotedRevert(text); ok {
		m.Type, m.Reverts.Subject = "revert", inner
		return
	}
	prefix, scope, breaking, rest, ok := cutPrefix(text)
	if !ok {
		return
	}
	m.prefix, m.Type, m.Scope, m.Breaking, m.Text = prefix, strings.ToLower(prefix), scope, breaking, rest
	if m.Type == "revert" {
		m.Reverts.Subject = rest
	}
}

// quotedRevert finds X in `Revert "X"` and, as newer versions of git say when
// a revert is reverted, in `Reapply "X"`; there the revert of X is what is
// taken back.
func quotedRevert(s string) (string, bool) {
	if inner, ok := strings.CutPrefix(s, `Revert "`); ok {
		return strings.CutSuffix(inner, `"`)
	}
	if strings.HasPrefix(s, `Reapply "`) && strings.HasSuffix(s, `"`) && len(s) > len(`Reapply "`) {
		return "Revert" + s[len("Reapply"):], true
	}
	return "", false
}

// cutPrefix parts `type(scope)!: text`. A type is one word of letters, digits,
// "-" and "_" that begins with a letter.
func cutPrefix(s string) (prefix, scope string, breaking bool, text string, ok bool) {
	i := 0
	for i < len(s) && isWord(s[i]) {
		i++
	}
	if i == 0 || i > 40 || !isLetter(s[0]) {
		return
	}
	prefix = s[:i]
	if i < len(s) && s[i] == '(' {
		end := strings.IndexAny(s[i+1:], "()")
		if end < 0 || s[i+1+end] != ')' {
			return
		}
		scope = strings.TrimSpace(s[i+1 : i+1+end])
		i += end + 2
	}
	if i < len(s) && s[i] == '!' {
		breaking = true
		i++
	}
	if i+1 >= len(s) || s[i] != ':' || s[i+1] != ' ' {
		return
	}
	text = strings.TrimSpace(s[i+1:])
	return prefix, scope, breaking, text, text != ""
}

// cutPullSuffix takes a "(#12)" off the end, as squash merges write it.
func cutPullSuffix(s string) (string, int, bool) {
	if !strings.HasSuffix(s, ")") {
		return s, 0, false
	}
	open := strings.LastIndex(s, "(#")
	if open <= 0 {
		return s, 0, false
	}
	n, after, ok := leadingNumber(s[open+2:])
	rest := strings.TrimRight(s[:open], " ")
	if !ok || after != ")" || rest == "" {
		return s, 0, false
	}
	return rest, n, true
}

// leadingNumber reads a number above 0 of at most nine digits.
func leadingNumber(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	if i == 0 || i > 9 {
		return 0, s, false
	}
	n, err := strconv.Atoi(s[:i])
	return n, s[i:], err == nil && n > 0
}

func addNumber(list []int, n int) []int {
	for _, have := range list {
		if have == n {
			return list
		}
	}
	return append(list, n)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool  { return isLetter(c) || isDigit(c) }
func isWord(c byte) bool   { return isAlnum(c) || c == '-' || c == '_' }
