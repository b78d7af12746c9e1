package lang

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/schedule"
)

// gateValue is what approval(…) and soak(…) give. Where no input and no phase
// uses it, it is a phase of its own.
type gateValue struct {
	kind string // "approval" or "soak"
	gate Gate
	used bool
	item *workValue
}

func (g *gateValue) String() string {
	if g.gate.Soak > 0 {
		return fmt.Sprintf("soak(%q)", g.gate.Soak)
	}
	return fmt.Sprintf("approval(%q)", g.gate.Name)
}
func (g *gateValue) Type() string          { return g.kind }
func (g *gateValue) Freeze()               {}
func (g *gateValue) Truth() starlark.Bool  { return true }
func (g *gateValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", g.kind) }

// work is the gate as an item of a phase.
func (g *gateValue) work() *workValue {
	if g.item == nil {
		gate := g.gate
		g.item = &workValue{
			gate:   g,
			item:   Item{Kind: ref.Call, Name: g.gate.Name, Position: g.gate.Position},
			inputs: map[string]source{g.kind: {Input: Input{Gate: &gate}, at: g.gate.Position}},
		}
	}
	return g.item
}

func (e *evaluation) declareGate(g *gateValue) {
	e.declare(g.work())
}

func makeApproval(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.needSlipway(thread, "approval()", e.here(thread)); err != nil {
		return nil, err
	}
	g := &gateValue{kind: "approval", gate: Gate{Name: "approval", Count: 1, Position: e.here(thread)}}
	var by starlark.Value
	if err := unpack(b.Name(), args, kwargs, "name?", &g.gate.Name, "by?", &by, "count?", &g.gate.Count); err != nil {
		return nil, err
	}
	if bad := badName(g.gate.Name); bad != "" {
		return nil, faultf(e.at(thread, "name", 0), nameHint, "the approval's name %q %s", clip(g.gate.Name, 60), bad)
	}
	at := e.at(thread, "by", 1)
	names, err := text(by)
	if s, one := by.(starlark.String); one {
		return nil, faultf(at, fmt.Sprintf("write by=[%q]", clip(string(s), 60)), "by is a string, not a list of users and teams")
	}
	if err != nil {
		return nil, faultf(at, `write by=["anna", "@acme/release"]`, "by %v", err)
	}
	for _, name := range names {
		if !approver.MatchString(name) {
			return nil, faultf(at, `write "anna" for a user, "@acme/release" for a team`, "%q is neither a user nor a team", clip(name, 60))
		}
	}
	g.gate.By = names
	switch {
	case g.gate.Count < 1:
		return nil, faultf(e.at(thread, "count", 2), "1 is for one approval", "count is %d", g.gate.Count)
	case g.gate.Count > 100:
		return nil, faultf(e.at(thread, "count", 2), "", "count is %d, more than 100", g.gate.Count)
	case len(names) > 0 && g.gate.Count > len(names) && allUsers(names):
		return nil, faultf(e.at(thread, "count", 2), "", "%d must approve, but only %d may", g.gate.Count, len(names))
	}
	if e.mode == loading {
		e.declareGate(g)
	}
	return g, nil
}

var approver = regexp.MustCompile(`^(@?[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[bot\])?|@[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99})$`)

func allUsers(names []string) bool {
	for _, n := range names {
		if n[0] == '@' {
			return false
		}
	}
	return true
}

func makeSoak(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.needSlipway(thread, "soak()", e.here(thread)); err != nil {
		return nil, err
	}
	var lasts starlark.Value
	if err := unpack(b.Name(), args, kwargs, "duration", &lasts); err != nil {
		return nil, err
	}
	d, err := duration(lasts, e.at(thread, "duration", 0))
	if err != nil {
		return nil, err
	}
	g := &gateValue{kind: "soak", gate: Gate{Name: "soak", Soak: d, Position: e.here(thread)}}
	if e.mode == loading {
		e.declareGate(g)
	}
	return g, nil
}

var days = regexp.MustCompile(`^(\d{1,4})d(.*)$`)

// duration reads "90s", "2h", "3d", "1d12h".
func duration(v starlark.Value, at Position) (time.Duration, error) {
	const hint = `such as "30m", "2h", "3d" or "1d12h"`
	s, ok := starlark.AsString(v)
	if !ok {
		return 0, faultf(at, hint, "a duration is a string, not %s", describe(v))
	}
	var whole time.Duration
	rest := s
	if m := days.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits
		whole, rest = time.Duration(n)*24*time.Hour, m[2]
	}
	if rest != "" || whole == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, faultf(at, hint, "%q is no duration", clip(s, 40))
		}
		whole += d
	}
	switch {
	case whole <= 0:
		return 0, faultf(at, hint, "%q is not longer than 0", clip(s, 40))
	case whole > 366*24*time.Hour:
		return 0, faultf(at, hint, "%q is longer than a year", clip(s, 40))
	}
	return whole, nil
}

