package releasenotes

import (
	"strings"
	"unicode/utf8"
)

// Cut shortens notes to a forge's limit of characters (Unicode code points).
// Notes that fit come back as they are, with cut false. Others end at the end
// of an entry or a line, never inside fenced code or a link, followed by a
// line that says so and links to the full text at link, the address of the
// asset NOTES.md. The result is valid UTF-8 and never longer than limit, which
// may leave room for a part of that line, or for nothing, only.
func Cut(markdown string, limit int, link string) (short string, cut bool) {
	markdown = strings.ToValidUTF8(markdown, "\uFFFD")
	if len(markdown) <= limit || utf8.RuneCountInString(markdown) <= limit {
		return markdown, false
	}
	target := "[NOTES.md](" + string(appendTarget(nil, link)) + ")"
	for _, ending := range []string{"The notes were cut; the full text is in " + target + ".\n", target, "…"} {
		room := limit - utf8.RuneCountInString(ending)
		if room < 0 {
			continue
		}
		if kept := wholeLines(markdown, room-len("\n\n")); kept != "" {
			return kept + "\n\n" + ending, true
		}
		return ending, true
	}
	return "", true
}

// wholeLines gives the longest beginning of at most limit runes that ends
// where a reader would let it end.
func wholeLines(markdown string, limit int) string {
	var (
		scan  blockScan
		best  int // the end found so far, in bytes
		end   int // of the last line that is not empty
		runes int // up to end
		total int // up to the line
	)
	heading := false // the line at end is a heading, which should not stand last
	for at := 0; at < len(markdown) && runes <= limit; {
		line := markdown[at:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		text := strings.TrimRight(line, " \t\r")
		if text != "" {
			if !heading && scan.mayEndBefore(text) {
				best = end
			}
			wasCode := scan.fence != ""
			scan.read(text)
			heading = !wasCode && scan.fence == "" && strings.HasPrefix(text, "#")
			end, runes = at+len(text), total+utf8.RuneCountInString(text)
		} else {
			scan.blank()
		}
		at += len(line) + 1
		total += utf8.RuneCountInString(line) + 1
	}
	return markdown[:best]
}

// blockScan follows Markdown line by line, just closely enough to know where
// text can be cut. In doubt it says no.
type blockScan struct {
	fence      string // the marks that opened the code that is open
	afterBlank bool
	brackets   int  // [ that are open in this block
	target     int  // ( that are open in a link's target
	ticks      int  // backticks that opened a code span
	begun      bool // a line was read
}

// mayEndBefore says whether the text before a line may end there: the line is
// no part of the entry before it, nor of a code block or a link.
func (s *blockScan) mayEndBefore(line string) bool {
	if s.fence != "" || line[0] == ' ' || line[0] == '\t' {
		return false
	}
	return s.begun && (s.afterBlank || startsBlock(line) || s.brackets+s.target+s.ticks == 0)
}

// startsBlock says whether a line begins a block even right after another.
func startsBlock(line string) bool {
	if len(line) > 1 && strings.IndexByte("-*+", line[0]) >= 0 && line[1] == ' ' {
		return true
	}
	return line[0] == '#' || line[0] == '>' || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~")
}

func (s *blockScan) blank() {
	s.afterBlank = true
	s.brackets, s.target, s.ticks = 0, 0, 0
}

func (s *blockScan) read(line string) {
	s.begun = true
	trimmed := strings.TrimLeft(line, " \t")
	if s.fence != "" {
		if strings.HasPrefix(trimmed, s.fence) && strings.Trim(trimmed, s.fence[:1]) == "" {
			s.fence = ""
		}
		s.afterBlank = false
		return
	}
	if startsBlock(line) {
		s.blank()
	}
	s.afterBlank = false
	if opened := strings.TrimLeft(trimmed, "-*+> "); strings.HasPrefix(opened, "```") || strings.HasPrefix(opened, "~~~") {
		mark := opened[:runLength(opened, 0)]
		if mark[0] == '~' || !strings.Contains(opened[len(mark):], "`") {
			s.fence = mark
			return
		}
	}
	s.inline(line)
}

// inline follows links and code spans through a line.
func (s *blockScan) inline(line string) {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '`':
			n := runLength(line, i)
			switch s.ticks {
			case 0:
				s.ticks = n
			case n:
				s.ticks = 0
			}
			i += n - 1
		case s.ticks > 0:
		case c == '\\':
			i++
		case s.target > 0:
			switch c {
			case '(':
				s.target++
			case ')':
				s.target--
			}
		case c == '[':
			s.brackets++
		case c == ']' && s.brackets > 0:
			s.brackets--
			if i+1 < len(line) && line[i+1] == '(' {
				s.target = 1
				i++
			}
		}
	}
}
