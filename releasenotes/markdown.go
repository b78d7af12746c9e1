package releasenotes

import (
	"strconv"
	"strings"
)

// Levels of headings: those of a release's own page, and those below a
// changelog's headings for each release.
const (
	notesLevel     = 2
	changelogLevel = 3
)

// Markdown gives notes as Markdown for a release's page on GitHub, Gitea or
// Forgejo: what breaks, the groups, new contributors, all contributors, and
// the link to all changes. What people wrote in commits is escaped.
func Markdown(n Notes) string {
	b := appendChanges(nil, &n, notesLevel)
	b = appendNewContributors(b, &n, notesLevel)
	if len(n.Contributors) > 1 {
		b = append(block(b), "**Contributors:** "...)
		for i, c := range n.Contributors {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendEscaped(b, c.Name)
		}
		b = append(b, '\n')
	}
	if n.CompareURL != "" {
		b = append(block(b), "**Full changelog:** "...)
		to := n.Tag
		if to == "" {
			to = "now"
		}
		b = appendLink(b, n.Previous+"..."+to, n.CompareURL)
		b = append(b, '\n')
	}
	return string(b)
}

// appendChanges writes what breaks and the groups, or that there is nothing.
func appendChanges(b []byte, n *Notes, level int) []byte {
	if len(n.Breaking) > 0 {
		b = appendHeading(b, "Breaking changes", level)
		for i := range n.Breaking {
			b = appendEntry(b, n, &n.Breaking[i])
		}
	}
	for _, g := range n.Groups {
		b = appendHeading(b, g.Title, level)
		for i := range g.Entries {
			b = appendEntry(b, n, &g.Entries[i])
		}
	}
	if n.Counts.Listed == 0 {
		b = append(block(b), "_No changes for users"...)
		switch n.Counts.Commits {
		case 0:
		case 1:
			b = append(b, "; 1 commit of maintenance"...)
		default:
			b = strconv.AppendInt(append(b, "; "...), int64(n.Counts.Commits), 10)
			b = append(b, " commits of maintenance"...)
		}
		b = append(b, "._\n"...)
	}
	return b
}

func appendNewContributors(b []byte, n *Notes, level int) []byte {
	if len(n.NewContributors) == 0 {
		return b
	}
	b = appendHeading(b, "New contributors", level)
	for _, c := range n.NewContributors {
		b = append(b, "- "...)
		b = appendEscaped(b, c.Name)
		b = append(b, " made their first contribution in "...)
		if c.Pull != 0 {
			b = appendPull(b, n.Links, c.Pull)
		} else {
			b = appendCommit(b, n.Links, c.Hash)
		}
		b = append(b, '\n')
	}
	return b
}

// block begins a new block: after an empty line, unless it is the first.
func block(b []byte) []byte {
	if len(b) > 0 {
		return append(b, '\n')
	}
	return b
}

func appendHeading(b []byte, title string, level int) []byte {
	b = block(b)
	for range level {
		b = append(b, '#')
	}
	b = appendEscaped(append(b, ' '), title)
	return append(b, "\n\n"...)
}

// appendEntry writes "- **scope:** text by authors (#12)" and, below it, what
// its BREAKING CHANGE footers say.
func appendEntry(b []byte, n *Notes, e *Entry) []byte {
	b = append(b, "- "...)
	b = appendLine(b, n, e)
	b = append(b, '\n')
	for _, note := range e.Notes {
		b = appendNote(b, note)
	}
	return b
}

func appendLine(b []byte, n *Notes, e *Entry) []byte {
	if e.Scope != "" {
		b = append(b, "**"...)
		b = appendEscaped(b, e.Scope)
		b = append(b, ":** "...)
	}
	b = appendEscaped(b, e.Text)
	if len(n.Contributors) > 1 {
		b = appendAuthors(b, e.Authors)
	}
	b = append(b, " ("...)
	for i, number := range e.Pulls {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendPull(b, n.Links, number)
	}
	if len(e.Pulls) == 0 {
		b = appendCommit(b, n.Links, e.Hash)
	}
	return append(b, ')')
}

