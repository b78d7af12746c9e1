package site

import (
	"bytes"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/slipway-dev/slipway/internal/release"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func allPages(t testing.TB, s Site, ix *Index) map[string]Page {
	t.Helper()
	out := map[string]Page{}
	for p, err := range Pages(s, ix) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[p.Key]; twice {
			t.Errorf("%s is made twice", p.Key)
		}
		out[p.Key] = p
	}
	return out
}

// The list, the page and the feed of the sample are as they were looked at.
// go test -run Golden -update writes them anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	s, ix := sampleSite(), NewIndex(sampleReleases()...)
	got := allPages(t, s, ix)
	got[s.JSON] = Page{Key: s.JSON, Type: TypeJSON, Content: encode(t, s, ix)}
	if len(got) != 3 {
		t.Errorf("there are %d files, want 3", len(got))
	}
	for key, p := range got {
		file := filepath.Join("testdata", strings.TrimPrefix(key, "_"))
		if *update {
			if err := os.WriteFile(file, p.Content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(p.Content)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

const hostile = "<script>alert(1)</script>\"'`&\u202e\x00 ../$(x)"

// hostileReleases have the worst in each of their texts.
func hostileReleases() []Release {
	bad := hostile + strings.Repeat("long", 100)
	r := whole(tagged("v1.0.0", "stable", day(1)))
	r.Name, r.Tag, r.Version, r.Commit, r.Page = bad, bad, bad, bad, "javascript:alert(1)"
	r.Notes = bad + "\n\n# " + bad + "\n\n[x](javascript:alert(1)) ![i](https://evil.example/x.png)\n\n<img src=https://evil.example/x onerror=alert(1)>\n\n```\n" + bad + "\n```\n"
	r.Files[0].Name, r.Files[1].Key, r.Files[2].Digest = bad, bad, bad
	r.Files[3].Key, r.Files[3].URL = "", "javascript:alert(1)"
	r.Images[0].Repositories[0], r.Images[0].Digest, r.Images[0].Tags[0] = bad, bad, bad
	r.Docs[0] = Link{Name: bad, Key: "javascript:alert(1)"}
	taken := tagged("v0.9.0", "stable", day(0))
	taken.Withdrawn = &release.Withdrawn{Reason: bad, By: bad, Time: day(3)}
	page := tagged("page:main", "stable", day(0)) // an id of the page itself
	other := tagged("x", hostile, day(0))
	return []Release{r, taken, page, other}
}

func hostileSite() Site {
	s := sampleSite()
	s.Project, s.Title, s.Description, s.Source = hostile, hostile, hostile, "javascript:alert(1)"
	return s
}

// many are so many releases of each class.
func many(n int) []Release {
	var all []Release
	for i := range n {
		version := fmt.Sprintf("v%d.%d.%d", 1+i/100, i/10%10, i%10)
		all = append(all, whole(tagged(version, "stable", day(i))), tagged(version+"-rc1", "extra", day(i)), built("development", day(i)))
	}
	return all
}

// Each page is one that a browser reads as it was meant: it loads nothing, runs
// nothing but the page's own script, and holds no text as markup.
func TestPagesAreSafe(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string]map[string]Page{
		"sample":  allPages(t, sampleSite(), NewIndex(sampleReleases()...)),
		"empty":   allPages(t, sampleSite(), &Index{}),
		"hostile": allPages(t, hostileSite(), NewIndex(hostileReleases()...)),
		"many":    allPages(t, sampleSite(), NewIndex(many(60)...)),
	} {
		for key, p := range pages {
			if p.Type == TypeHTML {
				checkPage(t, name+" "+key, key, p.Content, pages)
			}
		}
	}
}

// checker walks through a page.
type checker struct {
	t        *testing.T
	name     string
	ids      map[string]bool
	hrefs    []string
	headings []int
	policy   string
	landmark map[string]int
}

func checkPage(t *testing.T, name, key string, content []byte, pages map[string]Page) {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{t: t, name: name, ids: map[string]bool{}, landmark: map[string]int{}}
	c.walk(doc)
	for _, one := range []string{"header", "main", "h1", "title"} {
		if c.landmark[one] != 1 {
			t.Errorf("%s has %d times %s", name, c.landmark[one], one)
		}
	}
	last := 0
	for _, level := range c.headings {
		if level > last+1 {
			t.Errorf("%s: a heading of level %d follows one of %d", name, level, last)
		}
		last = level
	}
	for _, href := range c.hrefs {
		switch at, id, _ := strings.Cut(href, "#"); {
		case strings.HasPrefix(href, "#"):
			// As it stands, or unescaped: so a browser looks for it.
			if plain, err := url.PathUnescape(id); err != nil || !c.ids[id] && !c.ids[plain] {
				t.Errorf("%s: %s leads nowhere", name, href)
			}
		case strings.HasSuffix(at, ".html") && !strings.Contains(at, ":"):
			to := filepath.Join(filepath.Dir(key), at)
			if _, has := pages[to]; !has {
				t.Errorf("%s: there is no page %s", name, to)
			}
		}
	}
}

func (c *checker) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		c.element(n)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		c.walk(child)
	}
}

