package release

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Decision says what an event asks for, and why. Nothing to do is a Decision
// with Skip set, never an error.
type Decision struct {
	Skip       bool         `json:"skip"`
	Reason     string       `json:"reason"`
	Class      string       `json:"class,omitempty"`
	Version    string       `json:"version,omitempty"`
	Tag        string       `json:"tag,omitempty"` // the release's tag
	Branch     string       `json:"branch,omitempty"`
	Commit     string       `json:"commit,omitempty"`
	Prerelease bool         `json:"prerelease"`
	Trace      []Considered `json:"trace,omitempty"` // every class looked at, in order
}

// Considered is one class that was looked at on the way to a Decision.
type Considered struct {
	Class   string `json:"class"`
	Matched bool   `json:"matched"`
	Why     string `json:"why"`
}

// Classifier decides by ordered classes; its patterns are compiled once.
type Classifier struct {
	classes []compiledClass
}

type compiledClass struct {
	Class
	whole *regexp.Regexp // the pattern, anchored at both ends
	part  *regexp.Regexp // the pattern as written, to explain near misses
	made  *regexp.Regexp // tags that the class itself makes for branch releases
}

// NewClassifier compiles classes. Its error is that of the first pattern that
// is no regular expression; Validate finds all of them with their place.
func NewClassifier(classes []Class) (*Classifier, error) {
	c := &Classifier{}
	for _, class := range classes {
		cc := compiledClass{Class: class}
		if class.Tag != "" {
			var err error
			if cc.part, err = regexp.Compile(class.Tag); err != nil {
				return nil, Invalidf("", "class %s: %v", class.Name, err)
			}
			if cc.whole, err = regexp.Compile(`^(?:` + class.Tag + `)$`); err != nil {
				return nil, Invalidf("", "class %s: %v", class.Name, err)
			}
		} else {
			cc.made = madeTagPattern(class)
		}
		c.classes = append(c.classes, cc)
	}
	return c, nil
}

// Classify is NewClassifier and one decision.
func Classify(ev Event, cfg Config) (Decision, error) {
	c, err := NewClassifier(cfg.Classes)
	if err != nil {
		return Decision{}, err
	}
	return c.Classify(ev)
}

// Classify finds the first class that takes the event. An error is a version
// or tag template that can't be filled in.
func (c *Classifier) Classify(ev Event) (Decision, error) {
	d := Decision{Tag: ev.Tag, Branch: ev.Branch, Commit: ev.Commit}
	if ev.Tag != "" {
		d.Branch = ""
		if maker := c.makerOf(ev.Tag, ev.Commit); maker != "" {
			d.Skip = true
			d.Reason = fmt.Sprintf("tag %s was made by a %s release of this commit", ev.Tag, maker)
			return d, nil
		}
	}
	for _, class := range c.classes {
		matched, why := class.match(ev)
		d.Trace = append(d.Trace, Considered{Class: class.Name, Matched: matched, Why: why})
		if !matched {
			continue
		}
		d.Class, d.Reason = class.Name, why
		return d, class.fill(&d, ev)
	}
	d.Skip = true
	switch {
	case ev.Tag != "":
		d.Reason = fmt.Sprintf("tag %s matches no class", ev.Tag)
	case ev.Branch != "":
		d.Reason = fmt.Sprintf("branch %s belongs to no class", ev.Branch)
	default:
		d.Reason = fmt.Sprintf("commit %s is on no branch that has a class", ShortCommit(ev.Commit))
	}
	return d, nil
}

func (c compiledClass) match(ev Event) (bool, string) {
	switch {
	case ev.Tag != "" && c.Tag == "":
		return false, "it takes branches, this is a tag"
	case ev.Tag == "" && c.Tag != "":
		return false, "it takes tags, this is a commit"
	case ev.Tag != "":
		if c.whole.MatchString(ev.Tag) {
			return true, fmt.Sprintf("tag %s matches %s", ev.Tag, c.Tag)
		}
		if found := c.part.FindString(ev.Tag); found != "" {
			return false, fmt.Sprintf("%s matches only %q of tag %s; a pattern must match the whole tag", c.Tag, found, ev.Tag)
		}
		return false, fmt.Sprintf("tag %s does not match %s", ev.Tag, c.Tag)
	case ev.Branch == "":
		return false, "the commit is on no known branch"
	default:
		if ok, _ := doublestar.Match(c.Branch, ev.Branch); ok {
			return true, fmt.Sprintf("commit %s is on branch %s", ShortCommit(ev.Commit), ev.Branch)
		}
		return false, fmt.Sprintf("branch %s is not %s", ev.Branch, c.Branch)
	}
}