func makeFreeze(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	here := e.here(thread)
	if err := e.needSlipway(thread, "freeze()", here); err != nil {
		return nil, err
	}
	if e.mode == running {
		return nil, faultf(here, "declare freezes at the top level of the file", "freeze() is called while a function runs")
	}
	f := Freeze{Zone: "UTC", Position: here}
	var begin, until, lasts, environments starlark.Value
	if err := unpack(b.Name(), args, kwargs, "begin?", &begin, "until?", &until, "cron?", &f.Cron, "lasts?", &lasts,
		"timezone?", &f.Zone, "environments?", &environments, "reason?", &f.Reason); err != nil {
		return nil, err
	}
	if _, err := schedule.Parse("@daily", f.Zone); err != nil {
		return nil, scheduleFault(err, e.at(thread, "timezone", 4))
	}
	var err error
	if f.Environments, err = freezeOf(environments); err != nil {
		return nil, faultf(e.at(thread, "environments", 5), `write environments=["production"]`, "environments %v", err)
	}
	f.Reason = clip(f.Reason, 500)
	given := func(v starlark.Value) bool { return v != nil && v != starlark.None }
	once, again := given(begin) || given(until), f.Cron != "" || given(lasts)
	const hint = `write freeze(begin="2026-12-20", until="2027-01-04"), or freeze(cron="0 18 * * 5", lasts="62h")`
	switch {
	case once && again:
		return nil, faultf(here, hint, "a freeze has either begin and until, or cron and lasts")
	case once:
		err = f.once(begin, until, e.at(thread, "begin", 0), e.at(thread, "until", 1))
	case f.Cron != "" && given(lasts):
		err = f.recurring(lasts, e.at(thread, "cron", 2), e.at(thread, "lasts", 3))
	case f.Cron != "":
		return nil, faultf(here, `add lasts="62h"`, "the freeze says when it begins, and not how long it lasts")
	default:
		return nil, faultf(here, hint, "the freeze does not say when it is")
	}
	if err != nil {
		return nil, err
	}
	e.freezes = append(e.freezes, f)
	return starlark.None, nil
}

// freezeOf reads names of environments, or environments.
func freezeOf(v starlark.Value) ([]string, error) {
	list, ok := v.(*starlark.List)
	if !ok {
		return text(v)
	}
	var out []string
	for i := range list.Len() {
		switch item := list.Index(i).(type) {
		case *environment:
			out = append(out, item.name)
		case starlark.String:
			if bad := badName(string(item)); bad != "" {
				return nil, fmt.Errorf("[%d] %s", i, bad)
			}
			out = append(out, string(item))
		default:
			return nil, fmt.Errorf("has %s at [%d], not an environment or its name", describe(item), i)
		}
	}
	return out, nil
}

func (f *Freeze) once(begin, until starlark.Value, beginAt, untilAt Position) (err error) {
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return faultf(beginAt, "", "there is no time zone %q", clip(f.Zone, 40))
	}
	if begin != nil && begin != starlark.None {
		if f.From, err = moment(begin, zone, beginAt); err != nil {
			return err
		}
	}
	if until != nil && until != starlark.None {
		if f.Until, err = moment(until, zone, untilAt); err != nil {
			return err
		}
	}
	if !f.From.IsZero() && !f.Until.IsZero() && !f.From.Before(f.Until) {
		return faultf(untilAt, "", "the freeze ends before it begins")
	}
	return nil
}

// moment reads a time: a day, which begins at midnight, a time of the clocks in
// the zone, or RFC 3339.
func moment(v starlark.Value, zone *time.Location, at Position) (time.Time, error) {
	s, ok := starlark.AsString(v)
	if ok {
		for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, time.RFC3339} {
			if t, err := time.ParseInLocation(layout, s, zone); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, faultf(at, `write "2026-12-20", "2026-12-20 18:00" or "2026-12-20T18:00:00+01:00"`, "%s is no time", show(v, 60))
}

func (f *Freeze) recurring(lasts starlark.Value, cronAt, lastsAt Position) (err error) {
	parsed, err := schedule.Parse(f.Cron, f.Zone)
	if err != nil {
		return scheduleFault(err, cronAt)
	}
	if f.Lasts, err = duration(lasts, lastsAt); err != nil {
		return err
	}
	_ = parsed
	return nil
}

func scheduleFault(err error, at Position) error {
	var ps release.Problems
	if p, ok := err.(release.Problems); ok && len(p) > 0 { //nolint:errorlint // Parse gives it as it is
		ps = p
		return &fault{at: at, message: ps[0].Field + ": " + ps[0].Message, hint: ps[0].Hint}
	}
	return &fault{at: at, message: err.Error()}
}
