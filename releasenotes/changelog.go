package releasenotes

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// Format is how a changelog is written.
type Format int

const (
	// FormatMarkdown is one Markdown document, newest release first. A
	// template of the options makes what stands below each release's heading.
	FormatMarkdown Format = iota
	// FormatJSON is an array of Notes, newest release first.
	FormatJSON
)

// Tag is a tag that makes a release.
type Tag struct {
	Name    string
	Version string    // optional
	Date    time.Time // of the tag or the release; zero takes the commit's
}

// ChangelogOptions say how a changelog is made. The embedded Options' Version,
// Tag, Previous and Date are not used: each release has its own.
type ChangelogOptions struct {
	Options
	Format Format
	// Tags are the releases by the full hash of their commit. Where a commit
	// has several, the first names the release.
	Tags map[string][]Tag
	// TempDir is where large changelogs are spooled; empty is the system's
	// temporary folder.
	TempDir string
}

// Changelog makes the notes of every release of a history in one pass. It
// holds the width of the history, the sections that still grow and the authors
// in memory; finished sections wait in a temporary file.
type Changelog struct {
	set    *settings
	format Format
	tags   map[string][]Tag

	people     *people
	walk       walk
	sections   []*section // that still grow, by seq
	unreleased *section
	spare      *storage // of a finished section
	seq        int
	finished   bool

	spool   spool
	records []record
	first   map[string]firstCommit // by folded name
	buffer  []byte
}

// record is a finished section: where its text is, and what comes around it.
type record struct {
	seq       int
	age       time.Time
	at, size  int64
	heading   string
	newcomers []Contributor
}

// firstCommit is the oldest commit known of a person.
type firstCommit struct {
	record int
	Contributor
}

// NewChangelog checks the options and makes an empty changelog, which must be
// closed. Its error joins an *OptionError for everything that is wrong.
func NewChangelog(o ChangelogOptions) (*Changelog, error) {
	set, err := o.prepare()
	if err != nil {
		return nil, err
	}
	return &Changelog{
		set: set, format: o.Format, tags: o.Tags, people: newPeople(), walk: newWalk(),
		spool: spool{dir: o.TempDir}, first: map[string]firstCommit{},
	}, nil
}

// Close removes the temporary file.
func (c *Changelog) Close() error { return c.spool.close() }

// Add takes the commits of the history, each before its parents, as git log
// --topo-order (or --date-order) gives them; in any other order a commit may
// land among the unreleased ones. Nothing of commit is kept.
func (c *Changelog) Add(commit Commit) error {
	if c.finished {
		return errors.New("changelog: Add after WriteTo")
	}
	e, known := c.walk.take(commit.Hash)
	s, owner := c.place(&commit, e, known)
	m := Parse(commit.Subject, commit.Body)
	spine := s == e.section && e.spine
	if s.commits == 0 {
		s.head, spine = strings.Clone(commit.Hash), true
	}
	owner, others := s.add(&commit, &m, owner)
	for i, parent := range commit.Parents {
		c.walk.put(parent, s, owner, spine && i == 0)
		owner = others
	}
	if known {
		e.section.open--
		for _, b := range e.behind {
			b.open--
		}
	}
	return c.finishDone(s, e)
}

// place finds the section that a commit belongs to.
func (c *Changelog) place(commit *Commit, e edge, known bool) (*section, int32) {
	tags := c.tags[commit.Hash]
	if len(tags) == 0 {
		if !known {
			return c.unreleasedSection(), 0
		}
		for _, b := range e.behind {
			b.follow(e.section, false)
		}
		return e.section, e.owner
	}
	s := c.newSection()
	s.tags = tags
	if s.age = tags[0].Date; s.age.IsZero() {
		s.age = commit.Time
	}
	if known {
		if e.section.age.Before(s.age) {
			s.age = e.section.age
		}
		e.section.follow(s, e.spine)
		for _, b := range e.behind {
			b.follow(s, false)
		}
	}
	return s, 0
}

