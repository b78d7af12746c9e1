package releasenotes

import (
	"slices"
	"strings"
	"time"
)

// section gathers the commits of one release. It keeps only what will be
// rendered: about a hundred bytes a listed commit, besides its text.
type section struct {
	set    *settings
	people *people
	storage
	reverts reverts
	text    arena
	scratch []int32 // of credit

	commits   int
	cancelled int

	// What follows is used by Changelog alone.
	seq      int // sections are numbered as their tags come
	tags     []Tag
	head     string    // hash of the newest commit
	age      time.Time // orders releases; never later than that of a release which contains this one
	previous string
	spined   bool // previous is on the line of first parents
	open     int  // places at which the walk may still find commits of this section
	closed   bool
}

// storage is what a section grows.
type storage struct {
	items   []item
	pulls   []pull // pulls[0] stands for "no pull request"
	parts   []contribution
	authors map[int32]int32 // author → index in parts
}

// item is a change that may be listed.
type item struct {
	record  string // hash, type, scope and text, one after another
	hashLen uint8
	typeLen uint8
	flags   uint8
	scope   int32 // length
	group   int32
	pull    int32 // number of the pull request, 0 for none
	author  int32 // -1 for none
	owner   int32 // index in section.pulls
	more    *more
}

// more is what few items have.
type more struct {
	pulls   []int
	authors []int32
	notes   []string
}

const (
	itemBreaking = 1 << iota
	itemTitle    // stands for the pull request owner
	itemDead     // cancelled by a revert
)

// pull is a merged pull request whose commits are still coming.
type pull struct {
	number   int
	item     int32 // of its title; -1 when the title is left out
	typed    bool  // the title is conventional: it speaks for its commits
	untitled bool
	gone     bool // the merge is reverted

	inner, visible, hidden, plain int // its commits, by what they say
}

// listsCommits is the rule for merged pull requests, see the package comment.
func (p *pull) listsCommits() bool {
	switch {
	case p.gone || p.typed:
		return false
	case p.inner > 0 || p.visible > 0:
		return true
	case p.untitled:
		return p.plain+p.hidden > 0
	}
	return p.plain == 0 && p.hidden > 0
}

// contribution is an author's part in a section.
type contribution struct {
	author  int32
	commits int
	// The author's oldest commit so far.
	seq     int
	hash    [64]byte
	hashLen int
	pull    int
}

func newSection(set *settings, people *people) *section {
	return &section{set: set, people: people, storage: storage{pulls: make([]pull, 1), authors: map[int32]int32{}}}
}

// strip forgets the commits of a finished section. It gives the storage back,
// empty, for the next one, unless it is a large one.
func (s *section) strip() *storage {
	old := s.storage
	s.storage, s.reverts, s.text = storage{}, reverts{}, arena{}
	const most = 4096
	if max(cap(old.items), cap(old.pulls), cap(old.parts)) > most {
		return nil
	}
	clear(old.items)
	clear(old.authors)
	old.items, old.pulls, old.parts = old.items[:0], old.pulls[:1], old.parts[:0]
	return &old
}

// add takes the next older commit, brought by the pull request owner (0 for
// none), and tells which pull requests bring its first and its other parents.
func (s *section) add(c *Commit, m *Message, owner int32) (first, others int32) {
	s.commits++
	if len(c.Parents) > 1 && m.Kind == Change {
		if len(m.Pulls) > 0 {
			m.Kind = PullMerge
		} else if strings.HasPrefix(c.Subject, "Merge ") {
			m.Kind = BranchMerge
		}
	}
	if s.pulls[owner].gone || s.revertTakes(c, m) {
		s.cancelled++
		if len(c.Parents) > 1 && !s.pulls[owner].gone {
			s.pulls = append(s.pulls, pull{gone: true})
			return owner, int32(len(s.pulls) - 1)
		}
		return owner, owner
	}
	switch m.Kind {
	case BranchMerge:
	case Fixup:
		s.credit(c, m, owner)
	case PullMerge:
		return owner, s.addPull(c, m, owner)
	default:
		s.addChange(c, m, owner)
	}
	return owner, owner
}

// addPull takes the merge of a pull request and returns the number that its
// commits will come with.
func (s *section) addPull(c *Commit, m *Message, owner int32) int32 {
	if owner != 0 {
		s.pulls[owner].inner++
	}
	group, known := s.set.group(m)
	p := pull{item: -1, typed: known || m.Breaking, untitled: m.Text == ""}
	if len(m.Pulls) > 0 {
		p.number = m.Pulls[0]
	}
	id := int32(len(s.pulls))
	if (s.set.listed(group) || m.Breaking) && !s.set.excluded(m.title) {
		p.item = s.keep(c, m, group, id)
		s.items[p.item].flags |= itemTitle
		s.items[p.item].author = -1
	}
	if len(c.Parents) < 2 {
		// No commits of its own will come: its author is this commit's.
		for _, a := range s.credit(c, m, 0) {
			s.creditItem(p.item, a)
		}
	}
	s.pulls = append(s.pulls, p)
	if m.Type == "revert" {
		s.reverts.add(p.item, &m.Reverts)
	}
	return id
}

