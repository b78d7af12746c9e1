package state

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// IsRef reports whether a document may have this ref.
func IsRef(ref string) bool {
	return ref != "" && ref[0] != '/' && ref[len(ref)-1] != '/' && !strings.Contains(ref, "//") &&
		strings.IndexByte(ref, 0) < 0 && utf8.ValidString(ref)
}

// CheckRef is an error for what can't be a ref.
func CheckRef(ref string) error {
	if IsRef(ref) {
		return nil
	}
	if len(ref) > 200 {
		ref = ref[:200] + "…"
	}
	return fmt.Errorf("%q is not a ref of a state document: non-empty segments of text joined by slashes", ref)
}

// CheckChanges is an error for changes that no store can apply: a ref that is
// none, or that comes twice. Stores call it first.
func CheckChanges(changes []Change) error {
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		if err := CheckRef(c.Ref); err != nil {
			return err
		}
		if seen[c.Ref] {
			return fmt.Errorf("state %s: it is changed twice at once", c.Ref)
		}
		seen[c.Ref] = true
	}
	return nil
}
