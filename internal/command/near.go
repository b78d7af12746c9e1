package command

import (
	"regexp"
	"strings"

	"github.com/agext/levenshtein"
)

var lettersOnly = regexp.MustCompile(`^[a-z]{3,12}$`)

// nearCommand is the command that a word, in lower case, was probably meant to
// be; empty when it is likelier to be a path or another program's command. Names
// of six letters and more may have two slips, shorter ones one, and those keep
// their first letter ("/gold" is no "/hold").
func nearCommand(word string) string {
	if !lettersOnly.MatchString(word) || notOurs(word) {
		return ""
	}
	best, bestDistance := "", 3
	for _, name := range Names() {
		d := levenshtein.Distance(word, name, nil)
		long := len(name) >= 6
		if d == 0 || d > 2 || d == 2 && !long || !long && word[0] != name[0] {
			continue
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// notOurs are words near to a command that mean something else: folders, and
// commands of other programs.
func notOurs(word string) bool {
	return strings.Contains(" channel channels chancel state states statue heap held helm remote promoter ", " "+word+" ")
}
