package releasenotes_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/releasenotes"
)

const ending = "The notes were cut; the full text is in [NOTES.md](u).\n"

// Promise: notes are cut at the end of an entry or line, and say so.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in   string
		room int // characters besides the ending
		want string
	}{
		"between entries":         {"## A\n\n- one\n- two\n", 13, "## A\n\n- one\n\n"},
		"one character more":      {"## A\n\n- one\n- two\n- three\n", 19, "## A\n\n- one\n- two\n\n"},
		"runes, not bytes":        {"- ééééé\n- two\n", 9, "- ééééé\n\n"},
		"no heading left alone":   {"- one\n\n## A\n\n- two\n", 14, "- one\n\n"},
		"an entry's notes stay":   {"- one\n- two\n\n  its note\n- three\n", 24, "- one\n\n"},
		"an entry with its notes": {"- one\n- two\n\n  its note\n- three\n", 26, "- one\n- two\n\n  its note\n\n"},
		"not in a code fence":     {"- one\n\n```\na\n\n- b\n```\n\nlast line of it\n", 19, "- one\n\n"},
		"nor in an indented one":  {"- one\n- two\n  ~~~sh\n- b\n  ~~~\n- three\n", 24, "- one\n\n"},
		"after a code fence":      {"- one\n\n```\na\n\n- b\n```\n\nlast line of it\n", 24, "- one\n\n```\na\n\n- b\n```\n\n"},
		"not in a link":           {"one\nsee [the\npage](x\ny) now\nlast line of this\n", 22, "one\n\n"},
		"not in a code span":      {"one\nsee `the\npage` now\nlast line of this\n", 15, "one\n\n"},
		"a bracket is forgotten":  {"one [ \n\ntwo\nthree and more\n", 13, "one [ \n\ntwo\n\n"},
		"nothing fits":            {"a line that is too long for it\n", 10, ""},
		"Windows line ends":       {"- one\r\n- two\r\n- three\r\n", 14, "- one\r\n- two\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := test.in + strings.Repeat("- and so on\n", 20)
			got, cut := releasenotes.Cut(in, test.room+len(ending), "u")
			if !cut || got != test.want+ending {
				t.Errorf("%v %q, want %q", cut, got, test.want+ending)
			}
		})
	}
}

// Promise: notes that fit stay as they are; with hardly any room the link is
// the last to go.
func TestCutLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in    string
		limit int
		want  string
		cut   bool
	}{
		{"ééé", 3, "ééé", false}, {"", 0, "", false}, {"", -1, "", true}, {"abcd", 3, "…", true}, {"abcd", 0, "", true}, {"abcd", -5, "", true},
		{strings.Repeat("a", 100), 20, "[NOTES.md](u)", true},
	} {
		if got, cut := releasenotes.Cut(test.in, test.limit, "u"); got != test.want || cut != test.cut {
			t.Errorf("Cut(%q, %d) = %q, %v", test.in, test.limit, got, cut)
		}
	}
	got, _ := releasenotes.Cut(strings.Repeat("- a\n", 100), 200, "https://x.example/a b)(<é")
	if !strings.HasSuffix(got, "[NOTES.md](https://x.example/a%20b%29%28%3C%C3%A9).\n") {
		t.Errorf("%q", got)
	}
}

// Promise: a cut text is never longer than the limit, is valid UTF-8, begins
// as the whole does and leaves no code fence open.
func FuzzCut(f *testing.F) {
	f.Add("## A\n\n- one [x](y)\n- two\n\n```\ncode\n```\n", 70, "u")
	f.Add("é\xff\n~~~\n", 2, "")
	f.Add("- `a\nb`\n- [c](\nd)\n", 60, "NOTES.md")
	f.Fuzz(func(t *testing.T, in string, limit int, link string) {
		got, cut := releasenotes.Cut(in, limit, link)
		if n := utf8.RuneCountInString(got); n > max(limit, 0) {
			t.Errorf("%d characters, at most %d allowed", n, limit)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		whole := strings.ToValidUTF8(in, "\uFFFD")
		if !cut {
			if got != whole {
				t.Errorf("%q was changed to %q", in, got)
			}
			return
		}
		kept, _, found := strings.Cut(got, "\n\nThe notes were cut; the full text is in [NOTES.md](")
		if found && !strings.HasPrefix(whole, kept) {
			t.Errorf("%q does not begin %q", kept, whole)
		}
	})
}
