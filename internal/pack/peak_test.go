package pack

import (
	"os"
	"strconv"
	"strings"
)

// peakKB is this process's largest resident size so far. The kernel's own
// getrusage would count the parent's pages from before the exec.
func peakKB() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n
		}
	}
	return 1 << 40 // unknown must not pass as small
}
