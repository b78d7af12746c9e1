package realtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// contained returns the command line of a server that runs containers and has
// its data in the given directory: in a namespace of processes and one of
// mounts, so that its end, however it comes, ends all that it started and takes
// every mount away. It sees none of the machine's own container servers, which
// are found by files in /run, nor their settings.
func contained(data string, args ...string) []string {
	const prepare = `for d in /run /etc/docker /etc/buildkit ${1:+"$1"}; do
	[ ! -d "$d" ] || mount -t tmpfs -o mode=755 tmpfs "$d" || exit
done
shift
exec "$@"`
	if !memoryToSpare() {
		data = ""
	}
	return append(ownNamespaces("sh", "-c", prepare, "contained", data), args...)
}

// memoryToSpare tells whether images may be unpacked into memory, which is
// several times as fast as on a disk: the toolchain image takes 1.5 GB there.
func memoryToSpare() bool {
	const enough = 8 << 20 // KiB
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return false
	}
	free, _, _ := strings.Cut(strings.TrimSpace(after(string(info), "\nMemAvailable:")), " ")
	n, err := strconv.Atoi(free)
	return err == nil && n >= enough
}

// ownNamespaces returns the command line of a program whose end takes its
// mounts and its processes with it.
func ownNamespaces(args ...string) []string {
	return append([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}, args...)
}

// cgroupParent returns the control group for the containers of the server with
// that directory; the watchdog removes it by that name.
func cgroupParent(dir string) string { return "/" + filepath.Base(dir) }