func (c *checker) element(n *html.Node) {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
	}
	c.landmark[n.Data]++
	switch n.Data {
	case "script", "style":
		if want := "'" + hash(n.FirstChild.Data) + "'"; !strings.Contains(c.policy, want) {
			c.t.Errorf("%s: the policy does not let %s be", c.name, n.Data)
		}
	case "meta":
		if attr["http-equiv"] != "" {
			c.policy = attr["content"]
		}
	case "html":
		if attr["lang"] != "en" {
			c.t.Errorf("%s has no language", c.name)
		}
	case "th":
		if attr["scope"] == "" {
			c.t.Errorf("%s: a header of a table says not of what", c.name)
		}
	case "h1", "h2", "h3", "h4", "h5", "h6":
		level, _ := strconv.Atoi(n.Data[1:])
		c.headings = append(c.headings, level)
	case "img", "iframe", "object", "embed", "base", "form", "video", "audio", "source", "svg":
		c.t.Errorf("%s holds %s", c.name, n.Data)
	case "link":
		if attr["rel"] == "icon" != strings.HasPrefix(attr["href"], "data:") || attr["rel"] == "stylesheet" {
			c.t.Errorf("%s loads %q", c.name, attr["href"])
		}
		return
	}
	for key, value := range attr {
		c.attribute(n, key, value)
	}
}

func (c *checker) attribute(n *html.Node, key, value string) {
	switch {
	case strings.HasPrefix(key, "on"), key == "src", key == "srcset", key == "style", key == "action", key == "ping":
		c.t.Errorf("%s: %s has %s=%q", c.name, n.Data, key, value)
	case key == "id":
		if c.ids[value] || strings.ContainsAny(value, " \t\n") {
			c.t.Errorf("%s: the id %q is there twice, or is none", c.name, value)
		}
		c.ids[value] = true
	case key == "href":
		if scheme, _, has := strings.Cut(value, ":"); has && !slices.Contains([]string{"http", "https", "mailto"}, scheme) && !strings.ContainsAny(scheme, "/#") {
			c.t.Errorf("%s: a link to %q", c.name, value)
		}
		if value == "" || value == "#ZgotmplZ" {
			c.t.Errorf("%s: a link to nowhere", c.name)
		}
		c.hrefs = append(c.hrefs, value)
	}
}

// Pages are small however many releases there are; a page may be read at once.
func TestPagesStaySmall(t *testing.T) {
	t.Parallel()
	const most = 300_000
	large := many(250)
	for i := range 40 { // with more files than any page bears
		r := tagged(fmt.Sprintf("v100.0.%d", i), "stable", day(5000+i))
		for j := range 700 {
			r.Files = append(r.Files, File{Name: fmt.Sprintf("file-%d.txt", j), Key: fmt.Sprintf("_releases/%s/file-%d.txt", r.Name, j), Kind: "file", Size: 1, Digest: digestOf("x")})
		}
		r.Notes = strings.Repeat("- a change that is told at some length\n", 400)
		large = append(large, r)
	}
	for class := range 40 { // and more classes than anybody has
		large = append(large, whole(tagged(fmt.Sprintf("c%d-1.0", class), fmt.Sprintf("class-%d", class), day(class))))
	}
	for key, p := range allPages(t, sampleSite(), NewIndex(large...)) {
		if len(p.Content) > most {
			t.Errorf("%s has %d bytes", key, len(p.Content))
		}
	}
}

// A release more changes of the older pages the newest alone, and what lists
// them; and every release is on a page.
func TestOlderPagesAreStable(t *testing.T) {
	t.Parallel()
	s := sampleSite()
	ix := NewIndex(many(55)...)
	before := allPages(t, s, ix)
	for i := range 15 {
		ix.Put(whole(tagged(fmt.Sprintf("v50.0.%d", i), "stable", day(1000+i))))
		after := allPages(t, s, ix)
		newest := 0
		for key := range after {
			if n, ok := strings.CutPrefix(strings.TrimSuffix(key, ".html"), "_releases/older/stable-"); ok {
				n, _ := strconv.Atoi(n)
				newest = max(newest, n)
			}
		}
		may := []string{s.HTML, s.Atom, s.olderIndexKey("stable"), s.olderKey("stable", newest)}
		if _, was := before[s.olderKey("stable", newest)]; !was {
			may = append(may, s.olderKey("stable", newest-1)) // it has a newer one now
		}
		for key, p := range after {
			if !bytes.Equal(p.Content, before[key].Content) && !slices.Contains(may, key) {
				t.Errorf("release %d changes %s", i, key)
			}
		}
		before = after
	}
	for _, name := range ix.Names() {
		id := []byte(`id="` + anchor(name) + `"`)
		found := 0
		for _, p := range before {
			found += bytes.Count(p.Content, id)
		}
		if found != 1 {
			t.Errorf("%s is on %d pages", name, found)
		}
	}
}

