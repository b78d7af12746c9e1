package command

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names are the names of all commands, in the order of the help.
func Names() []string {
	return []string{"promote", "approve", "deploy", "rollback", "freeze", "unfreeze", "retry", "cancel", "status", "hold", "unhold", "help"}
}

// Parsed is what a comment asks for.
type Parsed struct {
	Commands []Command `json:"commands,omitempty"` // the first MostCommands of it, in order
	Hints    []Hint    `json:"hints,omitempty"`    // slips of the pen, at most MostCommands
	Dropped  int       `json:"dropped,omitempty"`  // how many more commands it has
}

// Command is one command of a comment.
type Command struct {
	Name string `json:"name"` // one of Names
	Line int    `json:"line"` // of the comment, from 1
	Text string `json:"text"` // the line, valid UTF-8 without control characters, clipped
	// Prefixed is set where it was written as "/slipway promote".
	Prefixed bool `json:"prefixed,omitempty"`

	// Of promote. Source is the tag or the commit to promote; empty for the
	// place's own commit. To is what to make of it: a tag, a version, a class or
	// an environment; empty for the default. A lone word ("/promote v1.4.0") is in
	// Source: which of the two it is, the repository tells.
	Source string `json:"source,omitempty"`
	To     string `json:"to,omitempty"`
	Plan   bool   `json:"plan,omitempty"` // only show what would be done

	// Of approve, deploy and rollback. Release is a release of a package (@7, a
	// tag, a commit), or of approve the package's file; empty for the one that
	// waits, or that was there before. Package is the file of a package, where one
	// is named; As is the name of the approval.
	Release     string `json:"release,omitempty"`
	Environment string `json:"environment,omitempty"`
	Package     string `json:"package,omitempty"`
	As          string `json:"as,omitempty"`
	// Of freeze and unfreeze. Until is as it was written, and such that Moment
	// takes it; empty for until it is lifted.
	Environments []string `json:"environments,omitempty"` // none: all
	Until        string   `json:"until,omitempty"`

	Tag    string `json:"tag,omitempty"`    // of retry, cancel, status: the release meant; empty for the place's
	Reason string `json:"reason,omitempty"` // of hold and freeze
	Topic  string `json:"topic,omitempty"`  // of help: one of Names, or empty

	// Problem is set where the arguments are wrong; then none of them counts.
	Problem *Problem `json:"problem,omitempty"`
}

// Problem is what is wrong with a command, and what to write instead.
type Problem struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Hint is a line that is nearly a command.
type Hint struct {
	Line       int    `json:"line"`
	Text       string `json:"text"`
	DidYouMean string `json:"didYouMean"` // "/promote"
}

// What a comment may hold.
const (
	// MostBytes is how much of a comment is read; GitHub takes no longer ones.
	MostBytes = 64 << 10
	// MostCommands is how many commands of a comment count.
	MostCommands = 10
)

const mostText = 200 // characters of a line that are kept

// Parse reads the commands of a comment, which is Markdown as forges take it.
func Parse(body string) Parsed {
	src, lines := split(body)
	var found []candidate
	for i, l := range lines {
		if c, ok := readLine(src[l.start:l.end]); ok {
			c.line, c.offset = i, l.start+c.offset
			found = append(found, c)
		}
	}
	var out Parsed
	if len(found) == 0 {
		return out
	}
	page := newPage(src, lines)
	for _, c := range found {
		more := len(out.Commands) == MostCommands
		if c.hint != "" && len(out.Hints) == MostCommands || !page.isPlain(c.line) || !more && !page.isSeen(c) {
			continue
		}
		text := shown(src[lines[c.line].start:lines[c.line].end])
		switch {
		case c.hint != "":
			out.Hints = append(out.Hints, Hint{Line: c.line + 1, Text: text, DidYouMean: c.hint})
		case more:
			out.Dropped++
		default:
			cmd := Command{Name: c.name, Line: c.line + 1, Text: text, Prefixed: c.prefixed}
			cmd.arguments(c.rest)
			out.Commands = append(out.Commands, cmd)
		}
	}
	return out
}

type lineSpan struct{ start, end int } // without the line feed

// split gives the text as Markdown reads it: valid, with one kind of line ends,
// and no longer than MostBytes.
func split(body string) (string, []lineSpan) {
	if len(body) > MostBytes {
		body = body[:MostBytes]
		body = body[:strings.LastIndexAny(body, "\r\n")+1] // half a line is no command
	}
	src := strings.ToValidUTF8(body, "\uFFFD")
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	var lines []lineSpan
	for at := 0; at <= len(src); {
		end := len(src)
		if i := strings.IndexByte(src[at:], '\n'); i >= 0 {
			end = at + i
		}
		lines = append(lines, lineSpan{at, end})
		at = end + 1
	}
	return src, lines
}

// candidate is a line that would be a command, or a hint, where it is plain text.
type candidate struct {
	line     int // from 0
	offset   int // of the slash
	name     string
	rest     string // what follows the name, without invisible characters
	prefixed bool
	hint     string
}

// readLine tells what a line would be; it does nothing for most lines.
func readLine(line string) (c candidate, ok bool) {
	slash := strings.IndexByte(line, '/')
	if slash < 0 || !isIndent(line[:slash]) {
		return c, false
	}
	text := strings.TrimSuffix(visible(line[slash+1:]), `\`) // which breaks a line in Markdown
	if strings.TrimLeftFunc(text, unicode.IsSpace) != text {
		return c, false
	}
	word, rest := cutWord(text)
	name := strings.ToLower(word)
	c = candidate{offset: slash, name: name, rest: rest}
	switch {
	case slices.Contains(Names(), name):
		return c, true
	case name == prefix:
		c.prefixed = true
		word, c.rest = cutWord(rest)
		c.name = strings.ToLower(word)
		switch near := nearCommand(c.name); {
		case word == "":
			c.name = "help"
		case slices.Contains(Names(), c.name):
		case near != "":
			c.hint = "/" + prefix + " " + near
		default:
			c.hint = "/" + prefix + " help"
		}
		return c, true
	}
	near := nearCommand(name)
	c.hint = "/" + near
	return c, near != ""
}

// prefix stands before a command where another program listens to the command
// alone.
const prefix = "slipway"

// isIndent reports whether a line's beginning is what Markdown takes for none:
// up to three spaces. What can't be seen does not count.
func isIndent(s string) bool {
	spaces := 0
	for _, r := range s {
		switch {
		case r == ' ' || r == '\u00a0':
			spaces++
		case !isInvisible(r):
			return false
		}
	}
	return spaces <= 3
}

// isInvisible is true for what takes no room: zero-width characters, and those
// that turn the direction of writing, which no name has.
func isInvisible(r rune) bool { return unicode.Is(unicode.Cf, r) }

// isJoiner is true for the invisible characters that words and emoji are made
// with.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// visible leaves out what can't be seen.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if isInvisible(r) && !isJoiner(r) || unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// cutWord parts a text after its first word; white space is any that Unicode
// knows.
func cutWord(s string) (word, rest string) {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		i = len(s)
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// shown is a line to be shown again.
func shown(line string) string {
	text := strings.Join(strings.Fields(visible(line)), " ")
	if utf8.RuneCountInString(text) > mostText {
		text = string([]rune(text)[:mostText]) + "…"
	}
	return text
}
