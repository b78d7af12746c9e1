// Package schedule tells when something is due: cron expressions in a time
// zone, with every run exactly once when clocks are changed.
//
// A schedule with fixed hours and minutes ("30 2 * * *") means times of the
// day. One that a change of clocks leaves out is due in the moment after the
// gap; one that comes twice is due at the first. A schedule with a wildcard or
// a step in its hours or minutes ("*/15 * * * *") means a distance, and so it
// is due whenever clocks show such a time, in a repeated hour again. "@every"
// counts whole multiples of its duration since 1970-01-01T00:00:00Z, so that
// everybody who asks gets the same times.
package schedule
