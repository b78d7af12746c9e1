package state

import (
	"crypto/sha256"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// syncAll waits until all of the file system that a file is on is on the disk.
func syncAll(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// bootID is another one each time the machine starts.
var bootID = sync.OnceValue(func() [16]byte {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return unknownBoot()
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:])
})

// exchange has two files change places, at once.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
