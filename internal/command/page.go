package command

import (
	"bytes"
	"regexp"
	"sort"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is a comment as its readers see it.
type page struct {
	src   []byte
	links parser.Context // knows the definitions of links
	plain []*paragraph   // of each line the paragraph that it is plain text of, or nil
	work  int            // that may still be spent on looking closely
}

// paragraph is one that stands in nothing else.
type paragraph struct {
	start, end int // in src
	opens      int // where the first sign stands that could hide something, or end
	looked     bool
	texts      []text.Segment // that stand in nothing else; shifted by start
}

// newPage finds the plain paragraphs.
func newPage(src string, lines []lineSpan) *page {
	p := &page{src: []byte(src), links: parser.NewContext(), plain: make([]*paragraph, len(lines)), work: mostWork}
	doc := blockParser().Parse(text.NewReader(p.src), parser.WithContext(p.links))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if n.Kind() != ast.KindParagraph || n.Lines().Len() == 0 {
			continue
		}
		segments := n.Lines().Sliced(0, n.Lines().Len())
		first := sort.Search(len(lines), func(i int) bool { return lines[i].end >= segments[0].Start })
		para := &paragraph{start: lines[first].start, end: segments[len(segments)-1].Stop}
		para.opens = para.end
		if i := bytes.IndexAny(p.src[para.start:para.end], opening); i >= 0 {
			para.opens = para.start + i
		}
		for i := range segments[:tableStart(p.src, segments)] {
			p.plain[first+i] = para // a paragraph's lines follow each other
		}
	}
	return p
}

// isPlain reports whether a line is one of a plain paragraph.
func (p *page) isPlain(line int) bool { return p.plain[line] != nil }

// isSeen reports whether a candidate in a plain paragraph is text that its
// readers see, in no code span, comment, link or struck-out text.
func (p *page) isSeen(c candidate) bool {
	para := p.plain[c.line]
	if c.offset < para.opens {
		return true
	}
	if !para.looked {
		para.looked = true
		if size := para.end - para.start; size*size <= p.work {
			p.work -= size * size
			para.texts = p.textsOf(para)
		}
	}
	at := c.offset - para.start
	i := sort.Search(len(para.texts), func(i int) bool { return para.texts[i].Stop > at })
	return i < len(para.texts) && para.texts[i].Start <= at
}

// opening are the signs with which everything begins that could hide a later
// line of a paragraph.
const opening = "`<[~"

// mostWork bounds what hostile comments cost: reading what is in a paragraph can
// take time by the square of its length. It is enough for one of 16 KB. In a
// longer one, only what stands before the first of such signs is believed.
const mostWork = 256 << 20

// textsOf reads a paragraph for itself, and gives the texts that stand directly
// in it.
func (p *page) textsOf(para *paragraph) (out []text.Segment) {
	doc := inlineParser().Parse(text.NewReader(p.src[para.start:para.end]), parser.WithContext(p.links))
	only := doc.FirstChild()
	if only == nil {
		return nil
	}
	for n := only.FirstChild(); n != nil; n = n.NextSibling() {
		if t, ok := n.(*ast.Text); ok {
			out = append(out, t.Segment)
		}
	}
	return out
}

// delimiterRow is the second line of a table. A line of hyphens alone has made a
// heading of the line before.
var delimiterRow = regexp.MustCompile(`^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$`)

// tableStart is the line of a paragraph from which on it may be a table of
// GitHub's Markdown. goldmark's own reader of tables makes as many cells as a
// table has rows times columns, which can be a hundred million.
func tableStart(src []byte, lines []text.Segment) int {
	for i := 1; i < len(lines); i++ {
		line := strings.TrimRight(string(lines[i].Value(src)), "\n")
		if strings.ContainsAny(line, "|:") && delimiterRow.MatchString(line) {
			return i - 1
		}
	}
	return len(lines)
}

func blockParser() parser.Parser {
	return parser.NewParser(parser.WithBlockParsers(
		util.Prioritized(parser.NewSetextHeadingParser(), 100),
		util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(shallow{parser.NewListParser()}, 300),
		util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500),
		util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
		util.Prioritized(shallow{parser.NewBlockquoteParser()}, 800),
		util.Prioritized(parser.NewHTMLBlockParser(), 900),
		util.Prioritized(parser.NewParagraphParser(), 1000),
	), parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...))
}

// inlineParser reads what can hide text; emphasis hides none.
func inlineParser() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(util.Prioritized(parser.NewParagraphParser(), 1000)),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(&rawHTML{InlineParser: parser.NewRawHTMLParser()}, 400),
			util.Prioritized(extension.NewStrikethroughParser(), 500)))
}

// rawHTML is a parser for one paragraph that looks for the end of a comment only
// until there is none left: each look goes to the end of the paragraph.
type rawHTML struct {
	parser.InlineParser
	endless [4]bool
}

func (r *rawHTML) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	line, _ := block.PeekLine()
	for i, begin := range [...]string{"<!--", "<?", "<![CDATA[", "<!"} {
		if !bytes.HasPrefix(line, []byte(begin)) {
			continue
		}
		if r.endless[i] {
			return nil
		}
		node := r.InlineParser.Parse(parent, block, pc)
		r.endless[i] = node == nil && (i < 3 || len(line) > 2 && 'A' <= line[2] && line[2] <= 'Z') // "<!" is nothing without a letter
		return node
	}
	return r.InlineParser.Parse(parent, block, pc)
}

// shallow is a parser of lists or quotations that stops at a depth beyond which
// nothing matters any more: no command stands in either, and each line of a
// comment is held against all that is open.
type shallow struct{ parser.BlockParser }

const mostDepth = 20

func (s shallow) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	depth := 0
	for n := parent; n != nil; n = n.Parent() {
		depth++
	}
	if depth > mostDepth {
		return nil, parser.NoChildren
	}
	return s.BlockParser.Open(parent, reader, pc)
}
