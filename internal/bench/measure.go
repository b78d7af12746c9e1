package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// cmd is a program in a folder, in the environment of all measurements.
func (b *bench) cmd(dir string, args ...string) proc.Cmd {
	return proc.Cmd{Args: args, Dir: dir, Env: b.env, Unset: b.unset}
}

func (b *bench) git(ctx context.Context, dir string, args ...string) error {
	return proc.Run(ctx, b.cmd(dir, append([]string{"git"}, args...)...))
}

// quiet runs a program with its output sent to /dev/null.
func quiet(ctx context.Context, c proc.Cmd) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	c.Stdout = null
	return proc.Run(ctx, c)
}

// times are those of one contender, one a turn.
type times []time.Duration

func (t times) sum() (all time.Duration) {
	for _, d := range t {
		all += d
	}
	return all
}

func (t times) median() time.Duration { return slices.Sorted(slices.Values(t))[len(t)/2] }
func (t times) best() time.Duration   { return slices.Min(t) }

// contender is something whose time is taken.
type contender struct {
	before func() error // not timed; may be nil
	// run does the work. It may tell another time than the one it took.
	run  func() (time.Duration, error)
	took times
	cpu  times // processor time of the programs it ran to their ends
}

// timed is a contender whose whole run counts.
func timed(run func() error) *contender {
	return &contender{run: func() (time.Duration, error) {
		begun := time.Now()
		err := run()
		return time.Since(begun), err
	}}
}

// race takes the contenders' times in turns, so that what else the machine
// does meets all of them alike.
func (b *bench) race(what string, all ...*contender) error {
	for turn := range b.turns {
		fmt.Fprintf(b.log, "%s: turn %d of %d\n", what, turn+1, b.turns)
		for _, c := range all {
			if c.before != nil {
				if err := c.before(); err != nil {
					return err
				}
			}
			cpu := childrenCPU()
			took, err := c.run()
			if err != nil {
				return err
			}
			c.took, c.cpu = append(c.took, took), append(c.cpu, childrenCPU()-cpu)
		}
	}
	return nil
}

// childrenCPU is the processor time of all programs that this process, or one
// of them, has waited for.
func childrenCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak runs a program and gives its largest resident size in bytes, that of
// its children left out. (What the kernel tells a parent by getrusage counts
// the children, and the parent's own pages from before the exec.)
func (b *bench) peak(ctx context.Context, c proc.Cmd) (int64, error) {
	file := filepath.Join(b.dir, "pid")
	if err := os.RemoveAll(file); err != nil {
		return 0, err
	}
	// The shell writes its number and becomes the program.
	c.Args = append([]string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, file}, c.Args...)
	ended := make(chan struct{})
	peak := make(chan int64, 1)
	go func() { peak <- watch(file, ended) }()
	err := quiet(ctx, c)
	close(ended)
	bytes := <-peak
	if err == nil && bytes == 0 {
		err = errors.New("the process ended before its memory was looked at")
	}
	return bytes, err
}

// watch reads the high-water mark of the process whose number is in the file
// until that has ended.
func watch(file string, ended <-chan struct{}) int64 {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var most int64
	for {
		if pid, err := os.ReadFile(file); err == nil {
			most = max(most, highWater(strings.TrimSpace(string(pid))))
		}
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
	}
}

// highWater is a process's VmHWM in bytes, 0 when it is gone.
func highWater(pid string) int64 {
	if pid == "" {
		return 0
	}
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0
	}
	bytes, err := kibibytes(status, "VmHWM:")
	if err != nil {
		return 0
	}
	return bytes
}

// kibibytes reads a line of /proc/PID/status, in bytes.
func kibibytes(status []byte, line string) (int64, error) {
	_, rest, _ := strings.Cut(string(status), "\n"+line)
	field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(field, 10, 64)
	return kib << 10, err
}

// idle is the peak of a slipway that has started and waits for its input.
func (b *bench) idle(ctx context.Context) (int64, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	time.AfterFunc(300*time.Millisecond, func() {
		_, _ = io.WriteString(w, "v1.0.0\n")
		_ = w.Close()
	})
	c := b.cmd(b.dir, b.slipway, "classify")
	c.Stdin = r
	return b.peak(ctx, c)
}
