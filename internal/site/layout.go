package site

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// How much the pages show, in releases and in bytes of HTML, notes left out.
// What a release weighs depends on its files alone: so the older pages, which
// are filled from the oldest release on, change at their newest end only.
const (
	firstShown   = 15
	firstFolded  = 10
	shownWeight  = 90_000 // of all groups that are not folded
	foldedWeight = 60_000 // of all that are
	olderShown   = 50
	olderWeight  = 190_000
	mostWeight   = 30_000 // of one release; what is beyond is in the list alone
	feedEntries  = 50
)

// shelf is how one group is laid out.
type shelf struct {
	Group
	all   []*entry
	first []*entry   // on the first page, newest first, without the hero
	older [][]*entry // page by page, the oldest first; each newest first
}

// layout is what stands where.
type layout struct {
	shelves []shelf
	hero    *entry // the latest of the first group that is not folded; nil without any
	heroOf  int    // its shelf
}

func (s Site) layout(ix *Index) layout {
	var l layout
	folded := 0
	for _, g := range s.groups(ix) {
		l.shelves = append(l.shelves, shelf{Group: g, all: ix.line(g.Class)})
		if g.Hide {
			folded++
		}
	}
	for i, sh := range l.shelves {
		if !sh.Hide {
			l.hero, l.heroOf = latest(sh.all), i
			break
		}
	}
	for i := range l.shelves {
		sh := &l.shelves[i]
		most, weight := firstShown, shownWeight/max(1, len(l.shelves)-folded)
		if sh.Hide {
			most, weight = firstFolded, min(foldedWeight/2, foldedWeight/folded)
		}
		sh.fill(l.hero, most, weight)
	}
	return l
}

// fill says which releases are on the first page, and which on which other.
func (sh *shelf) fill(hero *entry, most, weight int) {
	n := 0
	for _, e := range sh.all {
		if e != hero {
			if weight -= e.weight(); weight < 0 || len(sh.first) == most {
				break
			}
			sh.first = append(sh.first, e)
		}
		n++
	}
	var page []*entry
	weight = 0
	for _, e := range slices.Backward(sh.all[n:]) {
		w := e.weight()
		if len(page) == olderShown || len(page) > 0 && weight+w > olderWeight {
			slices.Reverse(page)
			sh.older, page, weight = append(sh.older, page), nil, 0
		}
		page, weight = append(page, e), weight+w
	}
	if len(page) > 0 {
		slices.Reverse(page)
		sh.older = append(sh.older, page)
	}
}

// weight is about how many bytes of HTML a release takes, without its notes.
func (e *entry) weight() int {
	w := 800 + 2*cost(e.Name)
	for _, d := range e.Docs[:min(len(e.Docs), mostLinks)] {
		w += 40 + cost(d.Name) + cost(d.Key)
	}
	for _, i := range e.Images[:min(len(e.Images), mostImages)] {
		w += 300 + 20*len(i.Manifests)
		for _, r := range i.Repositories[:min(len(i.Repositories), mostLinks)] {
			w += 60 + cost(r)
		}
	}
	files := 0
	for i := range e.Files {
		if files += e.Files[i].weight(); files > mostWeight {
			return w + mostWeight
		}
	}
	return w + files
}

func (f *File) weight() int {
	return 120 + cost(f.Name) + cost(f.Key) + cost(f.URL) + len(f.Digest)
}

// cost is how long a text may become when it is escaped.
func cost(s string) int {
	n := len(s)
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\'' || c == '<' || c == '>' || c == '&' {
			n += 4
		} else if c >= 0x80 || c < ' ' {
			n += 2
		}
	}
	return n
}

// feed gives the newest releases of the groups that are named by tags: those
// named by commits are so many that they would drown the others. Where there
// are no tags, it gives all.
func (l layout) feed() []*entry {
	var all []*entry
	tags := slices.ContainsFunc(l.shelves, func(sh shelf) bool { return sh.Type != TypeCommit })
	for _, sh := range l.shelves {
		if sh.Type == TypeCommit && tags {
			continue
		}
		// A version that comes late to an old line stands far behind: all count.
		all = append(all, sh.all...)
	}
	slices.SortFunc(all, newerTime)
	return all[:min(feedEntries, len(all))]
}

// Shown names, sorted, the releases whose notes the first page and the feed
// show, and the list has.
func (ix *Index) Shown(s Site) []string {
	l := s.layout(ix)
	names := map[string]bool{}
	if s.HTML != "" {
		if l.hero != nil {
			names[l.hero.Name] = true
		}
		for _, sh := range l.shelves {
			for _, e := range sh.first {
				names[e.Name] = true
			}
		}
	}
	if s.Atom != "" {
		for _, e := range l.feed() {
			names[e.Name] = true
		}
	}
	return sortedKeys(names)
}

// Wanted names those that Shown names that have a record, but whose notes the
// list did not have. Whoever makes pages reads their records and puts them.
func (ix *Index) Wanted(s Site) []string {
	return slices.DeleteFunc(ix.Shown(s), func(name string) bool {
		e := ix.byName[name]
		return e.told || e.Stamp == ""
	})
}

// OlderFolder is the folder that the pages of older releases lie in, with a
// slash at its end: "_releases/older/". What else lies there, Pages did not make.
// It is empty for a site without a page.
func (s Site) OlderFolder() string {
	if s.HTML == "" {
		return ""
	}
	dir, name := path.Split(s.HTML)
	name = strings.TrimSuffix(name, path.Ext(name))
	if name != "index" && name != "" {
		dir += name + "/"
	}
	return dir + "older/"
}

// olderKey is where a page of older releases lies; the first holds the oldest.
func (s Site) olderKey(class string, page int) string {
	return s.OlderFolder() + class + "-" + strconv.Itoa(page) + ".html"
}

// olderIndexKey is where the older pages of a class are listed.
func (s Site) olderIndexKey(class string) string { return s.OlderFolder() + class + "-index.html" }
