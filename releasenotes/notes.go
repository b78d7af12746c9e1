package releasenotes

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Notes are the notes of one release.
type Notes struct {
	Project string `json:"project,omitempty"`
	Version string `json:"version,omitempty"`
	Tag     string `json:"tag,omitempty"` // empty for what is not released yet
	// AlsoTagged are further tags of the same commit (in a Changelog).
	AlsoTagged []string  `json:"alsoTagged,omitempty"`
	Previous   string    `json:"previous,omitempty"` // the tag before
	Date       time.Time `json:"date,omitzero"`
	// CompareURL shows all changes since Previous.
	CompareURL string `json:"compareURL,omitempty"`
	Links      Links  `json:"links,omitzero"`

	// Breaking are the breaking changes; they don't stand in Groups again.
	Breaking []Entry `json:"breaking,omitempty"`
	// Groups are the sections that have entries, in the order of the options.
	Groups []Section `json:"groups"`
	Counts Counts    `json:"counts"`
	// Contributors have the most commits first.
	Contributors []Contributor `json:"contributors"`
	// NewContributors are those of Contributors who had no commit before, in
	// the order in which they came.
	NewContributors []Contributor `json:"newContributors"`
}

// Section is a group of entries, newest first.
type Section struct {
	Title   string  `json:"title"`
	Entries []Entry `json:"entries"`
}

// Entry is one change. All texts are one line as the commit has them, without
// escapes.
type Entry struct {
	Type     string   `json:"type,omitempty"`    // conventional type, lower case
	Scope    string   `json:"scope,omitempty"`   // as written
	Text     string   `json:"text"`              // without type, scope and pull request numbers
	Hash     string   `json:"hash"`              // full hash of the commit
	Pulls    []int    `json:"pulls,omitempty"`   // pull requests that brought it
	Authors  []string `json:"authors,omitempty"` // names; of a pull request, all its authors
	Breaking bool     `json:"breaking,omitempty"`
	// Notes are what BREAKING CHANGE footers say; they may have several lines.
	Notes []string `json:"notes,omitempty"`
}

// Contributor is a person who wrote commits of the release.
type Contributor struct {
	Name    string `json:"name"`
	Commits int    `json:"commits"`
	// Hash and Pull (0 for none) are of the person's oldest commit here.
	Hash string `json:"hash"`
	Pull int    `json:"pull,omitempty"`

	age int // counts commits from the newest
}

// Counts are numbers of commits.
type Counts struct {
	Commits   int `json:"commits"`   // all that were added
	Listed    int `json:"listed"`    // entries
	Cancelled int `json:"cancelled"` // reverts and what they reverted
}

// notes puts a section together.
func (s *section) notes() Notes {
	n := Notes{Project: s.set.Project, Links: s.set.Links, Groups: []Section{}}
	visible, pulls := s.visible()
	byGroup := make([]int, len(s.set.Groups)+1)
	slot := func(it *item) int { // the last is for what breaks
		if it.flags&itemBreaking != 0 {
			return len(s.set.Groups)
		}
		return int(it.group)
	}
	for _, at := range visible {
		byGroup[slot(&s.items[at])]++
	}
	entries := make([][]Entry, len(byGroup))
	for i, count := range byGroup {
		if count > 0 {
			entries[i] = make([]Entry, 0, count)
		}
	}
	numbers := make([]int, 0, pulls)
	for _, at := range visible {
		it := &s.items[at]
		i := slot(it)
		entries[i] = append(entries[i], s.entry(it, &numbers))
	}
	for i, g := range s.set.Groups {
		if len(entries[i]) > 0 {
			n.Groups = append(n.Groups, Section{Title: g.Title, Entries: entries[i]})
		}
	}
	n.Breaking = entries[len(s.set.Groups)]
	n.Contributors = s.contributors()
	n.NewContributors = []Contributor{}
	n.Counts = Counts{Commits: s.commits, Listed: len(visible), Cancelled: s.cancelled}
	return n
}

// visible gives the indices of the items to list, and how many of them have
// one pull request.
func (s *section) visible() (list []int32, pulls int) {
	list = make([]int32, 0, len(s.items))
	for i := range s.items {
		it := &s.items[i]
		if it.flags&itemDead != 0 {
			continue
		}
		if it.owner != 0 && s.pulls[it.owner].listsCommits() == (it.flags&itemTitle != 0) {
			continue
		}
		list = append(list, int32(i))
		if it.pull != 0 {
			pulls++
		}
	}
	return list, pulls
}

// entry inflates an item; numbers is where single pull requests are stored.
func (s *section) entry(it *item, numbers *[]int) Entry {
	e := Entry{Breaking: it.flags&itemBreaking != 0}
	e.Hash, e.Type, e.Scope, e.Text = it.parts()
	if it.pull != 0 {
		at := len(*numbers)
		*numbers = append(*numbers, int(it.pull))
		e.Pulls = (*numbers)[at : at+1 : at+1]
	}
	if it.author >= 0 {
		e.Authors = s.people.list[it.author].alone
	}
	if it.more != nil {
		if it.more.pulls != nil {
			e.Pulls = it.more.pulls
		}
		e.Notes = it.more.notes
		for _, a := range it.more.authors {
			if name := s.people.list[a].name; !slices.Contains(e.Authors, name) {
				e.Authors = append(e.Authors, name)
			}
		}
	}
	return e
}

// contributors lists the authors of what was not cancelled. Identities with
// the same name are one person: the addresses in co-author trailers are often
// others than those people commit with.
func (s *section) contributors() []Contributor {
	list := make([]Contributor, 0, len(s.parts))
	index := make(map[string]int, len(s.parts))
	var hashes arena
	for i := range s.parts {
		k := &s.parts[i]
		if k.commits <= 0 {
			continue
		}
		who := &s.people.list[k.author]
		c := Contributor{Name: who.name, Commits: k.commits, Pull: k.pull, age: k.seq, Hash: hashes.bytes(k.hash[:k.hashLen])}
		i, known := index[who.fold]
		if !known {
			index[who.fold] = len(list)
			list = append(list, c)
			continue
		}
		c.Name, c.Commits = list[i].Name, c.Commits+list[i].Commits
		if list[i].age > c.age {
			c.Hash, c.Pull, c.age = list[i].Hash, list[i].Pull, list[i].age
		}
		list[i] = c
	}
	slices.SortFunc(list, func(a, b Contributor) int {
		return cmp.Or(cmp.Compare(b.Commits, a.Commits), strings.Compare(a.Name, b.Name))
	})
	return list
}

// firstCame orders new contributors.
func firstCame(a, b Contributor) int {
	return cmp.Or(cmp.Compare(b.age, a.age), strings.Compare(a.Name, b.Name))
}
