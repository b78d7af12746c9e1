package rollout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

const head = `
slipway("1")

def up(ctx):
    host.shell("up " + ctx.environment.name)
    return done(outputs={"url": "https://" + ctx.environment.name})

def down(ctx):
    host.shell("down " + ctx.environment.name)
    return done()

def check(ctx):
    host.shell("check " + ctx.environment.name)
    return done()

`

const twoEnvironments = `
register_environment(environment("staging", {"type": "staging"}))
register_environment(environment("prod", {"type": "prod"}))
`

// prepared is a world with two environments and a package, on a new store.
func prepared(t *testing.T, body string) (*world, *rollout.Runner) {
	t.Helper()
	s := state.OpenDir(t.TempDir())
	w := newWorld(map[string]string{"release.ocu.star": head + body, "environments.ocu.star": twoEnvironments})
	r := w.runner(s)
	registered(t, r)
	return w, r
}

func registered(t *testing.T, r *rollout.Runner) {
	t.Helper()
	if _, envs, err := r.New(t.Context(), rollout.NewRelease{Package: pkg("environments.ocu.star"), Commit: commit, Force: true}); err != nil || len(envs) == 0 {
		t.Fatalf("%d environments, %v", len(envs), err)
	}
}

var commit = strings.Repeat("c", 40)

// advance goes on with a release.
func advance(t *testing.T, r *rollout.Runner, name string) rollout.Release {
	t.Helper()
	doc, err := r.Advance(t.Context(), pkg("release.ocu.star"), name)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func item(t *testing.T, r *rollout.Runner, name, key string) rollout.Item {
	t.Helper()
	doc, _, err := r.FindRelease(t.Context(), pkg("release.ocu.star"), name)
	if err != nil {
		t.Fatal(err)
	}
	items, err := r.Items(t.Context(), pkg("release.ocu.star"), doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.Key == key {
			return it.Item
		}
	}
	t.Fatalf("no item %s in %s", key, name)
	return rollout.Item{}
}

func wantScripts(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.scripts(); !slices.Equal(got, want) {
		t.Errorf("ran  %q\nwant %q", got, want)
	}
}

func wantStatus(t *testing.T, doc rollout.Release, want rollout.Status, words ...string) {
	t.Helper()
	if doc.Status != want {
		t.Errorf("release %d is %s, want %s; it waits for %q", doc.Number, doc.Status, want, doc.Waits)
	}
	for _, word := range words {
		if !strings.Contains(strings.Join(doc.Waits, "\n"), word) {
			t.Errorf("it does not say %q: %q", word, doc.Waits)
		}
	}
}

// A soak holds the next phase back for its time, and no longer.
func TestSoak(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
deploy(up=up, down=down, environment="staging")
soak("2h")
deploy(up=up, down=down, environment="prod")
`)
	wantStatus(t, carriedOut(t, r), rollout.Waiting, "soak", "14:00")
	w.pass(time.Hour + 59*time.Minute)
	wantStatus(t, advance(t, r, "r1"), rollout.Waiting)
	wantScripts(t, w, "up staging")
	w.pass(time.Minute)
	wantStatus(t, advance(t, r, "r1"), rollout.Complete)
	wantScripts(t, w, "up staging", "up prod")
}

// Only those that are named can approve, and each once.
func TestApprovals(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
approval(by=["alice", "Bob", "@acme/ops"], count=2)
deploy(up=up, down=down, environment="prod")
`)
	r.Member = func(_ context.Context, team, who string) bool { return team == "acme/ops" && who == "olga" }
	wantStatus(t, carriedOut(t, r), rollout.Waiting, "approval", "alice or Bob")
	approve := func(who string) error {
		doc, _, err := r.FindRelease(t.Context(), pkg("release.ocu.star"), "r1")
		if err != nil {
			t.Fatal(err)
		}
		return r.Approve(t.Context(), pkg("release.ocu.star"), doc, "approval", who)
	}
	if err := approve("mallory"); release.KindOf(err) != release.Refused {
		t.Errorf("mallory: %v", err)
	}
	for range 2 {
		if err := approve("alice"); err != nil {
			t.Error(err)
		}
	}
	wantStatus(t, advance(t, r, "r1"), rollout.Waiting, "1 of 2")
	if err := approve("olga"); err != nil {
		t.Error(err)
	}
	wantStatus(t, advance(t, r, "r1"), rollout.Complete)
	wantScripts(t, w, "up prod")
}

