package lang_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// Everything that is wrong with a file is told with its place and what to do.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	const fns = "def f(ctx):\n    return done()\n" // lines 1 and 2
	for name, test := range map[string]struct {
		text string
		want string // begins with the place
		hint string // part of it
	}{
		// Syntax.
		"missing comma in a list":      {"x = [\n  1\n  2,\n]", "release.ocu.star:2:4: a comma is missing after 1", ""},
		"missing comma, comment":       {fns + "call(\n  f # with ( a comment\n\n  # and more\n  name=\"b\")", "release.ocu.star:4:4: a comma is missing after f", ""},
		"missing comma on a line":      {fns + "call(f name=\"b\")", "release.ocu.star:3:7: a comma is missing after f", ""},
		"missing comma after brackets": {"x = {\n \"a\": [1, 2]\n \"b\": 3}", "release.ocu.star:2:13: a comma is missing after \"a\": [1, 2]", ""},
		"missing comma, two of them":   {fns + "call(f name=\"b\")\ncall(f name=\"c\")", "release.ocu.star:3:7: a comma is missing after f", ""},
		"missing comma after string":   {"x = [\n  \"it's, a ( text\"\n  'b']", "release.ocu.star:2:19: a comma is missing after \"it's, a ( text\"", ""},
		"f-string":                     {"x = f\"a {b}\"", "release.ocu.star:1:6: syntax error", "no f-strings"},
		"f-string as argument":         {"print(f\"a {b}\")", "release.ocu.star:1:8: syntax error", "no f-strings"},
		"import":                       {"import os", "release.ocu.star:1:1: syntax error in \"import os\"", "write load("},
		"class":                        {"class A:\n  pass", "release.ocu.star:1:1: syntax error", "struct("},
		"is":                           {"x = 1\ny = x is None", "release.ocu.star:2:7: syntax error in \"y = x is None\"", "=="},
		"try":                          {"def f():\n    try:\n        x = 1\n", "release.ocu.star:2:5: syntax error", "can't catch"},
		"while":                        {"def f():\n    while True:\n        pass\n", "release.ocu.star:2:5: Starlark has no while here", "for i in range"},
		"colon":                        {"def f()\n    pass\n", "release.ocu.star:1:8: syntax error in \"def f()\"", "colon"},
		"tab":                          {"def f():\n    x = 1\n\ty = 2\n", "release.ocu.star:3", "tab"},
		"body":                         {"def f():\nx = 1\n", "release.ocu.star:2", "four spaces"},
		"indent":                       {"x = 1\n  y = 2\n", "release.ocu.star:2", "indent it like"},
		"assignment for comparison":    {"if 1 = 2:\n  pass", "release.ocu.star:1:6: syntax error", "=="},
		"open bracket":                 {"x = [1,\n2\n\ndef f():\n  pass", "release.ocu.star:4:1: syntax error", "is the [ of line 1 closed?"},
		"print statement":              {"print \"x\"", "release.ocu.star:1:7: syntax error", "print(…)"},
		"not":                          {"x = !True", "release.ocu.star:1:", "not x"},
		"string without an end":        {"x = \"abc\ny = 1", "release.ocu.star:1:5: syntax error in \"x = \\\"abc\"", "no end"},

		// Names.
		"undefined":            {fns + "cal(f, name=\"a\")", "release.ocu.star:3:1: cal is not defined", "did you mean call?"},
		"undefined of python":  {"x = true", "release.ocu.star:1:5: true is not defined", "write True"},
		"undefined own":        {"def deploy_it(): pass\ndeploy_ti()", "release.ocu.star:2:1: deploy_ti is not defined", "deploy_it?"},
		"undefined, no idea":   {"frobnicate_the_quux()", "release.ocu.star:1:1: frobnicate_the_quux is not defined", "def it, or load it"},
		"recursion":            {"def f(n):\n    return f(n)\nf(1)", "release.ocu.star:2:12: function f called recursively", "no recursion"},
		"text and number":      {"x = \"a\" + 1", "release.ocu.star:1:5: unknown binary op: string + int", "str(x)"},
		"key":                  {"x = {}[\"a\"]", "release.ocu.star:1:5: key \"a\" not in dict", ".get("},
		"string repeat":        {"x = \"a\" * \"b\"", "release.ocu.star:1:5: unknown binary op: string * string", ""},
		"no such method":       {"x = [1].format()", "release.ocu.star:1:5: list has no .format field or method", ""},
		"fail":                 {"fail(\"no\", 1)", "release.ocu.star:1:1: fail: no 1", ""},
		"keyword of call":      {fns + "call(f, name=\"a\", imputs={})", "release.ocu.star:3:1: call: unexpected keyword argument \"imputs\"", "inputs?"},
		"keyword of deploy":    {fns + "deploy(envronment=\"staging\")", "release.ocu.star:3:1: deploy: unexpected keyword argument \"envronment\"", "environment?"},
		"keyword of phase":     {"phase(\"a\", wrok=[])", "release.ocu.star:1:1: phase: unexpected keyword argument \"wrok\"", "work?"},
		"keyword of input":     {"input(red=\"./call/a\")", "release.ocu.star:1:1: input: unexpected keyword argument \"red\"", "ref?"},
		"argument missing":     {fns + "call(f)", "release.ocu.star:3:1: call: missing argument for name", ""},
		"in a function":        {fns + "def g():\n    call(f)\ng()", "release.ocu.star:4:5: call: missing argument for name", ""},
		"two names are wrong":  {"a1()\nb2()", "release.ocu.star:1:1: a1 is not defined", ""},
		"environment's dot":    {"e = environments()[0]\nx = e.type", "release.ocu.star:2:5: environment has no .type of its own", `attributes["type"]`},
		"repeated declaration": {"ocuroot(\"0.3.0\")\nocuroot(\"0.3.0\")", "release.ocu.star:2:1: ocuroot() is called twice", "leave"},

		// Versions.
		"version":             {"ocuroot(\"0.4.0\")", "release.ocu.star:1:9: version \"0.4.0\" of Ocuroot's language is not known", `ocuroot("0.3.0")`},
		"version, constraint": {"ocuroot(\">=0.4\")\n", "release.ocu.star:1:9: version", ""},
		"version, nonsense":   {"ocuroot(\"new\")", "release.ocu.star:1:9: version \"new\"", ""},
		"version, number":     {"ocuroot(3)", "release.ocu.star:1:9: ocuroot() takes the version as a string", ""},
		"version, none":       {"ocuroot()", "release.ocu.star:1:1: ocuroot() has no version", ""},
		"version, computed":   {"v = \"0.3.0\"\nocuroot(v)", "release.ocu.star:2:9: ocuroot() takes the version as a string, written out", ""},
		"version in an if":    {"if True:\n    slipway(\"1\")", "release.ocu.star:2:5: slipway() stands inside of an if", ""},
		"version in a def":    {"def f():\n    ocuroot(\"0.3.0\")\nf()", "release.ocu.star:2:5: ocuroot() stands inside of a function", ""},
		"slipway's version":   {"slipway(\"2\")", "release.ocu.star:1:9: there is no version \"2\" of slipway's language", `slipway("1")`},
		"approval":            {"approval()", "release.ocu.star:1:1: approval() is Slipway's own", `write slipway("1")`},
		"soak":                {"soak(\"2h\")", "release.ocu.star:1:1: soak() is Slipway's own", `write slipway("1")`},
		"freeze":              {"freeze(cron=\"0 18 * * 5\", lasts=\"62h\")", "release.ocu.star:1:1: freeze() is Slipway's own", `write slipway("1")`},
		"verify":              {fns + "deploy(\"staging\", f, f, verify=f)", "release.ocu.star:3:25: verify= is Slipway's own", `write slipway("1")`},
		"max_parallel":        {"phase(\"a\", max_parallel=1)", "release.ocu.star:1:12: max_parallel= is Slipway's own", `write slipway("1")`},

		// Work.
		"up is text":             {fns + "deploy(\"staging\", up=\"f\", down=f)", "release.ocu.star:3:19: up is a string, not a function", "write up=f, without quotes"},
		"up is called":           {"def f():\n    return done()\ndeploy(\"staging\", up=f(), down=f)", "release.ocu.star:3:19: up is a done, not a function", "without calling"},
		"up is built in":         {fns + "deploy(\"staging\", up=print, down=f)", "release.ocu.star:3:19: up is the built-in function print", "def a function"},
		"up is missing":          {fns + "deploy(\"staging\", down=f)", "release.ocu.star:3:1: the deploy to staging has no up", "up=up"},
		"fn is a number":         {"call(3, name=\"a\")", "release.ocu.star:1:6: fn is an int, not a function", ""},
		"fn is a lambda":         {"call(lambda ctx: done(), name=\"a\")", "release.ocu.star:1:6: fn is a lambda (release.ocu.star:1)", "def it at the top level"},
		"fn is inside":           {"def g():\n    def f(ctx):\n        return done()\n    call(f, name=\"a\")\ng()", "release.ocu.star:4:10: fn is a function inside of another (release.ocu.star:2)", "def it at the top level"},
		"fn is gone":             {fns + "call(f, name=\"a\")\ndef f(ctx):\n    return done()", "release.ocu.star:3:6: fn is a function whose name stands for something else now", "def it"},
		"name with a slash":      {fns + "call(f, name=\"a/b\")", "release.ocu.star:3:9: the name \"a/b\" has '/'", "letters"},
		"name with =":            {fns + "call(f, \"a=b\")", "release.ocu.star:3:9: the name \"a=b\" has '='", "letters"},
		"name with @":            {fns + "call(f, \"@b\")", "release.ocu.star:3:9: the name \"@b\" has '@'", "letters"},
		"name with #":            {fns + "call(f, \"a#b\")", "release.ocu.star:3:9: the name \"a#b\" has '#'", "letters"},
		"name with a space":      {fns + "call(f, \"a b\")", "release.ocu.star:3:9: the name \"a b\" has a space", ""},
		"name is empty":          {fns + "call(f, \"\")", "release.ocu.star:3:9: the name \"\" is empty", ""},
		"two calls of a name":    {fns + "call(f, \"a\")\ncall(f, \"b\")\ntask(f, \"a\")", "release.ocu.star:5:1: there is a call \"a\" already (release.ocu.star:3)", "name of its own"},
		"two deploys, one phase": {fns + "phase(\"p\", [deploy(e, f, f) for e in [\"staging\", \"staging\"]])", "release.ocu.star:3:20: there is a deploy to staging already", "one deploy"},
		"two deploys, two phases": {fns + "phase(\"p\", [deploy(\"staging\", f, f)])\nphase(\"q\", [deploy(\"staging\", f, f)])",
			"release.ocu.star:4:20: there is a deploy to staging already (release.ocu.star:3)", "one deploy"},
		"no environment":           {fns + "deploy(up=f, down=f)", "release.ocu.star:3:1: the deploy has no environment", "environments()"},
		"environment of a kind":    {fns + "deploy(environment=3, up=f, down=f)", "release.ocu.star:3:8: environment is an int", ""},
		"environment is up":        {fns + "deploy(f, f, \"staging\")", "release.ocu.star:3:8: environment is a function", "order"},
		"unknown environment":      {fns + "deploy(\"stagin\", f, f)", "release.ocu.star:3:8: there is no environment stagin", "did you mean staging?"},
		"phase of one call":        {fns + "phase(\"p\", work=call(f, \"a\"))", "release.ocu.star:3:12: work is a call, not a list", "work=[…]"},
		"phase with nothing":       {fns + "def g():\n    call(f, \"a\")\nphase(\"p\", work=[g()])", "release.ocu.star:5:12: work[0] of phase \"p\" is None", "must return it"},
		"phase with text":          {"phase(\"p\", work=[\"a\"])", "release.ocu.star:1:12: work[0] of phase \"p\" is a string", ""},
		"phase with a list":        {fns + "phase(\"p\", work=[[call(f, \"a\")]])", "release.ocu.star:3:12: work[0] of phase \"p\" is a list of its own", ""},
		"phase with both":          {fns + "phase(\"p\", work=[call(f, \"a\")], tasks=[call(f, \"b\")])", "release.ocu.star:3:33: phase \"p\" has both work and tasks", ""},
		"work in two phases":       {fns + "a = call(f, \"a\")\nphase(\"p\", [a])\nphase(\"q\", [a])", "release.ocu.star:5:12: call a is in a phase already", "one phase"},
		"phase without a name":     {"phase(\"\", work=[])", "release.ocu.star:1:7: the phase's name is empty", ""},
		"attribute of a number":    {"environment(\"a\", {\"n\": 3})", "release.ocu.star:1:18: the attribute \"n\" of environment a is an int", `write "n": "3"`},
		"environment's name":       {"environment(\"a/b\")", "release.ocu.star:1:13: the environment's name \"a/b\" has '/'", ""},
		"register text":            {"register_environment(\"a\")", "release.ocu.star:1:22: register_environment() takes an environment, not a string", "environment("},
		"next at the top":          {fns + "next(f)", "release.ocu.star:3:1: next() is called while the file is read", "return it"},
		"on_failure":               {"slipway(\"1\")\n" + fns + "deploy(\"staging\", f, f, verify=f, on_failure=\"restor\")", "release.ocu.star:4:35: on_failure is \"restor\"", "did you mean restore?"},
		"on_failure alone":         {"slipway(\"1\")\n" + fns + "deploy(\"staging\", f, f, on_failure=\"keep\")", "release.ocu.star:4:25: on_failure says", "verify="},
		"max_parallel is negative": {"slipway(\"1\", max_parallel=-1)", "release.ocu.star:1:14: max_parallel is -1", ""},
		"shell at load":            {"host.shell(\"x\")", "release.ocu.star:1:1: host.shell() needs a machine", ""},
		"store in a package":       {"store.fs(\"x\")", "release.ocu.star:1:1: store.fs() belongs in repo.ocu.star", "move it"},
		"alias in a package":       {"repo_alias(\"x\")", "release.ocu.star:1:1: repo_alias() belongs in repo.ocu.star", "move it"},
		"trigger in a package":     {fns + "trigger(f)", "release.ocu.star:3:1: trigger() belongs in repo.ocu.star", "move it"},

		// Inputs.
		"input of nothing":      {"input()", "release.ocu.star:1:1: input() has neither ref nor default", "input(ref="},
		"input of None":         {"input(default=None)", "release.ocu.star:1:1: input() has neither", ""},
		"inputs is a list":      {fns + "call(f, \"a\", inputs=[1])", "release.ocu.star:3:14: inputs is a list, not a dict", ""},
		"input's name":          {fns + "call(f, \"a\", inputs={\"a-b\": 1})", "release.ocu.star:3:14: \"a-b\" can't be the name of an input", `write "a_b"`},
		"input's name, digit":   {fns + "call(f, \"a\", inputs={\"0a\": 1})", "release.ocu.star:3:14: \"0a\" can't be the name", `write "_0a"`},
		"input's name, number":  {fns + "call(f, \"a\", inputs={1: 1})", "release.ocu.star:3:14: inputs has 1 as a name", ""},
		"reserved input":        {fns + "deploy(\"staging\", f, f, inputs={\"environment\": 1})", "release.ocu.star:3:25: environment is a reserved input", "leave it out"},
		"input is a function":   {fns + "call(f, \"a\", inputs={\"x\": f})", "release.ocu.star:3:14: input x: it is a function, which JSON can't hold", ""},
		"input holds one":       {fns + "call(f, \"a\", inputs={\"x\": {\"y\": [1, print]}})", "release.ocu.star:3:14: input x: y[1] is the built-in function print", ""},
		"input holds a ref":     {fns + "call(f, \"a\", inputs={\"x\": [ref(\"./custom/b\")]})", "release.ocu.star:3:14: input x: [0] is ref(…) inside of another value", "values are"},
		"input is a set":        {fns + "call(f, \"a\", inputs={\"x\": set([1])})", "release.ocu.star:3:14: input x: it is a set", ""},
		"input is no number":    {fns + "call(f, \"a\", inputs={\"x\": float(\"nan\")})", "release.ocu.star:3:14: input x: it is nan, which JSON can", ""},
		"input holds itself":    {fns + "x = []\nx.append(x)\ncall(f, \"a\", inputs={\"x\": x})", "release.ocu.star:5:14: input x: it is nested more than 100 deep", ""},
		"input with a key":      {fns + "call(f, \"a\", inputs={\"x\": {1: 2}})", "release.ocu.star:3:14: input x: it has the key 1", ""},
		"input is huge":         {fns + "call(f, \"a\", inputs={\"x\": \"a\" * 3000000})", "release.ocu.star:3:14: input x: it has more than 1048576 bytes", ""},
		"input is work":         {fns + "b = call(f, \"b\")\ncall(f, \"a\", inputs={\"x\": b})", "release.ocu.star:4:14: input x: it is a call", `ref("./call/b#output/…")`},
		"input is ambiguous":    {fns + "call(f, \"a\", inputs={\"x\": {\"value\": 1, \"unit\": \"s\"}})", "release.ocu.star:3:14: input x: a dict with ref, default or value", `{"value": {…}}`},
		"input has two sources": {fns + "call(f, \"a\", inputs={\"x\": {\"value\": 1, \"ref\": \"./custom/b\"}})", "release.ocu.star:3:14: input x: it has both ref and value", ""},
		"bad ref":               {"ref(\"./call/a=b\")", "release.ocu.star:1:5: ", ""},
		"ref of a number":       {"ref(3)", "release.ocu.star:1:5: ref is an int, not a reference", "./call/build"},
		"default is a function": {fns + "input(default=f)", "release.ocu.star:3:7: default: it is a function", ""},

		// Parameters.
		"parameter without input": {"def f(a, b):\n    return done()\ncall(f, \"x\", inputs={\"a\": 1})", "release.ocu.star:3:14: the parameter b of f (release.ocu.star:1) has no input and no default", `add "b"`},
		"input without parameter": {"def f(a):\n    return done()\ncall(f, \"x\", inputs={\"a\": 1, \"b\": 2})", "release.ocu.star:3:14: the input b is no parameter of f (release.ocu.star:1)", "b=None"},
		"parameter, other name":   {"def f(c):\n    return done()\ncall(f, \"x\", inputs={\"a\": 1, \"b\": 2})", "release.ocu.star:3:14: the parameter c of f", "def f(ctx)"},
		"ctx and more":            {"def f(ctx, a):\n    return done()\ncall(f, \"x\", inputs={\"a\": 1})", "release.ocu.star:3:14: the parameter ctx of f", "ctx stands alone"},
		"down's parameters":       {"def f(a):\n    return done()\ndef g():\n    return done()\ndeploy(\"staging\", f, g, inputs={\"a\": 1})", "release.ocu.star:5:25: the input a is no parameter of g", ""},

		// References.
		"ref to nothing":      {fns + "call(f, \"build\")\ncall(f, \"a\", inputs={\"x\": ref(\"./call/bild#output/y\")})", "release.ocu.star:4:14: input x of call/a refers to ./call/bild, and this release has no call bild", "did you mean build?"},
		"ref to the other":    {fns + "call(f, \"staging\")\ncall(f, \"a\", inputs={\"x\": ref(\"./deploy/staging#output/y\")})", "release.ocu.star:4:14: input x of call/a refers to ./deploy/staging", "did you mean ./call/staging?"},
		"ref to itself":       {fns + "call(f, \"a\", inputs={\"x\": ref(\"./call/a#output/y\")})", "release.ocu.star:3:14: input x of call/a refers to its own output", "./@/call/a"},
		"ref to later":        {fns + "call(f, \"a\", inputs={\"x\": ref(\"./task/b#output/y\")})\ncall(f, \"b\")", "release.ocu.star:3:14: input x of call/a refers to ./call/b, which runs in a later phase", "put the phase after"},
		"ref in a circle":     {fns + "phase(\"p\", [call(f, \"a\", inputs={\"x\": ref(\"./call/b\")}), call(f, \"b\", inputs={\"x\": ref(\"./call/c\")}), call(f, \"c\", inputs={\"x\": ref(\"./call/a\")})])", "release.ocu.star:3:26: work waits for itself in a circle: call/a → call/b → call/c → call/a", ""},
		"ref of this release": {fns + "call(f, \"a\", inputs={\"x\": ref(\"./@r3/call/nope\")})", "release.ocu.star:3:14: input x of call/a refers to ./call/nope", ""},

		// Gates and freezes.
		"approval's count":      {"slipway(\"1\")\napproval(count=0)", "release.ocu.star:2:10: count is 0", ""},
		"approval by two":       {"slipway(\"1\")\napproval(by=[\"a\"], count=2)", "release.ocu.star:2:20: 2 must approve, but only 1 may", ""},
		"approval by text":      {"slipway(\"1\")\napproval(by=\"anna\")", "release.ocu.star:2:10: by is a string, not a list", `by=["anna"]`},
		"approval by nobody":    {"slipway(\"1\")\napproval(by=[\"a b\"])", "release.ocu.star:2:10: \"a b\" is neither a user nor a team", ""},
		"approval's name":       {"slipway(\"1\")\napproval(\"a/b\")", "release.ocu.star:2:10: the approval's name \"a/b\" has '/'", ""},
		"soak of nothing":       {"slipway(\"1\")\nsoak(\"2h\")", "release.ocu.star:2:1: soak() waits after the phase before, and there is none", ""},
		"soak's time":           {"slipway(\"1\")\nsoak(\"2 hours\")", "release.ocu.star:2:6: \"2 hours\" is no duration", "2h"},
		"soak of a number":      {"slipway(\"1\")\nsoak(2)", "release.ocu.star:2:6: a duration is a string, not an int", "2h"},
		"soak backwards":        {"slipway(\"1\")\nsoak(\"-2h\")", "release.ocu.star:2:6: \"-2h\" is not longer than 0", ""},
		"soak for ever":         {"slipway(\"1\")\nsoak(\"9999d\")", "release.ocu.star:2:6: \"9999d\" is longer than a year", ""},
		"freeze, no time":       {"slipway(\"1\")\nfreeze(reason=\"x\")", "release.ocu.star:2:1: the freeze does not say when it is", "begin="},
		"freeze, no end":        {"slipway(\"1\")\nfreeze(cron=\"0 18 * * 5\")", "release.ocu.star:2:1: the freeze says when it begins", "lasts="},
		"freeze, both":          {"slipway(\"1\")\nfreeze(cron=\"0 18 * * 5\", until=\"2026-12-20\")", "release.ocu.star:2:1: a freeze has either", ""},
		"freeze, cron":          {"slipway(\"1\")\nfreeze(cron=\"0 25 * * 5\", lasts=\"1h\")", "release.ocu.star:2:8: cron: hour \"25\"", ""},
		"freeze, zone":          {"slipway(\"1\")\nfreeze(until=\"2026-12-20\", timezone=\"Europe/Pari\")", "release.ocu.star:2:28: timezone: there is no time zone", "Paris"},
		"freeze, time":          {"slipway(\"1\")\nfreeze(until=\"20.12.2026\")", "release.ocu.star:2:8: \"20.12.2026\" is no time", "2026-12-20"},
		"freeze, backwards":     {"slipway(\"1\")\nfreeze(begin=\"2026-12-20\", until=\"2026-12-01\")", "release.ocu.star:2:28: the freeze ends before it begins", ""},
		"freeze, environments":  {"slipway(\"1\")\nfreeze(until=\"2026-12-20\", environments=[3])", "release.ocu.star:2:28: environments has an int at [0]", ""},
		"gate inside of input":  {"slipway(\"1\")\ninput(ref=approval())", "release.ocu.star:2:7: ref is an approval", "give it as the input itself"},
		"freeze: unknown word":  {"slipway(\"1\")\nfreeze(from_=\"2026-12-20\")", "release.ocu.star:2:1: freeze: unexpected keyword argument \"from_\"", ""},
		"work in repo's manner": {"x = phase(\"a\")\nx.foo", "release.ocu.star:2:1: NoneType has no .foo", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(test.text)
			o.Host = nil
			_, err := lang.Load(t.Context(), o)
			if test.want == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			var e *lang.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("\n got %v\nwant %v (…%s…)", err, test.want, test.hint)
			}
			if e.Line == 0 || e.Column == 0 {
				t.Errorf("no place: %+v", e.Problem)
			}
			if want := release.Invalid; release.KindOf(err) != want && !strings.Contains(test.want, "needs a machine") {
				t.Errorf("kind %v", release.KindOf(err))
			}
		})
	}
}

