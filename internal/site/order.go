package site

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// order is what a release's place among others depends on.
type order struct {
	tag     release.TagName
	numbers [3]uint32 // of the version, as far as they are numbers
	series  string    // what stands before the version, without its v; empty without a version
	line    string    // the first two numbers; empty without a version
}

func orderOf(r Release) order {
	o := order{tag: release.ParseTag(r.Name)}
	if o.tag.Version == "" {
		return o
	}
	o.series = strings.TrimRight(o.tag.Series, "vV")
	rest := o.tag.Version
	for i := range o.numbers {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseUint(rest[:digits], 10, 32)
		if err != nil {
			break
		}
		o.numbers[i], rest = uint32(n), rest[digits:]
		if i == 1 {
			o.line = o.tag.Version[:len(o.tag.Version)-len(rest)]
		}
		if !strings.HasPrefix(rest, ".") {
			break
		}
		rest = rest[1:]
	}
	return o
}

func (e *entry) versioned() bool { return e.order.tag.Version != "" }

// newerVersion orders versions, newest first.
func newerVersion(a, b *entry) int {
	// Comparing versions in full costs much, and is seldom needed.
	return -cmp.Or(slices.Compare(a.order.numbers[:], b.order.numbers[:]),
		release.CompareTags(a.order.tag, a.Time, b.order.tag, b.Time),
		strings.Compare(a.Name, b.Name))
}

func newerTime(a, b *entry) int {
	return -cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Name, b.Name))
}

// sortEntries sorts newest first: those that have a version by version, those
// that have none by time. Where there are both, time says which of their places
// those with a version take.
func sortEntries(all []*entry) {
	var versioned []*entry
	for _, e := range all {
		if e.versioned() {
			versioned = append(versioned, e)
		}
	}
	if len(versioned) < len(all) {
		slices.SortFunc(all, newerTime)
	}
	if !strictly(versioned, newerVersion) {
		// From one and the same beginning, so that the order never depends on the
		// order in which releases came.
		slices.SortFunc(versioned, newerTime)
		slices.SortStableFunc(versioned, newerVersion)
	}
	if len(versioned) == len(all) {
		copy(all, versioned)
		return
	}
	for i, e := range all {
		if e.versioned() {
			all[i], versioned = versioned[0], versioned[1:]
		}
	}
}

// strictly says whether all stand in order already.
func strictly(all []*entry, compare func(a, b *entry) int) bool {
	for i := 1; i < len(all); i++ {
		if compare(all[i-1], all[i]) >= 0 {
			return false
		}
	}
	return true
}
