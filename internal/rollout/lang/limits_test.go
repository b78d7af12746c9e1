package lang_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// What a file or function may take is bounded, and the error says where it was.
func TestLimits(t *testing.T) {
	t.Parallel()
	const bomb = "    x = [1]\n    for i in range(60):\n        x = [x, x]\n"
	for name, test := range map[string]struct {
		body  string
		limit lang.Limits
		want  string
	}{
		"endless loop":    {"    for i in range(1000000):\n        for j in range(1000000):\n            pass", lang.Limits{Steps: 2_000_000}, "it took more than 2000000 steps: an endless loop?"},
		"few steps":       {"    for i in range(1000):\n        pass", lang.Limits{Steps: 100}, "it took more than 100 steps: an endless loop?"},
		"memory":          {"    x = []\n    for i in range(1000000):\n        x.append(\"a\" * 100000 + str(i))", lang.Limits{Memory: 64 << 20}, "it took more than 64 MiB of memory"},
		"doubling":        {"    x = [0]\n    for i in range(60):\n        x = x + x", lang.Limits{}, "more than 4000000 elements"},
		"doubling, +=":    {"    d = {'x': [0]}\n    for i in range(60):\n        d['x'] += d['x']", lang.Limits{}, "more than 4000000 elements"},
		"doubling, text":  {"    x = 'a'\n    for i in range(60):\n        x += x", lang.Limits{}, "a text of more than 16 MiB"},
		"extending":       {"    x = [0]\n    for i in range(60):\n        x.extend(x)", lang.Limits{}, "more than 4000000 elements"},
		"repeated list":   {"    x = [0] * (1 << 30)", lang.Limits{}, "more than 4000000 elements"},
		"repeated text":   {"    x = 'a' * 1000000 * 1000000", lang.Limits{}, "a text of more than 16 MiB"},
		"repeated, *=":    {"    x = 'a'\n    x *= 1000000000", lang.Limits{}, "a text of more than 16 MiB"},
		"power":           {"    x = 2\n    for i in range(60):\n        x = x * x", lang.Limits{}, "a number of more than 300,000 digits"},
		"power of a part": {"    d = {'x': 2}\n    for i in range(60):\n        d['x'] *= d['x']", lang.Limits{}, "a number of more than 300,000 digits"},
		"range":           {"    x = list(range(1 << 40))", lang.Limits{}, "range(…) has more than 1000000 numbers"},
		"range's bounds":  {"    x = max(range(-2000000, 2000000))", lang.Limits{}, "range(…) has more than 1000000 numbers"},
		"digits":          {"    x = int('9' * 100000)", lang.Limits{}, "a number of more than 10000 digits"},
		"bomb, str":       {bomb + "    str(x)", lang.Limits{}, "a text of more than 16 MiB"},
		"bomb, print":     {bomb + "    print(x)", lang.Limits{}, "a text of more than 16 MiB"},
		"bomb, json":      {bomb + "    json.encode(x)", lang.Limits{}, "a text of more than 16 MiB"},
		"bomb, format":    {bomb + "    '{}'.format(x)", lang.Limits{}, "a text that may have more than 16 MiB"},
		"bomb, %":         {bomb + "    '%s' % x", lang.Limits{}, "a text that may have more than 16 MiB"},
		"bomb, getattr":   {bomb + "    getattr('{}', 'format')(x)", lang.Limits{}, "a text that may have more than 16 MiB"},
		"bomb, outputs":   {bomb + "    return done(outputs={'x': x})", lang.Limits{}, "outputs[\"x\"]: it has more than 1048576 bytes as JSON"},
		"bomb, fail":      {bomb + "    fail(x)", lang.Limits{}, "a text of more than 16 MiB"},
		"bomb, message":   {bomb + "    return done(tags=[x])", lang.Limits{}, "tags has a list at [0]"},
		"bomb, key":       {bomb + "    return done(outputs={(1, 2): 1})", lang.Limits{}, "outputs has the key (1, 2)"},
		"join":            {"    x = ('a' * 1000000).join([str(i) for i in range(1000)])", lang.Limits{}, "a text of more than 16 MiB"},
		"replace":         {"    x = ('a' * 1000000).replace('a', 'b' * 1000000)", lang.Limits{}, "a text of more than 16 MiB"},
		"zip":             {"    x = zip(*[[0] * 1000000] * 200)", lang.Limits{}, "more than 4000000 elements"},
		"elems":           {"    x = list(('a' * 5000000).elems())", lang.Limits{}, "a text of more than 4000000 bytes to take apart"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range []string{"call", "load"} {
				text := "def f():\n" + test.body + "\n    return done()\n"
				if at == "load" {
					text += "f()\n"
				}
				o := options(text)
				o.Limits = test.limit
				p, err := lang.Load(t.Context(), o)
				if at == "call" && err == nil {
					fn, _ := p.Lookup("f", "")
					_, err = p.Call(t.Context(), fn, nil, o)
				}
				var e *lang.Error
				if !errors.As(err, &e) || !strings.Contains(e.Message, test.want) || e.Line < 2 {
					t.Errorf("%s: got %v, want %s", at, err, test.want)
				}
			}
		})
	}
}

// Time: of the evaluation by the limit, of a function by its context.
func TestTime(t *testing.T) {
	t.Parallel()
	text := "def f():\n    for i in range(1000000):\n        for j in range(1000000):\n            pass\n"
	o := options(text + "f()")
	o.Limits = lang.Limits{Steps: 1 << 60, Time: 30 * time.Millisecond}
	_, err := lang.Load(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "it took too long") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	o.Root, o.Limits.Time = files(text), 0
	p := mustLoad(t, o)
	fn, _ := p.Lookup("f", "")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = p.Call(ctx, fn, nil, o)
	if !errors.Is(err, context.DeadlineExceeded) || release.KindOf(err) != release.Failed {
		t.Errorf("got %v", err)
	}
}
