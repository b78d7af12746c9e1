package lang_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Work is in the order of the file; what no phase names is a phase of one.
func TestOrder(t *testing.T) {
	t.Parallel()
	const head = "def f(ctx):\n    return done()\n"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":          {"", nil},
		"alone":            {head + "call(f, name=\"a\")\ntask(f, name=\"b\")", []string{": call/a", ": call/b"}},
		"before and after": {head + "call(f, \"a\")\nphase(\"p\", [call(f, \"b\"), call(f, \"c\")])\ncall(f, \"d\")", []string{": call/a", "p: call/b, call/c", ": call/d"}},
		"made before":      {head + "x = call(f, \"x\")\ny = call(f, \"y\")\nphase(\"p\", [y])\nphase(\"q\", [x])", []string{"p: call/y", "q: call/x"}},
		"comprehension":    {head + "[deploy(e, f, f) for e in environments() if e.attributes[\"type\"] == \"prod\"]", []string{": deploy/production", ": deploy/production2"}},
		"tasks":            {head + "phase(name=\"p\", tasks=[task(f, \"a\")])", []string{"p: call/a"}},
		"a tuple":          {head + "phase(\"p\", (call(f, \"a\"),))", []string{"p: call/a"}},
		"same name":        {head + "phase(\"p\", [call(f, \"a\")])\nphase(\"p\", [call(f, \"b\")])", []string{"p: call/a", "p: call/b"}},
		"empty phase":      {head + "phase(\"p\", [deploy(e, f, f) for e in []])", []string{"p: "}},
		"in a function":    {head + "def make(e):\n    return deploy(environment=e, up=f, down=f)\nphase(\"p\", [make(e) for e in [\"staging\", \"production\"]])", []string{"p: deploy/staging, deploy/production"}},
		"gates":            {"slipway(\"1\")\n" + head + "call(f, \"a\")\napproval()\nsoak(\"1d12h\")\ncall(f, \"soak\")\nsoak(\"2h\")\napproval(\"qa\")\nphase(\"p\", [approval(), soak(\"1h\"), call(f, \"b\", inputs={\"x\": approval(\"used\")})])", []string{": call/a", ": call/approval", ": call/soak-2", ": call/soak", ": call/soak-3", ": call/qa", "p: call/approval-2, call/soak-4, call/b"}},
		"both":             {"ocuroot(\"0.3.x\")\nslipway(\"1\")\n" + head + "call(f, \"a\")", []string{": call/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, outline(mustLoad(t, options(test.text)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every spelling of Ocuroot's 0.3 is taken.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"0.3.0", "0.3.14", "v0.3.1", "0.3", "0.3.x", ">=0.3", "~0.3.0", "^0.3.2", "*", ">=0.3.5, <0.4"} {
		p := mustLoad(t, options(fmt.Sprintf("ocuroot(%q)", v)))
		if p.Version != v || p.Language != "ocuroot" {
			t.Errorf("%s: %s %s", v, p.Language, p.Version)
		}
	}
	p := mustLoad(t, options("slipway(\"1\", max_parallel=4)\nocuroot(\"0.3.0\")"))
	if p.Version != "1" || p.Language != "slipway" || p.MaxParallel != 4 {
		t.Errorf("%s %s %d", p.Language, p.Version, p.MaxParallel)
	}
	p = mustLoad(t, options("\uFEFF# nothing"))
	if p.Version != "" || p.Language != "ocuroot" {
		t.Errorf("%s %s", p.Language, p.Version)
	}
}

// Inputs: values, references, defaults and gates.
func TestInputs(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, options("release.ocu.star", `
slipway("1")
def f(ctx):
    return done()
call(f, "before")
call(f, name="a", annotation="why", inputs={
    "none": None,
    "text": "é",
    "list": [1, 2.0, {"b": True, "a": struct(x=1)}],
    "e": environment("x", {"k": "v"}),
    "ref": ref("./task/before#outputs/x"),
    "nested": input(ref=ref("./-/other/p.ocu.star/@/deploy/staging#output/host")),
    "fallback": input("./@/call/a#output/n", default=[]),
    "nothing": input(ref="./custom/x", default=None),
    "only": input(default={"a": 1}),
    "doc": input(ref="./custom/y", doc="""
      Set it.
    """),
    "d1": {"ref": "./custom/z", "default": 2},
    "d2": {"value": {"value": 1}},
    "d3": {"a": 1},
    "d4": {"ref": ref("./custom/w")},
    "global": ref("@/custom/flag"),
    "number": ref("./@7/call/a#output/n"),
    "slash": ref("./call/before/#output/x"),
    "gate": approval("qa", by=("anna",)),
    "soak": soak("90m"),
})
print(ref("./custom/promote")["ref"].replace("@", "+"))
`))
	got := map[string]string{}
	for name, in := range p.Phases[1].Items[0].Inputs {
		s := string(in.Value)
		if in.Ref != nil {
			s += in.Ref.String()
		}
		if in.Default != nil {
			s += " or " + string(in.Default)
		}
		if in.Doc != "" {
			s += " (" + in.Doc + ")"
		}
		if in.Gate != nil {
			s += fmt.Sprintf("%s %v %d %v :%d", in.Gate.Name, in.Gate.By, in.Gate.Count, in.Gate.Soak, in.Gate.Position.Line)
		}
		got[name] = s
	}
	const app = "github.com/acme/app/-/"
	want := map[string]string{
		"none": "null", "text": `"é"`, "list": `[1,2,{"a":{"x":1},"b":true}]`, "e": `{"attributes":{"k":"v"},"name":"x"}`,
		"ref": app + "release.ocu.star/@r3/call/before#output/x", "nested": app + "other/p.ocu.star/@/deploy/staging#output/host",
		"fallback": app + "release.ocu.star/@/call/a#output/n or []", "nothing": app + "release.ocu.star/@r3/custom/x", "only": ` or {"a":1}`,
		"doc": app + "release.ocu.star/@r3/custom/y (Set it.)", "d1": app + "release.ocu.star/@r3/custom/z or 2", "d2": `{"value":1}`, "d3": `{"a":1}`,
		"d4": app + "release.ocu.star/@r3/custom/w", "global": "@/custom/flag", "number": app + "release.ocu.star/@r7/call/a#output/n",
		"slash": app + "release.ocu.star/@r3/call/before#output/x",
		"gate":  "qa [anna] 1 0s :26", "soak": "soak [] 0 1h30m0s :27",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p.Phases[1].Items[0].Annotation != "why" || p.Phases[1].Items[0].Position != (lang.Position{File: "release.ocu.star", Line: 6, Column: 1}) {
		t.Errorf("%+v", p.Phases[1].Items[0])
	}
}

// verify, max_parallel and freezes, which are Slipway's.
func TestSlipway(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, options("release.ocu.star", `
slipway("1")
load("windows.star", "noop")
def up(ctx):
    return done()
def check(ctx):
    return done()
phase("p", max_parallel=2, work=[
    deploy("staging", up, up, verify=check),
    deploy("production", up, up, verify=check, on_failure="restore"),
    deploy("production2", up, up),
])
freeze(begin="2026-12-20", until="2027-01-04 08:30", timezone="Europe/Paris", environments=["production", environments()[3]], reason="the year's end")
freeze(until="2026-12-20T18:00:00+01:00")
`, "windows.star", `
slipway("1")
freeze(cron="0 18 * * 5", lasts="2d14h", reason="no\nFridays")
noop = 1
`))
	items := p.Phases[0].Items
	if p.Phases[0].MaxParallel != 2 || items[0].OnFailure != "keep" || items[0].Verify.Name != "check" || items[1].OnFailure != "restore" || items[2].OnFailure != "" || items[2].Verify != (lang.Function{}) {
		t.Errorf("%+v", p.Phases[0])
	}
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	want := []lang.Freeze{
		{Cron: "0 18 * * 5", Lasts: 62 * time.Hour, Zone: "UTC", Reason: "no Fridays", Position: lang.Position{File: "windows.star", Line: 3, Column: 1}},
		{From: day("2026-12-19T23:00:00Z"), Until: day("2027-01-04T07:30:00Z"), Zone: "Europe/Paris", Environments: []string{"production", "production2"}, Reason: "the year's end", Position: lang.Position{File: "release.ocu.star", Line: 13, Column: 1}},
		{Until: day("2026-12-20T17:00:00Z"), Zone: "UTC", Position: lang.Position{File: "release.ocu.star", Line: 14, Column: 1}},
	}
	if diff := cmp.Diff(want, p.Freezes); diff != "" {
		t.Error(diff)
	}
	if len(p.Sources) != 2 || p.Sources[0].Path != "release.ocu.star" || len(p.Sources[0].SHA256) != 64 {
		t.Errorf("%v", p.Sources)
	}
}

