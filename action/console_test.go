package action

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-githubactions"

	"github.com/slipway-dev/slipway/internal/progress"
)

// Promise: nothing that a project's commands print is a command to the runner,
// and no secret is in the log, however the text is cut into writes.
func TestConsole(t *testing.T) {
	t.Parallel()
	text := "::set-output name=a::b\n  ::warning::x\nin the ::middle:: it is text\n##[error]old\nit is swordfish\nlast"
	want := ":\u200b:set-output name=a::b\n  :\u200b:warning::x\nin the ::middle:: it is text\n#\u200b#[error]old\nit is ***\nlast\n"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		c := &console{w: &out, mask: masker([]string{"swordfish"})}
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if _, err := c.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		c.flush()
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Fatalf("in writes of %d bytes (-want +got):\n%s", size, diff)
		}
	}
}

// No line of whatever text is one that a runner acts on.
func FuzzHarmless(f *testing.F) {
	for _, s := range []string{"::a::b", " \t::a::", "##[a]", ":::", "::", "####[x]", "\u00a0::a::b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := harmless(line)
		if strings.HasPrefix(strings.TrimSpace(got), "::") || strings.Contains(got, "##[") {
			t.Errorf("%q stays %q", line, got)
		}
	})
}

// A stage with tasks is a group of the log; its own line comes after it. A stage
// without any is one line.
func TestGroups(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := groups{githubactions.New(githubactions.WithWriter(&out)), progress.Lines(&out)}
	s := g.Stage("build")
	s.Task("one", 0).Done("1 B", nil)
	s.Done("1 binary", nil)
	g.Stage("commit").Done("public", nil)
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Fields(line)[0])
	}
	if diff := cmp.Diff([]string{"::group::build", "·", "::endgroup::", "✓", "✓"}, lines); diff != "" {
		t.Errorf("%s\n%s", diff, &out)
	}
}

// Values of variables whose names say that they are secret are masked, each line
// of them, the longest first; what is everywhere is not.
func TestSecrets(t *testing.T) {
	t.Parallel()
	got := secrets([]string{"GITHUB_TOKEN=ghs_abc", "MY_PASSWORD=ghs_abcdef", "SSH_PRIVATE_KEY=-----BEGIN\nline-one\n", "TOKEN_FILE=/a/file",
		"USE_TOKEN=true", "TOKEN_TYPE=release", "API_KEY=abc", "KEYBOARD=de-latin1", "HOME=/home/swordfish", "SHARED_SECRET=ghs_abc"}, "given-1")
	want := []string{"-----BEGIN\nline-one", "ghs_abcdef", "-----BEGIN", "line-one", "ghs_abc", "given-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := masker(got).Replace("ghs_abcdef and ghs_abc"); got != "*** and ***" {
		t.Error(got)
	}
}
