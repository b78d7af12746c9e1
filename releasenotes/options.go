package releasenotes

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Options say how notes are made. The zero value is useful: the default
// groups, nothing excluded, the built-in Markdown, no links.
type Options struct {
	// Groups are the sections in order; nil means DefaultGroups.
	Groups []Group
	// Exclude are regular expressions (RE2); a commit whose subject, or a pull
	// request whose title, matches one is left out.
	Exclude []string
	// Template is the source of a Go text/template that is given a Notes, in
	// place of the built-in Markdown. The package comment lists its functions.
	Template string
	// Links make addresses of commits, pull requests and comparisons.
	Links Links

	// Project, Version, Tag, Previous (the tag before) and Date are the
	// release's, as they will stand in Notes.
	Project  string
	Version  string
	Tag      string
	Previous string
	Date     time.Time
}

// Group is a section of the notes and the commit types that belong to it. The
// type "*" takes every commit that no group names, plain ones too. A group
// without a title leaves its commits out.
type Group struct {
	Title string
	Types []string
}

// DefaultGroups are what a reader of release notes wants to know. Commits that
// change nothing for users (chore, ci, test, build, style, refactor) are left
// out, unless they are breaking.
func DefaultGroups() []Group {
	return []Group{
		{Title: "Features", Types: []string{"feat"}},
		{Title: "Fixes", Types: []string{"fix"}},
		{Title: "Performance", Types: []string{"perf"}},
		{Title: "Reverts", Types: []string{"revert"}},
		{Title: "Documentation", Types: []string{"docs"}},
		{Title: "Other changes", Types: []string{"*"}},
		{Types: []string{"chore", "ci", "test", "build", "style", "refactor"}},
	}
}

// Links are patterns of addresses: {hash} in Commit, {number} in Pull, {from}
// and {to} in Compare stand for the values. An empty pattern makes no link.
type Links struct {
	Commit  string `json:"commit,omitempty"`
	Pull    string `json:"pull,omitempty"`
	Compare string `json:"compare,omitempty"`
}

// GitHubLinks are the links of a repository on GitHub, by the address of its
// page, such as https://github.com/owner/name.
func GitHubLinks(repository string) Links {
	base := strings.TrimRight(repository, "/")
	return Links{Commit: base + "/commit/{hash}", Pull: base + "/pull/{number}", Compare: base + "/compare/{from}...{to}"}
}

// GiteaLinks are the links of a repository on Gitea or Forgejo.
func GiteaLinks(repository string) Links {
	l := GitHubLinks(repository)
	l.Pull = strings.TrimRight(repository, "/") + "/pulls/{number}"
	return l
}

func (l Links) compareURL(from, to string) string {
	if l.Compare == "" || from == "" || to == "" {
		return ""
	}
	return strings.NewReplacer("{from}", pathEscape(from), "{to}", pathEscape(to)).Replace(l.Compare)
}

// pathEscape keeps the slashes of a tag such as cli/v1.2.0, which forges take
// as they are.
func pathEscape(ref string) string {
	return strings.ReplaceAll(url.PathEscape(ref), "%2F", "/")
}

// OptionError is one thing that is wrong in Options. New returns all of them,
// joined by errors.Join.
type OptionError struct {
	Field        string // such as "exclude[1]", "groups[0].types[2]" or "template"
	Line, Column int    // inside a template, from 1; 0 where unknown
	Message      string
}

func (e *OptionError) Error() string {
	switch {
	case e.Line > 0 && e.Column > 0:
		return fmt.Sprintf("%s:%d:%d: %s", e.Field, e.Line, e.Column, e.Message)
	case e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", e.Field, e.Line, e.Message)
	}
	return e.Field + ": " + e.Message
}

// settings are Options made ready.
type settings struct {
	Options
	exclude  []*regexp.Regexp
	template *template.Template
	groups   map[string]int // type → index in Options.Groups
	rest     int            // index of the group that takes "*"; -1 when none does
	revert   int            // index of the group that names revert; -1 when none does
}

// knownTypes are the conventional types; a word before a colon that is neither
// one of them nor named by a group is taken for a scope ("http: close body").
var knownTypes = [...]string{"feat", "fix", "perf", "revert", "docs", "chore", "ci", "test", "build", "style", "refactor", "deps", "security", "release", "wip"}

// aliases are spellings that people use for the conventional types.
var aliases = [...][2]string{{"feature", "feat"}, {"features", "feat"}, {"bugfix", "fix"}, {"hotfix", "fix"}, {"fixes", "fix"}, {"doc", "docs"}, {"tests", "test"}, {"reverts", "revert"}}

func (o Options) prepare() (*settings, error) {
	s := &settings{Options: o, groups: map[string]int{}, rest: -1, revert: -1}
	if s.Groups == nil {
		s.Groups = DefaultGroups()
	}
	errs := s.prepareGroups()
	for i, source := range o.Exclude {
		re, err := regexp.Compile(source)
		if err != nil {
			errs = append(errs, &OptionError{Field: fmt.Sprintf("exclude[%d]", i), Message: err.Error()})
			continue
		}
		s.exclude = append(s.exclude, re)
	}
	if o.Template != "" {
		var err error
		if s.template, err = parseTemplate(o.Template); err != nil {
			errs = append(errs, err)
		}
	}
	return s, errors.Join(errs...)
}

func (s *settings) prepareGroups() (errs []error) {
	for i, g := range s.Groups {
		for j, typ := range g.Types {
			typ = strings.ToLower(typ)
			field := fmt.Sprintf("groups[%d].types[%d]", i, j)
			other, taken := s.groups[typ]
			if typ == "*" {
				other, taken = s.rest, s.rest >= 0
			}
			switch {
			case taken && other != i:
				errs = append(errs, &OptionError{Field: field, Message: fmt.Sprintf("type %q belongs to group %q already", typ, s.Groups[other].Title)})
			case typ == "*":
				s.rest = i
			case !isType(typ):
				errs = append(errs, &OptionError{Field: field, Message: fmt.Sprintf("%q can't be a commit type: a type is one word, such as feat, or *", g.Types[j])})
			default:
				s.groups[typ] = i
			}
		}
	}
	if g, ok := s.groups["revert"]; ok {
		s.revert = g
	}
	for _, typ := range knownTypes {
		if _, ok := s.groups[typ]; !ok {
			s.groups[typ] = s.rest
		}
	}
	for _, a := range aliases {
		if _, ok := s.groups[a[0]]; !ok {
			s.groups[a[0]] = s.groups[a[1]]
		}
	}
	return errs
}

func isType(s string) bool {
	return s != "" && isLetter(s[0]) && !slices.ContainsFunc([]byte(s), func(c byte) bool { return !isWord(c) })
}

// excluded says whether a subject or title is to be left out.
func (s *settings) excluded(subject string) bool {
	for _, re := range s.exclude {
		if re.MatchString(subject) {
			return true
		}
	}
	return false
}

// group places a change. Known is whether its type means something here; a
// group of -1, or one without a title, leaves the change out.
func (s *settings) group(m *Message) (group int, known bool) {
	if m.Type == "" {
		return s.rest, false
	}
	if g, ok := s.groups[m.Type]; ok {
		return g, true
	}
	return s.rest, m.Scope != ""
}

func (s *settings) listed(group int) bool { return group >= 0 && s.Groups[group].Title != "" }
