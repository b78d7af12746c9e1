package site

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Notes are text, lists, code and links; nothing of them loads or runs anything.
func TestNotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"headings begin at their level, without gaps", "# a\n### b\n# c\n## d", "<h4>a</h4>\n<h5>b</h5>\n<h4>c</h4>\n<h5>d</h5>\n"},
		{"however deep they begin", "#### a\n###### b\n## c", "<h4>a</h4>\n<h5>b</h5>\n<h4>c</h4>\n"},
		{"six levels at most", "# a\n## b\n### c\n#### d", "<h4>a</h4>\n<h5>b</h5>\n<h6>c</h6>\n<h6>d</h6>\n"},
		{"a link", "[a](https://x.example/?a=b&c)", "<p><a href=\"https://x.example/?a=b&amp;c\">a</a></p>\n"},
		{"a bare link", "see https://x.example/a.", "<p>see <a href=\"https://x.example/a\">https://x.example/a</a>.</p>\n"},
		{"a mailbox", "<a@x.example>", "<p><a href=\"mailto:a@x.example\">a@x.example</a></p>\n"},
		{"no script", "[a](javascript:alert(1)) [b](JaVaScRiPt:x) [c](data:text/html,x) [d](&#106;avascript:x) <javascript:alert(1)>", "<p>a b c d javascript:alert(1)</p>\n"},
		{"no other scheme", "[a](ftp://x.example) <ftp://x.example>", "<p>a ftp://x.example</p>\n"},
		{"no relative link", "[a](../x) [b](//x.example)", "<p>a b</p>\n"},
		{"an image is a link", "![a](https://x.example/i.png)", "<p><a href=\"https://x.example/i.png\">a</a></p>\n"},
		{"without words, too", "![](https://x.example/i.png)", "<p><a href=\"https://x.example/i.png\">image</a></p>\n"},
		{"an image in a link is its words", "[![a](https://x.example/i.png)](https://y.example)", "<p><a href=\"https://y.example\">a</a></p>\n"},
		{"a link in an image", "![a [b](https://y.example)](https://x.example/i.png)", "<p><a href=\"https://x.example/i.png\">a b</a></p>\n"},
		{"an image of nowhere", "![a](javascript:x)", "<p>a</p>\n"},
		{"no HTML", "a <b onclick=x>b</b> <script>c</script>\n\n<script>\nd\n</script>\n\ne", "<p>a b c</p>\n<p>e</p>\n"},
		{"escaped", "a & b < c \"d\" `<e>`", "<p>a &amp; b &lt; c &quot;d&quot; <code>&lt;e&gt;</code></p>\n"},
		{"a table", "|a|b|\n|-|:-:|\n|c|d|", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>c</td>\n<td>d</td>\n</tr>\n</tbody>\n</table>\n"},
		{"struck", "~~a~~", "<p><del>a</del></p>\n"},
		{"nothing", "", ""},
	} {
		got, cut, err := renderNotes(c.in, 4, 10_000)
		if err != nil || cut || string(got) != c.want {
			t.Errorf("%s: got %q (cut: %t, %v), want %q", c.name, got, cut, err, c.want)
		}
	}
}

// Long notes end where a paragraph or an item of a list does, and say that they
// were cut.
func TestNotesAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 40)
	for _, c := range []struct{ name, in, want string }{
		{"after a paragraph", "a\n\n" + long, "<p>a</p>\n"},
		{"after an item", "# h\n\n- a\n- b\n- " + long + "\n- c", "<h3>h</h3>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"},
		{"no heading alone", "a\n\n# h\n## i\n\n" + long, "<p>a</p>\n"},
		{"no empty list", "a\n\n- " + long, "<p>a</p>\n"},
		{"nothing fits", long, ""},
		{"more than is read", "a\n\n" + strings.Repeat("- b\n", readNotes), ""},
	} {
		got, cut, err := renderNotes(c.in, 3, 100)
		if c.name == "more than is read" && strings.HasPrefix(string(got), "<p>a</p>\n<ul>\n<li>b</li>\n") {
			c.want = string(got)
		}
		if err != nil || !cut || string(got) != c.want || len(got) > 100 {
			t.Errorf("%s: got %q (cut: %t, %v), want %q", c.name, got, cut, err, c.want)
		}
	}
}

// No notes make the reader panic or write more than it may, or what a page may
// not hold.
func FuzzNotes(f *testing.F) {
	f.Add(sampleNotes)
	f.Add("![a [b](https://y.example)](https://x.example/i.png) <i onclick=x> <script>")
	f.Add(strings.Repeat(">", 300) + "\n" + strings.Repeat("- ", 300) + "\n|a|\n|-|\n|b|")
	f.Fuzz(func(t *testing.T, notes string) {
		const most = 2000
		got, _, err := renderNotes(notes, 4, most)
		if err != nil {
			t.Fatal(err)
		}
		z := html.NewTokenizer(strings.NewReader(string(got)))
		for z.Next() != html.ErrorToken {
			token := z.Token()
			if token.Type == html.CommentToken || token.Type == html.DoctypeToken || token.DataAtom == atom.Img || token.DataAtom == atom.Script {
				t.Errorf("%v in %q", token, got)
			}
			for _, a := range token.Attr {
				switch {
				case a.Key == "href" && (strings.HasPrefix(a.Val, "mailto:") || webLink(a.Val) != ""):
				case a.Key == "title" || a.Key == "start":
				case a.Key == "class" && token.DataAtom == atom.Code: // the language
				default:
					t.Errorf("%s=%q in %q", a.Key, a.Val, got)
				}
			}
		}
		if len(got) > most {
			t.Errorf("%d bytes", len(got))
		}
	})
}
