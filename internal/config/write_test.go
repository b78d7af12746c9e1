package config

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// What init writes, Load reads back to the same config.
func TestWriteRoundTrip(t *testing.T) {
	t.Parallel()
	no := false
	for name, cfg := range map[string]release.Config{
		"empty":      {},
		"defaults":   Default(Facts{RepositoryName: "hello", HasGoMod: true, GoMains: []GoMain{{".", "hello"}, {"./cmd/x", "x"}}}),
		"empty list": {Archives: []release.Archive{}, Assets: []string{}},
		"odd": {
			Project: "it's", Test: []release.Step{
				{Run: release.Command{Script: "go vet\n  go test: #x\nend\n"}, Env: map[string]string{"A": "", "B": "yes", "C": "1.0", "D": " x", "E": "a\nb", "F": "\u2028\x7f\té"}},
				{Name: "null", Run: release.Command{Args: []string{"a", "", "- b", "{c}", "#", "a, b", "\\", "'\""}}, Dir: "~x"},
				{Run: release.Command{Script: " indented\nlines"}}, {Run: release.Command{Script: "two\n\nblank\n\n"}},
			},
			Builds: []release.Build{{ID: "a", Ldflags: []string{}, Static: &no, CGO: true}},
			Notes:  release.Notes{Template: "# {{ .Version }}\n{{ range .Groups }}\n- x\n{{ end }}", Exclude: []string{"^(x|y): "}},
		},
	} {
		text := Write(cfg)
		d := decode(text)
		if diff := cmp.Diff(cfg, d.config); diff != "" || len(d.problems) > 0 {
			t.Errorf("%s: %v\n%s\n%s", name, d.problems, diff, text)
		}
	}
}

// The lines that Write comments out are right too.
func TestWriteSamples(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAllString(strings.TrimPrefix(string(Write(release.Config{})), writtenHead), "$1")
	cfg, problems := Load("f", []byte(text))
	if len(problems) > 0 {
		t.Errorf("%v\n%s", problems, text)
	}
	for _, k := range keysOf(sections[0].typ) {
		if samples[k.name] == "" {
			t.Errorf("no sample for %s", k.name)
		}
	}
	if cfg.Project == "" || cfg.Notes.Exclude == nil || len(cfg.Test) != 3 {
		t.Errorf("samples are not all there: %+v", cfg)
	}
}

// Any text survives being written as a name, an argument, a script and a value.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"a", "yes", "1.0", "a: b", "a #b", "x\ny\n", "é\u2028", "'", "\t", "{a}", "- a", "&a", "!x", "0x1", "1e3", "\u00a0", "a\\b", "=", "<<", "\U0001f600", "...", "---"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		if s == "" {
			return
		}
		cfg := release.Config{Project: s, Assets: []string{s, s}, Test: []release.Step{
			{Run: release.Command{Script: s}, Env: map[string]string{s: s}}, {Run: release.Command{Args: []string{s}}}}}
		d := decode(Write(cfg))
		if diff := cmp.Diff(cfg, d.config); diff != "" || len(d.problems) > 0 {
			t.Errorf("%v\n%s\n%s", d.problems, diff, Write(cfg))
		}
	})
}