// addChange takes a commit that says what it changes.
func (s *section) addChange(c *Commit, m *Message, owner int32) {
	group, known := s.set.group(m)
	listed := (s.set.listed(group) || m.Breaking) && !s.set.excluded(c.Subject)
	authors := s.credit(c, m, owner)
	if p := &s.pulls[owner]; owner != 0 {
		switch {
		case len(m.Pulls) > 0 && !slices.Contains(m.Pulls, p.number):
			p.inner++
			owner = 0
		case known && listed:
			p.visible++
		case known:
			p.hidden++
		default:
			p.plain++
		}
		if owner != 0 {
			for _, a := range authors {
				s.creditItem(p.item, a)
			}
			if p.typed {
				s.absorb(c, m, group, p, listed, authors)
				return
			}
		}
	}
	at := int32(-1)
	if listed {
		at = s.keep(c, m, group, owner)
		for _, a := range authors {
			s.creditItem(at, a)
		}
	}
	if m.Type == "revert" {
		s.reverts.add(at, &m.Reverts)
	}
}

// absorb takes a commit that its pull request's title speaks for. What breaks
// is told all the same, and what it reverts is reverted.
func (s *section) absorb(c *Commit, m *Message, group int, p *pull, listed bool, authors []int32) {
	switch {
	case !m.Breaking || !listed:
	case p.item >= 0 && s.items[p.item].flags&itemBreaking != 0:
		s.items[p.item].addNotes(m.Notes)
	default:
		at := s.keep(c, m, group, 0)
		s.items[at].pull = int32(p.number)
		for _, a := range authors {
			s.creditItem(at, a)
		}
	}
	if m.Type != "revert" {
		return
	}
	if r := s.reverts.of(p.item); r >= 0 {
		s.reverts.refine(r, &m.Reverts)
	} else {
		s.reverts.add(-1, &m.Reverts)
	}
}

// keep stores an item without its authors and returns its index.
func (s *section) keep(c *Commit, m *Message, group int, owner int32) int32 {
	typ, scope, text := m.Type, oneLine(m.Scope), oneLine(m.Text)
	if _, known := s.set.groups[typ]; typ != "" && !known && scope == "" {
		typ, scope = "", m.prefix // "http: close body": the word is a scope
	}
	if typ == "revert" && group != s.set.revert {
		if m.prefix != "" {
			text = "Revert: " + text // no heading will say so
		}
	}
	if text == "" {
		text = "Pull request"
	}
	typ, hash := typ[:min(len(typ), 40)], c.Hash[:min(len(c.Hash), 64)]
	it := item{hashLen: uint8(len(hash)), typeLen: uint8(len(typ)), scope: int32(len(scope)), group: int32(group), author: -1, owner: owner}
	it.record = s.text.join(hash, typ, scope, text)
	if m.Breaking {
		it.flags |= itemBreaking
		it.addNotes(m.Notes)
	}
	switch {
	case len(m.Pulls) == 1:
		it.pull = int32(m.Pulls[0])
	case len(m.Pulls) > 1:
		it.extra().pulls = m.Pulls
	case owner != 0 && int(owner) < len(s.pulls):
		it.pull = int32(s.pulls[owner].number)
	}
	s.items = append(s.items, it)
	return int32(len(s.items) - 1)
}

// credit counts the commit for its authors and returns them, until the next
// call. Programs are no authors.
func (s *section) credit(c *Commit, m *Message, owner int32) []int32 {
	authors := s.scratch[:0]
	if c.Name != "" || c.Email != "" {
		authors = s.creditOne(authors, c, m, owner, c.Name, c.Email)
	}
	for _, p := range m.CoAuthors {
		authors = s.creditOne(authors, c, m, owner, p.Name, p.Email)
	}
	s.scratch = authors
	return authors
}

func (s *section) creditOne(authors []int32, c *Commit, m *Message, owner int32, name, email string) []int32 {
	n := s.people.number(name, email)
	if s.people.list[n].bot || slices.Contains(authors, n) {
		return authors
	}
	at, known := s.authors[n]
	if !known {
		at = int32(len(s.parts))
		s.authors[n] = at
		s.parts = append(s.parts, contribution{author: n})
	}
	k := &s.parts[at]
	k.commits++
	k.seq = s.commits
	k.hashLen = copy(k.hash[:], c.Hash)
	k.pull = s.pulls[owner].number
	if len(m.Pulls) > 0 {
		k.pull = m.Pulls[0]
	}
	return append(authors, n)
}

// creditItem names an author on an item; -1 is no item.
func (s *section) creditItem(at, author int32) {
	if at < 0 {
		return
	}
	it := &s.items[at]
	switch {
	case it.author < 0:
		it.author = author
	case it.author != author && (it.more == nil || !slices.Contains(it.more.authors, author)):
		it.extra().authors = append(it.extra().authors, author)
	}
}

// revertTakes says whether a newer commit of this section took c back. That
// one is cancelled too, once all that it reverts is found.
func (s *section) revertTakes(c *Commit, m *Message) bool {
	done, taken := s.reverts.take(c, m)
	for _, at := range done {
		if at < 0 || s.items[at].flags&itemDead != 0 {
			continue
		}
		it := &s.items[at]
		it.flags |= itemDead
		s.cancelled++
		s.uncredit(it.author)
		if it.more != nil {
			for _, a := range it.more.authors {
				s.uncredit(a)
			}
		}
	}
	return taken
}

func (s *section) uncredit(author int32) {
	if at, ok := s.authors[author]; ok {
		s.parts[at].commits--
	}
}

func (it *item) extra() *more {
	if it.more == nil {
		it.more = &more{}
	}
	return it.more
}

func (it *item) addNotes(notes []string) {
	for _, note := range notes {
		if m := it.extra(); !slices.Contains(m.notes, note) {
			m.notes = append(m.notes, strings.Clone(note))
		}
	}
}

func (it *item) parts() (hash, typ, scope, text string) {
	a := int(it.hashLen)
	b := a + int(it.typeLen)
	c := b + int(it.scope)
	return it.record[:a], it.record[a:b], it.record[b:c], it.record[c:]
}
