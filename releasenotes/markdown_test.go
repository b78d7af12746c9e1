package releasenotes_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/slipway-dev/slipway/releasenotes"
)

// Promise: the Markdown has this layout, without links where none are known.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	n := build(t, releasenotes.Options{Tag: "cli/v1.2.0", Previous: "cli/v1.1.0", Links: releasenotes.Links{Compare: "https://git.example/a b/(c)/compare/{from}...{to}"}},
		by(commit("3", "2", "feat(*x*)!: drop [v1](http://evil.example) (#12) (#11)",
			"BREAKING CHANGE: first\nline\n\n- one\n  more\n- two\n\n```go -x\nfunc f() {\n}\n```\nlast <b>\n```\nopen"), "Bob"),
		by(commit("2", "1", "# fix @all `<b>` and `half", "Co-authored-by: C <c@d>\nCo-authored-by: D <d@d>\nCo-authored-by: E|E <e@d>\nCo-authored-by: F <f@d>"), "Ada"),
		by(commit("1", "0", "perf: use ![](x) $HOME ~/.config_file & https://git.example/_a/b_c?d=e&f=1"), "[Eve](x)"),
	)
	want := `## Breaking changes

- **\*x\*:** drop \[v1\](http://evil.example) by Bob (#11, #12)

  first line

  - one more
  - two

  ` + "```" + `
  func f() {
  }
  ` + "```" + `

  last &lt;b&gt; \` + "`\\`\\`" + ` open

## Performance

- use !\[\](x) \$HOME \~/.config_file & https://git.example/%5Fa/b_c?d=e&f=1 by \[Eve\](x) (3100000)

## Other changes

- \# fix @&#8203;all ` + "`<b>` and \\`half" + ` by Ada, C, D and 2 others (3200000)

**Contributors:** Ada, Bob, C, D, E\|E, F, \[Eve\](x)

**Full changelog:** [cli/v1.1.0...cli/v1.2.0](https://git.example/a%20b/%28c%29/compare/cli/v1.1.0...cli/v1.2.0)
`
	if diff := cmp.Diff(want, releasenotes.Markdown(n)); diff != "" {
		t.Error(diff)
	}
}

// Promise: a release with nothing for users says so.
func TestMarkdownOfNothing(t *testing.T) {
	t.Parallel()
	for want, commits := range map[string][]releasenotes.Commit{
		"_No changes for users._\n":                                 nil,
		"_No changes for users; 1 commit of maintenance._\n":        {commit("1", "", "ci: a")},
		"_No changes for users; 2 commits of maintenance._\n":       {commit("2", "1", "ci: a"), commit("1", "", "chore: a")},
		"## Fixes\n\n- a (3100000)\n":                               {commit("1", "", "fix: a")},
		"## Reverts\n\n- Revert \"a\" (3100000)\n":                  {commit("1", "", `Revert "a"`)},
		"## Other changes\n\n- **http:** a, or \\_b\\_ (3100000)\n": {commit("1", "", "http: a, or _b_")},
	} {
		if got := releasenotes.Markdown(build(t, releasenotes.Options{}, commits...)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, as it is.":            "plain text, as it is.",
		"mail foo@bar.example, ask @foo":   "mail foo@bar.example, ask @&#8203;foo",
		"(@foo) /@foo @ foo":               "(@&#8203;foo) /@&#8203;foo @ foo",
		"&lt;b&gt; &#64;all a&b AT&T;":     "&amp;lt;b&amp;gt; &amp;#64;all a&b AT&amp;T;",
		"- item":                           `\- item`,
		"1. item":                          `1\. item`,
		"1.5 times":                        "1.5 times",
		"+1":                               `\+1`,
		"```go":                            "\\`\\`\\`go",
		"``a ` b`` @c `d`":                 "``a ` b`` @&#8203;c `d`",
		`a \ b`:                            `a \\ b`,
		"a\n\n# b\tc\r\n":                  "a # b c",
		"a\u202eb\u200bc\x00d\u00a0e\xffé": "abcd e\ufffdé",
		"__init__ snake_case":              `\_\_init\_\_ snake_case`,
		"see http://x.example/a*b, or":     "see http://x.example/a%2Ab, or",
		"https://x.example/@foo":           "https://x.example/%40foo",
		"http://*x":                        `http://\*x`,
		"| a | b |":                        `\| a \| b \|`,
		"[x] done":                         `\[x\] done`,
		"":                                 "",
	} {
		if got := releasenotes.Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

var gfm = goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote))

