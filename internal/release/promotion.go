package release

import (
	"fmt"
	"slices"
)

// PromotionInput is what a promotion is decided on.
type PromotionInput struct {
	// From is what is promoted: with Tag that tag's release, without it the commit.
	From    Event
	To      string // tag of the new release
	Rebuild bool   // build it anew in any case
	Classes []Class
	Tags    []HistoryTag // all tags of the repository
	// Released are the public releases of tags at the commit; not asked for with
	// Rebuild.
	Released []Released
}

// Released is a public release of a tag.
type Released struct {
	Tag  string
	Ours bool // it has Slipway's manifest
}

// Promotion says what a promotion asks for.
type Promotion struct {
	Event Event // of the new release, which makes its tag
	// Source is the tag of the release whose bits are moved; empty: it is built
	// from the commit.
	Source string
	Reason string // a sentence
}

// DecidePromotion says what a promotion asks for, or refuses it.
func DecidePromotion(in PromotionInput) (Promotion, error) {
	c, err := NewClassifier(in.Classes)
	if err != nil {
		return Promotion{}, err
	}
	p := Promotion{Event: Event{Tag: in.To, Commit: in.From.Commit, Time: in.From.Time, MakesTag: true}}
	if err := in.checkTarget(c, p.Event); err != nil {
		return p, err
	}
	switch {
	case !in.Rebuild && in.From.Tag == "" && in.checkReleased(in.To) == nil:
		p.Event.MakesTag = false
		p.Reason = fmt.Sprintf("Commit %s is released as %s already.", ShortCommit(in.From.Commit), in.To)
	case in.Rebuild:
		p.Reason = fmt.Sprintf("%s is built anew from commit %s.", in.To, ShortCommit(in.From.Commit))
	case in.From.Tag != "":
		if err := in.checkReleased(in.From.Tag); err != nil {
			return p, err
		}
		p.Source = in.From.Tag
		p.Reason = fmt.Sprintf("%s gets the bits of %s.", in.To, p.Source)
	default:
		source, class := in.best(c)
		if source == "" {
			p.Reason = fmt.Sprintf("Commit %s has no release yet, so %s is built from it.", ShortCommit(in.From.Commit), in.To)
			break
		}
		p.Source = source
		p.Reason = fmt.Sprintf("Commit %s is released as %s (%s): %s gets its bits.", ShortCommit(in.From.Commit), source, class, in.To)
	}
	return p, nil
}

// checkTarget refuses a tag that can't be the new release's.
func (in PromotionInput) checkTarget(c *Classifier, ev Event) error {
	switch i := slices.IndexFunc(in.Tags, func(t HistoryTag) bool { return t.Name == in.To }); {
	case in.To == "":
		return Invalidf("give it a tag, such as v1.4.0", "the new release has no tag")
	case in.To == in.From.Tag:
		return Invalidf("give another tag for the new release", "%s can't be promoted to itself", in.To)
	case i >= 0 && in.Tags[i].Commit != ev.Commit:
		return Refuse("take another tag", "tag %s is taken: it is at commit %s, not at %s", in.To, ShortCommit(in.Tags[i].Commit), ShortCommit(ev.Commit))
	}
	d, err := c.Classify(ev)
	if err == nil && d.Skip {
		err = Invalidf("see `slipway classify --explain`", "%s would be no release: %s", in.To, d.Reason)
	}
	return err
}

func (in PromotionInput) checkReleased(tag string) error {
	i := slices.IndexFunc(in.Released, func(r Released) bool { return r.Tag == tag })
	switch {
	case i < 0:
		return Refuse("release it first; or "+RebuildHint, "%s has no public release whose bits could be promoted", tag)
	case !in.Released[i].Ours:
		return Refuse(RebuildHint, "the release of %s was not made by Slipway (it has no %s), so its bits can't be promoted", tag, ManifestName)
	}
	return nil
}

// best is the release of the commit to take the bits of: of the first class that
// has one, the highest version.
func (in PromotionInput) best(c *Classifier) (tag, class string) {
	rank := len(in.Classes)
	for _, r := range in.Released {
		if !r.Ours || r.Tag == in.To {
			continue
		}
		name := c.nameOf(HistoryTag{Name: r.Tag, Commit: in.From.Commit})
		i := slices.IndexFunc(in.Classes, func(c Class) bool { return c.Name == name })
		if i < 0 {
			i = len(in.Classes) - 1
		}
		if i < rank || i == rank && CompareTags(ParseTag(r.Tag), in.From.Time, ParseTag(tag), in.From.Time) > 0 {
			tag, class, rank = r.Tag, orDefault(name, "of no class"), i
		}
	}
	return tag, class
}

// nameOf is the class whose release a tag is, branch classes included.
func (c *Classifier) nameOf(t HistoryTag) string {
	if maker := c.makerOf(t.Name, t.Commit); maker != "" {
		return maker
	}
	return c.classOf(t)
}

// PromotionCandidates are the tags at a commit whose releases may be promoted:
// those that are there, and those that branch classes make at it, which a clone
// may not have yet.
func PromotionCandidates(classes []Class, commit Event, there []string) []string {
	out := slices.Clone(there)
	vars := eventVars(Event{Commit: commit.Commit, Time: commit.Time})
	delete(vars, "branch")
	delete(vars, "tag")
	for _, class := range classes {
		if class.Branch == "" {
			continue
		}
		vars["class"] = class.Name
		delete(vars, "version")
		if v, err := Expand(orDefault(class.Version, "{short}"), vars); err == nil {
			vars["version"] = v
		}
		// A template that names the branch gives tags that only the repository knows.
		tag, err := Expand(orDefault(class.ReleaseTag, DefaultReleaseTag), vars)
		if err == nil && !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}
