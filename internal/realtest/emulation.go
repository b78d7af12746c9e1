package realtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// Emulation makes the machine run programs for arm64 and arm, in containers
// too, by qemu. The registration is the kernel's and stays.
func Emulation(t testing.TB) {
	t.Helper()
	if err := registerEmulation(t.Context()); err != nil {
		missing(t, "emulation of arm64 and arm", err)
	}
}

const binfmtMisc = "/proc/sys/fs/binfmt_misc"

// binfmtFile has the line to register, as Debian's package brings it.
func binfmtFile(name string) string { return filepath.Join("/usr/lib/binfmt.d", name+".conf") }

// registerEmulation does what Debian's systemd does at boot with the files that
// qemu-user-static brings; it changes nothing where that is done.
func registerEmulation(ctx context.Context) error {
	names := []string{"qemu-aarch64", "qemu-arm"}
	if registered(names) {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can register it")
	}
	for _, name := range names {
		if _, err := os.Stat(binfmtFile(name)); err != nil {
			return fmt.Errorf("%w; apt-get install qemu-user-static", err)
		}
	}
	// Tests of several packages come here at once.
	lock := flock.New(binfmtFile(names[0]))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return fmt.Errorf("wait for another registration: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if !exists(filepath.Join(binfmtMisc, "register")) {
		if err := syscall.Mount("binfmt_misc", binfmtMisc, "binfmt_misc", 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", binfmtMisc, err)
		}
	}
	for _, name := range names {
		if registered([]string{name}) {
			continue
		}
		if err := register(name); err != nil {
			return err
		}
	}
	return nil
}

// registered tells whether programs of those kinds run, in containers too: the
// flag F holds the emulator open, as a container has no file of that name.
func registered(names []string) bool {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(binfmtMisc, name))
		if err != nil {
			return false
		}
		state := string(data)
		flags, _, _ := strings.Cut(after(state, "\nflags: "), "\n")
		if !strings.HasPrefix(state, "enabled\n") || !strings.Contains(flags, "F") {
			return false
		}
	}
	return true
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func after(s, sep string) string {
	_, rest, _ := strings.Cut(s, sep)
	return rest
}

func register(name string) error {
	line, err := os.ReadFile(binfmtFile(name))
	if err != nil {
		return err
	}
	// One that containers can't use, or that is switched off, gives way.
	if file := filepath.Join(binfmtMisc, name); exists(file) {
		if err := os.WriteFile(file, []byte("-1"), 0); err != nil {
			return fmt.Errorf("take back %s: %w", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(binfmtMisc, "register"), []byte(strings.TrimSpace(string(line))), 0); err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	return nil
}
