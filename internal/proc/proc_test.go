package proc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// The exit code and the last lines of stderr are in the error.
func TestErrorKeepsCodeAndTail(t *testing.T) {
	t.Parallel()
	err := proc.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-c", "seq 1 5000 >&2; echo the reason >&2; exit 3"}})
	var e *proc.Error
	if !errors.As(err, &e) || e.Code != 3 || !strings.HasSuffix(e.Tail, "the reason") || len(e.Tail) > 9<<10 {
		t.Fatalf("error %.200v", err)
	}
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"no-such-program"}}); !errors.Is(err, proc.ErrNotFound) {
		t.Errorf("a missing program: %v", err)
	}
}

// The environment is this process's, less what is taken away, and with what is
// added last.
func TestEnvironment(t *testing.T) {
	t.Setenv("PROC_A", "1")
	t.Setenv("PROC_B", "2")
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-c", `printf '%s|%s|%s' "$PROC_A" "$PROC_B" "$PROC_C"`},
		Unset: []string{"PROC_A"}, Env: []string{"PROC_B=3", "PROC_C=4"}})
	if err != nil || string(out) != "|3|4" {
		t.Errorf("%q, %v", out, err)
	}
}

// A cancelled context stops the program and everything that it started.
func TestCancelReachesGrandchildren(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- proc.Run(ctx, proc.Cmd{Args: []string{"sh", "-c", `(sleep 1; touch "$0") & touch "$0.begun"; wait`, mark}})
	}()
	for {
		if _, err := os.Stat(mark + ".begun"); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("a grandchild went on")
	}
}

// A reader that has enough stops the program, which is no error; one that fails
// says why.
func TestStreamStopsEarly(t *testing.T) {
	t.Parallel()
	endless := proc.Cmd{Args: []string{"sh", "-c", "while :; do echo line; done"}}
	first := make([]byte, 4)
	if err := proc.Stream(t.Context(), endless, func(r io.Reader) error { _, err := io.ReadFull(r, first); return err }); err != nil || string(first) != "line" {
		t.Errorf("%q, %v", first, err)
	}
	want := errors.New("enough")
	if err := proc.Stream(t.Context(), endless, func(io.Reader) error { return want }); !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
	var out bytes.Buffer
	err := proc.Stream(t.Context(), proc.Cmd{Args: []string{"sh", "-c", "echo all; exit 4"}}, func(r io.Reader) error { _, err := out.ReadFrom(r); return err })
	var e *proc.Error
	if !errors.As(err, &e) || e.Code != 4 || out.String() != "all\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// A program that runs beside is asked to end, or killed, and says how it ended.
func TestStart(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p, err := proc.Start(t.Context(), proc.Cmd{Args: []string{"sh", "-c", `trap 'echo asked >&2; exit 3' TERM; echo up; while :; do sleep 0.02; done`}, Stdout: writerOf(func(b []byte) {
		out.Write(b)
	})})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	p.Terminate()
	var e *proc.Error
	if err := p.Wait(); !errors.As(err, &e) || e.Code != 3 || e.Tail != "asked" || out.String() != "up\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	p.Terminate() // of what has ended
	p, err = proc.Start(t.Context(), proc.Cmd{Args: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := p.Wait(); !errors.As(err, &e) || e.Code != -1 {
		t.Errorf("%v", err)
	}
	if _, err := proc.Start(t.Context(), proc.Cmd{Args: []string{"no-such-program"}}); !errors.Is(err, proc.ErrNotFound) {
		t.Errorf("a missing program: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if p, err = proc.Start(ctx, proc.Cmd{Args: []string{"sleep", "60"}}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled one: %v", err)
	}
}

type writerOf func([]byte)

func (w writerOf) Write(b []byte) (int, error) { w(b); return len(b), nil }
