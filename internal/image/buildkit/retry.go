package buildkit

import (
	"context"
	"time"
)

// pauses are the waits before a build is run again for its push. BuildKit has
// tried each blob for some seconds by itself before.
func pauses() []time.Duration { return []time.Duration{time.Second, 4 * time.Second} }

// sleep is false when the context ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