// Environments: those that are registered, then those that the evaluation
// registers, of which a later one takes the place of an earlier one.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	o := options("release.ocu.star", `
load("envs.star", "dev")
def f(environment):
    return done()
register_environment(environment("staging", {"type": "qa"}))
phase("all", [deploy(e, f, f) for e in environments()])
deploy(environment("later"), f, f)
late = deploy("named", f, f)
register_environment(environment("named"))
`, "envs.star", `
dev = environment("dev", attributes={"type": "dev"})
register_environment(dev)
x = environments()[0].name
`)
	p := mustLoad(t, o)
	if diff := cmp.Diff([]string{"all: deploy/staging, deploy/staging2, deploy/production, deploy/production2, deploy/dev", ": deploy/later", ": deploy/named"}, outline(p)); diff != "" {
		t.Error(diff)
	}
	want := []lang.Environment{{Name: "dev", Attributes: map[string]string{"type": "dev"}}, {Name: "staging", Attributes: map[string]string{"type": "qa"}}, {Name: "named", Attributes: map[string]string{}}}
	if diff := cmp.Diff(want, p.Environments); diff != "" {
		t.Error(diff)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].Error(), "release.ocu.star:7:8: warning: environment later is not registered: its deploy waits") {
		t.Errorf("%v", p.Warnings)
	}
	if len(o.Environments) != 4 || o.Environments[0].Attributes["type"] != "staging" {
		t.Errorf("the caller's environments changed: %v", o.Environments)
	}
}

// Work that a loaded file makes at its top belongs to the package when a phase
// of the package names it, and else to none, with a warning.
func TestLoadedWork(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, options("release.ocu.star", `
load("work.star", "a", "make")
phase("p", [a])
make()
`, "work.star", `
def f(ctx):
    return done()
