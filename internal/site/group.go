package site

import (
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// What the releases of a group are named by.
const (
	TypeTag    = "tag"
	TypeCommit = "commit"
)

// DefaultGroups are Garage's three for the classes of the same names; another
// class is called what it is called. Stable releases, or without such a class
// those of the first, are shown; the others are folded.
func DefaultGroups(classes []release.Class) []Group {
	shown := max(0, slices.IndexFunc(classes, func(c release.Class) bool { return c.Name == "stable" }))
	groups := make([]Group, len(classes))
	for i, c := range classes {
		g := Group{Class: c.Name, Name: strings.ToUpper(c.Name[:min(1, len(c.Name))]) + c.Name[min(1, len(c.Name)):], Hide: i != shown, Type: TypeTag}
		if c.Branch != "" {
			g.Type = TypeCommit
		}
		switch c.Name {
		case "stable":
			g.Name = "Release"
			g.Description = "Releases are the official builds. They are the most tested, and made for production."
		case "extra":
			g.Description = "Extra builds are made on demand, to test a feature or to try what comes next."
		case "development":
			g.Description = "Development builds are made from time to time as the work goes on. Use them to try what is not yet released."
		}
		groups[i] = g
	}
	for i := range groups {
		for j := range groups[:i] {
			if groups[j].Name == groups[i].Name {
				groups[i].Name = groups[i].Class // which no other class has
			}
		}
	}
	return groups
}

// groups are the site's, and one for each class that has releases, but no group
// any more.
func (s Site) groups(ix *Index) []Group {
	groups := slices.Clone(s.Groups)
	for _, class := range slices.Sorted(maps.Keys(ix.classes)) {
		if slices.ContainsFunc(groups, func(g Group) bool { return g.Class == class }) {
			continue
		}
		g := Group{Class: class, Name: class, Hide: true, Type: TypeCommit}
		if slices.ContainsFunc(ix.classes[class].all, func(e *entry) bool { return !isCommit(e.Name) }) {
			g.Type = TypeTag
		}
		groups = append(groups, g)
	}
	return groups
}

// isCommit says whether a release is named by a commit.
func isCommit(name string) bool {
	return (len(name) == 40 || len(name) == 64) && strings.Trim(name, "0123456789abcdef") == ""
}
