package site

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// Bounds of notes, in bytes.
const (
	heroNotes   = 12_000 // of HTML, like the next ones
	shownNotes  = 2_500
	foldedNotes = 1_200
	feedNotes   = 4_000
	readNotes   = 16_000 // of Markdown that is read at all
)

// renderNotes makes HTML of notes in Markdown, of at most so many bytes; cut
// says that there is more. Their headings begin at a level, from 1 to 6. What is
// given back was written by goldmark alone, and loads nothing: HTML in the notes
// is left out, images are links, and links lead to the web or to a mailbox.
func renderNotes(notes string, level, most int) (html template.HTML, cut bool, err error) {
	if len(notes) > readNotes {
		notes, cut = notes[:readNotes], true
		notes = notes[:strings.LastIndexByte(notes, '\n')+1]
	}
	src := []byte(strings.ToValidUTF8(notes, "\uFFFD"))
	doc := parseNotes(src, level)
	var out bytes.Buffer
	heading := -1 // where the headings begin that nothing follows yet
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		begins := out.Len()
		if err := writeNotes.Render(&out, src, n); err != nil {
			return "", false, fmt.Errorf("show release notes: %w", err)
		}
		if out.Len() > most {
			cut = true
			out.Truncate(begins)
			if err := renderList(&out, src, n, most-begins); err != nil {
				return "", false, err
			}
			if heading >= 0 && out.Len() == begins {
				out.Truncate(heading)
			}
			break
		}
		switch {
		case n.Kind() != ast.KindHeading:
			heading = -1
		case heading < 0:
			heading = begins
		}
	}
	return template.HTML(out.String()), cut, nil //nolint:gosec // goldmark wrote it, without the notes' own HTML
}

// renderList shows as many items of a list as there is room for.
func renderList(out *bytes.Buffer, src []byte, n ast.Node, room int) error {
	if n.Kind() != ast.KindList {
		return nil
	}
	room -= len("<ol start=000000000>\n</ol>\n")
	var item bytes.Buffer
	next := n.FirstChild()
	for i := next; i != nil; i = next {
		next = i.NextSibling()
		if room >= 0 {
			item.Reset()
			if err := writeNotes.Render(&item, src, i); err != nil {
				return fmt.Errorf("show release notes: %w", err)
			}
			room -= item.Len()
		}
		if room < 0 {
			n.RemoveChild(n, i)
		}
	}
	if n.FirstChild() == nil {
		return nil
	}
	if err := writeNotes.Render(out, src, n); err != nil {
		return fmt.Errorf("show release notes: %w", err)
	}
	return nil
}
