package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/robfig/cron/v3"

	"github.com/slipway-dev/slipway/internal/release"
)

// Parse reads a cron expression of five fields, or a word such as @daily or
// @every 6h, and the IANA name of a time zone, which is UTC when empty. Its
// error is release.Problems; their Field is cron or timezone.
func Parse(expr, timezone string) (Schedule, error) {
	s := Schedule{expr: strings.Join(strings.Fields(expr), " "), zone: "UTC", location: time.UTC}
	var problems release.Problems
	if timezone != "" {
		location, hint := findZone(timezone)
		if location == nil {
			problems = append(problems, release.Problem{Field: "timezone", Message: fmt.Sprintf("there is no time zone %q", clip(timezone)), Hint: hint})
		}
		s.zone, s.location = timezone, location
	}
	if p := s.parse(s.expr); p.Message != "" {
		p.Field = "cron"
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		return Schedule{}, problems
	}
	return s, nil
}

// words are the expressions that have a name.
var words = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

// parse gives a problem without a message when all is well.
func (s *Schedule) parse(expr string) release.Problem {
	const five = "write five fields: minute, hour, day of month, month, day of week, such as 0 3 * * 1 for Mondays at 3"
	fields := strings.Fields(expr)
	switch {
	case len(fields) == 0:
		return release.Problem{Message: "there is no time", Hint: five}
	case len(expr) > 1000:
		return release.Problem{Message: fmt.Sprintf("the expression has %d characters", len(expr)), Hint: five}
	case strings.HasPrefix(fields[0], "TZ=") || strings.HasPrefix(fields[0], "CRON_TZ="):
		_, zone, _ := strings.Cut(fields[0], "=")
		return release.Problem{Message: "the time zone stands inside of the expression", Hint: "write `timezone: " + clip(zone) + "`"}
	case fields[0] == "@every":
		return s.parseEvery(fields[1:])
	case fields[0][0] == '@':
		return s.parseWord(expr)
	case len(fields) == 6:
		return release.Problem{Message: "there are six fields", Hint: "leave out the seconds, which are not supported, or the year; " + five}
	case len(fields) != 5:
		return release.Problem{Message: fmt.Sprintf("there are %d fields", len(fields)), Hint: five}
	}
	for i, f := range fields {
		if p := checkField(i, f); p.Message != "" {
			return p
		}
	}
	return s.take(expr, fields[0], fields[1])
}

func (s *Schedule) parseWord(expr string) release.Problem {
	word := strings.ToLower(expr)
	if !slices.Contains(words, word) {
		hint := release.EnumHint(word, append([]string{"@every 6h"}, words...))
		if hint == "" {
			hint = "there are " + strings.Join(words, ", ") + " and @every 6h"
		}
		return release.Problem{Message: fmt.Sprintf("%q is not known", clip(expr)), Hint: hint}
	}
	if word == "@hourly" {
		return s.take(word, "0", "*")
	}
	return s.take(word, "0", "0")
}

// take reads an expression with the library.
func (s *Schedule) take(expr, minute, hour string) release.Problem {
	parsed, err := cron.ParseStandard(expr)
	clock, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		return release.Problem{Message: fmt.Sprintf("%q is no schedule: %v", clip(expr), err)}
	}
	clock.Location = time.UTC
	s.clock = clock
	s.fixed = isFixed(minute, clock.Minute) && isFixed(hour, clock.Hour)
	// The years from 2023 on have every date.
	if clock.Next(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return release.Problem{Message: fmt.Sprintf("%q never happens: no year has such a day", clip(expr)), Hint: "for the last day of each month write the first, at 0 hours"}
	}
	return release.Problem{}
}

