package release

import (
	"fmt"
	"time"
)

// History is what the plan must know of the repository's past.
type History struct {
	// Tags are all tags of the repository that point at a commit, in any order.
	Tags []HistoryTag
}

// HistoryTag is a tag of the past.
type HistoryTag struct {
	Name   string
	Commit string
	Time   time.Time // the commit's
	Merged bool      // the release's commit has it among its ancestors, or is it
}

// Previous finds the release that the notes begin after: the highest earlier
// tag of the same class and series that the commit descends from. A first of
// its class goes by the series alone; a commit on a branch by the newest tag of
// any kind. No previous release is an empty tag with a reason.
func (c *Classifier) Previous(d Decision, at time.Time, h History) (HistoryTag, string) {
	if d.Branch != "" {
		return c.previousOfBranch(d, h)
	}
	own := ParseTag(d.Tag)
	var sameClass, sameSeries *HistoryTag
	for i := range h.Tags {
		t := &h.Tags[i]
		name := ParseTag(t.Name)
		if !t.Merged || t.Name == d.Tag || name.Series != own.Series || CompareTags(name, t.Time, own, at) >= 0 {
			continue
		}
		if later(t, sameSeries) {
			sameSeries = t
		}
		if later(t, sameClass) && c.classOf(*t) == d.Class {
			sameClass = t
		}
	}
	switch {
	case sameClass != nil:
		return *sameClass, fmt.Sprintf("%s is the %s release before %s", sameClass.Name, d.Class, d.Tag)
	case sameSeries != nil:
		return *sameSeries, fmt.Sprintf("no %s release came before; %s is the tag before %s", d.Class, sameSeries.Name, d.Tag)
	case own.Series != "":
		return HistoryTag{}, fmt.Sprintf("no tag %s… came before %s", own.Series, d.Tag)
	}
	return HistoryTag{}, fmt.Sprintf("no tag came before %s", d.Tag)
}

func (c *Classifier) previousOfBranch(d Decision, h History) (HistoryTag, string) {
	var newest, own *HistoryTag
	for i := range h.Tags {
		t := &h.Tags[i]
		if !t.Merged || t.Commit == d.Commit {
			continue
		}
		if newest == nil || t.Time.After(newest.Time) {
			newest = t
		}
		if c.makerOf(t.Name, t.Commit) == d.Class && (own == nil || t.Time.After(own.Time)) {
			own = t
		}
	}
	switch {
	case own != nil:
		return *own, fmt.Sprintf("%s is the %s release before", own.Name, d.Class)
	case newest != nil:
		return *newest, fmt.Sprintf("no %s release came before; %s is the newest tag", d.Class, newest.Name)
	}
	return HistoryTag{}, "no tag came before"
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

func later(t, than *HistoryTag) bool {
	return than == nil || CompareTags(ParseTag(t.Name), t.Time, ParseTag(than.Name), than.Time) > 0
}

// LastVersion is the highest version among the tags that the commit descends
// from; empty when there is none.
func LastVersion(h History) string {
	var last *HistoryTag
	for i := range h.Tags {
		if t := &h.Tags[i]; t.Merged && ParseTag(t.Name).Plain() && later(t, last) {
			last = t
		}
	}
	if last == nil {
		return ""
	}
	return ParseTag(last.Name).Version
}
