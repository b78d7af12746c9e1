package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout"
)

// logged is a package of 12 calls in 3 phases, each of which writes its name.
const logged = `ocuroot("0.3.0")

def work(ctx):
    host.shell("echo {} >> \"$LOG\"; sleep 0.03".format(ctx.inputs.name))
    return done(outputs={"name": ctx.inputs.name})

for p in range(3):
    phase("phase {}".format(p), work=[
        call(work, name="w{}-{}".format(p, i), inputs={"name": "w{}-{}".format(p, i)}) for i in range(4)
    ], tasks=[])
`

// rolloutStates are the kinds of state that the command line takes.
func rolloutStates(t *testing.T) map[string]string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "state.git")
	mustRun(t, "", nil, "git", "init", "--quiet", "--bare", bare)
	return map[string]string{"folder": filepath.Join(t.TempDir(), "state"), "branch": "git:" + bare, "database": "sqlite:" + filepath.Join(t.TempDir(), "state.db")}
}

func rolloutRepository(t *testing.T) (dir, log string, env []string) {
	t.Helper()
	dir, log = t.TempDir(), filepath.Join(t.TempDir(), "log")
	env = append(cleanEnv(t, t.TempDir()), "LOG="+log)
	if err := os.WriteFile(filepath.Join(dir, "release.ocu.star"), []byte(logged), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "-m", "feat: begin"}} {
		mustRun(t, dir, env, append([]string{"git"}, args...)...)
	}
	return dir, log, env
}

// A process that is killed (SIGKILL) leaves a release that the next one goes on
// with: what was recorded complete never runs again, and all of it is done.
func TestRolloutKilled(t *testing.T) {
	t.Parallel()
	for name, store := range rolloutStates(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, log, env := rolloutRepository(t)
			args := []string{"slipway", "release", "new", "release.ocu.star", "--state", store}
			for n := range 4 {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir, cmd.Env = dir, env
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(60+40*n) * time.Millisecond)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				recorded, made := completeItems(t, dir, env, store)
				if made {
					args = []string{"slipway", "work", "continue", "--state", store}
				}
				before := len(ranItems(t, log))
				time.Sleep(50 * time.Millisecond) // scripts of the dead process may still write
				t.Cleanup(func() {
					for _, again := range ranItems(t, log)[before:] {
						if slices.Contains(recorded, again) {
							t.Errorf("%s ran again after kill %d, and was recorded complete", again, n+1)
						}
					}
				})
			}
			out := mustRun(t, dir, env, args...)
			if recorded, _ := completeItems(t, dir, env, store); len(recorded) != 12 {
				t.Errorf("%d of 12 items are complete\n%s", len(recorded), out)
			}
			all := ranItems(t, log)
			slices.Sort(all)
			if n := len(slices.Compact(all)); n != 12 {
				t.Errorf("%d of 12 items ran", n)
			}
		})
	}
}

// Two processes at once run each item once, over each kind of state.
func TestRolloutRace(t *testing.T) {
	t.Parallel()
	for name, store := range rolloutStates(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, log, env := rolloutRepository(t)
			first := exec.Command("slipway", "release", "new", "release.ocu.star", "--state", store)
			first.Dir, first.Env = dir, env
			var out bytes.Buffer
			first.Stderr = &out
			if err := first.Start(); err != nil {
				t.Fatal(err)
			}
			for range 200 {
				if _, made := completeItems(t, dir, env, store); made {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					second := exec.Command("slipway", "work", "continue", "--state", store)
					second.Dir, second.Env = dir, env
					if out, err := second.CombinedOutput(); err != nil {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
			wg.Wait()
			if err := first.Wait(); err != nil {
				t.Errorf("%v\n%s", err, &out)
			}
			all := ranItems(t, log)
			slices.Sort(all)
			if n := len(slices.Compact(slices.Clone(all))); n != 12 || len(all) != 12 {
				t.Errorf("%d items ran, %d of them apart; want 12 once: %v", len(all), n, all)
			}
		})
	}
}

func ranItems(t *testing.T, log string) []string {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// completeItems are the names of the calls that are recorded complete; made says
// whether there is a release at all.
func completeItems(t *testing.T, dir string, env []string, store string) (names []string, made bool) {
	t.Helper()
	cmd := exec.Command("slipway", "release", "show", "release.ocu.star", "--json", "--state", store)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	var doc struct{ Items []rollout.Shown }
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out))
	}
	for _, it := range doc.Items {
		if it.Item.Status == rollout.Complete {
			names = append(names, strings.TrimPrefix(it.Key, "call/"))
		}
	}
	return names, true
}
