package releasenotes

import (
	"slices"
	"strings"
)

// reverts are the reverts of a section whose targets have not come yet.
// Commits come newest first, so a revert comes before what it takes back; a
// revert that was taken back itself never gets here, which is why reverts of
// reverts come out right.
type reverts struct {
	list      []revert
	byHash    map[string][]target // by the first seven digits
	byPull    map[int]int
	bySubject map[string]int
}

type revert struct {
	item  int32 // the item that goes with its targets; -1 for none
	left  int   // targets that have not come yet
	exact bool  // known by hash: pull request and subject don't count
}

type target struct {
	hash   string
	revert int
}

const hashKey = 7 // digits

// add registers a revert by the most exact of the names it gives.
func (r *reverts) add(item int32, what *Reverted) {
	id := len(r.list)
	switch {
	case len(what.Hashes) > 0:
		r.list = append(r.list, revert{item: item})
		r.refine(id, what)
	case len(what.Pulls) > 0:
		r.list = append(r.list, revert{item: item, left: len(what.Pulls)})
		if r.byPull == nil {
			r.byPull = map[int]int{}
		}
		for _, n := range what.Pulls {
			r.byPull[n] = id
		}
	case what.Subject != "":
		r.list = append(r.list, revert{item: item, left: 1})
		if r.bySubject == nil {
			r.bySubject = map[string]int{}
		}
		r.bySubject[strings.Clone(what.Subject)] = id
	}
}

// of finds the revert of an item, or -1.
func (r *reverts) of(item int32) int {
	return slices.IndexFunc(r.list, func(v revert) bool { return item >= 0 && v.item == item })
}

// refine adds hashes to a revert that may have been known by less.
func (r *reverts) refine(id int, what *Reverted) {
	if len(what.Hashes) == 0 {
		return
	}
	if v := &r.list[id]; !v.exact {
		v.exact, v.left = true, 0
	}
	if r.byHash == nil {
		r.byHash = map[string][]target{}
	}
	for _, h := range what.Hashes {
		h = strings.Clone(h)
		r.byHash[h[:hashKey]] = append(r.byHash[h[:hashKey]], target{h, id})
		r.list[id].left++
	}
}

// take finds the reverts of a commit. Done are the items of those that have
// found all they revert.
func (r *reverts) take(c *Commit, m *Message) (done []int32, taken bool) {
	if len(r.list) == 0 {
		return nil, false
	}
	hit := func(id int) {
		taken = true
		if r.list[id].left--; r.list[id].left == 0 {
			done = append(done, r.list[id].item)
		}
	}
	if len(r.byHash) > 0 && len(c.Hash) >= hashKey {
		key := c.Hash[:hashKey]
		if targets := r.byHash[key]; targets != nil {
			targets = slices.DeleteFunc(targets, func(t target) bool {
				found := strings.HasPrefix(c.Hash, t.hash)
				if found {
					hit(t.revert)
				}
				return found
			})
			if r.byHash[key] = targets; len(targets) == 0 {
				delete(r.byHash, key)
			}
		}
	}
	if len(r.byPull) > 0 {
		for _, n := range m.Pulls {
			if id, ok := r.byPull[n]; ok {
				delete(r.byPull, n)
				if !r.list[id].exact {
					hit(id)
				}
			}
		}
	}
	if len(r.bySubject) > 0 {
		for _, subject := range [...]string{c.Subject, m.title} {
			if id, ok := r.bySubject[subject]; ok {
				delete(r.bySubject, subject)
				if !r.list[id].exact {
					hit(id)
				}
			}
		}
	}
	return done, taken
}
