// Command slipway takes a commit to a release.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/slipway-dev/slipway/internal/release"
)

func main() {
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Getenv))
}

// run is main without the process: it returns the exit code.
func run(args []string, s streams, getenv func(string) string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var caught atomic.Int32
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		if sig, ok := (<-signals).(syscall.Signal); ok {
			caught.Store(int32(sig))
			cancel()
			// A second signal ends the process at once.
			signal.Reset(os.Interrupt, syscall.SIGTERM)
		}
	}()
	err := execute(ctx, args, s, getenv)
	if errors.Is(err, errDrained) {
		return 0
	}
	if sig := caught.Load(); sig != 0 && (err == nil || errors.Is(err, context.Canceled)) {
		switch {
		case release.HintOf(err) != "":
			s.tell(err)
		case err != nil:
			s.interrupted()
		}
		return 128 + int(sig)
	}
	return s.exit(err)
}
