package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// No bot outlives its rehearsal: not one that is interrupted, and not one that
// is killed and can clean nothing up.
func TestRehearsalLeavesNoBot(t *testing.T) {
	t.Parallel()
	webhook := regexp.MustCompile(`with a webhook of .* http://(.*)/webhook`)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			home, err := os.MkdirTemp("", "slipway-test-")
			if err != nil {
				t.Fatal(err)
			}
			// The bot's compilers live for a moment longer and may still write.
			t.Cleanup(func() { _ = os.RemoveAll(home) })
			log := &logFile{}
			cmd := exec.Command("slipway", "rehearse", "--out", filepath.Join(home, "work"))
			cmd.Env, cmd.Stderr = cleanEnv(t, home), log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var at []string
			eventually(t, "the bot is up", func() bool {
				at = webhook.FindStringSubmatch(log.String())
				return at != nil
			})
			answers := func() bool {
				c, err := net.DialTimeout("tcp", at[1], time.Second)
				if err == nil {
					_ = c.Close()
				}
				return err == nil
			}
			if !answers() {
				t.Error("nobody listens where the bot should")
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was stopped
			if code := cmd.ProcessState.ExitCode(); sig == syscall.SIGINT && code != 130 {
				t.Errorf("it ended with %d\n%s", code, log)
			}
			eventually(t, "the bot is gone", func() bool { return !answers() })
		})
	}
}