// appendAuthors names up to three authors and counts the others.
func appendAuthors(b []byte, names []string) []byte {
	const most = 3
	for i, name := range names {
		switch {
		case i == 0:
			b = append(b, " by "...)
		case i == most && len(names) > most+1:
			b = append(b, " and "...)
			b = strconv.AppendInt(b, int64(len(names)-most), 10)
			return append(b, " others"...)
		case i == len(names)-1:
			b = append(b, " and "...)
		default:
			b = append(b, ", "...)
		}
		b = appendEscaped(b, name)
	}
	return b
}

func appendPull(b []byte, l Links, number int) []byte {
	before, after, linked := strings.Cut(l.Pull, "{number}")
	if linked {
		b = append(b, '[')
	}
	b = strconv.AppendInt(append(b, '#'), int64(number), 10)
	if linked {
		b = appendTarget(append(b, "]("...), before)
		b = strconv.AppendInt(b, int64(number), 10)
		b = append(appendTarget(b, after), ')')
	}
	return b
}

func appendCommit(b []byte, l Links, hash string) []byte {
	before, after, linked := strings.Cut(l.Commit, "{hash}")
	short := hash[:min(len(hash), 7)]
	if !linked {
		return appendEscaped(b, short)
	}
	b = appendEscaped(append(b, '['), short)
	b = appendTarget(append(b, "]("...), before)
	b = appendTarget(b, hash)
	return append(appendTarget(b, after), ')')
}

func appendLink(b []byte, label, target string) []byte {
	b = appendEscaped(append(b, '['), label)
	b = appendTarget(append(b, "]("...), target)
	return append(b, ')')
}

// appendNote writes a BREAKING CHANGE text below its entry: its paragraphs,
// its list items and its fenced code.
func appendNote(b []byte, note string) []byte {
	const indent = "\n  "
	lines := strings.Split(note, "\n")
	var text []string // lines of the paragraph or list item that is open
	bullet, previousBullet := false, false
	flush := func() {
		line := oneLine(strings.Join(text, " "))
		if text = text[:0]; line == "" {
			bullet = false
			return
		}
		if !bullet || !previousBullet {
			b = append(b, '\n')
		}
		b = append(b, indent[1:]...)
		if bullet {
			b = append(b, "- "...)
		}
		b = append(appendEscaped(b, line), '\n')
		previousBullet, bullet = bullet, false
	}
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if end := closingFence(lines, i); end > 0 {
			flush()
			b = append(b, indent+"```"...)
			b = append(b, fenceLanguage(line)...)
			for _, code := range lines[i+1 : end] {
				b = append(append(b, indent...), strings.ToValidUTF8(strings.TrimRight(code, " \r"), "\uFFFD")...)
			}
			b = append(b, indent+"```\n"...)
			i, previousBullet = end, false
			continue
		}
		item := len(line) > 2 && (line[0] == '-' || line[0] == '*') && line[1] == ' '
		if line == "" || item {
			flush()
		}
		if item {
			bullet, line = true, line[2:]
		}
		if line != "" {
			text = append(text, line)
		}
	}
	flush()
	return b
}

// closingFence finds the line that closes the code fence which line at opens;
// 0 when it opens none.
func closingFence(lines []string, at int) int {
	open := strings.TrimSpace(lines[at])
	if !strings.HasPrefix(open, "```") || strings.Contains(strings.TrimLeft(open, "`"), "`") {
		return 0
	}
	for i := at + 1; i < len(lines); i++ {
		if line := strings.TrimSpace(lines[i]); strings.HasPrefix(line, "```") && strings.Trim(line, "`") == "" {
			return i
		}
	}
	return 0
}

// fenceLanguage keeps the word after an opening fence when it is a plain one.
func fenceLanguage(line string) string {
	word := strings.TrimSpace(strings.TrimLeft(line, "`"))
	for i := range len(word) {
		if !isWord(word[i]) && word[i] != '+' {
			return ""
		}
	}
	return word
}
