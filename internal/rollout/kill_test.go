package rollout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/state"
)

// chained has calls, a chain, parallel deploys in two phases, and outputs that
// the next phase needs.
const chained = `
ocuroot("0.3.0")

def build(ctx):
    host.shell("build")
    return next(push, inputs={"tag": "app:1"})

def push(tag):
    host.shell("push " + tag)
    return done(outputs={"tag": tag}, tags=["1.0.0"])

call(build, name="build")

def up(ctx):
    host.shell("up {} {}".format(ctx.environment.name, ctx.inputs.tag))
    return done(outputs={"at": ctx.environment.name})

def down(ctx):
    host.shell("down " + ctx.environment.name)
    return done()

for kind in ["staging", "prod"]:
    phase(kind, work=[
        deploy(up=up, down=down, environment=e, inputs={"tag": ref("./call/build#output/tag")})
        for e in environments() if e.attributes["type"] == kind
    ])
`

const environments = `
for kind, n in [("staging", 2), ("prod", 3)]:
    for i in range(n):
        register_environment(environment("{}{}".format(kind, i), {"type": kind}))
`

func chainedWorld(t *testing.T, s state.Store) *world {
	t.Helper()
	w := newWorld(map[string]string{"release.ocu.star": chained, "environments.ocu.star": environments})
	releaseOf(t, w.runner(s), "environments.ocu.star")
	return w
}

// A process that is killed at any write of the state leaves a release that the
// next one ends: nothing that was recorded complete runs twice, nothing is lost.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []bool{false, true} {
				for n := 0; ; n++ {
					s := open(t)
					w := chainedWorld(t, s)
					m := &mortal{Store: s, after: after}
					m.left.Store(int64(n))
					r := w.runner(m)
					doc, _, err := r.New(t.Context(), rollout.NewRelease{Package: pkg("release.ocu.star"), Commit: strings.Repeat("c", 40)})
					if err == nil {
						_, err = r.Advance(t.Context(), pkg("release.ocu.star"), fmt.Sprint("r", doc.Number))
					}
					killed := m.dead.Load()
					if !killed && err != nil {
						t.Fatal(err)
					}
					recorded := complete(t, s)
					before := len(w.scripts())
					resume(t, w, s)
					for _, script := range w.scripts()[before:] {
						if slices.Contains(recorded, script) {
							t.Errorf("killed at write %d (after=%v): %q ran again, and was recorded complete", n, after, script)
						}
					}
					checkAll(t, w, s)
					if !killed {
						if n < 8 {
							t.Errorf("the release took %d writes only", n)
						}
						break
					}
				}
			}
		})
	}
}

// resume goes on as the next process does, after the claims of the dead one have
// run out.
func resume(t *testing.T, w *world, s state.Store) {
	t.Helper()
	w.pass(2 * time.Minute)
	r := w.runner(s)
	all, err := r.Releases(t.Context(), pkg("release.ocu.star"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		carriedOut(t, r)
		return
	}
	doc, err := r.Advance(t.Context(), pkg("release.ocu.star"), "r1")
	if err != nil {
		t.Fatal(err)
	}
	if doc.Status != rollout.Complete {
		t.Fatalf("the release is %s: %v", doc.Status, doc.Waits)
	}
}

// complete names the scripts of items that are recorded complete.
func complete(t *testing.T, s state.Store) (scripts []string) {
	t.Helper()
	for e, err := range s.Scan(t.Context(), "example.com/acme/app/-/release.ocu.star/@r1") {
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(strings.TrimPrefix(e.Ref, "example.com/acme/app/-/release.ocu.star/@r1/"), "/")
		var it rollout.Item
		if len(parts) != 2 || json.Unmarshal(e.Value, &it) != nil {
			continue
		}
		switch {
		case parts[0] == "deploy" && it.Status == rollout.Complete:
			scripts = append(scripts, "up "+parts[1]+" app:1")
		case parts[0] == "call" && it.Status == rollout.Complete:
			scripts = append(scripts, "build", "push app:1")
		case parts[0] == "call" && len(it.Steps) == 1:
			scripts = append(scripts, "build") // the chain was recorded to go on
		}
	}
	return scripts
}

// checkAll looks whether everything was done, and recorded.
func checkAll(t *testing.T, w *world, s state.Store) {
	t.Helper()
	want := []string{"build", "push app:1", "up staging0 app:1", "up staging1 app:1", "up prod0 app:1", "up prod1 app:1", "up prod2 app:1"}
	for _, script := range want {
		if !slices.Contains(w.scripts(), script) {
			t.Errorf("%q never ran", script)
		}
	}
	r := w.runner(s)
	deployed, err := r.Deployed(t.Context())
	if err != nil || len(deployed) != 5 {
		t.Errorf("deployed: %d environments, %v; want 5", len(deployed), err)
	}
	for _, d := range deployed {
		if string(d.Item.Output["at"]) != fmt.Sprintf("%q", d.Environment) {
			t.Errorf("%s put out %s", d.Environment, d.Item.Output["at"])
		}
	}
	if doc, _, err := r.FindRelease(t.Context(), pkg("release.ocu.star"), "1.0.0"); err != nil || doc.Number != 1 || doc.Status != rollout.Complete {
		t.Errorf("the release by its tag: %+v, %v", doc, err)
	}
	d, err := s.Get(t.Context(), "claims/example.com/acme/app/-/release.ocu.star")
	if err != nil || strings.Contains(string(d.Value), "owner") {
		t.Errorf("claims are left: %s, %v", d.Value, err)
	}
}

// Two processes that carry out one release at once run each item once.
func TestRacingProcesses(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			w := chainedWorld(t, s)
			w.shell = func(string) (string, int) { time.Sleep(2 * time.Millisecond); return "", 0 }
			if _, _, err := w.runner(s).New(t.Context(), rollout.NewRelease{Package: pkg("release.ocu.star"), Commit: strings.Repeat("c", 40)}); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					doc, err := w.runner(s).Advance(t.Context(), pkg("release.ocu.star"), "r1")
					if err != nil || doc.Status != rollout.Complete {
						t.Errorf("%s, %v", doc.Status, err)
					}
				})
			}
			wg.Wait()
			ran := w.scripts()
			slices.Sort(ran)
			if twice := len(ran) - len(slices.Compact(slices.Clone(ran))); twice > 0 || len(ran) != 7 {
				t.Errorf("ran %d scripts, %d of them twice: %v", len(ran), twice, ran)
			}
			checkAll(t, w, s)
		})
	}
}

// An interrupted process gives its items back at once.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := state.OpenDir(t.TempDir())
	w := chainedWorld(t, s)
	ctx, stop := context.WithCancel(t.Context())
	w.shell = func(string) (string, int) { stop(); return "", 0 }
	r := w.runner(s)
	if _, _, err := r.New(t.Context(), rollout.NewRelease{Package: pkg("release.ocu.star"), Commit: strings.Repeat("c", 40)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Advance(ctx, pkg("release.ocu.star"), "r1"); err == nil {
		t.Error("an interrupted release is no error")
	}
	w.shell = nil
	doc, err := w.runner(s).Advance(t.Context(), pkg("release.ocu.star"), "r1")
	if err != nil || doc.Status != rollout.Complete {
		t.Fatalf("%s, %v", doc.Status, err)
	}
	checkAll(t, w, s)
}
