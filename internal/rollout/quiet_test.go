package rollout_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// A secret is in no log, no output and no error.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"printed": `
    print("the token is hunter2hunter2")
    return done()`,
		"put out": `
    return done(outputs={"token": "x-hunter2hunter2"})`,
		"failed": `
    fail("no luck with hunter2hunter2")`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, r := prepared(t, "\ndef f(ctx):\n    secret(\"hunter2hunter2\")"+body+"\ncall(f, name=\"f\")\n")
			carriedOut(t, r)
			for e, err := range r.Store.Scan(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(e.Value), "hunter2hunter2") {
					t.Errorf("%s holds the secret: %s", e.Ref, e.Value)
				}
			}
		})
	}
}

// What has not changed costs no evaluation: to look for outstanding work reads
// documents alone.
func TestNothingNewIsNotEvaluated(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
phase("all", work=[deploy(up=up, down=down, environment=e, inputs={"size": input(ref="./@/custom/size", default=1)}) for e in environments()])
`)
	wantStatus(t, carriedOut(t, r), rollout.Complete)
	evaluated := func() int {
		t.Helper()
		before := w.evaluated.Load()
		s, err := r.Outstanding(t.Context(), rollout.Scope{Intents: true})
		if err != nil || len(s.Tasks) > 0 {
			t.Fatalf("%+v, %v", s.Tasks, err)
		}
		return int(w.evaluated.Load() - before)
	}
	if n := evaluated(); n != 0 {
		t.Errorf("the package was evaluated %d times", n)
	}
	size := pkg("release.ocu.star").InRelease("").Sub(ref.Custom, "size")
	if err := r.Set(t.Context(), size, json.RawMessage(`2`)); err != nil {
		t.Fatal(err)
	}
	c, err := r.Continue(t.Context(), rollout.Scope{Intents: true})
	if err != nil || len(c.Failed) > 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	ran := w.scripts()
	slices.Sort(ran)
	if want := []string{"up prod", "up prod", "up staging", "up staging"}; !slices.Equal(ran, want) {
		t.Errorf("ran %q, want %q", ran, want)
	}
	if err := r.Delete(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	if c, err = r.Continue(t.Context(), rollout.Scope{Intents: true}); err != nil || len(c.Failed) > 0 || len(w.scripts()) != 6 {
		t.Fatalf("the default counts again: ran %q, %+v, %v", w.scripts(), c, err)
	}
	if n := evaluated(); n != 0 {
		t.Errorf("after a change was followed, the package was evaluated %d times", n)
	}
}

// What uses another package's output is taken down before that package is.
func TestDependentsGoFirst(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, "")
	deploys := func(name, inputs string) string {
		return head + `
def put(ctx):
    host.shell("up ` + name + `")
    return done(outputs={"at": "` + name + `"})
def out(ctx):
    host.shell("down ` + name + `")
    return done()
deploy(up=put, down=out, environment="prod", inputs={` + inputs + `})
`
	}
	w.files["a.ocu.star"] = &fstest.MapFile{Data: []byte(deploys("a", ""))}
	w.files["b.ocu.star"] = &fstest.MapFile{Data: []byte(deploys("b", `"at": ref("./-/c.ocu.star/@/deploy/prod#output/at")`))}
	w.files["c.ocu.star"] = &fstest.MapFile{Data: []byte(deploys("c", `"at": ref("./-/a.ocu.star/@/deploy/prod#output/at")`))}
	for _, name := range []string{"a", "c", "b"} {
		wantStatus(t, releaseOf(t, r, name+".ocu.star"), rollout.Complete)
	}
	if err := r.Delete(t.Context(), ref.Global(ref.Environment, "prod")); err != nil {
		t.Fatal(err)
	}
	if c, err := r.Continue(t.Context(), rollout.Scope{Intents: true}); err != nil || len(c.Failed) > 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	wantScripts(t, w, "up a", "up c", "up b", "down b", "down c", "down a")
}
