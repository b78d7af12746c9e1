package recipe_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// FuzzValues: whatever a label, a variable, an argument of the entrypoint, a
// path or a script holds, BuildKit reads just that, and no further instruction
// — or the recipe is refused as the user's error.
func FuzzValues(f *testing.F) {
	for _, s := range []string{
		"", "plain", `a "b" 'c'`, `$HOME ${HOME:-x} \$`, `end\`, `\\`, "a\nRUN id", "tab\t", "<<EOF", `<<"EOF" ${a%\'*} `, "ünï", "\xff", "\x00", " lead", "# no comment",
		"[*]?", "a,b", "${", "`id`", "cat <<EOF\nx\nEOF\n", "\u2028", "\ufeff", "'", "--flag", "\u00a0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		img := source(release.PlanFrom{BuildImage: "alpine:1", Language: "go", Test: "true " + s, Build: s + "\ntrue", Artifacts: []string{"bin/hello"}, Env: map[string]string{"B": s}})
		img.Labels, img.Env = map[string]string{"l": s}, map[string]string{"E": s}
		img.Entrypoint, img.Cmd = []string{"x", s}, []string{s, s}
		r, err := recipe.Source(img, tree(t, goFiles...), recipe.Options{Project: s})
		if err != nil {
			if clean := utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufeff' }); clean {
				t.Errorf("%q is refused: %v", s, err)
			}
			fails(t, err)
			return
		}
		stages := parse(t, r.Dockerfile)
		if len(stages) != 2 {
			t.Fatalf("%d stages:\n%s", len(stages), r.Dockerfile)
		}
		var got []string
		runs := 0
		for _, stage := range stages {
			for _, cmd := range stage.Commands {
				expand := func() { expanded(t, cmd) }
				switch c := cmd.(type) {
				case *instructions.EnvCommand:
					expand()
					if c.Env[0].Key == "E" || c.Env[0].Key == "B" {
						got = append(got, c.Env[0].Value)
					}
				case *instructions.LabelCommand:
					expand()
					got = append(got, c.Labels[0].Value)
				case *instructions.EntrypointCommand:
					got = append(got, c.CmdLine[1])
				case *instructions.CmdCommand:
					got = append(got, c.CmdLine...)
				case *instructions.RunCommand:
					if runs++; !c.PrependShell {
						got = append(got, c.CmdLine[len(c.CmdLine)-1])
					}
					if len(c.Files) > 0 {
						t.Errorf("a here-document: %+v", c.Files)
					}
				}
			}
		}
		want := []string{s, "true " + s, s + "\ntrue", s, s, s, s, s}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s\n%s", d, r.Dockerfile)
		}
		if runs != 3 {
			t.Errorf("%d RUNs:\n%s", runs, r.Dockerfile)
		}
	})
}

// FuzzPaths: whatever a file is called, COPY takes that one to that path, or
// the recipe is refused.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{"a", "a b", `q'u"o$te`, "[x]*?", "<<EOF", "#x", "--from=x", "ü", `b\s`, "n\nl", "${x}", "$", "'", "a/b/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		fsys := tree(t, name, "x")
		img := source(release.PlanFrom{BuildImage: "alpine:1", Language: "command", Build: "true"})
		img.Development, img.EnvFiles = true, []string{"**"}
		files, err := recipe.EnvironmentFiles(img, fsys)
		if err != nil || len(files) != 1 || files[0] != name {
			return // no name of a file that a file system would give
		}
		r, err := recipe.Source(img, fsys, recipe.Options{})
		if err != nil {
			fails(t, err)
			return
		}
		stages := parse(t, r.Dockerfile)
		copies := 0
		for _, cmd := range stages[len(stages)-1].Commands {
			c, ok := cmd.(*instructions.CopyCommand)
			if !ok || c.From != "" {
				continue
			}
			copies++
			expanded(t, c)
			from := strings.NewReplacer("[*]", "*", "[?]", "?", "[[]", "[").Replace(c.SourcePaths[0])
			if len(c.SourcePaths) != 1 || from != "/"+name || c.DestPath != "/app/"+name || len(c.SourceContents) > 0 {
				t.Errorf("%q is copied as %q to %q\n%s", name, c.SourcePaths, c.DestPath, r.Dockerfile)
			}
		}
		if copies != 1 {
			t.Errorf("%q is copied %d times\n%s", name, copies, r.Dockerfile)
		}
	})
}