// checkInert parses a document that ought to be headings and lists of text
// with a real Markdown parser (Gitea's) and fails on anything else.
func checkInert(t *testing.T, source string) {
	t.Helper()
	src := []byte(source)
	err := ast.Walk(gfm.Parser().Parse(text.NewReader(src)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.(type) {
		case *ast.Document, *ast.Text, *ast.List, *ast.ListItem, *ast.TextBlock, *ast.Paragraph, *ast.CodeSpan, *ast.AutoLink, *ast.String:
		default:
			t.Errorf("%s in %q", n.Kind(), source)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Promise: whatever a subject, a scope or a name says, it stays one line of
// text: no HTML, link, image, heading, emphasis, table, or mention.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"<script>", "![a](b)", "a ``b` c``", "# x", "```", "~~~", "- - x", "1) x", "[^1]: x", "@a `@b` c@d", "&#64;a",
		"http://a_b_c*d/<x>", "\\`a`", "*a*_b_~~c~~", "| a |\n|---|", "===", "\u202e", "www.x.example/_a_", "a@b.example_c_", "<!-- x", "[x]: y", "    code", "a  \nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		escaped := releasenotes.Escape(s)
		if strings.ContainsAny(escaped, "\n\r\t\x00") || !utf8.ValidString(escaped) {
			t.Errorf("%q is not one line of UTF-8", escaped)
		}
		checkInert(t, "- "+escaped+"\n- next\n")
		checkInert(t, "- x: "+escaped+" by "+escaped+"\n")
		outside := withoutCode(escaped)
		for i := 0; i+1 < len(outside); i++ {
			if outside[i] == '@' && isLetterOrDigit(outside[i+1]) && (i == 0 || !isLetterOrDigit(outside[i-1])) {
				t.Errorf("a mention in %q", escaped)
			}
		}
		if strings.Contains(outside, "<") {
			t.Errorf("< in %q", escaped)
		}
	})
}

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// withoutCode drops code spans, as a Markdown parser finds them.
func withoutCode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			b.WriteByte(' ')
		case '`':
			n := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
			rest := s[i+n:]
			for {
				at := strings.IndexByte(rest, '`')
				if at < 0 {
					return b.String() + "<" // an opener without an end: an escape was missed
				}
				rest = rest[at:]
				run := len(rest) - len(strings.TrimLeft(rest, "`"))
				rest = rest[run:]
				if run == n {
					break
				}
			}
			i = len(s) - len(rest) - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Promise: a BREAKING CHANGE text can't break out of its entry.
func FuzzBreakingNote(f *testing.F) {
	f.Add("a\n\n- b\n- c\n```go\nd\n```\ne")
	f.Add("* \x00\n\n0")
	f.Add("```\n</code>\n# x")
	f.Add("- - -\n* * *\n> x\n1. y\n\n\n    z")
	f.Fuzz(func(t *testing.T, note string) {
		n := releasenotes.Notes{Counts: releasenotes.Counts{Listed: 1}, Breaking: []releasenotes.Entry{{Text: "x", Hash: "1234567", Notes: []string{note}}}}
		source := []byte(releasenotes.Markdown(n))
		doc := gfm.Parser().Parse(text.NewReader(source))
		if doc.ChildCount() != 2 {
			t.Fatalf("%d blocks in %q", doc.ChildCount(), source)
		}
		if list, ok := doc.LastChild().(*ast.List); !ok || list.ChildCount() != 1 {
			t.Errorf("no list of one entry in %q", source)
		}
		err := ast.Walk(doc.LastChild(), func(n ast.Node, _ bool) (ast.WalkStatus, error) {
			switch n.Kind() {
			case ast.KindHTMLBlock, ast.KindRawHTML, ast.KindLink, ast.KindImage, ast.KindHeading, ast.KindBlockquote, ast.KindEmphasis:
				t.Errorf("%s in %q", n.Kind(), source)
			}
			return ast.WalkContinue, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
