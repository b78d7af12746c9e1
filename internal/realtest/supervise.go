package realtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// watchdog is told the process group of a server on its standard input. When
// that input ends, because the test process closed it or is gone (killed even),
// it kills the group and removes the server's directory, and the control groups
// of that name. A second line says that the server has ended by itself, so that
// its number may be another's now.
const watchdog = `trap '' INT TERM HUP
if read -r group; then
	if read -r ended; then cat >/dev/null; else kill -s KILL -- "-$group"; fi
fi
clean() {
	rm -rf -- "$1" || return
	name=${1##*/}
	groups=$(find /sys/fs/cgroup -depth -type d "(" -name "$name" -o -path "*/$name/*" ")" 2>/dev/null) || true
	[ -z "$groups" ] || rmdir $groups
}
clean "$1" || { sleep 1; clean "$1"; }`

// server is a program that serves until it is stopped, and never outlives the
// test process.
type server struct {
	exited chan struct{} // closed when the program has ended
	group  int           // the program's process group

	leash *os.File
	dog   *exec.Cmd
	once  sync.Once
}

// serve starts a program whose whole state lies in dir. Its output goes to log.
func serve(dir string, log io.Writer, env []string, args ...string) (*server, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	dog := exec.Command("sh", "-c", watchdog, "watchdog", dir)
	dog.Stdin = r
	dog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = dog.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	s := &server{exited: make(chan struct{}), leash: w, dog: dog}

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A program that the server started, in a group of its own, may hold the
	// output open beyond the server's end.
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		close(s.exited)
		s.stop()
		return nil, err
	}
	s.group = cmd.Process.Pid
	// The watchdog is alive, so the pipe has a reader.
	_, err = fmt.Fprintln(w, cmd.Process.Pid)
	go func() {
		_ = cmd.Wait()
		_, _ = fmt.Fprintln(w, "ended")
		close(s.exited)
	}()
	if err != nil {
		_ = cmd.Process.Kill()
		s.stop()
		return nil, fmt.Errorf("tell the watchdog: %w", err)
	}
	return s, nil
}

// stop kills the program and removes its directory; it returns when both are
// done.
func (s *server) stop() {
	s.once.Do(func() {
		_ = s.leash.Close()
		_ = s.dog.Wait()
		select {
		case <-s.exited:
		case <-time.After(10 * time.Second):
			// The watchdog was killed itself.
			_ = syscall.Kill(-s.group, syscall.SIGKILL)
			<-s.exited
		}
	})
}
