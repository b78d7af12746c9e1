package proc

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is a program that runs beside this one.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // once done is closed
}

// Start starts a program and does not wait for its end. When the context ends,
// the program and every process in its group are killed. On Linux it is killed
// as well when this process is gone, however that ended, unless it Outlives it.
func Start(ctx context.Context, c Cmd) (*Process, error) {
	cmd := command(ctx, c)
	if !c.Outlives {
		tie(cmd.SysProcAttr)
	}
	tail := &tailWriter{max: 8 << 10}
	cmd.Stdout, cmd.Stderr = c.Stdout, io.Writer(tail)
	if f, ok := c.Stderr.(*os.File); ok {
		cmd.Stderr = f
	} else if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(c.Stderr, tail)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// What a process is tied to is the thread that made it, which must live
		// as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = finish(ctx, c, cmd.Wait(), tail)
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, finish(ctx, c, err, tail)
	}
	return p, nil
}

// Terminate asks the program to end (SIGTERM). One that has ended is no error.
func (p *Process) Terminate() { p.signal(p.cmd.Process.Pid, syscall.SIGTERM) }

// Kill ends the program and its group at once (SIGKILL).
func (p *Process) Kill() { p.signal(-p.cmd.Process.Pid, syscall.SIGKILL) }

func (p *Process) signal(to int, sig syscall.Signal) {
	select {
	case <-p.done: // the number may be another's by now
	default:
		_ = syscall.Kill(to, sig)
	}
}

// Wait waits for the program's end: nil for exit code 0, the context's error,
// or an *Error.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Done is closed when the program has ended and all it wrote has been read.
func (p *Process) Done() <-chan struct{} { return p.done }
