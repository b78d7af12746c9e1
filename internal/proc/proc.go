// Package proc is the only place that starts other programs: always by
// argument list, always with a context, and with the exit code and the last
// lines of stderr kept in the error.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrNotFound is in the error of a program that is not installed.
var ErrNotFound = exec.ErrNotFound

// ErrLeftBehind is in the error of a program that ended well and left another
// behind which holds its output open.
var ErrLeftBehind = exec.ErrWaitDelay

// There reports whether a program is on the PATH.
func There(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// Cmd is one program to run. The zero value of a field means: none.
type Cmd struct {
	Args   []string // program and arguments
	Dir    string
	Env    []string // KEY=VALUE, added to this process's environment; later entries win
	Unset  []string // variables taken away from this process's environment
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer // a copy of what goes to the error's tail; a file gets it directly, and the tail stays empty
	// Merged sends stdout the way of stderr, to the error's tail and in the
	// order it was written; Stdout must be nil then.
	Merged bool
	// Outlives is of Start: the program is not killed when this process is gone,
	// but sees its stdin end, and ends in its own way.
	Outlives bool
}

// Error is a program that could not be started or did not exit with 0.
type Error struct {
	Args []string
	Code int    // exit code, -1 when it did not start or was killed
	Tail string // the last lines it wrote to stderr, and to stdout when Merged
	Err  error
}

func (e *Error) Error() string {
	s := strings.Join(e.Args, " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	if e.Code >= 0 {
		s = fmt.Sprintf("`%s` exited with %d", s, e.Code)
	} else {
		s = fmt.Sprintf("`%s`: %v", s, e.Err)
	}
	if e.Tail != "" {
		s += "\n" + e.Tail
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs a program to its end. When the context ends, the program and every
// process it started are killed, and the context's error is returned.
func Run(ctx context.Context, c Cmd) error {
	cmd := command(ctx, c)
	tail := &tailWriter{max: 8 << 10}
	cmd.Stdout = c.Stdout
	switch w := c.Stderr.(type) {
	case nil:
		cmd.Stderr = tail
	case *os.File:
		cmd.Stderr = w // not through a pipe: it may be a terminal
	default:
		cmd.Stderr = io.MultiWriter(w, tail)
	}
	if c.Merged {
		cmd.Stdout = cmd.Stderr // one writer for both is one pipe
	}
	return finish(ctx, c, cmd.Run(), tail)
}

// Output runs a program and returns its stdout.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := Run(ctx, c)
	return out.Bytes(), err
}

// Stream runs a program and hands its stdout to read as it comes. When read
// returns before the end, the program is killed and read's error returned.
func Stream(ctx context.Context, c Cmd, read func(io.Reader) error) error {
	ctx2, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := command(ctx2, c)
	tail := &tailWriter{max: 8 << 10}
	cmd.Stderr = tail
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return finish(ctx, c, err, tail)
	}
	rerr := read(pipe)
	// What read left unread tells whether it stopped early on purpose.
	if n, _ := io.CopyN(io.Discard, pipe, 1); n > 0 || rerr != nil {
		cancel()
		_ = cmd.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return rerr
	}
	return finish(ctx, c, cmd.Wait(), tail)
}

func command(ctx context.Context, c Cmd) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = environ(c)
	cmd.Stdin = c.Stdin
	// A process group of its own, so that a cancel reaches grandchildren too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

func environ(c Cmd) []string {
	env := os.Environ()
	if len(c.Unset) > 0 {
		kept := env[:0:0]
		for _, kv := range env {
			k, _, _ := strings.Cut(kv, "=")
			if !slices.Contains(c.Unset, k) {
				kept = append(kept, kv)
			}
		}
		env = kept
	}
	return append(env, c.Env...)
}

func finish(ctx context.Context, c Cmd, err error, tail *tailWriter) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := -1
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		code = ee.ExitCode()
	}
	return &Error{Args: c.Args, Code: code, Tail: tail.String(), Err: err}
}

// tailWriter keeps the last max bytes written to it.
type tailWriter struct {
	max int
	buf []byte
	cut bool
}

func (t *tailWriter) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.cut = true
	}
	return len(p), nil
}

func (t *tailWriter) String() string {
	s := strings.TrimRight(string(t.buf), "\n")
	if t.cut {
		if _, rest, ok := strings.Cut(s, "\n"); ok {
			s = "…\n" + rest
		}
	}
	return s
}
