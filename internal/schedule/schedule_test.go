package schedule

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, expr, zone string) Schedule {
	t.Helper()
	s, err := Parse(expr, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func utc(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// Each run comes exactly once when clocks are changed, under its own name.
func TestNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, expr, zone, after string
		want                    []string // occurrence @ due
	}{
		{"plain", "0 3 * * 1", "Europe/Paris", "2026-11-21T00:00:00Z", []string{"2026-11-23T03:00 Europe/Paris @ 2026-11-23T02:00:00Z", "2026-11-30T03:00 Europe/Paris @ 2026-11-30T02:00:00Z"}},
		{"the due time itself is past", "0 3 * * *", "", "2026-11-21T03:00:00Z", []string{"2026-11-22T03:00 UTC @ 2026-11-22T03:00:00Z"}},
		{"a moment before is not", "0 3 * * *", "", "2026-11-21T02:59:59.999999999Z", []string{"2026-11-21T03:00 UTC @ 2026-11-21T03:00:00Z"}},
		{"left out in spring: right after the gap", "30 2 * * *", "Europe/Paris", "2026-03-28T00:00:00Z", []string{
			"2026-03-28T02:30 Europe/Paris @ 2026-03-28T01:30:00Z", "2026-03-29T03:00 Europe/Paris @ 2026-03-29T01:00:00Z", "2026-03-30T02:30 Europe/Paris @ 2026-03-30T00:30:00Z"}},
		{"several left out: once", "0,30 2,3 * * *", "Europe/Paris", "2026-03-28T20:00:00Z", []string{
			"2026-03-29T03:00 Europe/Paris @ 2026-03-29T01:00:00Z", "2026-03-29T03:30 Europe/Paris @ 2026-03-29T01:30:00Z", "2026-03-30T02:00 Europe/Paris @ 2026-03-30T00:00:00Z"}},
		{"twice in autumn: at the first", "30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", []string{
			"2026-10-25T02:30 Europe/Paris @ 2026-10-25T00:30:00Z", "2026-10-26T02:30 Europe/Paris @ 2026-10-26T01:30:00Z"}},
		{"asked between the two", "30 2 * * *", "Europe/Paris", "2026-10-25T01:00:00Z", []string{"2026-10-26T02:30 Europe/Paris @ 2026-10-26T01:30:00Z"}},
		{"each hour, the repeated one too", "0 * * * *", "Europe/Paris", "2026-10-24T23:30:00Z", []string{
			"2026-10-25T00:00:00Z @ 2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z @ 2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z @ 2026-10-25T02:00:00Z"}},
		{"each hour over a gap", "0 * * * *", "Europe/Paris", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z @ 2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z @ 2026-03-29T02:00:00Z"}},
		{"no midnight", "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", []string{"2026-04-24T01:00 Africa/Cairo @ 2026-04-23T22:00:00Z", "2026-04-25T00:00 Africa/Cairo @ 2026-04-24T21:00:00Z"}},
		{"no such day at all", "0 3 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", []string{
			"2011-12-29T03:00 Pacific/Apia @ 2011-12-29T13:00:00Z", "2011-12-31T00:00 Pacific/Apia @ 2011-12-30T10:00:00Z", "2011-12-31T03:00 Pacific/Apia @ 2011-12-30T13:00:00Z"}},
		{"half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-05T01:45 Australia/Lord_Howe @ 2026-04-04T14:45:00Z", "2026-04-06T01:45 Australia/Lord_Howe @ 2026-04-05T15:15:00Z"}},
		{"leap days", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00 UTC @ 2028-02-29T00:00:00Z", "2032-02-29T00:00 UTC @ 2032-02-29T00:00:00Z"}},
		{"none in five years", "0 0 29 2 *", "", "2096-03-01T00:00:00Z", []string{"none"}},
		{"day of month or week", "0 0 13 * fri", "", "2026-11-12T00:00:00Z", []string{"2026-11-13T00:00 UTC @ 2026-11-13T00:00:00Z", "2026-11-20T00:00 UTC @ 2026-11-20T00:00:00Z"}},
		{"words", "@daily", "Asia/Tokyo", "2026-11-21T00:00:00Z", []string{"2026-11-22T00:00 Asia/Tokyo @ 2026-11-21T15:00:00Z"}},
		{"every", "@every 6h", "Asia/Tokyo", "2026-11-21T01:02:03Z", []string{"2026-11-21T06:00:00Z @ 2026-11-21T06:00:00Z", "2026-11-21T12:00:00Z @ 2026-11-21T12:00:00Z"}},
		{"every, for all the same", "@every 7m", "", "1969-12-31T23:59:00Z", []string{"1970-01-01T00:00:00Z @ 1970-01-01T00:00:00Z", "1970-01-01T00:07:00Z @ 1970-01-01T00:07:00Z"}},
		{"the end of time", "@daily", "", "9999-12-31T23:00:00Z", []string{"none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := mustParse(t, tt.expr, tt.zone)
			at := utc(t, tt.after)
			var got []string
			for range tt.want {
				if at = s.Next(at); at.IsZero() {
					got = append(got, "none")
					break
				}
				got = append(got, s.Occurrence(at)+" @ "+at.Format(time.RFC3339))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What was missed is made up once, however much it was.
func TestMissed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, expr, last, now, latest string
		count                         int
	}{
		{"nothing", "0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-22T02:59:59Z", "", 0},
		{"now counts", "0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z", 1},
		{"a week", "0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-28T12:00:00Z", "2026-11-28T03:00:00Z", 7},
		{"clock set back", "0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-01T00:00:00Z", "", 0},
		{"each second for a year", "@every 1s", "2025-11-21T00:00:00Z", "2026-11-21T00:00:00.5Z", "2026-11-21T00:00:00Z", MostCounted},
		{"each minute of half of the year", "* * * 1-6 *", "2006-01-01T00:00:00Z", "2026-11-21T00:00:00Z", "2026-06-30T23:59:00Z", MostCounted},
		{"once in four years", "0 0 29 2 *", "2020-01-01T00:00:00Z", "2026-11-21T00:00:00Z", "2024-02-29T00:00:00Z", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			latest, count := mustParse(t, tt.expr, "").Missed(utc(t, tt.last), utc(t, tt.now))
			got := ""
			if !latest.IsZero() {
				got = latest.Format(time.RFC3339)
			}
			if got != tt.latest || count != tt.count {
				t.Errorf("latest %s, %d", got, count)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	if latest, count := mustParse(t, "@daily", "").Missed(time.Time{}, time.Now()); !latest.IsZero() || count != 0 {
		t.Errorf("what never ran missed %v, %d", latest, count)
	}
}

// A schedule that was not made by Parse is never due.
func TestZero(t *testing.T) {
	t.Parallel()
	var s Schedule
	if at := s.Next(time.Now()); !at.IsZero() {
		t.Error(at)
	}
	if at, n := s.Missed(time.Unix(0, 0), time.Now()); !at.IsZero() || n != 0 {
		t.Error(at, n)
	}
	if got := s.Occurrence(time.Unix(0, 0)); got != "1970-01-01T00:00:00Z" {
		t.Error(got)
	}
}

// Each problem names its field and what to do.
func TestParseProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expr, zone, want string }{
		{"", "", "cron: there is no time (" + fiveFields + ")"},
		{"0 3 * *", "", "cron: there are 4 fields (" + fiveFields + ")"},
		{"0 0 3 * * 1", "", "cron: there are six fields (leave out the seconds, which are not supported, or the year; " + fiveFields + ")"},
		{"60 3 * * 1", "", `cron: minute "60": "60" is not from 0 to 59 (write 0 to 59, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"0 24 * * 1", "", `cron: hour "24": "24" is not from 0 to 23 (midnight is 0)`},
		{"0 3 L * *", "", `cron: day of month "L": "L" is not from 1 to 31 (L, W and # are not supported; write 1 to 31, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"0 3 * 13 *", "", `cron: month "13": "13" is not from 1 to 12 (write 1 to 12, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"0 3 * * 7", "", `cron: day of week "7": "7" is not from 0 to 6 (Sunday is 0, or sun)`},
		{"0 3 * * Monday", "", `cron: day of week "Monday": "Monday" is not from 0 to 6 (write mon)`},
		{"0 3 * * 5#3", "", `cron: day of week "5#3": "5#3" is not from 0 to 6 (L, W and # are not supported; write 0 to 6, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"0 22-4 * * *", "", `cron: hour "22-4": the range goes backwards (write 22-23,0-4)`},
		{"*/0 3 * * *", "", `cron: minute "*/0": the step must be a number from 1 to 59 (write 0 to 59, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"1, 3 * * *", "", `cron: minute "1,": "" is not from 0 to 59 (write 0 to 59, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"*-5 3 * * *", "", `cron: minute "*-5": "*" is not from 0 to 59 (write 0 to 59, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"+5 3 * * *", "", `cron: minute "+5": "+5" is not from 0 to 59 (write 0 to 59, lists (1,2), ranges (1-3), steps (*/2) or *)`},
		{"0 0 31 2 *", "", `cron: "0 0 31 2 *" never happens: no year has such a day (for the last day of each month write the first, at 0 hours)`},
		{"0 0 31 4,6,9,11 *", "", `cron: "0 0 31 4,6,9,11 *" never happens: no year has such a day (for the last day of each month write the first, at 0 hours)`},
		{"@dayly", "", "cron: \"@dayly\" is not known (did you mean `@daily`?)"},
		{"@reboot", "", `cron: "@reboot" is not known (there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every 6h)`},
		{"@every", "", "cron: @every has no duration, or more than one (write a duration of whole seconds, such as @every 6h or @every 1h30m)"},
		{"@every 2d", "", `cron: "2d" is no duration (write @every 48h)`},
		{"@every 6", "", `cron: "6" is no duration (write a duration of whole seconds, such as @every 6h or @every 1h30m)`},
		{"@every 10ms", "", "cron: 10ms is not a number of whole seconds above 0 (write a duration of whole seconds, such as @every 6h or @every 1h30m)"},
		{"@every -1h", "", "cron: -1h is not a number of whole seconds above 0 (write a duration of whole seconds, such as @every 6h or @every 1h30m)"},
		{"@every 9000h", "", "cron: 9000h is longer than a year (write the day: 0 3 1 1 * is the first of January at 3)"},
		{"TZ=Asia/Tokyo 0 3 * * *", "", "cron: the time zone stands inside of the expression (write `timezone: Asia/Tokyo`)"},
		{"TZ=", "", "cron: the time zone stands inside of the expression (write `timezone: `)"},
		{"@daily", "Europe/Pris", `timezone: there is no time zone "Europe/Pris" (write the IANA name, such as Europe/Paris; the default is UTC)`},
		{"@daily", "europe/paris", `timezone: there is no time zone "europe/paris" (did you mean Europe/Paris?)`},
		{"@daily", "Paris", `timezone: there is no time zone "Paris" (did you mean Europe/Paris?)`},
		{"@daily", "new_york", `timezone: there is no time zone "new_york" (did you mean America/New_York?)`},
		{"@daily", "Local", `timezone: there is no time zone "Local" (write the IANA name, such as Europe/Paris; the default is UTC)`},
		{"@daily", "../../etc/passwd", `timezone: there is no time zone "../../etc/passwd" (write the IANA name, such as Europe/Paris; the default is UTC)`},
		{"x", "UTC+1", "timezone: there is no time zone \"UTC+1\" (write the IANA name, such as Europe/Paris; the default is UTC)\ncron: there are 1 fields (" + fiveFields + ")"},
	} {
		_, err := Parse(tt.expr, tt.zone)
		if err == nil {
			t.Errorf("%q in %q is taken", tt.expr, tt.zone)
		} else if d := cmp.Diff(tt.want, err.Error()); d != "" {
			t.Errorf("%q in %q: %s", tt.expr, tt.zone, d)
		}
	}
}

const fiveFields = "write five fields: minute, hour, day of month, month, day of week, such as 0 3 * * 1 for Mondays at 3"

// What is a time of the day and what a distance decides how it meets a change
// of clocks.
func TestFixed(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		"0 3 * * *": true, "0,30 1-3 * * *": true, "@daily": true, "@weekly": true, "@yearly": true, "0 20/5 * * *": true, "0 0 * * MON": true,
		"@hourly": false, "0 * * * *": false, "*/15 3 * * *": false, "0 */6 * * *": false, "0 ?  * * *": false, "@every 24h": false, "0 0/6 * * *": false,
	} {
		if got := mustParse(t, expr, "").fixed; got != want {
			t.Errorf("%s: %v", expr, got)
		}
	}
}

// No expression panics; what is taken has a next time, and times rise.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0 3 * * 1", "*/15 * * * *", "@every 1h30m", "@daily", "0 0 29 2 *", "0 0 31 2 *", "TZ=", "CRON_TZ=x", "1-2-3 , / * ?", "@every 9999999999h", "0 0 1 jan-dec sun,sat", "@"} {
		f.Add(s, "Europe/Paris")
	}
	f.Add("0 0 * * *", "Pacific/Apia")
	f.Add("0 0 * * *", "..")
	f.Fuzz(func(t *testing.T, expr, zone string) {
		s, err := Parse(expr, zone)
		if err != nil {
			return
		}
		at, names := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), []string{}
		for range 5 {
			next := s.Next(at)
			if !next.After(at) || slices.Contains(names, s.Occurrence(next)) {
				t.Fatalf("%s: %v after %v, %q after %q", s, next, at, s.Occurrence(next), names)
			}
			at, names = next, append(names, s.Occurrence(next))
		}
		latest, n := s.Missed(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), at)
		if !latest.Equal(at) || n != 5 {
			t.Errorf("%s: missed %v, %d", s, latest, n)
		}
	})
}

// Go says that the last span of such a year has ended when its last day begins.
func TestLeapYearsToCome(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		"0 3 * * *":    {"2040-12-31T02:00:00Z", "2041-01-01T02:00:00Z", "2041-01-02T02:00:00Z"},
		"30 */8 * * *": {"2040-12-30T23:30:00Z", "2040-12-31T07:30:00Z", "2040-12-31T15:30:00Z", "2040-12-31T23:30:00Z", "2041-01-01T07:30:00Z"},
	} {
		s, at := mustParse(t, expr, "Europe/Paris"), utc(t, "2040-12-30T12:00:00Z")
		if expr != "0 3 * * *" {
			at = utc(t, "2040-12-30T16:00:00Z")
		}
		var got []string
		for range want {
			at = s.Next(at)
			got = append(got, at.Format(time.RFC3339))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", expr, d)
		}
	}
}
