package release

import (
	"cmp"
	"encoding/binary"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// How far a search for a witness goes before it gives up.
const (
	maxStates = 20_000    // of one search
	totalWork = 5_000_000 // instructions looked at, over all searches of one call
)

type budget struct{ work int }

type result int

const (
	foundNone result = iota // there is no such name
	foundOne
	gaveUp
)

// witness finds a shortest valid git name that want takes whole and none of
// avoid does. It walks breadth-first over the product of git's rules for names
// and the sets of instructions that each pattern may stand at.
func witness(want *syntax.Prog, avoid []*syntax.Prog, b *budget) (string, result) {
	progs := append([]*syntax.Prog{want}, avoid...)
	s := &searcher{progs: progs, alphabet: alphabet(progs), budget: b, seen: map[string]bool{}}
	start := searchState{prev: atBegin, sets: make([][]uint32, len(progs)), parent: -1}
	for i, p := range progs {
		start.sets[i] = []uint32{uint32(p.Start)}
	}
	s.add(start)
	for n := 0; n < len(s.queue); n++ {
		if len(s.queue) > maxStates || b.work <= 0 {
			return "", gaveUp
		}
		if s.accepts(s.queue[n]) {
			return s.text(n), foundOne
		}
		s.expand(n)
		s.queue[n].sets = nil // only the way back is still needed
	}
	return "", foundNone
}

type searcher struct {
	progs    []*syntax.Prog
	alphabet []rune
	budget   *budget
	seen     map[string]bool
	queue    []searchState
	visited  map[uint32]bool
}

// searchState is a place in the product: what a prefix of the name leads to.
type searchState struct {
	name   nameState
	prev   rune       // atBegin, a word character or another
	sets   [][]uint32 // for each pattern the instructions to go on from, sorted
	parent int
	by     rune
}

// The stand-ins for the rune before, which only \b, \B, ^ and \A look at.
const (
	atBegin rune = -1
	atEnd   rune = -1
	word    rune = 'a'
	other   rune = '-'
)

func (s *searcher) add(st searchState) {
	key := []byte{byte(st.name), byte(st.prev)}
	for _, set := range st.sets {
		key = binary.AppendUvarint(key, uint64(len(set)))
		for _, pc := range set {
			key = binary.AppendUvarint(key, uint64(pc))
		}
	}
	if !s.seen[string(key)] {
		s.seen[string(key)] = true
		s.queue = append(s.queue, st)
	}
}

func (s *searcher) accepts(st searchState) bool {
	if !st.name.complete() {
		return false
	}
	flags := syntax.EmptyOpContext(st.prev, atEnd)
	for i, p := range s.progs {
		_, matched := s.closure(p, st.sets[i], flags)
		if matched != (i == 0) {
			return false
		}
	}
	return true
}

func (s *searcher) expand(n int) {
	st := s.queue[n]
	type ahead [][]uint32 // for each pattern the rune instructions within reach
	reach := map[rune]ahead{}
	for _, kind := range []rune{word, other} {
		a := make(ahead, len(s.progs))
		flags := syntax.EmptyOpContext(st.prev, kind)
		for i, p := range s.progs {
			a[i], _ = s.closure(p, st.sets[i], flags)
		}
		reach[kind] = a
	}
	for _, r := range s.alphabet {
		name, ok := st.name.next(r)
		if !ok {
			continue
		}
		kind := other
		if syntax.IsWordChar(r) {
			kind = word
		}
		next := searchState{name: name, prev: kind, sets: make([][]uint32, len(s.progs)), parent: n, by: r}
		for i, p := range s.progs {
			next.sets[i] = s.step(p, reach[kind][i], r)
			if i == 0 && len(next.sets[0]) == 0 {
				break
			}
		}
		if len(next.sets[0]) > 0 {
			s.add(next)
		}
	}
}

// closure follows every instruction that reads no rune. It gives the rune
// instructions within reach and whether the pattern may end here.
func (s *searcher) closure(p *syntax.Prog, from []uint32, flags syntax.EmptyOp) (runes []uint32, matched bool) {
	if s.visited == nil {
		s.visited = map[uint32]bool{}
	}
	clear(s.visited)
	stack := slices.Clone(from)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.visited[pc] {
			continue
		}
		s.visited[pc] = true
		s.budget.work--
		inst := &p.Inst[pc]
		switch inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, inst.Arg, inst.Out)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				stack = append(stack, inst.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			runes = append(runes, pc)
		}
	}
	return runes, matched
}

