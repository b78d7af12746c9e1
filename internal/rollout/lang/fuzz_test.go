package lang_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

type jsonValue = json.RawMessage

// No file makes Load panic or take without end, and what it refuses has a
// place: a panic that was caught says that it is a fault of ours.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"ocuroot(\"0.3.0\")\ndef f(ctx):\n    return done()\ncall(f, name=\"a\")",
		"slipway(\"1\")\napproval(by=[\"a\"])\nfreeze(cron=\"0 18 * * 5\", lasts=\"62h\")\nsoak(\"2h\")",
		"x = [\n 1\n 2]", "x = f\"{a}\"", "x = \"\"\"", "x = '\\", "load(\"a\", \"b\")", "def f():\n\tpass\n    pass", "(((", "x *= 3", "x[0] %= (1,)",
		"call(lambda ctx: done(), name=\"a\", inputs={\"a\": ref(\"./call/a#b\")})", "phase(*[1, [2]], **{\"work\": 3})", "a.b.format *= 2", "[x for x in \"a\".elems() if x % 2]",
		"é = 1\nx = (é\né)", "class A: pass", "environment(\"a\", {\"b\": 1})", "\"{}\".format(*[1]*3)", "x = {**{}}", "def f(*, a=1, **k): return a * 2\nf(a=2)",
		"json.encode([environments(), struct(a=1)])", "getattr(\"\", \"join\")([])", "host.shell(\"x\")", "http.get(\"http://x\")", "deploy(environments()[0], print, 3)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := options(text)
		o.Host = nil
		o.Limits = lang.Limits{Steps: 20_000, Time: 5 * time.Second, Memory: 256 << 20}
		began := time.Now()
		p, err := lang.Load(t.Context(), o)
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("it took %v: %v", took, err)
		}
		if err == nil {
			if p == nil {
				t.Fatal("neither a package nor an error")
			}
			for _, phase := range p.Phases {
				for _, item := range phase.Items {
					if item.Fn != (lang.Function{}) {
						if _, ok := p.Lookup(item.Fn.Name, item.Fn.File); !ok {
							t.Fatalf("%s has a function that is not found: %+v", item.Name, item.Fn)
						}
					}
				}
			}
			return
		}
		var e *lang.Error
		if !errors.As(err, &e) || e.Message == "" || e.File == "" {
			t.Fatalf("no Error: %#v", err)
		}
		if e.Hint == "please report it, with the file" || release.KindOf(err) == 0 {
			t.Fatalf("%v", err)
		}
	})
}