a = call(f, "a")
b = call(f, "b")
phase("lost", [call(f, "c")])
def make():
    phase("made", [call(f, "d")])
`))
	if diff := cmp.Diff([]string{"p: call/a", "made: call/d"}, outline(p)); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, w := range p.Warnings {
		got = append(got, w.Error())
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], "work.star:6:1: warning: the phase \"lost\"") || !strings.HasPrefix(got[1], "work.star:5:5: warning: call b of a file that is loaded") {
		t.Errorf("%q", got)
	}
	if fn := p.Phases[0].Items[0].Fn; fn != (lang.Function{Name: "f", File: "work.star", Line: 2}) {
		t.Errorf("%+v", fn)
	}
}

// The same file gives the same package, each time.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	text := strings.Replace(sample(t), `ocuroot("0.3.0")`, "slipway(\"1\")\napproval(\"a\")\nx = {c: 1 for c in \"zyx\".elems()}", 1)
	first := mustLoad(t, options(text))
	for range 10 {
		again := mustLoad(t, options(text))
		if diff := cmp.Diff(fmt.Sprintf("%+v", first.Phases[0]), fmt.Sprintf("%+v", again.Phases[0])); diff != "" && !strings.Contains(diff, "0x") {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(first.Phases, again.Phases); diff != "" {
			t.Fatal(diff)
		}
	}
}

// An approval by a custom value, as Ocuroot's packages wait for one, with work
// chained behind it.
func TestOcurootApproval(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, options("release.ocu.star", `
ocuroot("0.3.14")
load("./steps.ocu.star", "compile", "install", "remove")

