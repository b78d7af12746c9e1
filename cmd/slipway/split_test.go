package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Promise: a rerun is always safe. The job that merges a split build is killed
// after each request in turn; run again on the same machine it ends in the
// release that one machine would have made, without a trace of the parts.
func TestMergeKilledAfterEveryRequest(t *testing.T) {
	t.Parallel()
	// After every request; on the real one, which takes its time, every fourth.
	for name, stride := range map[string]int{"simforge github": 1, "real gitea": 4} {
		open := subjects()[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir, p := open(t), quickProject(t, "v1.0.0"), newTap(t)
			want := undisturbed(t, p, s, dir)
			part := clone(t, dir)
			for n := 1; ; n += stride {
				server := s.fresh(t, dir)
				p.begin(server, 0)
				env := tokenEnv(cleanEnv(t, t.TempDir()), s)
				stage := append([]string{"slipway", "build", "--stage"}, releaseArgs(p.URL, s, "--tag", "v1.0.0")[2:]...)
				mustRun(t, part, env, append(stage, "--platforms", "linux/amd64,linux/386")...)
				mustRun(t, part, env, append(stage, "--platforms", "linux/arm64,linux/arm/v6")...)
				p.begin(server, n)
				to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s)
				killed := p.killedIn(t, s, to, env, "--merge")
				again := mustRun(t, to, env, releaseArgs(p.URL, s, "--tag", "v1.0.0", "--merge")...)
				if diff := cmp.Diff(want, public(t, p.URL, s)); diff != "" {
					t.Fatalf("after request %d the rerun ends elsewhere (-want +got):\n%s\n%s", n, diff, again)
				}
				if !killed {
					t.Logf("killed after every %d of some %d requests", stride, n-1)
					return
				}
			}
		})
	}
}
