package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/host"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// heard is a log that remembers.
type heard struct {
	mu    sync.Mutex
	lines []string
	when  []time.Time
}

func (h *heard) add(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines, h.when = append(h.lines, s), append(h.when, time.Now())
}
func (h *heard) Print(s string)  { h.add("print " + s) }
func (h *heard) Stdout(s string) { h.add("out " + s) }
func (h *heard) Stderr(s string) { h.add("err " + s) }
func (h *heard) Secret(string)   {}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

func here(t *testing.T, env map[string]string) (lang.Host, string) {
	t.Helper()
	dir := t.TempDir()
	if env == nil {
		env = map[string]string{"PATH": os.Getenv("PATH")}
	}
	return host.Local(host.LocalOptions{Dir: dir, Env: env}), dir
}

// A script's streams are told line by line and kept whole; its exit code is an
// answer and no error.
func TestShell(t *testing.T) {
	t.Parallel()
	h, dir := here(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		script lang.Script
		want   lang.Shell
		heard  []string
	}{
		"streams": {lang.Script{Text: "echo a; sleep 0.1; echo b >&2; sleep 0.1; printf 'c\r\n\nd'"},
			lang.Shell{Stdout: "a\nc\r\n\nd", Stderr: "b\n", Combined: "a\nb\nc\r\n\nd"}, []string{"out a", "err b", "out c", "out ", "out d"}},
		"muted":           {lang.Script{Text: "echo a", Mute: true}, lang.Shell{Stdout: "a\n", Combined: "a\n"}, nil},
		"fails":           {lang.Script{Text: "exit 3"}, lang.Shell{ExitCode: 3}, nil},
		"killed":          {lang.Script{Text: "kill -9 $$"}, lang.Shell{ExitCode: 137}, nil},
		"no stdin":        {lang.Script{Text: "cat; echo end"}, lang.Shell{Stdout: "end\n", Combined: "end\n"}, []string{"out end"}},
		"folder":          {lang.Script{Text: "basename $PWD", Dir: "sub"}, lang.Shell{Stdout: "sub\n", Combined: "sub\n"}, []string{"out sub"}},
		"absolute":        {lang.Script{Text: "pwd", Dir: "/"}, lang.Shell{Stdout: "/\n", Combined: "/\n"}, []string{"out /"}},
		"env":             {lang.Script{Text: `echo "$A"`, Env: map[string]string{"A": "x=y z"}}, lang.Shell{Stdout: "x=y z\n", Combined: "x=y z\n"}, []string{"out x=y z"}},
		"own shell":       {lang.Script{Text: `echo "${BASH_VERSION:+bash}"`, Shell: "bash"}, lang.Shell{Stdout: "bash\n", Combined: "bash\n"}, []string{"out bash"}},
		"unknown command": {lang.Script{Text: "no-such-command 2>/dev/null"}, lang.Shell{ExitCode: 127}, nil},
	} {
		log := &heard{}
		got, err := h.Shell(t.Context(), tt.script, log)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.heard, log.all()); diff != "" {
			t.Errorf("%s was heard (-want +got):\n%s", name, diff)
		}
	}
}

// Lines are told as they come, and a line without end in pieces.
func TestShellStreams(t *testing.T) {
	t.Parallel()
	h, _ := here(t, nil)
	log := &heard{}
	if _, err := h.Shell(t.Context(), lang.Script{Text: "echo first; sleep 0.5; echo second"}, log); err != nil {
		t.Fatal(err)
	}
	if len(log.when) != 2 || log.when[1].Sub(log.when[0]) < 300*time.Millisecond {
		t.Errorf("heard %v at %v", log.lines, log.when)
	}
	log = &heard{}
	got, err := h.Shell(t.Context(), lang.Script{Text: "head -c 300000 /dev/zero | tr '\\0' x"}, log)
	if err != nil || len(got.Stdout) != 300000 || len(got.Combined) != 300000 || len(log.lines) < 2 || len(log.lines) > 300000>>16+1 {
		t.Errorf("%d bytes in %d pieces, %v", len(got.Stdout), len(log.lines), err)
	}
}

// Scripts see the environment that they are given and nothing of this process's.
func TestEnvironment(t *testing.T) {
	t.Setenv("SLIPWAY_TEST_TOKEN", "hidden")
	h, _ := here(t, map[string]string{"PATH": os.Getenv("PATH"), "GIVEN": "1"})
	got, err := h.Shell(t.Context(), lang.Script{Text: `echo "$GIVEN|$MORE|$SLIPWAY_TEST_TOKEN"`, Env: map[string]string{"MORE": "2"}}, &heard{})
	if err != nil || got.Stdout != "1|2|\n" {
		t.Errorf("%+v, %v", got, err)
	}
	env := h.Env()
	env["GIVEN"] = "changed"
	if h.Env()["GIVEN"] != "1" || h.Env()["MORE"] != "" || h.OS() != runtime.GOOS || h.Arch() != runtime.GOARCH {
		t.Errorf("%v on %s/%s", h.Env(), h.OS(), h.Arch())
	}
	if got := host.Environ([]string{"A=1=2", "B=", "=C:=x", "nothing"}); !cmp.Equal(got, map[string]string{"A": "1=2", "B": ""}) {
		t.Errorf("%v", got)
	}
}