// What is withdrawn says so on the page, with its reason and date.
func TestWithdrawnOnPages(t *testing.T) {
	t.Parallel()
	pages := allPages(t, sampleSite(), NewIndex(sampleReleases()...))
	for _, want := range []string{"<s>v1.3.0</s>", "Withdrawn on 13 April 2026", "It forgets the greeting when the disk is full."} {
		if !bytes.Contains(pages["_releases.html"].Content, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if !bytes.Contains(pages["_releases.atom"].Content, []byte("v1.3.0 (withdrawn)")) {
		t.Error("the feed does not say what is withdrawn")
	}
}

// A site without a page makes none, one without a feed none.
func TestNoPages(t *testing.T) {
	t.Parallel()
	s := sampleSite()
	s.HTML, s.Atom = "", ""
	ix := NewIndex(many(60)...)
	if got := allPages(t, s, ix); len(got) > 0 || len(ix.Shown(s)) > 0 || s.OlderFolder() != "" {
		t.Errorf("there are %d pages", len(got))
	}
	s.Atom = "_releases.atom"
	if got := allPages(t, s, ix); len(got) != 1 {
		t.Errorf("there are %d pages, want the feed", len(got))
	}
	s.HTML = "dl/index.html"
	if got, want := s.OlderFolder(), "dl/older/"; got != want {
		t.Errorf("older pages lie in %s, want %s", got, want)
	}
}

// Whoever stops at a page is given no more.
func TestPagesCanBeLeft(t *testing.T) {
	t.Parallel()
	n := 0
	for range Pages(sampleSite(), NewIndex(many(120)...)) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d pages came", n)
	}
}

// Source links are those of the forge.
func TestSources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ source, tag, want string }{
		{"https://git.example/a/b", "v1.0.0", "https://git.example/a/b/src/tag/v1.0.0"},
		{"https://git.example/a/b/", "", "https://git.example/a/b/src/commit/abc"},
		{"https://github.com/a/b", "cli/v1 0", "https://github.com/a/b/tree/cli/v1%200"},
		{"https://github.com/a/b", "", "https://github.com/a/b/tree/abc"},
		{"", "v1.0.0", ""},
		{"javascript:alert(1)", "v1.0.0", ""},
	} {
		got := ""
		if links := (Site{Source: c.source}).sources(&Release{Tag: c.tag, Commit: "abc"}); len(links) > 0 {
			got = links[0].Href
		}
		if got != c.want {
			t.Errorf("%q %q: got %q, want %q", c.source, c.tag, got, c.want)
		}
	}
}

// Links lead from page to file wherever both lie.
func TestRelative(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"_releases.html", "_releases/v1/x", "_releases/v1/x"},
		{"_releases/older/a-1.html", "_releases/v1/x", "../v1/x"},
		{"_releases/older/a-1.html", "_releases.html", "../../_releases.html"},
		{"a/b.html", "a/c.html", "c.html"},
		{"a.html", "x:y/z", "./x:y/z"},
		{"a.html", "a b/c?d#e%f", "a%20b/c%3Fd%23e%25f"},
		{"a.html", "docs/v1/", "docs/v1/"},
		{"docs/a.html", "docs/", "./"},
	} {
		if got := relative(c.from, c.to); got != c.want {
			t.Errorf("from %s to %s: got %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// Text stands out from its ground by 4.5 to 1 at least, in light and dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	light, dark, _ := strings.Cut(pageCSS, "@media (prefers-color-scheme: dark)")
	for name, css := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z]+): #([0-9a-f]{3,6})`).FindAllStringSubmatch(css, -1) {
			if _, has := colour[m[1]]; !has {
				colour[m[1]] = luminance(t, m[2])
			}
		}
		for _, pair := range []string{"text page", "text card", "text hover", "text warnback", "quiet page", "quiet card", "quiet hover", "link page", "link card", "link mark", "warn warnback"} {
			a, b, _ := strings.Cut(pair, " ")
			high, low := max(colour[a], colour[b]), min(colour[a], colour[b])
			if ratio := (high + 0.05) / (low + 0.05); ratio < 4.5 || colour[a] == 0 && colour[b] == 0 {
				t.Errorf("%s: %s has a contrast of %.2f", name, pair, ratio)
			}
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"v1.2.3", "v1.2.3"},
		{"gpj.\u202eexe", "gpj.[U+202E]exe"},
		{"a\x00b\tc", "a[U+0000]b c"},
		{strings.Repeat("é", 12), strings.Repeat("é", 10) + "…"},
	} {
		if got := visible(c.in, 10); got != c.want && len([]rune(c.in)) >= 10 || len([]rune(c.in)) < 10 && visible(c.in, 100) != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9999: "10 kB", 999_499: "999 kB", 999_999: "1.0 MB", 18_394_000: "18 MB", 1 << 62: "4612 PB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	if d := date(time.Time{}); d != (dateView{}) {
		t.Errorf("no time is %v", d)
	}
}
