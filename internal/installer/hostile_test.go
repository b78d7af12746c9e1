package installer

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// hostile are values that a shell, Ruby, JSON or a terminal would make something of.
var hostile = []string{
	`it's "quoted"`, "$(touch evil)", "`touch evil`", "a\ntouch evil\n", "'; touch evil; '", `\`, `x' 'y`, "#{`touch evil`}", "*", "-rf", "~", "&& touch evil", "é\u2028<&>",
	"\"\n  system(\"touch evil\")\n#", "$version", "${IFS}", "a\\\nb",
}

// Whatever a project, a tag and its files are called, it is only a name.
func TestScriptHostileNames(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		p := serve(t)
		for _, h := range hostile {
			name := strings.ReplaceAll(strings.ReplaceAll(h, "/", "_"), `\`, "_")
			f := p.add("linux/amd64", "tar.gz", name, map[string]string{name: program("hello")})
			f.Name = h
			r := sample(f)
			r.Project, r.Tag, r.Version, r.Homepage, r.Description = h, h, h, h, h
			m := newMachine(t, shell, "curl", "sha256sum")
			s := script(t, r)
			got := m.install(s)
			if got.code != 0 {
				t.Errorf("%q ends with %d: %s", h, got.code, got.err)
			}
			if left := m.left(); !slices.Equal(left, []string{"bin/" + name}) {
				t.Errorf("%q leaves %q", h, left)
			}
			if got := m.run(s, "--version"); got.out != h+" "+h+"\n" {
				t.Errorf("%q says %q", h, got.out)
			}
			m.run(s, "--help")
			m.is("Nothing", "none")
			m.install(s)
			if left := m.left(); !slices.Equal(left, []string{"bin/" + name}) {
				t.Errorf("%q leaves %q after --help", h, left)
			}
		}
	})
}

// A shell reads a quoted value as it was.
func FuzzShell(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	dash := realtest.Program(f, "dash", "dash")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) || len(s) > 10_000 {
			return
		}
		var out strings.Builder
		if err := proc.Run(t.Context(), proc.Cmd{Args: []string{dash, "-s"}, Stdin: strings.NewReader("printf %s " + shell(s)), Stdout: &out}); err != nil || out.String() != s {
			t.Errorf("%q is read as %q, %v", s, out.String(), err)
		}
	})
}