// Nothing is deployed in a freeze; calls go on.
func TestFreezes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		declare string
		wait    time.Duration // until the deploy may begin
	}{
		"once":      {`freeze(begin="2026-11-20", until="2026-11-22 10:00", timezone="Europe/Paris", environments=["prod"], reason="holidays")`, 21 * time.Hour},
		"recurring": {`freeze(cron="0 18 * * 5", lasts="62h", timezone="UTC", reason="holidays")`, 44 * time.Hour}, // Friday 18:00 to Monday 8:00; it is Saturday noon
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := prepared(t, c.declare+`
def test(ctx):
    host.shell("test")
    return done()
call(test, name="test")
deploy(up=up, down=down, environment="prod")
`)
			wantStatus(t, carriedOut(t, r), rollout.Waiting, "frozen until", "holidays")
			w.pass(c.wait - time.Minute)
			wantStatus(t, advance(t, r, "r1"), rollout.Waiting)
			w.pass(time.Minute)
			wantStatus(t, advance(t, r, "r1"), rollout.Complete)
			wantScripts(t, w, "test", "up prod")
		})
	}
}

// A deploy that does not verify is left, taken down, or replaced by what was
// there, as the package asks.
func TestVerify(t *testing.T) {
	t.Parallel()
	for onFailure, c := range map[string]struct {
		scripts []string
		live    string // release that is deployed in the end
	}{
		"keep":    {[]string{"up prod", "check prod", "up prod", "check prod"}, "r1"},
		"down":    {[]string{"up prod", "check prod", "up prod", "check prod", "down prod"}, ""},
		"restore": {[]string{"up prod", "check prod", "up prod", "check prod", "up prod"}, "r1"},
	} {
		t.Run(onFailure, func(t *testing.T) {
			t.Parallel()
			w, r := prepared(t, fmt.Sprintf(`deploy(up=up, down=down, environment="prod", verify=check, on_failure=%q)`, onFailure))
			wantStatus(t, carriedOut(t, r), rollout.Complete)
			w.shell = func(script string) (string, int) {
				if strings.HasPrefix(script, "check") {
					return "", 1
				}
				return "", 0
			}
			wantStatus(t, carriedOut(t, r), rollout.Failed)
			wantScripts(t, w, c.scripts...)
			live := ""
			all, err := r.Deployed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				live = d.Item.Release[strings.LastIndex(d.Item.Release, "@")+1:]
			}
			if live != c.live {
				t.Errorf("%q is deployed, want %q", live, c.live)
			}
			if e := item(t, r, "r2", "deploy/prod").Error; e == nil || !strings.Contains(e.Message, "verify check") {
				t.Errorf("the failure says %+v", e)
			}
		})
	}
}

// No more items run at once than a phase allows.
func TestMaxParallel(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
def work(ctx):
    host.shell("work")
    return done()
phase("wide", max_parallel=2, work=[call(work, name="w{}".format(i)) for i in range(12)])
`)
	at := make(chan struct{}, 12)
	most := 0
	w.shell = func(string) (string, int) {
		at <- struct{}{}
		w.mu.Lock()
		most = max(most, len(at))
		w.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		<-at
		return "", 0
	}
	wantStatus(t, carriedOut(t, r), rollout.Complete)
	if most != 2 {
		t.Errorf("%d ran at once, want 2", most)
	}
}

// An environment goes only when all that is deployed there has been taken down.
func TestEnvironmentGoes(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
phase("all", work=[deploy(up=up, down=down, environment=e) for e in environments()])
`)
	wantStatus(t, carriedOut(t, r), rollout.Complete)
	w.shell = func(script string) (string, int) {
		if script == "down prod" {
			return "", 1
		}
		return "", 0
	}
	gone := ref.Global(ref.Environment, "prod")
	if err := r.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	c, err := r.Continue(t.Context(), rollout.Scope{Intents: true})
	if err != nil || len(c.Failed) != 1 {
		t.Fatalf("%+v, %v: want one failure", c, err)
	}
	if envs, _ := r.Environments(t.Context()); len(envs) != 2 {
		t.Errorf("%d environments are left, want both", len(envs))
	}
	w.shell = nil
	if c, err = r.Continue(t.Context(), rollout.Scope{Intents: true}); err != nil || len(c.Failed) != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if envs, _ := r.Environments(t.Context()); len(envs) != 1 {
		t.Errorf("%d environments are left, want staging", len(envs))
	}
	registered(t, r) // it comes back, and what belongs there with it
	before := len(w.scripts())
	if _, err = r.Continue(t.Context(), rollout.Scope{Intents: true}); err != nil {
		t.Fatal(err)
	}
	if again := w.scripts()[before:]; !slices.Equal(again, []string{"up prod"}) {
		t.Errorf("ran %q, want up prod again", again)
	}
}

