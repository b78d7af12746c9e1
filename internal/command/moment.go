package command

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Moment reads a time as people write it, from now on: "2026-12-24", at the
// beginning of which it is; "2026-12-24 18:00"; "18:00", "tomorrow", "monday",
// "monday 9:00", the next that comes; "90m", "2h", "3d", "1d12h" from now, at
// most a year; or RFC 3339. A time zone may follow, by its IANA name, as UTC or
// as +01:00; else it is UTC.
func Moment(text string, now time.Time) (time.Time, bool) {
	words := strings.Fields(text)
	if len(words) == 0 || len(text) > 80 {
		return time.Time{}, false
	}
	if len(words) == 1 {
		if d, ok := lasting(words[0]); ok {
			return now.Add(d), true
		}
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
			if t, err := time.Parse(layout, strings.ToUpper(words[0])); err == nil {
				return t, true
			}
		}
	}
	zone := time.UTC
	if last := words[len(words)-1]; len(words) > 1 {
		if z, ok := zoneOf(last); ok {
			zone, words = z, words[:len(words)-1]
		}
	}
	if len(words) > 2 {
		return time.Time{}, false
	}
	now = now.In(zone)
	day, clock := words[0], ""
	if len(words) == 2 {
		clock = words[1]
	} else if d, c, ok := strings.Cut(words[0], "T"); ok && len(d) == len(time.DateOnly) {
		day, clock = d, c
	}
	if at, ok := timeOfDay(day); ok && clock == "" { // a time alone
		if t := onClock(now, at); t.After(now) {
			return t, true
		}
		return onClock(midnight(now, 1), at), true
	}
	at, ok := timeOfDay(clock)
	if !ok {
		return time.Time{}, false
	}
	begins, ok := dayOf(strings.ToLower(day), now, at)
	return onClock(begins, at), ok
}

// onClock is a time of day on a day, whatever its clocks do.
func onClock(day time.Time, at time.Duration) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), int(at.Hours()), int(at.Minutes())%60, 0, 0, day.Location())
}

func midnight(now time.Time, days int) time.Time {
	return time.Date(now.Year(), now.Month(), now.Day()+days, 0, 0, 0, 0, now.Location())
}

// dayOf is the day that a word means, the next one of that name at which the
// time of day is yet to come.
func dayOf(word string, now time.Time, at time.Duration) (time.Time, bool) {
	if t, err := time.ParseInLocation(time.DateOnly, word, now.Location()); err == nil {
		return t, true
	}
	switch word {
	case "today":
		return midnight(now, 0), true
	case "tomorrow":
		return midnight(now, 1), true
	}
	for days := range 8 {
		d := midnight(now, days)
		name := strings.ToLower(d.Weekday().String())
		if (word == name || word == name[:3]) && onClock(d, at).After(now) {
			return d, true
		}
	}
	return time.Time{}, false
}

var clockTime = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// timeOfDay reads "18:00"; nothing is midnight.
func timeOfDay(text string) (time.Duration, bool) {
	if text == "" {
		return 0, true
	}
	m := clockTime.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	h, _ := strconv.Atoi(m[1]) // digits
	min, _ := strconv.Atoi(m[2])
	return time.Duration(h)*time.Hour + time.Duration(min)*time.Minute, true
}

var days = regexp.MustCompile(`^([0-9]{1,3})d(.*)$`)

// lasting reads "90m", "2h", "3d", "1d12h".
func lasting(text string) (time.Duration, bool) {
	var whole time.Duration
	rest := strings.ToLower(text)
	if m := days.FindStringSubmatch(rest); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits
		whole, rest = time.Duration(n)*24*time.Hour, m[2]
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, false
		}
		whole += d
	}
	return whole, whole > 0 && whole <= 366*24*time.Hour
}

var offset = regexp.MustCompile(`^(?:UTC|GMT)?([+-])([01][0-9]):?([0-5][0-9])$`)

func zoneOf(name string) (*time.Location, bool) {
	if m := offset.FindStringSubmatch(strings.ToUpper(name)); m != nil {
		h, _ := strconv.Atoi(m[2]) // digits
		min, _ := strconv.Atoi(m[3])
		seconds := (h*60 + min) * 60
		if m[1] == "-" {
			seconds = -seconds
		}
		return time.FixedZone(name, seconds), true
	}
	if strings.EqualFold(name, "utc") || strings.EqualFold(name, "z") {
		return time.UTC, true
	}
	if !strings.Contains(name, "/") {
		return nil, false // "Local", and what has two meanings
	}
	z, err := time.LoadLocation(name)
	return z, err == nil
}
