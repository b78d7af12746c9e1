package engine

import (
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// action is what must be done about one asset.
type action string

const (
	keep    action = "keep"    // it is there, whole and equal
	upload  action = "upload"  // it is not there
	replace action = "replace" // what is there is broken or differs
	compare action = "compare" // equal in size, but its digest is not known
	remove  action = "remove"  // ours, but not of this plan, or a second one of its name
	leave   action = "leave"   // somebody else's: not ours to remove
)

// move is one step from what the draft has to what it should have.
type move struct {
	action   action
	artifact release.Artifact // unset for remove and leave
	asset    forge.Asset      // unset for upload
}

// reconcile says what must be done so that a draft which has these assets has
// the wanted ones. ours tells the names that an earlier run of Slipway put
// there; the journal tells the digests that this machine saw arrive.
func reconcile(want []release.Artifact, have []forge.Asset, j Journal, ours map[string]bool) []move {
	byName := map[string][]forge.Asset{}
	for _, a := range have {
		byName[a.Name] = append(byName[a.Name], a)
	}
	var moves []move
	for _, w := range want {
		best, others := choose(w, byName[w.Name], j)
		for _, o := range others {
			moves = append(moves, move{action: remove, asset: o})
		}
		moves = append(moves, best)
		delete(byName, w.Name)
	}
	for _, a := range have {
		if _, unknown := byName[a.Name]; !unknown {
			continue
		}
		if ours[a.Name] || a.Broken {
			moves = append(moves, move{action: remove, asset: a})
		} else {
			moves = append(moves, move{action: leave, asset: a})
		}
	}
	return moves
}

// choose picks, among the assets of one name (oldest first), the one to go on
// with; the others are in its way. Of those that may be whole it is the oldest:
// so two runs at once, which each know their own, choose the same one.
func choose(w release.Artifact, have []forge.Asset, j Journal) (best move, others []forge.Asset) {
	best = move{action: upload, artifact: w}
	rank := map[action]int{keep: 2, compare: 2, replace: 1, upload: 0}
	for _, a := range have {
		m := move{action: judge(w, a, j), artifact: w, asset: a}
		if rank[m.action] > rank[best.action] {
			if best.action != upload {
				others = append(others, best.asset)
			}
			best = m
		} else {
			others = append(others, a)
		}
	}
	return best, others
}

func judge(w release.Artifact, a forge.Asset, j Journal) action {
	seen, known := j.Assets[w.Name]
	switch {
	case a.Broken || a.Size != w.Size:
		return replace
	case a.Digest == w.Digest:
		return keep
	case a.Digest != "":
		return replace
	case known && seen.ID == a.ID && seen.Digest == w.Digest:
		return keep
	}
	return compare
}