// A script that prints too much is killed with everything it started.
func TestShellPrintsTooMuch(t *testing.T) {
	t.Parallel()
	h, dir := here(t, nil)
	for stream, redirect := range map[string]string{"output": "", "error output": " >&2"} {
		begun := time.Now()
		got, err := h.Shell(t.Context(), lang.Script{Text: "(sleep 2; touch mark) & while :; do echo line" + redirect + "; done", Most: 1000, Mute: true}, &heard{})
		if err == nil || !strings.Contains(err.Error(), "the script's "+stream+" is larger than 1000 bytes") || release.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
		if n := len(got.Stdout) + len(got.Stderr); n != 1000 || time.Since(begun) > 5*time.Second {
			t.Errorf("%d bytes after %v", n, time.Since(begun))
		}
	}
	time.Sleep(2500 * time.Millisecond)
	if _, err := os.Stat(filepath.Join(dir, "mark")); err == nil {
		t.Error("what the script had started went on")
	}
	if got, err := h.Shell(t.Context(), lang.Script{Text: "head -c 1000 /dev/zero", Most: 1000, Mute: true}, &heard{}); err != nil || len(got.Stdout) != 1000 {
		t.Errorf("just as much as may be: %d, %v", len(got.Stdout), err)
	}
}

// A cancelled script is killed with everything it started; the cause is the
// error.
func TestShellCancelled(t *testing.T) {
	t.Parallel()
	h, dir := here(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the bot shuts down")
	log := &heard{}
	go func() {
		for len(log.all()) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		cancel(why)
	}()
	got, err := h.Shell(ctx, lang.Script{Text: "(sleep 1; touch mark) & echo begun; wait"}, log)
	if !errors.Is(err, why) || got.Stdout != "begun\n" {
		t.Errorf("%+v, %v", got, err)
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(filepath.Join(dir, "mark")); err == nil {
		t.Error("what the script had started went on")
	}
}

// A script may leave a program behind; it is said that its output is lost.
func TestShellLeavesBehind(t *testing.T) {
	t.Parallel()
	h, _ := here(t, nil)
	log := &heard{}
	got, err := h.Shell(t.Context(), lang.Script{Text: "sleep 20 & echo $!"}, log)
	if err != nil || got.ExitCode != 0 || got.Stdout == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if lines := log.all(); len(lines) != 2 || !strings.HasPrefix(lines[0], "print host.shell: the script left a program behind") && !strings.HasPrefix(lines[1], "print host.shell: the script left a program behind") {
		t.Errorf("heard %q", lines)
	}
	if _, err := h.Shell(t.Context(), lang.Script{Text: "kill " + strings.TrimSpace(got.Stdout)}, log); err != nil {
		t.Error(err)
	}
}

// What can't be run is said with what to do.
func TestShellRefuses(t *testing.T) {
	t.Parallel()
	h, _ := here(t, nil)
	for want, s := range map[string]lang.Script{
		"there is no folder":               {Text: "true", Dir: "nowhere"},
		`there is no program "no-such-sh"`: {Text: "true", Shell: "no-such-sh"},
		"NUL character":                    {Text: "a\x00b"},
		`"A=B" is no name and value`:       {Text: "true", Env: map[string]string{"A=B": ""}},
		`"A" is no name and value`:         {Text: "true", Env: map[string]string{"A": "\x00"}},
		`"" is no name and value`:          {Text: "true", Env: map[string]string{"": "x"}},
	} {
		_, err := h.Shell(t.Context(), s, &heard{})
		if err == nil || !strings.Contains(err.Error(), want) || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Files are read and written beside the package file; a write is whole, keeps
// the mode, and follows a link.
func TestFiles(t *testing.T) {
	t.Parallel()
	h, dir := here(t, nil)
	ctx := t.Context()
	if err := h.WriteFile(ctx, "a", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteFile(ctx, "./link", []byte("two")); err != nil {
		t.Fatal(err)
	}
	if b, err := h.ReadFile(ctx, filepath.Join(dir, "a")); err != nil || string(b) != "two" {
		t.Errorf("%q, %v", b, err)
	}
	st, err := os.Lstat(filepath.Join(dir, "a"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if st, err := os.Lstat(filepath.Join(dir, "link")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if err := h.WriteFile(ctx, "/dev/null", []byte("x")); err != nil {
		t.Errorf("a device: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, host.DefaultMost+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"there is no":        second(h.ReadFile(ctx, "b")),
		"is no regular file": second(h.ReadFile(ctx, ".")),
		"is larger than":     second(h.ReadFile(ctx, "large")),
		"is a folder":        h.WriteFile(ctx, ".", nil),
		"there is no " + dir: h.WriteFile(ctx, "no/b", nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || release.HintOf(err) == "" {
			t.Errorf("%v, want %q", err, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("%v, %v", left, err)
	}
}

func second[T any](_ T, err error) error { return err }
