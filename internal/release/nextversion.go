package release

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/releasenotes"
)

// Bump is the version that comes next.
type Bump struct {
	Tag     string // the whole tag, in the form of the one before: cli/v1.3.0
	Version string // without series and v: 1.3.0
	Level   string // major, minor or patch; first when no release came before
	Reason  string // a sentence that names the commit that decides
}

// FirstTag is the tag of a first release.
const FirstTag = "v0.1.0"

// NextVersion finds the version after the tag (or the version) of the last
// stable release, which is empty when there is none, by the commits since then,
// newest first: what is breaking makes a major version (before 1.0.0 a minor
// one), a feature a minor one, all else a patch. Reverts count as release notes
// count them: what is taken back does not. The tag keeps what stands before the
// version, and the number of parts. It is an error when there is nothing new, or
// when the last version can't be counted up.
func NextVersion(previous string, commits []releasenotes.Commit) (Bump, error) {
	if previous == "" {
		if len(commits) == 0 {
			return Bump{}, Refuse("commit something first", "there is nothing to release")
		}
		return Bump{Tag: FirstTag, Version: ParseTag(FirstTag).Version, Level: "first", Reason: "It is the first version."}, nil
	}
	if len(commits) == 0 {
		return Bump{}, Refuse("promote a later commit", "there is nothing new since %s", previous)
	}
	name := ParseTag(previous)
	parts, err := numbers(previous, name)
	if err != nil {
		return Bump{}, err
	}
	b, err := decideLevel(previous, parts[0] == 0, commits)
	if err != nil {
		return Bump{}, err
	}
	at := min(map[string]int{"major": 0, "minor": 1, "patch": 2}[b.Level], len(parts)-1)
	parts[at]++
	text := make([]string, len(parts))
	for i, n := range parts {
		if i > at {
			n = 0
		}
		text[i] = strconv.Itoa(n)
	}
	b.Version = strings.Join(text, ".")
	b.Tag = name.Series + b.Version
	return b, nil
}

// decideLevel sets Level and Reason.
func decideLevel(previous string, beforeOne bool, commits []releasenotes.Commit) (Bump, error) {
	builder, err := releasenotes.New(releasenotes.Options{Groups: []releasenotes.Group{{Title: "feat", Types: []string{"feat"}}, {Title: "other", Types: []string{"*"}}}})
	if err != nil {
		return Bump{}, fmt.Errorf("read the commits: %w", err)
	}
	for i := range commits {
		builder.Add(commits[i])
	}
	notes := builder.Notes(nil)
	switch {
	case len(notes.Breaking) > 0 && beforeOne:
		return Bump{Level: "minor", Reason: "It is a minor version, as a breaking change makes one before 1.0.0: " + subject(notes.Breaking[0])}, nil
	case len(notes.Breaking) > 0:
		return Bump{Level: "major", Reason: "It is a major version because of a breaking change: " + subject(notes.Breaking[0])}, nil
	case len(notes.Groups) > 0 && notes.Groups[0].Title == "feat":
		return Bump{Level: "minor", Reason: "It is a minor version because of a feature: " + subject(notes.Groups[0].Entries[0])}, nil
	case len(notes.Groups) > 0:
		return Bump{Level: "patch", Reason: fmt.Sprintf("It is a patch, as nothing since %s is a feature or breaking; the newest change is %s", previous, subject(notes.Groups[0].Entries[0]))}, nil
	}
	return Bump{Level: "patch", Reason: fmt.Sprintf("It is a patch, as the commits since %s take each other back or only merge.", previous)}, nil
}

// subject is a change as its commit's first line has it, with its hash.
func subject(e releasenotes.Entry) string {
	s := e.Text
	if e.Type != "" {
		scope, mark := "", ""
		if e.Scope != "" {
			scope = "(" + e.Scope + ")"
		}
		if e.Breaking {
			mark = "!"
		}
		s = e.Type + scope + mark + ": " + s
	}
	if r := []rune(s); len(r) > 100 {
		s = string(r[:100]) + "…"
	}
	return fmt.Sprintf("%s (%s).", s, ShortCommit(e.Hash))
}

var (
	numberParts = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+`)
	leadingZero = regexp.MustCompile(`(^|\.)0[0-9]`)
)

// numbers are the parts of a version that can be counted up.
func numbers(previous string, name TagName) ([]int, error) {
	const hint = "write the tag: /promote TAG"
	plain := numberParts.FindString(name.Version)
	switch {
	case plain == "" || !name.Plain():
		return nil, Invalidf(hint, "%s is no plain version, so the one after it can't be told", previous)
	case leadingZero.MatchString(plain):
		return nil, Invalidf(hint, "%s looks like a date, so the version after it can't be told", previous)
	}
	var out []int
	for part := range strings.SplitSeq(plain, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n >= 1<<31-1 {
			return nil, Invalidf(hint, "%s has a number that is too large to count up", previous)
		}
		out = append(out, n)
	}
	if out[0] >= 1900 {
		return nil, Invalidf(hint, "%s looks like a date, so the version after it can't be told", previous)
	}
	return out, nil
}

// ReleaseOf is the tag of the release that a prerelease leads to: v1.4.0 of
// v1.4.0-rc2. ok is false when the tag is of no prerelease.
func ReleaseOf(prerelease string) (tag string, ok bool) {
	name := ParseTag(prerelease)
	if name.parsed == nil || name.Plain() {
		return "", false
	}
	return name.Series + numberParts.FindString(name.Version), true
}
