package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A body that is not JSON is told in a few words.
func TestDescribeText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":  "",
		" ": "",
		"<!DOCTYPE html><html><head><title lang=en>Log in &amp;\n go</title>": `a web page "Log in & go"`,
		"\ufeff<HTML><body>x":           "a web page without a title",
		"404 page not found\n":          `the text "404 page not found"`,
		"a\x00b":                        "binary data",
		"\xff\xfe\xfd\xfc\xfb":          "binary data",
		strings.Repeat("ü", 1023):       `the text "` + strings.Repeat("ü", 200) + `…"`,
		"x" + strings.Repeat("ü", 1023): `the text "x` + strings.Repeat("ü", 199) + `…"`,
		"\x1b[31mred\x1b[0m":            `the text "[31mred [0m"`,
	} {
		if got := describeText([]byte(in)); got != want {
			t.Errorf("describeText(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever a server writes becomes one printable line.
func FuzzDescribeText(f *testing.F) {
	f.Add([]byte("<!doctype html><title>x"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := describeText(body)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x1b") || utf8.RuneCountInString(got) > 230 {
			t.Errorf("describeText(%q) = %q", body, got)
		}
	})
}
