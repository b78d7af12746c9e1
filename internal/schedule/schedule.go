package schedule

import (
	"sort"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/robfig/cron/v3"
)

// Schedule is when something is due. All of it is on whole seconds.
type Schedule struct {
	expr, zone string
	location   *time.Location
	every      time.Duration      // of @every; 0 for a cron expression
	clock      *cron.SpecSchedule // what clocks must show; the library reads them in UTC, which has no changes
	fixed      bool               // times of the day, not a distance
}

// String is the expression and its time zone.
func (s Schedule) String() string { return s.expr + " " + s.zone }

// horizon is how far ahead a schedule is followed: leap days are at most eight
// years apart, and then there is none in five years.
const horizonYears = 5

// Next is the first due time after a time, in UTC; zero when there is none in
// the five years that follow.
func (s Schedule) Next(after time.Time) time.Time {
	if s.location == nil || after.Year() < 1 || after.Year() > 9990 {
		return time.Time{}
	}
	from := after.Unix()
	limit := after.UTC().AddDate(horizonYears, 0, 0).Unix()
	var due int64
	var ok bool
	switch {
	case s.every > 0:
		due, ok = (floorDiv(from, s.seconds())+1)*s.seconds(), true
	case s.fixed:
		due, ok = s.nextFixed(from, limit)
	default:
		due, ok = s.nextShown(from, limit)
	}
	if !ok || due > limit {
		return time.Time{}
	}
	return time.Unix(due, 0).UTC()
}

// Occurrence names a run: everybody who computes it gets the same, and no two
// runs of a schedule have the same name. Times of the day are named as clocks
// show them ("2026-10-25T02:30 Europe/Paris"), others in UTC.
func (s Schedule) Occurrence(due time.Time) string {
	if !s.fixed || s.location == nil {
		return due.UTC().Format(time.RFC3339)
	}
	local := due.In(s.location)
	layout := "2006-01-02T15:04"
	if local.Second() != 0 { // before standard time, clocks had odd offsets
		layout += ":05"
	}
	return local.Format(layout) + " " + s.zone
}

// MostCounted is where Missed stops counting.
const MostCounted = 10_000

// Missed finds what was due after last and not after now: the latest of it, to
// be made up once, and how many there were, at most MostCounted. Where last is
// zero nothing ever ran, and so nothing was missed.
func (s Schedule) Missed(last, now time.Time) (latest time.Time, count int) {
	due := func(after time.Time) (time.Time, bool) {
		t := s.Next(after)
		return t, !t.IsZero() && !t.After(now)
	}
	if last.IsZero() {
		return time.Time{}, 0
	}
	first, ok := due(last)
	if !ok {
		return time.Time{}, 0
	}
	// The latest is what comes after the last second that something comes after.
	from := first.Unix()
	seconds := sort.Search(int(now.Unix()-from)+1, func(n int) bool {
		_, more := due(time.Unix(from+int64(n), 0))
		return !more
	})
	latest = first
	if seconds > 0 {
		latest, _ = due(time.Unix(from+int64(seconds)-1, 0))
	}
	for t := first; ok && count < MostCounted; t, ok = due(t) {
		count++
	}
	return latest, count
}

func (s Schedule) seconds() int64 { return int64(s.every / time.Second) }

// nextShown is the first second after from at which clocks show a due time.
func (s Schedule) nextShown(from, limit int64) (int64, bool) {
	for z := s.spanAt(from + 1); ; z = s.spanAt(z.end) {
		shown, ok := s.nextOnClock(max(from+1, z.start) + z.offset - 1)
		if ok && shown-z.offset < z.end {
			return shown - z.offset, true
		}
		if z.end > limit {
			return 0, false
		}
	}
}

// nextFixed is the first moment after from that is the first to show a due time
// or, where clocks leave that out, a later one.
func (s Schedule) nextFixed(from, limit int64) (int64, bool) {
	shown, ok := s.nextOnClock(from + s.spanAt(from).offset)
	for ; ok && shown <= limit+2*day; shown, ok = s.nextOnClock(shown) {
		if due := s.firstShowing(shown); due > from {
			return due, true
		}
	}
	return 0, false
}

const day = 24 * 60 * 60

// firstShowing is the first moment at which clocks show a time or a later one.
// What clocks show is written as the seconds that it would be in UTC. It never
// falls where what is shown rises, so due times stay in order.
func (s Schedule) firstShowing(shown int64) int64 {
	// No place is a day away from UTC, though two have been close.
	for z := s.spanAt(shown - 2*day); ; z = s.spanAt(z.end) {
		if t := max(z.start, shown-z.offset); t < z.end {
			return t
		}
	}
}

// nextOnClock is the first due time that clocks could show after another one.
func (s Schedule) nextOnClock(shown int64) (int64, bool) {
	t := s.clock.Next(time.Unix(shown, 0).UTC())
	return t.Unix(), !t.IsZero()
}

// span is a time without a change of clocks: start ≤ t < end, in Unix seconds.
type span struct{ start, end, offset int64 }

func (s Schedule) spanAt(t int64) span {
	at := time.Unix(t, 0).In(s.location)
	_, offset := at.Zone()
	z := span{start: -1 << 60, end: 1 << 60, offset: int64(offset)}
	start, end := at.ZoneBounds()
	if !start.IsZero() {
		z.start = start.Unix()
	}
	if !end.IsZero() {
		z.end = end.Unix()
	}
	if z.end <= t { // Go 1.26 ends the last span of leap years from 2040 on a day early
		z.end = t + 60*60
	}
	return z
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// isFixed reports whether a field of hours or minutes says times, and not a
// distance. A step that leaves one value says a time.
func isFixed(field string, values uint64) bool {
	values &^= 1 << 63 // the library's mark of a star
	return !strings.ContainsAny(field, "*?/") || values&(values-1) == 0
}
