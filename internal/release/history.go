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
	var sameClass, sameSeries []namedTag
	for _, t := range tags {
		name := ParseTag(t.Name)
		if t.Name == d.Tag || name.Series != own.Series || CompareTags(name, t.Time, own, at) >= 0 {
			continue
		}
		if c.classOf(t) == d.Class {
			sameClass = append(sameClass, namedTag{t, name})
		} else {
			sameSeries = append(sameSeries, namedTag{t, name})
		}
	}
	slices.SortFunc(sameClass, highestFirst)
	slices.SortFunc(sameSeries, highestFirst)
	return append(
		because(sameClass, func(t HistoryTag) string {
			return fmt.Sprintf("%s is the %s release before %s", t.Name, d.Class, d.Tag)
		}),
		because(sameSeries, func(t HistoryTag) string {
			return fmt.Sprintf("no %s release came before; %s is the tag before %s", d.Class, t.Name, d.Tag)
		})...)
}

func (c *Classifier) predecessorsOnBranch(d Decision, tags []HistoryTag) []Predecessor {
	var own, other []namedTag
	for _, t := range tags {
		switch {
		case t.Commit == d.Commit:
		case c.makerOf(t.Name, t.Commit) == d.Class:
			own = append(own, namedTag{t, ParseTag(t.Name)})
		default:
			other = append(other, namedTag{t, ParseTag(t.Name)})
		}
	}
	newestFirst := func(a, b namedTag) int { return cmp.Or(b.Time.Compare(a.Time), highestFirst(a, b)) }
	slices.SortStableFunc(own, newestFirst)
	slices.SortStableFunc(other, newestFirst)
	return append(
		because(own, func(t HistoryTag) string { return fmt.Sprintf("%s is the %s release before", t.Name, d.Class) }),
		because(other, func(t HistoryTag) string {
			return fmt.Sprintf("no %s release came before; %s is the newest tag", d.Class, t.Name)
		})...)
}

// namedTag is a tag taken apart once, for the many comparisons of a sort.
type namedTag struct {
	HistoryTag
	name TagName
}

func highestFirst(a, b namedTag) int { return CompareTags(b.name, b.Time, a.name, a.Time) }

func because(tags []namedTag, why func(HistoryTag) string) []Predecessor {
	out := make([]Predecessor, len(tags))
	for i, t := range tags {
		out[i] = Predecessor{HistoryTag: t.HistoryTag, Reason: why(t.HistoryTag)}
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

// classOf is the class that Classify would find, without version and reasons.
func (c *Classifier) classOf(t HistoryTag) string {
	if c.makerOf(t.Name, t.Commit) != "" {
		return ""
	}
	for _, class := range c.classes {
		if class.whole != nil && class.whole.MatchString(t.Name) {
			return class.Name
		}
	}
	return ""
}

// LastVersion is the highest version among the tags; empty when none has one.
func LastVersion(tags []HistoryTag) string {
	var last namedTag
	for _, t := range tags {
		named := namedTag{t, ParseTag(t.Name)}
		if named.name.Plain() && (last.Name == "" || highestFirst(named, last) < 0) {
			last = named
		}
	}
	return last.name.Version
}