// A rollback deploys the earlier release's recorded inputs and stays until a new
// release comes; an older release never goes over a newer one by itself.
func TestRollbackAndOrder(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
def tag(ctx):
    host.shell("tag")
    return done(outputs={"tag": host.shell("tag").stdout})
def put(ctx):
    host.shell("put " + ctx.inputs.tag)
    return done()
call(tag, name="tag")
deploy(up=put, down=down, environment="staging", inputs={"tag": ref("./call/tag#output/tag")})
call(put_nothing, name="gate", inputs={"go": ref("./custom/go")})
deploy(up=put, down=down, environment="prod", inputs={"tag": ref("./call/tag#output/tag")})
`)
	w.files["release.ocu.star"].Data = []byte(strings.Replace(string(w.files["release.ocu.star"].Data), "call(tag,", "def put_nothing(ctx):\n    return done()\ncall(tag,", 1))
	n := 0
	w.shell = func(script string) (string, int) {
		if script == "tag" {
			n++
			return fmt.Sprint("v", (n+1)/2), 0
		}
		return "", 0
	}
	approve := func(name string) {
		t.Helper()
		to := pkg("release.ocu.star").InRelease(name).Sub(ref.Custom, "go")
		if err := r.Set(t.Context(), to, json.RawMessage(`true`)); err != nil {
			t.Fatal(err)
		}
		if err := r.Apply(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
	puts := func() (all []string) {
		for _, s := range w.scripts() {
			if strings.HasPrefix(s, "put") {
				all = append(all, s)
			}
		}
		return all
	}
	carriedOut(t, r)
	carriedOut(t, r)
	approve("r2")
	wantStatus(t, advance(t, r, "r2"), rollout.Complete)
	approve("r1")
	wantStatus(t, advance(t, r, "r1"), rollout.Complete)
	if s := item(t, r, "r1", "deploy/prod").Status; s != rollout.Superseded {
		t.Errorf("the older release's deploy is %s", s)
	}
	if got := puts(); !slices.Equal(got, []string{"put v1", "put v2", "put v2"}) {
		t.Errorf("put %q", got)
	}
	it, err := r.Rollback(t.Context(), pkg("release.ocu.star"), "staging", "")
	if err != nil || !strings.HasSuffix(it.Release, "@r1") {
		t.Fatalf("rolled back to %s, %v", it.Release, err)
	}
	if got := puts(); got[len(got)-1] != "put v1" {
		t.Errorf("the rollback put %q", got)
	}
	c, err := r.Continue(t.Context(), rollout.Scope{Intents: true})
	if err != nil || len(c.Done) != 0 {
		t.Errorf("after a rollback there was work: %+v, %v", c.Done, err)
	}
	if _, err := r.Rollback(t.Context(), pkg("release.ocu.star"), "prod", ""); release.KindOf(err) != release.Refused {
		t.Errorf("a rollback with nothing before: %v", err)
	}
}

// Deploys that feed each other end with an error, not never.
func TestDeploysInACircle(t *testing.T) {
	t.Parallel()
	w, r := prepared(t, `
def count(ctx):
    return done(outputs={"n": ctx.inputs.other + 1})
for e, o in [("staging", "prod"), ("prod", "staging")]:
    deploy(up=count, down=down, environment=e, inputs={"other": input(ref="./@/deploy/{}#output/n".format(o), default=0)})
`)
	_ = w
	wantStatus(t, carriedOut(t, r), rollout.Complete)
	c, err := r.Continue(t.Context(), rollout.Scope{})
	if err != nil || !strings.Contains(strings.Join(c.Failed, "\n"), "circle") {
		t.Errorf("%+v, %v", c, err)
	}
}
