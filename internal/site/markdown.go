package site

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// readMarkdown reads GitHub's Markdown. What takes more than its length's time
// with goldmark's own parsers, wide tables and deep lists, it takes for text.
var readMarkdown = parser.NewParser(
	parser.WithBlockParsers(
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
	),
	parser.WithInlineParsers(append(parser.DefaultInlineParsers(),
		util.Prioritized(extension.NewStrikethroughParser(), 500),
		util.Prioritized(extension.NewLinkifyParser(), 999))...),
	parser.WithParagraphTransformers(append(parser.DefaultParagraphTransformers(),
		util.Prioritized(narrow{extension.NewTableParagraphTransformer()}, 200))...),
	parser.WithASTTransformers(util.Prioritized(tame{}, 1000)),
)

// writeNotes writes HTML without any that the source holds.
var writeNotes = func() renderer.Renderer {
	r := goldmark.DefaultRenderer()
	r.AddOptions(renderer.WithNodeRenderers(
		util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500),
		util.Prioritized(extension.NewTableHTMLRenderer(extension.WithTableCellAlignMethod(extension.TableCellAlignNone)), 500)))
	return r
}()

var levelKey = parser.NewContextKey()

func parseNotes(src []byte, level int) ast.Node {
	pc := parser.NewContext()
	pc.Set(levelKey, level)
	return readMarkdown.Parse(text.NewReader(src), parser.WithContext(pc))
}

// shallow is a parser of lists or quotations that stops at a depth.
type shallow struct{ parser.BlockParser }

func (s shallow) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	const most = 20
	depth := 0
	for n := parent; n != nil; n = n.Parent() {
		depth++
	}
	if depth > most {
		return nil, parser.NoChildren
	}
	return s.BlockParser.Open(parent, reader, pc)
}

// narrow reads tables of a bounded width: a row has as many cells as the second
// line has columns.
type narrow struct{ parser.ParagraphTransformer }

func (t narrow) Transform(node *ast.Paragraph, reader text.Reader, pc parser.Context) {
	const most = 20
	lines := node.Lines()
	for i := 1; i < lines.Len(); i++ {
		line := lines.At(i)
		if v := line.Value(reader.Source()); bytes.Count(v, []byte("|")) > most && len(bytes.Trim(v, "-|: \t\r\n")) == 0 {
			return
		}
	}
	t.ParagraphTransformer.Transform(node, reader, pc)
}

// tame makes of any notes some that may stand on the page.
type tame struct{}

func (tame) Transform(doc *ast.Document, reader text.Reader, pc parser.Context) {
	level, _ := pc.Get(levelKey).(int)
	var found []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // no step has an error
		if entering {
			found = append(found, n)
		}
		return ast.WalkContinue, nil
	})
	var above []int // levels of the headings that the next one may stand below
	for _, n := range found {
		switch n := n.(type) {
		case *ast.Heading:
			for len(above) > 0 && above[len(above)-1] >= n.Level {
				above = above[:len(above)-1]
			}
			above = append(above, n.Level)
			n.Level = min(level+len(above)-1, 6)
		case *ast.HTMLBlock, *ast.RawHTML:
			n.Parent().RemoveChild(n.Parent(), n)
		case *ast.Image:
			imageToLink(n)
		case *ast.Link:
			if inLink(n) || !allowedLink(n.Destination) {
				unwrap(n)
			}
		case *ast.AutoLink:
			if inLink(n) || n.AutoLinkType == ast.AutoLinkURL && !allowedLink(n.URL(reader.Source())) {
				replace(n, ast.NewString(n.Label(reader.Source())))
			}
		}
	}
}

func imageToLink(n *ast.Image) {
	if n.FirstChild() == nil {
		n.AppendChild(n, ast.NewString([]byte("image")))
	}
	if inLink(n) || !allowedLink(n.Destination) {
		unwrap(n)
		return
	}
	link := ast.NewLink()
	link.Destination, link.Title = n.Destination, n.Title
	for c := n.FirstChild(); c != nil; c = n.FirstChild() {
		link.AppendChild(link, c)
	}
	replace(n, link)
}

// inLink says whether a node stands in a link, where no other link may be.
func inLink(n ast.Node) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Kind() == ast.KindLink {
			return true
		}
	}
	return false
}

// unwrap leaves of a node what is in it.
func unwrap(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = n.FirstChild() {
		n.Parent().InsertBefore(n.Parent(), n, c)
	}
	n.Parent().RemoveChild(n.Parent(), n)
}

func replace(n, by ast.Node) { n.Parent().ReplaceChild(n.Parent(), n, by) }

func allowedLink(to []byte) bool {
	u, err := url.Parse(string(util.URLEscape(to, true))) // as it will be written
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.Host != ""
	case "mailto":
		return true
	}
	return false
}
