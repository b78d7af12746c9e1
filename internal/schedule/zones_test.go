package schedule

import (
	"archive/zip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// zoneNames are all time zones that Go knows.
func zoneNames(t *testing.T) []string {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip")) //nolint:staticcheck // tests run where Go is
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []string
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			out = append(out, f.Name)
		}
	}
	if len(out) < 400 {
		t.Fatalf("only %d zones", len(out))
	}
	return out
}

// change is a change of clocks in a zone.
type change struct {
	zone string
	at   time.Time
}

// changes are all that clocks went through, of each kind one: from which offset
// to which, and at which time of the day.
func changes(t *testing.T) []change {
	t.Helper()
	type kind struct{ before, after, second int }
	seen := map[kind]bool{}
	var out []change
	zones := zoneNames(t)
	for _, zone := range zones {
		l, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(1850, 1, 1, 0, 0, 0, 0, l); at.Year() < 2045; {
			_, end := at.ZoneBounds()
			if end.IsZero() {
				break
			}
			_, before := end.Add(-time.Second).Zone()
			_, after := end.Zone()
			local := end.Add(time.Duration(before-after) * time.Second)
			k := kind{before, after, local.Hour()*3600 + local.Minute()*60 + local.Second()}
			if before != after && !seen[k] {
				seen[k] = true
				out = append(out, change{zone, end})
			}
			at = time.Unix(max(end.Unix(), at.Unix()+day), 0).In(l)
		}
	}
	t.Logf("%d zones, %d kinds of changes", len(zones), len(out))
	return out
}

// Around every change that any clock ever went through, a schedule is due when
// a watcher of that clock would say so who looks at it each second: a time of
// the day when the clock first shows it or a later one, a distance whenever the
// clock shows it. Due times rise, no two have one name, and no day that the
// clock shows is lost.
func TestAllChangesOfClocks(t *testing.T) {
	t.Parallel()
	schedules := []string{"30 2 * * *", "0 0 * * *", "0,15,45 0,1,2,3,23 * * *", "59 23 * * 1-5", "5 4 1 * *", "*/15 * * * *", "0 * * * *", "30 */2 * * *", "*/20 2 * * *"}
	for _, c := range changes(t) {
		from, to := c.at.Add(-40*time.Hour).Truncate(time.Second), c.at.Add(40*time.Hour)
		seen := glances(c.at.Location(), from.Unix(), to.Unix())
		for _, expr := range schedules {
			s := mustParse(t, expr, c.zone)
			var got []int64
			names := map[string]bool{}
			for at := s.Next(from); !at.After(to); at = s.Next(at) {
				if len(got) > 0 && at.Unix() <= got[len(got)-1] || names[s.Occurrence(at)] {
					t.Fatalf("%s: %v comes again as %s", s, at, s.Occurrence(at))
				}
				names[s.Occurrence(at)] = true
				got = append(got, at.Unix())
			}
			want := watch(s, seen)
			if d := cmp.Diff(local(s, want), local(s, got)); d != "" {
				t.Errorf("%s around %v, the watcher against Next: %s", s, c.at, d)
			}
			if expr == "0 0 * * *" {
				lostDays(t, s, got, from.Add(24*time.Hour), to)
			}
		}
	}
}

// glance is a look at a clock: what it showed until then, and what it shows.
type glance struct{ at, peak, shown int64 }

// glances looks at a clock each second in (from, to]. Only whole minutes can be
// due, so that far from a change it is enough to look at those.
func glances(l *time.Location, from, to int64) (out []glance) {
	shows := func(t int64) int64 {
		_, offset := time.Unix(t, 0).In(l).Zone()
		return t + int64(offset)
	}
	peak := shows(from)
	for t := from - 3*day; t < from; t += 600 {
		peak = max(peak, shows(t))
	}
	for t := from + 1; t <= to; {
		shown := shows(t)
		out = append(out, glance{t, peak, shown})
		peak = max(peak, shown)
		switch {
		case shown%60 == 0 && shows(t+60)-shown == 60:
			t += 60
		default:
			t++
		}
	}
	return out
}

// watch says when a schedule is due by looking at the clock; it needs nothing
// of what Next does.
func watch(s Schedule, list []glance) (out []int64) {
	for _, g := range list {
		due := !s.fixed && matches(s, g.shown)
		if s.fixed {
			for l := (floorDiv(g.peak, 60) + 1) * 60; l <= g.shown && !due; l += 60 {
				due = matches(s, l)
			}
		}
		if due {
			out = append(out, g.at)
		}
	}
	return out
}

func matches(s Schedule, shown int64) bool {
	second := shown - floorDiv(shown, day)*day
	bit := func(set uint64, n int) bool { return set&(1<<n) != 0 }
	if second%60 != 0 || !bit(s.clock.Minute, int(second/60%60)) || !bit(s.clock.Hour, int(second/3600)) {
		return false
	}
	t := time.Unix(shown, 0).UTC()
	return bit(s.clock.Dom, t.Day()) && bit(s.clock.Month, int(t.Month())) && bit(s.clock.Dow, int(t.Weekday()))
}

func lostDays(t *testing.T, s Schedule, due []int64, from, to time.Time) {
	t.Helper()
	days := map[string]bool{}
	for _, d := range due {
		days[time.Unix(d, 0).In(s.location).Format(time.DateOnly)] = true
	}
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		if date := at.In(s.location).Format(time.DateOnly); !days[date] {
			t.Errorf("%s: %s is lost", s, date)
			return
		}
	}
}

func local(s Schedule, list []int64) (out []string) {
	for _, u := range list {
		out = append(out, time.Unix(u, 0).In(s.location).Format("02T15:04:05-07"))
	}
	return out
}

func BenchmarkNext(b *testing.B) {
	for _, expr := range []string{"0 3 * * 1", "*/15 * * * *", "0 0 29 2 *"} {
		b.Run(expr, func(b *testing.B) {
			s := mustParse(b, expr, "Europe/Paris")
			at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}
