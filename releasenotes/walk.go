package releasenotes

import (
	"slices"
	"strings"
)

// walk carries what is known of a commit from its children to it: the section
// it belongs to and the pull request that brought it. It holds the frontier of
// the walk alone: hashes that were named as parents and have not come yet.
type walk struct {
	frontier map[string]edge
	shrunk   []*section // sections that lost a place on the frontier in put
}

type edge struct {
	section *section
	owner   int32
	spine   bool // reached from the section's newest commit by first parents alone
	// behind are newer sections which end here and don't know yet which
	// release comes before them.
	behind []*section
}

func newWalk() walk { return walk{frontier: map[string]edge{}} }

// take removes a commit that has come from the frontier.
func (w *walk) take(hash string) (edge, bool) {
	e, ok := w.frontier[hash]
	if ok {
		delete(w.frontier, hash)
	}
	return e, ok
}

// put carries a section and a pull request on to a parent. Where several
// children disagree, the older release wins; within one, a commit that came by
// itself does not belong to a pull request, and one that two brought belongs
// to the one merged first.
func (w *walk) put(hash string, s *section, owner int32, spine bool) {
	e, ok := w.frontier[hash]
	switch {
	case !ok:
		s.open++
		w.frontier[strings.Clone(hash)] = edge{section: s, owner: owner, spine: spine}
		return
	case e.section == s:
		e.spine = e.spine || spine
		if owner == 0 || (e.owner != 0 && owner > e.owner) {
			e.owner = owner
		}
	case s.older(e.section):
		s.open++
		if loser := e.section; loser.previous == "" && !slices.Contains(e.behind, loser) {
			e.behind = append(e.behind, loser) // its place on the frontier stays
		} else {
			loser.open--
			w.shrunk = append(w.shrunk, loser)
		}
		e.section, e.owner, e.spine = s, owner, spine
	case s.previous == "" && !slices.Contains(e.behind, s):
		s.open++
		e.behind = append(e.behind, s)
	}
	w.frontier[hash] = e
}

// older orders releases. A release that another contains is always the older
// one: ages only fall on the way down, and of equal ages the later seen is older.
func (s *section) older(t *section) bool {
	if c := s.age.Compare(t.age); c != 0 {
		return c < 0
	}
	return s.seq > t.seq
}
