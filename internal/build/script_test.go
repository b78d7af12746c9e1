package build

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// Wherever {output} stands in a script, the shell sees the path as one word,
// whatever the path holds.
func TestOutputInScript(t *testing.T) {
	t.Parallel()
	const path = `/tmp/a b/$(exit 9)'"*{}\;` + "`exit 9`"
	for _, test := range []struct{ script, want string }{
		{`printf '%s|' {output} b`, path + "|b|"},
		{`printf '%s|' "{output}" b`, path + "|b|"},
		{`printf '%s|' '{output}' b`, path + "|b|"},
		{`printf '%s|' -o{output}.tmp`, "-o" + path + ".tmp|"},
		{`printf '%s|' "a {output}x"`, "a " + path + "x|"},
		{`printf '%s|' 'a {output}'x`, "a " + path + "x|"},
		{"# don't {output}\nprintf '%s|' {output}", path + "|"},
		{`x={output}; printf '%s|' "$x"`, path + "|"},
		{`printf '%s|' "$(printf %s {output})"`, path + "|"},
		{`printf '%s|' "$(printf %s "{output}")"`, path + "|"},
		{`f() { printf '%s|' {output}; }; if true; then f; fi`, path + "|"},
		{"cat <<EOF\n{output}\nEOF", path + "\n"},
		{`printf '%s|' "${none:-{none}}" '{x}'`, "{none}|{x}|"},
		{`awk 'BEGIN { printf "%s", "{output}" }' </dev/null`, ""},
	} {
		got, err := outputInScript(test.script)
		if err != nil {
			t.Errorf("%s: %v", test.script, err)
			continue
		}
		if test.want == "" {
			continue // its meaning is awk's; that it is one shell word is seen above
		}
		out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-c", got}, Env: []string{"SLIPWAY_OUTPUT=" + path}})
		if err != nil || string(out) != test.want {
			t.Errorf("%s → %s\nprints %q (%v), want %q", test.script, got, out, err, test.want)
		}
	}
	_, err := outputInScript("cat <<'EOF'\n{output}\nEOF")
	checkError(t, err, release.Invalid, "$SLIPWAY_OUTPUT", "quoted here-document")
}

// No script panics, and none keeps an {output} outside a comment.
func FuzzOutputInScript(f *testing.F) {
	for _, s := range []string{"cp x {output}", `"{output}`, "'{output}'", "$'{output}'", "cat <<E\n{output}\nE", "${x:-{output}}", "{output", "((", "a=({output})", "`{output}`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := outputInScript(s)
		if err == nil && strings.Contains(got, outputMark) && !strings.Contains(got, "#") {
			t.Errorf("%q → %q", s, got)
		}
	})
}