func (s *searcher) step(p *syntax.Prog, runes []uint32, r rune) []uint32 {
	var out []uint32
	for _, pc := range runes {
		s.budget.work--
		if inst := &p.Inst[pc]; inst.MatchRune(r) {
			out = append(out, inst.Out)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *searcher) text(n int) string {
	var runes []rune
	for ; s.queue[n].parent >= 0; n = s.queue[n].parent {
		runes = append(runes, s.queue[n].by)
	}
	slices.Reverse(runes)
	return string(runes)
}

// alphabet is one rune for each set of runes that all patterns, and git's rules,
// treat alike: the runes that may stand in a git name, cut at every border of a
// range. Runes that read well come first, so that examples do.
func alphabet(progs []*syntax.Prog) []rune {
	ranges := runeInstructions(progs)
	cuts := map[rune]bool{0: true}
	cut := func(lo, hi rune) { cuts[lo], cuts[hi+1] = true, true }
	for r := range rune(0x80) {
		if !nameRune(r) || strings.ContainsRune(nameSpecial, r) {
			cut(r, r)
		}
	}
	cut('0', '9')
	cut('A', 'Z')
	cut('a', 'z')
	cut('_', '_')
	cut(0xD800, 0xDFFF)
	for _, inst := range ranges {
		if len(inst.Rune) == 1 {
			cut(inst.Rune[0], inst.Rune[0])
			for f := unicode.SimpleFold(inst.Rune[0]); f != inst.Rune[0]; f = unicode.SimpleFold(f) {
				cut(f, f)
			}
			continue
		}
		for i := 0; i+1 < len(inst.Rune); i += 2 {
			cut(inst.Rune[i], inst.Rune[i+1])
		}
	}
	best := map[string]rune{}
	borders := slices.Sorted(maps.Keys(cuts))
	for i, lo := range borders {
		if lo > unicode.MaxRune || !nameRune(lo) {
			continue
		}
		hi := rune(unicode.MaxRune)
		if i+1 < len(borders) {
			hi = borders[i+1] - 1
		}
		r, sig := nicest(lo, hi), signature(ranges, lo)
		if old, ok := best[sig]; !ok || compareRunes(r, old) < 0 {
			best[sig] = r
		}
	}
	return slices.SortedFunc(maps.Values(best), compareRunes)
}

// runeInstructions are the distinct ones among all patterns.
func runeInstructions(progs []*syntax.Prog) []*syntax.Inst {
	var out []*syntax.Inst
	seen := map[string]bool{}
	for _, p := range progs {
		for i := range p.Inst {
			inst := &p.Inst[i]
			switch inst.Op {
			case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
				key := string(binary.AppendUvarint(nil, uint64(inst.Arg))) + string(inst.Rune)
				if !seen[key] {
					seen[key] = true
					out = append(out, inst)
				}
			}
		}
	}
	return out
}

// signature says how the patterns and git's rules see a rune.
func signature(ranges []*syntax.Inst, r rune) string {
	sig := make([]byte, 0, len(ranges)+2)
	for _, inst := range ranges {
		sig = append(sig, bit(inst.MatchRune(r)))
	}
	sig = append(sig, bit(syntax.IsWordChar(r)))
	if i := strings.IndexRune(nameSpecial, r); i >= 0 {
		sig = append(sig, byte(2+i))
	}
	return string(sig)
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

const niceRunes = "1avbcx0A-_+"

func nicest(lo, hi rune) rune {
	for _, r := range niceRunes {
		if lo <= r && r <= hi {
			return r
		}
	}
	for r := lo; r <= min(hi, lo+64); r++ {
		if unicode.IsPrint(r) {
			return r
		}
	}
	return lo
}

func compareRunes(a, b rune) int {
	rank := func(r rune) int {
		if i := strings.IndexRune(niceRunes, r); i >= 0 {
			return i
		}
		if unicode.IsPrint(r) {
			return 100
		}
		return 101
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}