// follow notes which release comes before s: the first that was met, but
// rather the one that first parents lead to.
func (s *section) follow(previous *section, spine bool) {
	if len(previous.tags) > 0 && (s.previous == "" || (spine && !s.spined)) {
		s.previous, s.spined = previous.tags[0].Name, spine
	}
}

func (c *Changelog) newSection() *section {
	s := newSection(c.set, c.people)
	if c.spare != nil {
		s.storage, c.spare = *c.spare, nil
	}
	c.seq++
	s.seq = c.seq
	c.sections = append(c.sections, s)
	return s
}

// unreleasedSection takes the commits that no tag contains. It never closes
// before the end: another branch's head may come at any time.
func (c *Changelog) unreleasedSection() *section {
	if c.unreleased == nil {
		c.unreleased = c.newSection()
		c.unreleased.age = time.Unix(1<<40, 0) // newer than any release
		c.unreleased.open = 1
	}
	return c.unreleased
}

// finishDone closes those of the sections that were just touched which can't
// grow any more.
func (c *Changelog) finishDone(s *section, e edge) error {
	touched := append(c.walk.shrunk, s)
	touched = append(touched, e.behind...)
	if e.section != nil {
		touched = append(touched, e.section)
	}
	for _, t := range touched {
		if t.open == 0 && !t.closed {
			if err := c.finish(t); err != nil {
				return err
			}
			c.sections = slices.DeleteFunc(c.sections, func(o *section) bool { return o == t })
		}
	}
	clear(touched)
	c.walk.shrunk = touched[:0]
	return nil
}

// finish renders a section into the spool and forgets its commits.
func (c *Changelog) finish(s *section) error {
	s.closed = true
	n := s.notes()
	s.label(&n)
	r := record{seq: s.seq, age: s.age, heading: releaseHeading(&n)}
	for _, p := range n.Contributors {
		c.meet(len(c.records), r, p)
	}
	var err error
	if c.buffer, err = c.render(c.buffer[:0], &n); err != nil {
		return err
	}
	r.size = int64(len(c.buffer))
	if r.at, err = c.spool.append(c.buffer); err != nil {
		return err
	}
	if cap(c.buffer) > spoolMemory {
		c.buffer = nil
	}
	c.records = append(c.records, r)
	c.spare = s.strip()
	return nil
}

// label names a section's release.
func (s *section) label(n *Notes) {
	n.Previous = s.previous
	to := s.head
	if len(s.tags) > 0 {
		tag := s.tags[0]
		n.Tag, n.Version, n.Date, to = tag.Name, tag.Version, tag.Date, tag.Name
		for _, t := range s.tags[1:] {
			n.AlsoTagged = append(n.AlsoTagged, t.Name)
		}
		if n.Date.IsZero() {
			n.Date = s.age
		}
	}
	n.CompareURL = n.Links.compareURL(n.Previous, to)
}

// meet keeps the oldest release that a person has a part in.
func (c *Changelog) meet(index int, r record, p Contributor) {
	fold := strings.ToLower(p.Name)
	if have, ok := c.first[fold]; ok && !r.older(&c.records[have.record]) {
		return
	}
	p.Hash = strings.Clone(p.Hash)
	c.first[fold] = firstCommit{record: index, Contributor: p}
}

func (r *record) older(t *record) bool {
	if c := r.age.Compare(t.age); c != 0 {
		return c < 0
	}
	return r.seq > t.seq
}

// finishAll closes what is open and puts the records in order.
func (c *Changelog) finishAll() error {
	if c.finished {
		return nil
	}
	for _, s := range c.sections {
		if err := c.finish(s); err != nil {
			return err
		}
	}
	c.finished, c.sections, c.walk = true, nil, walk{}
	for _, f := range c.first {
		r := &c.records[f.record]
		r.newcomers = append(r.newcomers, f.Contributor)
	}
	for i := range c.records {
		slices.SortFunc(c.records[i].newcomers, firstCame)
	}
	slices.SortFunc(c.records, func(a, b record) int {
		return cmp.Or(b.age.Compare(a.age), cmp.Compare(a.seq, b.seq))
	})
	return nil
}