// fill completes a decision for the class that matched.
func (c compiledClass) fill(d *Decision, ev Event) error {
	vars := eventVars(ev)
	name := ParseTag(ev.Tag)
	template := c.Version
	if ev.Tag != "" {
		m := c.whole.FindStringSubmatch(ev.Tag)
		for i, group := range c.whole.SubexpNames() {
			if group != "" {
				vars[group] = m[i]
			}
		}
		vars["series"], vars["tag_version"] = name.Series, name.Version
		if template == "" {
			template = "{tag}"
			switch {
			case vars["version"] != "":
				template = "{version}"
			case name.Version != "":
				template = "{tag_version}"
			}
		}
	} else if template == "" {
		template = "{short}"
	}
	var err error
	if d.Version, err = Expand(template, vars); err != nil {
		return Invalidf("", "version of class %s: %v", c.Name, err)
	}
	if d.Version == "" {
		return Invalidf("", "version of class %s is empty for %s (template %s)", c.Name, d.Tag+d.Branch, template)
	}
	if ev.Tag == "" {
		vars["version"], vars["class"] = d.Version, c.Name
		if d.Tag, err = Expand(orDefault(c.ReleaseTag, DefaultReleaseTag), vars); err != nil {
			return Invalidf("", "release-tag of class %s: %v", c.Name, err)
		}
	}
	d.Prerelease = c.prerelease(name)
	return nil
}

// prerelease: the three classes that Garage named carry their meaning with the
// name; other classes go by the version.
func (c compiledClass) prerelease(name TagName) bool {
	switch {
	case c.Prerelease != nil:
		return *c.Prerelease
	case c.Name == "stable":
		return false
	case c.Branch != "" || c.Name == "extra" || c.Name == "development":
		return true
	}
	return name.parsed != nil && !name.Plain()
}

func eventVars(ev Event) map[string]string {
	return map[string]string{
		"tag": ev.Tag, "branch": ev.Branch, "commit": ev.Commit, "short": ShortCommit(ev.Commit),
		"date": ev.Time.UTC().Format("20060102"),
	}
}

// madeTagPattern matches the tags that a branch class gives to its own
// releases: the forge tells of them as of any tag, and they must not start
// another release. {short} and {commit} are bound to the commit in makerOf.
func madeTagPattern(class Class) *regexp.Regexp {
	t := orDefault(class.ReleaseTag, DefaultReleaseTag)
	pattern := regexp.QuoteMeta(t)
	for _, m := range placeholder.FindAllString(t, -1) {
		q := regexp.QuoteMeta(m)
		switch m {
		case "{short}":
			pattern = strings.Replace(pattern, q, "(?P<short>[0-9a-f]{12})", 1)
		case "{commit}":
			pattern = strings.Replace(pattern, q, "(?P<commit>[0-9a-f]{40,64})", 1)
		default:
			pattern = strings.Replace(pattern, q, ".+", 1)
		}
	}
	re, err := regexp.Compile("^" + pattern + "$")
	if err != nil || !strings.Contains(pattern, "(?P<") {
		return nil // a tag that does not name its commit can't be told from a person's
	}
	return re
}

func (c *Classifier) makerOf(tag, commit string) string {
	for _, class := range c.classes {
		if class.made == nil || commit == "" {
			continue
		}
		m := class.made.FindStringSubmatch(tag)
		if m == nil {
			continue
		}
		ours := true
		for i, group := range class.made.SubexpNames() {
			ours = ours && (group == "" || strings.HasPrefix(commit, m[i]))
		}
		if ours {
			return class.Name
		}
	}
	return ""
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