// A file that is not there, and paths that are none.
func TestLoadPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"release.ocu.star": "release.ocu.star: it can't be read: file does not exist",
		"../x.ocu.star":    `"../x.ocu.star" is no path of a package file (such as web/release.ocu.star)`,
		"":                 `"" is no path of a package file (such as web/release.ocu.star)`,
		"/etc/passwd":      `"/etc/passwd" is no path of a package file (such as web/release.ocu.star)`,
		"sub":              "sub: it can't be read: it is a folder",
		"binary.ocu.star":  "binary.ocu.star: it can't be read: it is no text in UTF-8",
	} {
		o := options("sub/x.star", "", "binary.ocu.star", "x = 1 \x00 2")
		o.Self.Path = path
		_, err := lang.Load(t.Context(), o)
		if err == nil || err.Error() != want || release.KindOf(err) != release.Invalid {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// Loaded files: from beside, above and the root; never from outside; circles and
// mistakes are named where they are.
func TestLoadStatement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files []string
		want  string // an error, or empty
		hint  string
	}{
		"beside":         {[]string{"release.ocu.star", `load("./a.star", "x")`, "a.star", "x = 1"}, "", ""},
		"beside, short":  {[]string{"release.ocu.star", `load("a.star", "x")`, "a.star", "x = 1"}, "", ""},
		"below":          {[]string{"release.ocu.star", `load("b/a.star", "x")`, "b/a.star", "load(\"../c.star\", \"y\")\nx = y", "c.star", "y = 1"}, "", ""},
		"root":           {[]string{"release.ocu.star", `load("b/a.star", "x")`, "b/a.star", "load(\"/c.star\", \"y\")\nx = y", "c.star", "y = 1"}, "", ""},
		"root, twice":    {[]string{"release.ocu.star", `load("b/a.star", "x")`, "b/a.star", "load(\"//b/c.star\", \"y\")\nx = y", "b/c.star", "y = 1"}, "", ""},
		"renamed":        {[]string{"release.ocu.star", "load(\"a.star\", b=\"f\")\ncall(b, \"x\")", "a.star", "def f(ctx):\n    return done()"}, "", ""},
		"diamond":        {[]string{"release.ocu.star", "load(\"a.star\", \"x\")\nload(\"b.star\", \"y\")", "a.star", "load(\"c.star\", \"z\")\nx = z", "b.star", "load(\"c.star\", \"z\")\ny = z", "c.star", "z = 1"}, "", ""},
		"outside":        {[]string{"release.ocu.star", `load("../a.star", "x")`}, `release.ocu.star:1:1: load "../a.star" leaves the repository`, ""},
		"far outside":    {[]string{"release.ocu.star", `load("b/../../../etc/passwd", "x")`}, `release.ocu.star:1:1: load "b/../../../etc/passwd" leaves the repository`, ""},
		"missing":        {[]string{"release.ocu.star", `load("./task.star", "x")`, "tasks.star", ""}, `release.ocu.star:1:1: task.star can't be loaded: file does not exist`, "did you mean tasks.star?"},
		"elsewhere":      {[]string{"release.ocu.star", `load("@x//a.star", "x")`}, `release.ocu.star:1:1: load "@x//a.star": files of other repositories`, ""},
		"nothing":        {[]string{"release.ocu.star", `load("", "x")`}, `release.ocu.star:1:1: load "" names no file`, ""},
		"itself":         {[]string{"release.ocu.star", `load("release.ocu.star", "x")`}, `release.ocu.star:1:1: files load each other in a circle: release.ocu.star → release.ocu.star`, ""},
		"circle":         {[]string{"release.ocu.star", `load("a.star", "x")`, "a.star", "y = 1\nload(\"b.star\", \"x\")", "b.star", `load("a.star", "x")`}, "b.star:1:1: files load each other in a circle: a.star → b.star → a.star", "third file"},
		"no such name":   {[]string{"release.ocu.star", `load("a.star", "bild")`, "a.star", "build = 1"}, `release.ocu.star:1:1: load: name bild not found in module a.star`, "build"},
		"syntax of it":   {[]string{"release.ocu.star", `load("a.star", "x")`, "a.star", "x = [1\n2]"}, "a.star:1:7: a comma is missing after 1", ""},
		"failure of it":  {[]string{"release.ocu.star", `load("a.star", "x")`, "a.star", "\nx = 1 // 0"}, "a.star:2:5: floored division by zero", ""},
		"version of it":  {[]string{"release.ocu.star", `load("a.star", "x")`, "a.star", "ocuroot(\"1.0\")\nx = 1"}, "a.star:1:9: version \"1.0\"", ""},
		"slipway for it": {[]string{"release.ocu.star", "slipway(\"1\")\nload(\"a.star\", \"x\")\nx()", "a.star", "def x():\n    approval()"}, "", ""},
		"slipway in it":  {[]string{"release.ocu.star", "load(\"a.star\", \"x\")\nx()", "a.star", "slipway(\"1\")\ndef x():\n    approval()"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lang.Load(t.Context(), options(test.files...))
			if test.want == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			var e *lang.Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("\n got %v\nwant %s (…%s…)", err, test.want, test.hint)
			}
		})
	}
}

