package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/host"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// folder is a container that runs programs on this machine, with the contract's
// strictness: no environment but the given one.
type folder struct{}

func (folder) Exec(ctx context.Context, p host.Process) (int, error) {
	if p.Dir == "" || p.Stdout == nil || p.Stderr == nil {
		return 0, errors.New("an incomplete process")
	}
	var unset []string
	for k := range host.Environ(os.Environ()) {
		unset = append(unset, k)
	}
	err := proc.Run(ctx, proc.Cmd{Args: p.Args, Env: p.Env, Unset: unset, Dir: p.Dir, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr})
	var exit *proc.Error
	switch {
	case errors.Is(err, proc.ErrLeftBehind):
		return 0, err
	case errors.As(err, &exit) && exit.Code >= 0:
		return exit.Code, nil
	}
	return 0, err
}

func container(t *testing.T) (lang.Host, string) {
	t.Helper()
	dir := t.TempDir()
	return host.Inside(host.InsideOptions{Container: folder{}, Image: "registry.example/tools", OS: "linux", Arch: "arm64", Dir: dir,
		Env: map[string]string{"PATH": os.Getenv("PATH"), "GIVEN": "1"}}), dir
}

// Scripts in a container answer as on this machine, and find what others wrote.
func TestInside(t *testing.T) {
	t.Parallel()
	h, dir := container(t)
	log := &heard{}
	ctx := t.Context()
	if err := h.WriteFile(ctx, "in put", []byte("text\n")); err != nil {
		t.Fatal(err)
	}
	got, err := h.Shell(ctx, lang.Script{Text: `cat 'in put' >out; sleep 0.1; echo "$GIVEN$MORE" >&2; exit 4`, Env: map[string]string{"MORE": "2"}}, log)
	if diff := cmp.Diff(lang.Shell{Stderr: "12\n", Combined: "12\n", ExitCode: 4}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if b, err := h.ReadFile(ctx, "out"); err != nil || string(b) != "text\n" {
		t.Errorf("%q, %v", b, err)
	}
	if diff := cmp.Diff([]string{"err 12"}, log.all()); diff != "" {
		t.Error(diff)
	}
	if h.OS() != "linux" || h.Arch() != "arm64" || h.Env()["GIVEN"] != "1" {
		t.Errorf("%s/%s %v", h.OS(), h.Arch(), h.Env())
	}
	if err := h.WriteFile(ctx, "/dev/null", []byte("x")); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || !slices.Equal(names(left), []string{"in put", "out"}) {
		t.Errorf("%v, %v", names(left), err)
	}
}

func names(list []os.DirEntry) (names []string) {
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// What can't be done in a container is said with what to do.
func TestInsideRefuses(t *testing.T) {
	t.Parallel()
	h, dir := container(t)
	ctx := t.Context()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, host.DefaultMost+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"there is no folder":                         second(h.Shell(ctx, lang.Script{Text: "true", Dir: "nowhere"}, &heard{})),
		`registry.example/tools has no program "zz"`: second(h.Shell(ctx, lang.Script{Text: "true", Shell: "zz"}, &heard{})),
		"is larger than 10 bytes":                    second(h.Shell(ctx, lang.Script{Text: "while :; do echo line; done", Most: 10}, &heard{})),
		"NUL":                                        second(h.Shell(ctx, lang.Script{Text: "\x00"}, &heard{})),
		"there is no file":                           second(h.ReadFile(ctx, "nothing")),
		"large is larger than":                       second(h.ReadFile(ctx, "large")),
		"it is a folder":                             h.WriteFile(ctx, ".", nil),
		"can't be written":                           h.WriteFile(ctx, "no/file", nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || release.HintOf(err) == "" {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A cancelled script ends with the cause.
func TestInsideCancelled(t *testing.T) {
	t.Parallel()
	h, _ := container(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the bot shuts down")
	log := &heard{}
	go func() {
		for len(log.all()) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		cancel(why)
	}()
	if got, err := h.Shell(ctx, lang.Script{Text: "echo begun; sleep 60"}, log); !errors.Is(err, why) || got.Stdout != "begun\n" {
		t.Errorf("%+v, %v", got, err)
	}
}