func (s *Schedule) parseEvery(args []string) release.Problem {
	const hint = "write a duration of whole seconds, such as @every 6h or @every 1h30m"
	if len(args) != 1 {
		return release.Problem{Message: "@every has no duration, or more than one", Hint: hint}
	}
	d, err := time.ParseDuration(args[0])
	switch {
	case err != nil:
		if days, ok := strings.CutSuffix(args[0], "d"); ok {
			if n, err := strconv.Atoi(days); err == nil && 0 < n && n < 1000 {
				return release.Problem{Message: fmt.Sprintf("%q is no duration", clip(args[0])), Hint: fmt.Sprintf("write @every %dh", 24*n)}
			}
		}
		return release.Problem{Message: fmt.Sprintf("%q is no duration", clip(args[0])), Hint: hint}
	case d < time.Second || d%time.Second != 0:
		return release.Problem{Message: fmt.Sprintf("%s is not a number of whole seconds above 0", clip(args[0])), Hint: hint}
	case d > 365*day*time.Second:
		return release.Problem{Message: fmt.Sprintf("%s is longer than a year", clip(args[0])), Hint: "write the day: 0 3 1 1 * is the first of January at 3"}
	}
	s.every = d
	return release.Problem{}
}

// field is one of the five fields of an expression.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var fieldsInOrder = []field{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// checkField says what is wrong with a field. The library finds most of that,
// but names no field, and takes some slips for something else.
func checkField(i int, text string) release.Problem {
	f := fieldsInOrder[i]
	bad := func(hint, format string, args ...any) release.Problem {
		return release.Problem{Message: fmt.Sprintf("%s %q: %s", f.name, clip(text), fmt.Sprintf(format, args...)), Hint: hint}
	}
	allowed := fmt.Sprintf("write %d to %d, lists (1,2), ranges (1-3), steps (*/2) or *", f.min, f.max)
	for item := range strings.SplitSeq(text, ",") {
		values, step, stepped := strings.Cut(item, "/")
		low, high, ranged := strings.Cut(values, "-")
		if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.max) {
			return bad(allowed, "the step must be a number from 1 to %d", f.max)
		}
		if (low == "*" || low == "?") && !ranged {
			continue
		}
		from, ok := f.value(low)
		if !ok {
			return bad(f.hint(low, allowed), "%q is not from %d to %d", clip(low), f.min, f.max)
		}
		if !ranged {
			continue
		}
		to, ok := f.value(high)
		if !ok {
			return bad(f.hint(high, allowed), "%q is not from %d to %d", clip(high), f.min, f.max)
		}
		if from > to {
			return bad(fmt.Sprintf("write %s-%d,%d-%s", low, f.max, f.min, high), "the range goes backwards")
		}
	}
	return release.Problem{}
}

func (f field) value(s string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(s)); i >= 0 {
		return i + f.min, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && f.min <= n && n <= f.max && s[0] != '+' && s[0] != '-'
}

var longName = regexp.MustCompile(`^[a-z]{4,9}$`)

func (f field) hint(s, allowed string) string {
	s = strings.ToLower(s)
	switch {
	case f.name == "day of week" && s == "7":
		return "Sunday is 0, or sun"
	case f.name == "hour" && s == "24":
		return "midnight is 0"
	case longName.MatchString(s) && slices.Contains(f.names, s[:3]):
		return "write " + s[:3]
	case f.name == "day of month" && s == "l", f.name == "day of week" && strings.ContainsAny(s, "l#"), strings.HasSuffix(s, "w"):
		return "L, W and # are not supported; " + allowed
	}
	return allowed
}

var zoneName = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)

// findZone is the zone of a name; nil, with what was probably meant, when there
// is none. What only this machine knows is none.
func findZone(name string) (*time.Location, string) {
	const hint = "write the IANA name, such as Europe/Paris; the default is UTC"
	if len(name) > 64 || !zoneName.MatchString(name) {
		return nil, hint
	}
	area, _, _ := strings.Cut(name, "/")
	switch area {
	case "Local", "localtime", "posix", "right", "posixrules", "Factory":
		return nil, hint
	}
	if l, err := time.LoadLocation(name); err == nil {
		return l, ""
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) })
	proper := strings.ToLower(name)
	for _, w := range words {
		w = strings.ToLower(w)
		proper = strings.ReplaceAll(proper, w, strings.ToUpper(w[:1])+w[1:])
	}
	for _, area := range []string{"", "Europe/", "America/", "Asia/", "Africa/", "Australia/", "Pacific/", "Atlantic/", "Indian/", "Antarctica/", "Etc/"} {
		for _, guess := range []string{area + proper, area + strings.ToUpper(name)} {
			if _, err := time.LoadLocation(guess); err == nil {
				return nil, "did you mean " + guess + "?"
			}
		}
	}
	return nil, hint
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
