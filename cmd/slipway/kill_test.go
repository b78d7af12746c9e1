package main

import (
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Promise: a rerun is always safe and never wasteful. The process is killed
// after each single request in turn, when the request has taken effect but was
// not answered; the rerun ends in the same release, with the same bytes,
// nothing doubled, and nothing sent twice that had arrived whole.
func TestKilledAfterEveryRequest(t *testing.T) {
	t.Parallel()
	for name, open := range subjects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := quickProject(t, "v1.0.0")
			p := newTap(t)
			want := undisturbed(t, p, s, dir)
			for n := 1; ; n++ {
				killed := killedAfter(t, p, s, dir, n, want)
				if t.Failed() {
					t.Fatalf("after request %d", n)
				}
				if !killed {
					t.Logf("killed after each of %d requests", n-1)
					if n < 8 {
						t.Errorf("a release takes more than %d requests", n-1)
					}
					return
				}
			}
		})
	}
}

func undisturbed(t *testing.T, p *tap, s subject, dir string) []seen {
	t.Helper()
	p.begin(s.fresh(t, dir), 0)
	clone := t.TempDir()
	mustRun(t, "", nil, "git", "clone", "--quiet", dir, clone)
	mustRun(t, clone, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(p.URL, s, "--tag", "v1.0.0")...)
	got := public(t, p.URL, s)
	if len(got) != 1 || len(got[0].Assets) != 6 || got[0].Draft {
		t.Fatalf("an undisturbed release is %+v; want one with 4 archives, checksums and manifest", got)
	}
	return got
}

// killedAfter reports whether the process lived long enough to be killed.
func killedAfter(t *testing.T, p *tap, s subject, dir string, n int, want []seen) bool {
	t.Helper()
	p.begin(s.fresh(t, dir), n)
	clone := t.TempDir()
	mustRun(t, "", nil, "git", "clone", "--quiet", dir, clone)
	env := tokenEnv(cleanEnv(t, t.TempDir()), s)
	killed := p.killedIn(t, s, clone, env)
	if killed {
		if got := public(t, p.URL, s); len(got) > 0 {
			// It was published: then it must be whole.
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what is public after the kill is not the whole release (-want +got):\n%s", diff)
			}
		}
	}
	again := mustRun(t, clone, env, releaseArgs(p.URL, s, "--tag", "v1.0.0")...)
	if diff := cmp.Diff(want, public(t, p.URL, s)); diff != "" {
		t.Errorf("the rerun ends elsewhere (-want +got):\n%s\n%s", diff, again)
	}
	if d := p.doubled(); len(d) > 0 {
		t.Errorf("sent twice although they had arrived whole: %s\n%s", strings.Join(d, ", "), again)
	}
	return killed
}

// killedOnce releases from a clone of its own, to be killed.
func (p *tap) killedOnce(t *testing.T, s subject, dir string) bool {
	t.Helper()
	clone := t.TempDir()
	mustRun(t, "", nil, "git", "clone", "--quiet", dir, clone)
	return p.killedIn(t, s, clone, tokenEnv(cleanEnv(t, t.TempDir()), s))
}

// killedIn releases in a folder and reports whether the process was killed.
func (p *tap) killedIn(t *testing.T, s subject, clone string, env []string, flags ...string) bool {
	t.Helper()
	return p.killedWith(t, clone, env, append(releaseArgs(p.URL, s, "--tag", "v1.0.0"), flags...)...)
}

// killedWith is killedIn for any command.
func (p *tap) killedWith(t *testing.T, clone string, env []string, args ...string) bool {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = clone, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := make(chan struct{})
	p.mu.Lock()
	p.kill = func() { <-started; _ = cmd.Process.Kill() }
	p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := cmd.Wait()
	killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if !killed && err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return killed
}
