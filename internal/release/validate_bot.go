package release

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// schedules checks what the bot does by itself. Whether a time is one, and a
// time zone, is for whoever knows cron.
func (v *validator) schedules() {
	emptyList(v, "schedule", v.given.Schedule, "leave the key out when nothing is scheduled")
	if n := len(v.given.Schedule); n > MostSchedules {
		v.add("schedule", "", "there are %d schedules; at most %d are followed", n, MostSchedules)
		return
	}
	for i, s := range v.given.Schedule {
		field := at("schedule", i)
		if s.Cron == "" {
			v.add(field+".cron", "write `cron: '0 3 * * 1'` for Mondays at 3", "the schedule has no time")
		}
		switch rest, isRef := strings.CutPrefix(s.Branch, "refs/heads/"); {
		case s.Branch == "":
		case isRef:
			v.add(field+".branch", "write "+rest, "a branch's name does not begin with refs/heads/")
		case !validName(s.Branch):
			v.add(field+".branch", "write the name of one branch", "%q is no name of a branch", s.Branch)
		default:
			v.scheduledBranch(field, s)
		}
		v.className(field+".class", s.Class)
	}
}

// scheduledBranch refuses a schedule that could never release anything.
func (v *validator) scheduledBranch(field string, s Schedule) {
	if v.given.Classes == nil {
		return // the default classes take the default branch, which is not known here
	}
	takes := func(c Class) bool {
		ok, err := doublestar.Match(c.Branch, s.Branch)
		return c.Branch != "" && (ok || err != nil)
	}
	if s.Class == "" {
		if !slices.ContainsFunc(v.given.Classes, takes) {
			v.add(field+".branch", "name a class with `class`, or add one with `branch: "+s.Branch+"`", "no class takes commits of branch %s", s.Branch)
		}
		return
	}
	i := slices.IndexFunc(v.given.Classes, func(c Class) bool { return c.Name == s.Class })
	if i >= 0 && v.given.Classes[i].Tag == "" && !takes(v.given.Classes[i]) {
		v.add(field+".class", "", "class %s takes branch %s, not %s", s.Class, v.given.Classes[i].Branch, s.Branch)
	}
}

// className refuses the name of a class that is not there.
func (v *validator) className(field, name string) {
	var known []string
	for _, c := range v.given.classesOrDefault() {
		known = append(known, c.Name)
	}
	if name == "" || slices.Contains(known, name) {
		return
	}
	hint := EnumHint(name, known)
	if hint == "" {
		hint = "the classes are " + strings.Join(known, ", ")
	}
	v.add(field, hint, "there is no class %q", name)
}

func (v *validator) promote() {
	p := v.given.Promote
	v.enum("promote.bits", p, "Bits", p.Bits)
	v.enum("promote.version", p, "Version", p.Version)
	v.className("promote.class", p.Class)
	classes := v.given.classesOrDefault()
	if i := slices.IndexFunc(classes, func(c Class) bool { return c.Name == p.Class }); i >= 0 && classes[i].Tag == "" && classes[i].Branch != "" {
		v.add("promote.class", "name a class with `tag`", "class %s takes branches; what is promoted gets a tag", p.Class)
	}
	for i, name := range p.Require {
		field := at("promote.require", i)
		switch {
		case strings.TrimSpace(name) == "":
			v.add(field, "", "the name is blank")
		case slices.Contains(p.Require[:i], name):
			v.add(field, "", "%s is listed twice", name)
		case !doublestar.ValidatePattern(name):
			v.add(field, `a glob has *, **, ?, [a-z] and {a,b}; before one of these signs itself write \`, "%q is no glob", name)
		}
	}
}

var teamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*/[\pL\pN][\pL\pN._-]*$`)

func (v *validator) commands() {
	c := v.given.Commands
	for _, rule := range []struct {
		name string
		CommandRule
	}{{"promote", c.Promote}, {"approve", c.Approve}, {"deploy", c.Deploy}, {"rollback", c.Rollback}, {"freeze", c.Freeze}, {"unfreeze", c.Unfreeze}, {"retry", c.Retry}, {"cancel", c.Cancel}, {"status", c.Status}, {"hold", c.Hold}, {"unhold", c.Unhold}, {"help", c.Help}} {
		field := "commands." + rule.name
		v.enum(field+".permission", rule.CommandRule, "Permission", rule.Permission)
		emptyList(v, field+".teams", rule.Teams, "nobody could write the command; leave the key out to go by the permission alone")
		for i, team := range rule.Teams {
			switch {
			case !teamName.MatchString(team):
				v.add(at(field+".teams", i), "write org/team, such as acme/release-managers", "%q is no team", team)
			case slices.Contains(rule.Teams[:i], team):
				v.add(at(field+".teams", i), "", "%s is listed twice", team)
			}
		}
	}
}
