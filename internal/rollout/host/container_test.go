package host_test

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/host"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

var _ host.Container = (*buildkit.Container)(nil)

// A real container of BuildKit is a machine for scripts like this one: what is
// written is there for the next script, what is printed is heard and bounded, and
// what can't be done is said with what to do.
func TestInsideBuildKit(t *testing.T) {
	t.Parallel()
	b, reason, err := buildkit.Find(t.Context(), buildkit.Options{Flag: realtest.BuildKit(t), Getenv: func(string) string { return "" }})
	if err != nil || b == nil {
		t.Fatal(reason, err)
	}
	t.Cleanup(b.Close)
	dir := t.TempDir()
	c, err := b.Container(t.Context(), buildkit.ContainerOptions{Name: "staging", Image: realtest.BaseImage(t, realtest.Registry(t)), Folder: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	env := c.Env()
	env["GIVEN"] = "1"
	at := path.Join(buildkit.ContainerDir, "deploy")
	h := host.Inside(host.InsideOptions{Container: c, Image: c.Image(), OS: c.Platform().OS, Arch: c.Platform().Arch, Dir: at, Env: env})
	ctx, log := t.Context(), &heard{}
	if _, err := h.Shell(ctx, lang.Script{Text: "mkdir deploy", Dir: buildkit.ContainerDir}, log); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("text\n", 1<<16)
	if err := h.WriteFile(ctx, "a", []byte(text)); err != nil {
		t.Fatal(err)
	}
	if got, err := h.ReadFile(ctx, "a"); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	begun := time.Now()
	got, err := h.Shell(ctx, lang.Script{Text: `tail -n 1 a; pwd; echo "$GIVEN$MORE" >&2; exit 3`, Env: map[string]string{"MORE": "2"}}, log)
	if err != nil || got.ExitCode != 3 || got.Stdout != "text\n"+at+"\n" || got.Stderr != "12\n" {
		t.Errorf("%+v, %v", got, err)
	}
	t.Logf("a script took %v", time.Since(begun))
	if got, err := h.Shell(ctx, lang.Script{Text: "sleep 30 & echo on"}, log); err != nil || got.Stdout != "on\n" || !strings.Contains(strings.Join(log.all(), "\n"), "print host.shell: the script left a program behind") {
		t.Errorf("%+v, %v, heard %q", got, err, log.all())
	}
	begun = time.Now()
	got, tooMuch := h.Shell(ctx, lang.Script{Text: "head -c 100000000 /dev/zero", Most: 1 << 20, Mute: true}, log)
	if len(got.Stdout) != 1<<20 || time.Since(begun) > 5*time.Second {
		t.Errorf("%d bytes after %v", len(got.Stdout), time.Since(begun))
	}
	_, ended := h.Shell(ctx, lang.Script{Text: "true"}, log)
	for want, err := range map[string]error{"is larger than 1048576 bytes": tooMuch, "is closed": ended} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if release.HintOf(tooMuch) == "" {
		t.Errorf("no hint: %v", tooMuch)
	}
}
