package pack

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

func testSource(t *testing.T) *source {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"source/LICENSE": "l", "source/LICENSE-MIT": "l", "source/docs/a.md": "a", "source/docs/deep/b.md!": "b", "source/[x].txt": "x",
		"source/.git/config": "secret", "source/vendor/mod/.git": "secret", "source/dist/old.md": "old", "source/with space": "w",
		"source/link.md": "->docs/a.md", "source/folder": "->docs", "source/up": "->../outside", "source/abs": "->/etc/passwd",
		"source/loop": "->loop", "source/gone": "->nowhere", "source/out": "->..", "outside": "secret",
	})
	s, err := openSource(filepath.Join(dir, "source"), filepath.Join(dir, "source", "dist"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Paths and globs find what a person means, each file once, in a fixed order.
func TestFind(t *testing.T) {
	t.Parallel()
	s := testSource(t)
	for _, test := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"LICENSE"}, "LICENSE 644"},
		{[]string{"./LICENSE", "LICENSE*", "LICENSE"}, "LICENSE 644, LICENSE-MIT 644"},
		{[]string{"docs"}, "docs/a.md 644, docs/deep/b.md 755"},
		{[]string{"docs/"}, "docs/a.md 644, docs/deep/b.md 755"},
		{[]string{"docs/*"}, "docs/a.md 644"},
		{[]string{"**/*.md"}, "docs/a.md 644, docs/deep/b.md 755, link.md -> docs/a.md"},
		{[]string{"nothing*", "no/such/**"}, ""},
		{[]string{"{LICENSE,docs}/**", `\[x\].txt`, "with space"}, "[x].txt 644, docs/a.md 644, docs/deep/b.md 755, with space 644"},
		{[]string{"link.md"}, "link.md 644"}, // what it points at is not packed: the content goes in
		{[]string{"folder", "docs"}, "docs/a.md 644, docs/deep/b.md 755, folder -> docs"},
		{[]string{"folder/a.md"}, "folder/a.md 644"},
		{[]string{".git/**", "**/.git", "vendor/**", "dist/**"}, ""},
	} {
		found, err := s.find(test.patterns, "archive x", true)
		if err != nil {
			t.Errorf("%q: %v", test.patterns, err)
		}
		var got []string
		for _, e := range found {
			switch {
			case e.Link != "":
				got = append(got, e.Name+" -> "+e.Link)
			case e.Mode == 0o755:
				got = append(got, e.Name+" 755")
			default:
				got = append(got, e.Name+" 644")
			}
		}
		if d := cmp.Diff(test.want, strings.Join(got, ", ")); d != "" {
			t.Errorf("%q: %s", test.patterns, d)
		}
	}
}

// Nothing outside of the source is ever read, and the error names the archive
// and the pattern.
func TestFindErrors(t *testing.T) {
	t.Parallel()
	s := testSource(t)
	for _, test := range []struct{ pattern, says string }{
		{"MISSING", "there is no file"},
		{"docs/missing.md", "there is no file"},
		{"../outside", "leads out"},
		{"docs/../../outside", "leads out"},
		{"docs/../LICENSE", "leads out"},
		{"../*", "leads out"},
		{"/etc/passwd", "leads out"},
		{"", "leads out"},
		{"up", "out of the repository"},
		{"abs", "out of the repository"},
		{"a[bs", "not a valid glob"},
		{"a*s", "out of the repository"},
		{"out/outside", "can't be read"},
		{"out/*", "can't be read"},
		{"loop", "leads nowhere"},
		{"gone", "leads nowhere"},
		{"folder", "folder behind a link"},
	} {
		found, err := s.find([]string{test.pattern}, "archive x.zip", true)
		if err == nil {
			t.Errorf("%q finds %v", test.pattern, found)
			continue
		}
		if got := err.Error(); !strings.Contains(got, test.says) || !strings.Contains(got, "archive x.zip") || !strings.Contains(got, test.pattern) && !strings.Contains(test.pattern, "*") {
			t.Errorf("%q: %v", test.pattern, err)
		}
		if release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%q: kind %d, hint %q", test.pattern, release.KindOf(err), release.HintOf(err))
		}
	}
	if _, err := s.find([]string{"docs"}, "assets", false); err == nil || !strings.Contains(err.Error(), `"docs" is a folder`) {
		t.Errorf("a folder as an asset: %v", err)
	}
}

// Names that would clash or that a forge would rename are errors that name both
// or say what is wrong.
func TestNameErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files  map[string]string
		change func(*release.Plan)
		says   []string
	}{
		"two files of one name": {map[string]string{"a/x.txt": "1", "b/x.txt": "2"}, func(p *release.Plan) { p.Files = []string{"*/x.txt"} },
			[]string{"two assets would be named x.txt", "a/x.txt", "b/x.txt"}},
		"a file named as the manifest": {map[string]string{"slipway.json": "{}"}, func(p *release.Plan) { p.Files = []string{"slipway.json"} },
			[]string{"two assets would be named slipway.json", "the manifest"}},
		"a name that forges rename": {map[string]string{"a b": "1"}, func(p *release.Plan) { p.Files = []string{"a b"} }, []string{`"a b"`}},
		"an archive in a folder":    {nil, func(p *release.Plan) { p.Archives[0].Name = "../x.tar.gz" }, []string{"../x.tar.gz"}},
		"a binary and a file": {map[string]string{"hello": "x"}, func(p *release.Plan) { p.Archives[0].Files = []string{"hello"} },
			[]string{"archive hello_1.2.3_linux_amd64.tar.gz", "two files in it would be named hello"}},
		"a binary and a folder": {map[string]string{"hello/x": "x"}, func(p *release.Plan) { p.Archives[0].Files = []string{"hello"} },
			[]string{"hello would be a file and a folder"}},
		"a bare binary of two": {nil, func(p *release.Plan) { p.Archives[3].Builds = []string{"hello", "tool"} }, []string{"one bare file, but there are 2"}},
		"an unknown format":    {nil, func(p *release.Plan) { p.Archives[0].Format = "rar" }, []string{`format "rar"`}},
		"a missing file":       {nil, func(p *release.Plan) { p.Archives[0].Files = []string{"COPYING"} }, []string{"archive hello_1.2.3_linux_amd64.tar.gz", `no file "COPYING"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := newJob(t, dir, 10)
			write(t, filepath.Join(dir, "source"), test.files)
			test.change(&j.Plan)
			_, err := Artifacts(t.Context(), j.options(dir))
			if err == nil || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
				t.Fatalf("error is %v, hint %q", err, release.HintOf(err))
			}
			for _, s := range test.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error does not say %q: %v", s, err)
				}
			}
		})
	}
}
