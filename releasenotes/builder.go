package releasenotes

import (
	"slices"
	"strings"
)

// Builder makes the notes of one release from its commits.
type Builder struct {
	set     *settings
	people  *people
	section *section
	walk    walk
}

// New checks the options and makes a builder. Its error joins an *OptionError
// for everything that is wrong.
func New(o Options) (*Builder, error) {
	set, err := o.prepare()
	if err != nil {
		return nil, err
	}
	b := &Builder{set: set, people: newPeople(), walk: newWalk()}
	b.section = newSection(set, b.people)
	return b, nil
}

// Add takes the commits of the release, each before its parents, as git log
// --topo-order (or --date-order) gives them. In any other order the notes are
// still complete, but a pull request may stand beside its commits and a revert
// beside what it reverts. Nothing of c is kept.
func (b *Builder) Add(c Commit) {
	e, _ := b.walk.take(c.Hash)
	m := Parse(c.Subject, c.Body)
	if b.section.commits == 0 {
		b.section.head = strings.Clone(c.Hash)
	}
	owner, others := b.section.add(&c, &m, e.owner)
	for _, parent := range c.Parents {
		b.walk.put(parent, b.section, owner, false)
		owner = others
	}
}

// Authors gives the emails, in lower case and sorted, of everyone who has a
// part in the release: those to ask for in Notes.
func (b *Builder) Authors() []string {
	var emails []string
	for _, k := range b.section.parts {
		if id := &b.people.list[k.author]; id.email != "" && k.commits > 0 {
			emails = append(emails, id.email)
		}
	}
	slices.Sort(emails)
	return emails
}

// Notes gives the notes of what was added so far. Known says whether the
// author with an email, in lower case, has commits before this release; nil
// lists no new contributors.
func (b *Builder) Notes(known func(email string) bool) Notes {
	n := b.section.notes()
	n.Version, n.Tag, n.Previous, n.Date = b.set.Version, b.set.Tag, b.set.Previous, b.set.Date
	to := n.Tag
	if to == "" {
		to = b.section.head
	}
	n.CompareURL = n.Links.compareURL(n.Previous, to)
	if known == nil {
		return n
	}
	before := map[string]bool{} // by folded name: one known identity makes the person known
	for _, k := range b.section.parts {
		id := &b.people.list[k.author]
		if id.email == "" || known(id.email) {
			before[id.fold] = true
		}
	}
	for _, c := range n.Contributors {
		if !before[strings.ToLower(c.Name)] {
			n.NewContributors = append(n.NewContributors, c)
		}
	}
	slices.SortFunc(n.NewContributors, firstCame)
	return n
}

// Render gives the notes by the template of the options, or as Markdown.
func (b *Builder) Render(n Notes) (string, error) {
	if b.set.template == nil {
		return Markdown(n), nil
	}
	return executeTemplate(b.set.template, n, notesLevel)
}