// An error says where it came from, the outermost first.
func TestBacktrace(t *testing.T) {
	t.Parallel()
	_, err := lang.Load(t.Context(), options(
		"release.ocu.star", "load(\"a.star\", \"g\")\ndef f():\n    g(1)\nf()",
		"a.star", "def g(n):\n    return \"x\" + n"))
	var e *lang.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	var lines []string
	for _, f := range e.Backtrace {
		lines = append(lines, f.String())
	}
	want := "release.ocu.star:4:1: in <toplevel>\nrelease.ocu.star:3:5: in f\na.star:2:12: in g"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e.File != "a.star" || e.Line != 2 {
		t.Errorf("%+v", e.Problem)
	}
}

// Several problems that are found at the same time are told at the same time.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, err := lang.Load(t.Context(), options("def f(a):\n    return done()\ncall(f, \"a\")\ncall(f, \"a\")\ndeploy(\"nowhere\", f, f)"))
	var ps release.Problems
	if !errors.As(err, &ps) || len(ps) != 5 {
		t.Fatalf("got %d: %v", len(ps), err)
	}
	_, err = lang.Load(t.Context(), options("a()\nb()"))
	if !errors.As(err, &ps) || len(ps) != 2 {
		t.Errorf("got %v", err)
	}
}

// A cancelled context ends the evaluation, and is seen as the cause.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := options("def f():\n    for i in range(1000000):\n        for j in range(1000):\n            pass\nf()")
	o.Limits.Steps = 1 << 40
	_, err := lang.Load(ctx, o)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "it was stopped") {
		t.Errorf("got %v", err)
	}
}
