package release

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// History is what the plan must know of the repository's past.
type History struct {
	// Tags are all tags of the repository that point at a commit, in any order.
	Tags []HistoryTag
	// Previous is the release that the notes begin after: the first of
	// Predecessors that the commit descends from; nil when there is none.
	Previous *Predecessor
}

// HistoryTag is a tag of the past.
type HistoryTag struct {
	Name   string
	Commit string
	Time   time.Time // the commit's
}

// Predecessor is a tag that the notes may begin after, and why.
type Predecessor struct {
	HistoryTag
	Reason string
}

// NeedTimes reports whether the tags' times have a say in what comes before a
// decision: they have not where versions alone put them in order.
func NeedTimes(d Decision, tags []HistoryTag) bool {
	own := ParseTag(d.Tag)
	return d.Branch != "" || own.parsed == nil || slices.ContainsFunc(tags, func(t HistoryTag) bool {
		name := ParseTag(t.Name)
		return name.Series == own.Series && (name.parsed == nil || t.Name != d.Tag && name.parsed.Equal(own.parsed))
	})
}

// Predecessors lists the tags that may be the previous release, the likeliest
// first: those of the same class and series from the highest down, then those
// of the series alone. Before a commit on a branch these are the class's own
// releases, then tags of any kind, from the newest back. The caller takes the
// first that the commit descends from.
func (c *Classifier) Predecessors(d Decision, at time.Time, tags []HistoryTag) []Predecessor {
	if d.Branch != "" {
		return c.predecessorsOnBranch(d, tags)
	}
	own := ParseTag(d.Tag)
	var sameClass, sameSeries []HistoryTag
	for _, t := range tags {
		name := ParseTag(t.Name)
		if t.Name == d.Tag || name.Series != own.Series || CompareTags(name, t.Time, own, at) >= 0 {
			continue
		}
		if c.classOf(t) == d.Class {
			sameClass = append(sameClass, t)
		} else {
			sameSeries = append(sameSeries, t)
		}
	}
	descending := func(a, b HistoryTag) int {
		return CompareTags(ParseTag(b.Name), b.Time, ParseTag(a.Name), a.Time)
	}
	slices.SortFunc(sameClass, descending)
	slices.SortFunc(sameSeries, descending)
	return append(
		because(sameClass, func(t HistoryTag) string {
			return fmt.Sprintf("%s is the %s release before %s", t.Name, d.Class, d.Tag)
		}),
		because(sameSeries, func(t HistoryTag) string {
			return fmt.Sprintf("no %s release came before; %s is the tag before %s", d.Class, t.Name, d.Tag)
		})...)
}

func (c *Classifier) predecessorsOnBranch(d Decision, tags []HistoryTag) []Predecessor {
	var own, other []HistoryTag
	for _, t := range tags {
		switch {
		case t.Commit == d.Commit:
		case c.makerOf(t.Name, t.Commit) == d.Class:
			own = append(own, t)
		default:
			other = append(other, t)
		}
	}
	newest := func(a, b HistoryTag) int {
		return cmp.Or(b.Time.Compare(a.Time), CompareTags(ParseTag(b.Name), b.Time, ParseTag(a.Name), a.Time))
	}
	slices.SortStableFunc(own, newest)
	slices.SortStableFunc(other, newest)
	return append(
		because(own, func(t HistoryTag) string { return fmt.Sprintf("%s is the %s release before", t.Name, d.Class) }),
		because(other, func(t HistoryTag) string {
			return fmt.Sprintf("no %s release came before; %s is the newest tag", d.Class, t.Name)
		})...)
}

func because(tags []HistoryTag, why func(HistoryTag) string) []Predecessor {
	out := make([]Predecessor, len(tags))
	for i, t := range tags {
		out[i] = Predecessor{HistoryTag: t, Reason: why(t)}
	}
	return out
}

// noPredecessor says why the notes begin at the first commit.
func noPredecessor(d Decision) string {
	if series := ParseTag(d.Tag).Series; d.Branch == "" && series != "" {
		return fmt.Sprintf("no tag %s… came before %s", series, d.Tag)
	}
	return "no tag came before"
}

// newestOfClass reports whether no tag of the class, anywhere in the
// repository, has a higher version than the decision's.
func (c *Classifier) newestOfClass(d Decision, at time.Time, h History) bool {
	own := ParseTag(d.Tag)
	for _, t := range h.Tags {
		name := ParseTag(t.Name)
		if name.Series == own.Series && t.Name != d.Tag && CompareTags(name, t.Time, own, at) > 0 && c.classOf(t) == d.Class {
			return false
		}
	}
	return true
}

func (c *Classifier) classOf(t HistoryTag) string {
	d, err := c.Classify(Event{Tag: t.Name, Commit: t.Commit, Time: t.Time})
	if err != nil {
		return ""
	}
	return d.Class
}

// LastVersion is the highest version among the tags; empty when none has one.
func LastVersion(tags []HistoryTag) string {
	var last HistoryTag
	for _, t := range tags {
		name := ParseTag(t.Name)
		if name.Plain() && (last.Name == "" || CompareTags(name, t.Time, ParseTag(last.Name), last.Time) > 0) {
			last = t
		}
	}
	return ParseTag(last.Name).Version
}