everywhere = environments()
phase(name="build", tasks=[task(compile, name="compile")])
phase(
    name="try out",
    tasks=[
        deploy(up=install, down=remove, environment=environment, inputs={
            "package": ref("./task/compile#output/package"),
            "count": input(ref="./@/deploy/{}#output/count".format(environment.name), default=0),
        }) for environment in everywhere if environment.attributes["type"] == "staging"
    ],
)

def ask(go):
    return next(fn=ask_again, inputs={"go": input(ref=ref("./custom/go2"))})

def ask_again(go):
    return done()

phase(name="ask", tasks=[task(ask, name="ask", inputs={"go": input(ref=ref("./custom/go"))})])
phase(
    name="for all",
    tasks=[
        deploy(up=install, down=remove, environment=environment, inputs={
            "package": ref("./task/compile#output/package"),
            "count": input(ref=ref("./@/deploy/{}#output/count".format(environment.name)), default=0),
            "tried": ref("./@/deploy/staging#output/name"),
        }) for environment in everywhere if environment.attributes["type"] == "prod"
    ],
)
`, "steps.ocu.star", `
ocuroot("0.3.0")
def compile():
    return done(outputs={"package": "p-1"})
def install(environment, package, count=0, tried=None):
    return next(install2, inputs={"environment": environment, "count": count + 1})
def install2(environment, count):
    return done(outputs={"name": environment["name"], "count": count}, tags=["v" + str(count)])
def remove(environment, package=None, count=0, tried=""):
    return done()
`))
	want := []string{"build: call/compile", "try out: deploy/staging, deploy/staging2", "ask: call/ask", "for all: deploy/production, deploy/production2"}
	if diff := cmp.Diff(want, outline(p)); diff != "" {
		t.Error(diff)
	}
	if in := p.Phases[2].Items[0].Inputs["go"]; in.Ref.Kind != ref.Custom || in.Ref.Name != "go" || in.Default != nil {
		t.Errorf("%+v", in)
	}
	o := options("")
	got, err := p.Call(t.Context(), p.Phases[2].Items[0].Fn, map[string]jsonValue{"go": jsonValue("1")}, o)
	if err != nil || got.Next.Fn.Name != "ask_again" || got.Next.Inputs["go"].Ref.Name != "go2" {
		t.Errorf("%+v %v", got, err)
	}
}

// A package that needs what another one's deploys gave.
func TestOcurootDependencies(t *testing.T) {
	t.Parallel()
	o := options("web/release.ocu.star", `
ocuroot("0.3.0")
def site(environment):
    return deploy(up=up, down=down, environment=environment, inputs={
        "api": ref("./-/api/release.ocu.star/@/deploy/{}#output/address".format(environment.name)),
    })
def up(ctx):
    return done(outputs={"address": "web." + ctx.inputs.environment["name"], "api": ctx.inputs.api})
def down(ctx):
    return done()
phase("all", work=[site(e) for e in environments()])
`)
	o.Self.Path = "web/release.ocu.star"
	p := mustLoad(t, o)
	if r := p.Phases[0].Items[3].Inputs["api"].Ref.String(); r != "github.com/acme/app/-/api/release.ocu.star/@/deploy/production2#output/address" {
		t.Error(r)
	}
}

func BenchmarkLoad(b *testing.B) {
	o := options("def f(n, prev=0):\n    return done()\n[phase(\"p{}\".format(i), [call(f, name=\"c-{}-{}\".format(i, j), inputs={\"n\": j, \"prev\": ref(\"./call/c-{}-{}#output/n\".format(max(i - 1, 0), j)) if i else 0}) for j in range(100)]) for i in range(100)]")
	for b.Loop() {
		if _, err := lang.Load(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	o := options(`def f(ctx):
    return done(outputs={"n": ctx.inputs.n})`)
	p, err := lang.Load(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	fn, _ := p.Lookup("f", "")
	for b.Loop() {
		if _, err := p.Call(b.Context(), fn, map[string]jsonValue{"n": jsonValue("1")}, o); err != nil {
			b.Fatal(err)
		}
	}
}
