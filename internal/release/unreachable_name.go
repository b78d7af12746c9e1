package release

import "unicode/utf8"

// nameState is how far a name has come under git's rules for the name of a tag
// or branch (git check-ref-format), rune by rune.
type nameState byte

const (
	partBegins nameState = iota // at the start, or after a slash
	inPart
	afterDot
	afterL // .l
	afterO // .lo
	afterC // .loc
	afterK // .lock
	afterAt
)

// nameSpecial are the runes that nameState tells apart.
const nameSpecial = "/.@{lock"

// nameRune reports whether git lets a rune into a name at all.
func nameRune(r rune) bool {
	switch r {
	case ' ', '~', '^', ':', '?', '*', '[', '\\', 0x7f:
		return false
	}
	return r > ' ' && utf8.ValidRune(r)
}

// next reads one rune that nameRune allows.
func (s nameState) next(r rune) (nameState, bool) {
	switch {
	case r == '/':
		return partBegins, s != partBegins && s != afterK
	case r == '.':
		return afterDot, s != partBegins && s != afterDot
	case r == '{':
		return inPart, s != afterAt
	case r == '@':
		return afterAt, true
	case r == 'l' && s == afterDot:
		return afterL, true
	case r == 'o' && s == afterL:
		return afterO, true
	case r == 'c' && s == afterO:
		return afterC, true
	case r == 'k' && s == afterC:
		return afterK, true
	}
	return inPart, true
}

// complete reports whether the name may end here.
func (s nameState) complete() bool {
	return s != partBegins && s != afterDot && s != afterK
}

// validName reports whether git takes a text as the name of a tag or branch.
func validName(name string) bool {
	s := partBegins
	for _, r := range name {
		var ok bool
		if !nameRune(r) {
			return false
		}
		if s, ok = s.next(r); !ok {
			return false
		}
	}
	return s.complete()
}
