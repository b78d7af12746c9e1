package lang_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// runs calls the function f of a file with inputs as JSON.
func runs(t *testing.T, o lang.Options, inputs map[string]string) (lang.Result, error) {
	t.Helper()
	p := mustLoad(t, o)
	fn, ok := p.Lookup("f", "")
	if !ok {
		t.Fatal("there is no f")
	}
	in := map[string]json.RawMessage{}
	for k, v := range inputs {
		in[k] = json.RawMessage(v)
	}
	return p.Call(t.Context(), fn, in, o)
}

const staging = `{"name": "staging", "attributes": {"type": "staging", "size": "2"}}`

// What functions find in ctx, or get by keyword, and what they return.
func TestCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		inputs map[string]string
		want   string // outputs as JSON
	}{
		"attribute":            {"def f(ctx):\n    return done(outputs={\"x\": ctx.inputs.a + 1})", map[string]string{"a": "41"}, `{"x":42}`},
		"index":                {"def f(ctx):\n    return done(outputs={\"x\": ctx.inputs[\"a\"]})", map[string]string{"a": "[1, 2.5, null, true]"}, `{"x":[1,2.5,null,true]}`},
		"getattr":              {"def f(ctx):\n    return done(outputs={\"x\": getattr(ctx.inputs, \"a_{}\".format(1)), \"y\": getattr(ctx.inputs, \"b\", 7), \"z\": hasattr(ctx.inputs, \"b\")})", map[string]string{"a_1": "1"}, `{"x":1,"y":7,"z":false}`},
		"in":                   {"def f(ctx):\n    return done(outputs={\"x\": \"a\" in ctx.inputs, \"y\": \"b\" in ctx.inputs, \"z\": ctx.inputs.get(\"c\", 3), \"all\": [k for k in ctx.inputs]})", map[string]string{"a": "1"}, `{"all":["a"],"x":true,"y":false,"z":3}`},
		"keywords":             {"def f(a, b=2, **rest):\n    return done(outputs={\"x\": a + b, \"rest\": rest})", map[string]string{"a": "1", "c": "3"}, `{"rest":{"c":3},"x":3}`},
		"ctx and a default":    {"def f(ctx, loud=False):\n    return done(outputs={\"x\": ctx.inputs.loud, \"y\": loud})", map[string]string{"loud": "1"}, `{"x":1,"y":false}`},
		"no parameters":        {"def f():\n    return done()", nil, `null`},
		"environment":          {"def f(ctx):\n    e = ctx.environment\n    return done(outputs={\"x\": [e.name, e[\"name\"], e.attributes[\"size\"], e[\"attributes\"][\"type\"], ctx.inputs.environment.name]})", map[string]string{"environment": staging}, `{"x":["staging","staging","2","staging","staging"]}`},
		"environment, keyword": {"def f(environment, a):\n    return done(outputs={\"x\": environment[\"name\"], \"e\": environment})", map[string]string{"environment": staging, "a": "1"}, `{"e":{"attributes":{"size":"2","type":"staging"},"name":"staging"},"x":"staging"}`},
		"environment, unasked": {"def f(a):\n    return done(outputs={\"x\": a})", map[string]string{"environment": staging, "a": "1"}, `{"x":1}`},
		"environment, forms":   {"def f(environment):\n    e = environment\n    return done(outputs={\"j\": json.decode(e.json()), \"d\": e.dict(), \"k\": e.keys(), \"same\": e == environment_from_dict(e.dict()), \"j2\": environment_from_json(e.json()).name, \"s\": str(e), \"has\": hasattr(e, \"size\")})", map[string]string{"environment": staging}, `{"d":{"attributes":{"size":"2","type":"staging"},"name":"staging"},"has":false,"j":{"attributes":{"size":"2","type":"staging"},"name":"staging"},"j2":"staging","k":["name","attributes"],"s":"environment(name = \"staging\", attributes = {\"size\": \"2\", \"type\": \"staging\"})","same":true}`},
		"output":               {"def f():\n    return done(output={\"x\": 1})", nil, `{"x":1}`},
		"kinds of values":      {"def f():\n    return done(outputs={\"s\": struct(a=1, b=struct(c=[])), \"t\": (1, 2), \"big\": 1 << 100, \"f\": 1.5, \"n\": None, \"u\": \"é<&\\n\"})", nil, `{"big":1267650600228229401496703205376,"f":1.5,"n":null,"s":{"a":1,"b":{"c":[]}},"t":[1,2],"u":"é<&\n"}`},
		"big number in":        {"def f(a):\n    return done(outputs={\"x\": a + 1})", map[string]string{"a": "1267650600228229401496703205376"}, `{"x":1267650600228229401496703205377}`},
		"inputs as outputs":    {"def f(ctx):\n    return done(outputs={\"all\": ctx.inputs})", map[string]string{"b": "1", "a": "{\"z\": 1, \"y\": 2}"}, `{"all":{"a":{"y":2,"z":1},"b":1}}`},
		"json":                 {"def f():\n    return done(outputs={\"x\": json.decode(json.encode({\"a\": [1, None]}))})", nil, `{"x":{"a":[1,null]}}`},
		"globals":              {"names = [\"a\"]\nnames.append(\"b\")\ndef f():\n    return done(outputs={\"x\": names})", nil, `{"x":["a","b"]}`},
		"formats":              {"def f():\n    l = [1]\n    l2 = l\n    l += [2]\n    l2.extend((3,))\n    if l != [1, 2, 3]: fail(l)\n    x = \"a\"\n    x *= 3\n    y = {\"n\": 2}\n    y[\"n\"] *= 3\n    return done(outputs={\"x\": [x, y[\"n\"], \"%s-%d\" % (\"q\", 5), 7 % 4, [0] * 2, \",\".join([\"a\", \"b\"]), \"aXa\".replace(\"X\", \"--\"), \"{a}{a}\".format(a=1), \"a b\".split(), [c for c in \"ab\".elems()]]})", nil, `{"x":["aaa",6,"q-5",3,[0,0],"a,b","a--a","11",["a","b"],["a","b"]]}`},
		"host":                 {"def f():\n    return done(outputs={\"x\": [host.os(), host.arch(), host.env()[\"HOME\"], os(), arch(), env()[\"HOME\"], env().get(\"NOPE\", \"-\")]})", nil, `{"x":["linux","arm64","/home/me","linux","arm64","/home/me","-"]}`},
		"files":                {"def f():\n    write(\"a\", \"1\")\n    host.write_file(\"b\", read(\"a\") + \"2\")\n    return done(outputs={\"x\": host.read_file(\"b\")})", nil, `{"x":"12"}`},
		"folders":              {"def f():\n    return done(outputs={\"x\": [read_dir(\".\"), is_dir(\".\"), pwd(), host.pwd()]})", nil, `{"x":[["a","b"],true,"/src","/src"]}`},
		"shell":                {"def f():\n    r = host.shell(\"hello\", mute=True, env={\"A\": \"b\"}, dir=\"x\", shell=\"bash\")\n    s = shell(cmd=\"bad\", continue_on_error=True)\n    return done(outputs={\"x\": [r.stdout, r.stderr, r.combined_output, r.exit_code, s.exit_code]})", nil, `{"x":["hi\n","oh\n","hi\noh\n",0,3]}`},
		"secrets":              {"def f():\n    return done(outputs={\"x\": [secret(\"s3cret\"), secrets.get(\"HOME\")]})", nil, `{"x":["s3cret","/home/me"]}`},
		"top level code":       {"x = []\nfor i in range(3):\n    if i != 1:\n        x += [i]\nx = x + [9]\ndef f():\n    return done(outputs={\"x\": x})", nil, `{"x":[0,2,9]}`},
		"closure as a global":  {"def make(n):\n    def g(ctx):\n        return done(outputs={\"x\": n})\n    return g\nf = make(5)\ncall(f, name=\"a\")", nil, `{"x":5}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(test.text)
			o.Host = &machine{env: map[string]string{"HOME": "/home/me"}, answers: map[string]lang.Shell{
				"hello":                    {Stdout: "hi\n", Stderr: "oh\n", Combined: "hi\noh\n"},
				"bad":                      {ExitCode: 3},
				"pwd":                      {Stdout: "/src\n"},
				`cd -- "$ASKED" && ls -1A`: {Stdout: "b\na\n"},
			}}
			got, err := runs(t, o, test.inputs)
			if err != nil || got.Done == nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if diff := cmp.Diff(test.want, compact(t, got.Done.Output)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func compact(t *testing.T, m map[string]json.RawMessage) string {
	t.Helper()
	if m == nil {
		return "null"
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%q:%s", k, m[k]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// What functions fail with, where, and of which kind.
func TestCallErrors(t *testing.T) {
	t.Parallel()
	refused := release.Refuse("ask", "no shell here")
	for name, test := range map[string]struct {
		text   string
		inputs map[string]string
		want   string
		hint   string
		kind   release.Kind
	}{
		"fail":                {"def f():\n    fail(\"first run\")", nil, "release.ocu.star:2:5: fail: first run", "", release.Failed},
		"nothing":             {"def f():\n    x = 1", nil, "release.ocu.star:1:1: f returned nothing, and a function returns done() or next()", "return done()", release.Failed},
		"dict":                {"def f():\n    return {}", nil, "release.ocu.star:1:1: f returned a dict", "done(outputs={…})", release.Failed},
		"text":                {"def f():\n    return \"x\"", nil, "release.ocu.star:1:1: f returned a string", "", release.Failed},
		"no such input":       {"def f(ctx):\n    return done(outputs={\"x\": ctx.inputs.tga})", map[string]string{"tag": "1", "name": "2"}, "release.ocu.star:2:31: there is no input tga; there are name, tag", "did you mean tag?", release.Failed},
		"no input":            {"def f(ctx):\n    ctx.inputs.a", nil, "release.ocu.star:2:5: there is no input a: the function has none", "", release.Failed},
		"no environment":      {"def f(ctx):\n    ctx.environment.name", nil, "release.ocu.star:2:5: ctx has no .environment here", "", release.Failed},
		"input of ctx":        {"def f(ctx):\n    ctx.tag", map[string]string{"tag": "1"}, "release.ocu.star:2:5: ctx has no .tag", "ctx.inputs.tag", release.Failed},
		"missing input":       {"def f(a):\n    return done()", nil, "release.ocu.star:1:1: the parameter a of f", "", release.Failed},
		"surplus input":       {"def f():\n    return done()", map[string]string{"a": "1"}, "release.ocu.star:1:1: the input a is no parameter of f", "", release.Failed},
		"bad JSON":            {"def f(a):\n    return done()", map[string]string{"a": "{"}, "release.ocu.star:1:1: input a of f is no JSON", "", release.Failed},
		"frozen":              {"x = []\ndef f():\n    x.append(1)", nil, "release.ocu.star:3:5: append: cannot append to frozen list", "", release.Failed},
		"work":                {"def f():\n    call(f, name=\"x\")", nil, "release.ocu.star:2:5: call() is called while a function runs", "next(fn", release.Failed},
		"registering":         {"def f():\n    register_environment(environment(\"x\"))", nil, "release.ocu.star:2:5: register_environment() is called while a function runs", "", release.Failed},
		"command":             {"def f():\n    host.shell(\"bad   thing\")", nil, "release.ocu.star:2:5: \"bad thing\" ended with exit code 3: b ⏎ c ⏎ d ⏎ e ⏎ f", "", release.Failed},
		"command not found":   {"def f():\n    host.shell(\"none\")", nil, "release.ocu.star:2:5: \"none\" ended with exit code 127: not found", "was not found", release.Failed},
		"shell's words":       {"def f():\n    host.shell([\"ls\"])", nil, "release.ocu.star:2:5: host.shell: for parameter command: got list, want string", "", release.Failed},
		"shell's env":         {"def f():\n    host.shell(\"x\", env={\"N\": 3})", nil, "release.ocu.star:2:21: env[\"N\"] is an int, not a string", "str(…)", release.Failed},
		"no file":             {"def f():\n    read(\"nope\")", nil, "release.ocu.star:2:5: read \"nope\": file does not exist", "", release.Failed},
		"no secret":           {"def f():\n    secrets.get(\"NOPE\")", nil, "release.ocu.star:2:17: there is no secret \"NOPE\"", "environment variable", release.Failed},
		"both outputs":        {"def f():\n    return done(output={\"a\": 1}, outputs={\"b\": 1})", nil, "release.ocu.star:2:34: done() has both", "", release.Failed},
		"outputs is a list":   {"def f():\n    return done(outputs=[1])", nil, "release.ocu.star:2:17: outputs is a list, not a dict", "", release.Failed},
		"output is no JSON":   {"def f():\n    return done(outputs={\"a\": {\"b\": [f]}})", nil, "release.ocu.star:2:17: outputs[\"a\"]: b[0] is a function, which JSON can't hold", "", release.Failed},
		"outputs by position": {"def f():\n    return done({\"a\": 1})", nil, "release.ocu.star:2:17: the first argument of done() is its annotation", "done(outputs={…})", release.Failed},
		"huge output":         {"def f():\n    return done(outputs={\"a\": \"x\" * 2000000})", nil, "release.ocu.star:2:17: outputs[\"a\"]: it has more than 1048576 bytes as JSON", "", release.Failed},
		"many outputs":        {"def f():\n    return done(outputs={str(i): \"x\" * 1000 for i in range(2000)})", nil, "release.ocu.star:2:17: outputs has more than 1048576 bytes as JSON", "file", release.Failed},
		"tag with a slash":    {"def f():\n    return done(tags=[\"a/b\"])", nil, "release.ocu.star:2:17: \"a/b\" can't be a tag", "", release.Failed},
		"tag of digits":       {"def f():\n    return done(tags=[\"123\"])", nil, "release.ocu.star:2:17: the tag \"123\" looks like the number of a release", "v123", release.Failed},
		"tag of a release":    {"def f():\n    return done(tags=[\"r7\"])", nil, "release.ocu.star:2:17: the tag \"r7\" looks like", "", release.Failed},
		"tags is text":        {"def f():\n    return done(tags=\"v1\")", nil, "release.ocu.star:2:17: tags is a string, not a list", "", release.Failed},
		"next of nothing":     {"def f():\n    return next(\"g\")", nil, "release.ocu.star:2:17: fn is a string, not a function", "", release.Failed},
		"next of a lambda":    {"def f():\n    return next(lambda ctx: done())", nil, "release.ocu.star:2:17: fn is a lambda", "top level", release.Failed},
		"next inside":         {"def f():\n    def g(ctx):\n        return done()\n    return next(g)", nil, "release.ocu.star:4:17: fn is a function inside of another", "top level", release.Failed},
		"next's inputs":       {"def g(a):\n    return done()\ndef f():\n    return next(g)", nil, "release.ocu.star:4:12: the parameter a of g (release.ocu.star:1)", "", release.Failed},
		"next's input's name": {"def g(ctx):\n    return done()\ndef f():\n    return next(g, inputs={\"0a\": 1})", nil, "release.ocu.star:4:20: \"0a\" can't be the name", "", release.Failed},
		"host refuses":        {"def f():\n    host.shell(\"refused\")", nil, "release.ocu.star:2:5: host.shell \"refused\": no shell here", "ask", release.Refused},
		"no http":             {"def f():\n    http.get(\"https://example.com\")", nil, "release.ocu.star:2:5: http.get() is not allowed here", "", release.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(test.text)
			m := &machine{answers: map[string]lang.Shell{
				"bad   thing": {ExitCode: 3, Stderr: "a\nb\nc\nd\n\ne\nf\n"},
				"none":        {ExitCode: 127, Combined: "not found\n"},
			}}
			if strings.Contains(test.text, "refused") {
				m.refuses = refused
			}
			o.Host = m
			_, err := runs(t, o, test.inputs)
			var e *lang.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) || release.KindOf(err) != test.kind {
				t.Errorf("kind %d\n got %v\nwant %s (…%s…)", release.KindOf(err), err, test.want, test.hint)
			}
		})
	}
}

// A chain keeps the environment, hands on references, and is found again by name.
func TestNext(t *testing.T) {
	t.Parallel()
	o := options("release.ocu.star", `
slipway("1")
load("more.star", "second")
def f(ctx):
    return next(second, annotation="on we go", inputs={
        "a": ctx.inputs.a,
        "approval": input(ref=ref("./custom/ok"), doc="say yes"),
        "gate": approval("qa", by=["anna", "@acme/release"], count=2),
        "tag": input(ref="./call/build#output/tag", default="none"),
    })
`, "more.star", `
def second(environment, a, approval, gate, tag):
    return next(third, inputs={"environment": environment, "x": None})
def third(ctx):
    return done(annotation="there", tags=["v1", "1.2.0-rc1"])
`)
	got, err := runs(t, o, map[string]string{"a": "1", "environment": staging})
	if err != nil {
		t.Fatal(err)
	}
	n := got.Next
	if n == nil || got.Done != nil || n.Annotation != "on we go" || n.Fn != (lang.Function{Name: "second", File: "more.star", Line: 2}) {
		t.Fatalf("got %+v", got)
	}
	if string(n.Inputs["environment"].Value) != staging || string(n.Inputs["a"].Value) != "1" {
		t.Errorf("inputs %v", n.Inputs)
	}
	if in := n.Inputs["approval"]; in.Ref.String() != "github.com/acme/app/-/release.ocu.star/@r3/custom/ok" || in.Doc != "say yes" {
		t.Errorf("approval %+v", in)
	}
	if g := n.Inputs["gate"].Gate; g == nil || g.Name != "qa" || g.Count != 2 || !slices.Equal(g.By, []string{"anna", "@acme/release"}) {
		t.Errorf("gate %+v", g)
	}
	if in := n.Inputs["tag"]; in.Ref.Kind != ref.Call || string(in.Default) != `"none"` {
		t.Errorf("tag %+v", in)
	}
	p := mustLoad(t, o)
	second, ok := p.Lookup(n.Fn.Name, n.Fn.File)
	if !ok || second != n.Fn {
		t.Fatalf("second is not found again: %+v", second)
	}
	null := json.RawMessage("null")
	got, err = p.Call(t.Context(), second, map[string]json.RawMessage{"environment": json.RawMessage(staging), "a": null, "approval": null, "gate": null, "tag": null}, o)
	if err != nil || got.Next == nil || got.Next.Fn.Name != "third" {
		t.Fatalf("got %+v, %v", got, err)
	}
	got, err = p.Call(t.Context(), got.Next.Fn, nil, o)
	if diff := cmp.Diff(&lang.Done{Annotation: "there", Tags: []string{"v1", "1.2.0-rc1"}}, got.Done); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, ok := p.Lookup("thirt", "more.star"); ok {
		t.Error("thirt is found")
	}
	_, err = p.Call(t.Context(), lang.Function{Name: "thirt", File: "more.star"}, nil, o)
	if err == nil || err.Error() != "more.star: there is no function thirt (did you mean third?)" {
		t.Errorf("got %v", err)
	}
	if _, err = p.Call(t.Context(), lang.Function{Name: "x", File: "gone.star"}, nil, o); err == nil || !strings.Contains(err.Error(), "loads no such file now") {
		t.Errorf("got %v", err)
	}
	var names []string
	for _, f := range p.Functions() {
		names = append(names, f.File+":"+f.Name)
	}
	if diff := cmp.Diff([]string{"more.star:second", "more.star:third", "release.ocu.star:f"}, names); diff != "" {
		t.Error(diff)
	}
}

// Many functions run at once, each with its own log and machine.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	o := options("release.ocu.star", `
slipway("1")
load("more.star", "table")
GATE = approval("x")
def f(ctx):
    n = ctx.inputs.n
    print("I am", n)
    host.shell("echo {}".format(n))
    if n % 2:
        return next(g, inputs={"n": n, "gate": GATE})
    return done(outputs={"n": n, "table": table, "sum": sorted([x * n for x in table["list"]])})
def g(ctx):
    return done()
`, "more.star", `table = {"list": [3, 1, 2], "name": struct(a=1)}`)
	p := mustLoad(t, o)
	fn, _ := p.Lookup("f", "")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			m, log := &machine{}, &journal{}
			own := o
			own.Host, own.Log = m, log
			got, err := p.Call(t.Context(), fn, map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(i))}, own)
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 && string(got.Done.Output["n"]) != fmt.Sprint(i) || i%2 == 1 && got.Next.Fn.Name != "g" {
				t.Errorf("%d: %+v", i, got)
			}
			if len(log.lines) != 2 || log.lines[0] != fmt.Sprint("I am ", i) || m.scripts[0].Text != fmt.Sprint("echo ", i) {
				t.Errorf("%d: %v %v", i, log.lines, m.scripts)
			}
		})
	}
	wg.Wait()
}

// Lines are clipped, and those of a script go to the log as its own.
func TestLog(t *testing.T) {
	t.Parallel()
	o := options("def f():\n    print(\"a\" * 100000)\n    print(\"x\\ny\")\n    secret(\"abc\")\n    secret(\"\")\n    host.shell(\"long\")\n    host.shell(\"long\", mute=True)\n    return done()")
	log := &journal{}
	o.Log, o.Host = log, &machine{answers: map[string]lang.Shell{"long": {Stdout: strings.Repeat("é", 50000)}}}
	if _, err := runs(t, o, nil); err != nil {
		t.Fatal(err)
	}
	if len(log.lines) != 4 || len(log.lines[0]) > 64<<10 || !strings.HasSuffix(log.lines[0], "… (the line is longer)") || log.lines[1] != "x" ||
		len(log.lines[3]) > 64<<10+5 || !slices.Equal(log.secrets, []string{"abc"}) {
		t.Errorf("%d lines, secrets %q", len(log.lines), log.secrets)
	}
}

// Requests: methods, headers, bodies, errors; no answer is read without end, and
// no error has a password.
func TestHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			for range 11 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
			return
		}
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		w.Header().Set("X-Two", "1")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %v", r.Method, body[:n], r.Header["X-A"])
	}))
	t.Cleanup(server.Close)
	text := `
URL = "` + server.URL + `"
def f():
    a = http.post(URL, headers={"X-A": ["1", "2"]}, body="hello")
    b = http.get(url=URL, headers={"X-A": "3"})
    rest = [m(URL)["status_code"] for m in [http.put, http.patch, http.delete, http.head]]
    return done(outputs={"a": a["body"], "h": a["headers"]["X-Two"], "s": a["status_text"], "b": b["body"], "rest": rest})
def large():
    return http.get(URL + "/large")
def scheme():
    return http.get("file:///etc/passwd")
def nobody():
    return http.get("http://user:hunter2@127.0.0.1:1/x?token=hunter3")
def header():
    return http.get(URL, headers={"X": "a\nb"})
`
	o := options(text)
	o.HTTP = server.Client()
	got, err := runs(t, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":"POST hello [1 2]","b":"GET  [3]","h":["1"],"rest":[418,418,418,418],"s":"418 I'm a teapot"}`
	if diff := cmp.Diff(want, compact(t, got.Done.Output)); diff != "" {
		t.Error(diff)
	}
	p := mustLoad(t, o)
	for name, want := range map[string]string{
		"large":  "the answer has more than 10 MiB",
		"scheme": "\"file:///etc/passwd\" is no address of http or https",
		"nobody": "GET http://127.0.0.1:1/x: ",
		"header": "headers [\"X\"] has a line break",
	} {
		fn, _ := p.Lookup(name, "")
		_, err := p.Call(t.Context(), fn, nil, o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
