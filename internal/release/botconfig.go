package release

import (
	"slices"

	"github.com/bmatcuk/doublestar/v4"
)

// Schedule is a time at which the bot releases the head of a branch.
type Schedule struct {
	Cron     string `yaml:"cron" description:"When: five fields (minute, hour, day of month, month, day of week), or @daily, @weekly, @monthly, @yearly, @hourly, or @every 6h."`
	Timezone string `yaml:"timezone,omitempty" description:"Time zone by its IANA name, such as Europe/Paris. Default: UTC."`
	Branch   string `yaml:"branch,omitempty" description:"Branch whose newest commit is released. Default: the default branch."`
	Class    string `yaml:"class,omitempty" description:"Class of the release. One that takes tags gets the next version. Default: the class of the branch."`
}

// MostSchedules is how many schedules a repository may have.
const MostSchedules = 100

// Promote says how a commit or a release becomes a release of another class.
// A lone word in the config is Bits.
type Promote struct {
	Require []string `yaml:"require,omitempty" description:"Statuses and checks that must be there and green, by name or glob (** crosses slashes); an empty list asks for none. Default: all that the commit has, and at least one."`
	Bits    string   `yaml:"bits,omitempty" enum:"same,rebuild" description:"same (default) moves the assets and images of a release that the commit has; rebuild makes them anew, stamped with the new version."`
	Version string   `yaml:"version,omitempty" enum:"next,given" description:"next (default): a promotion without a version takes the next one, by the commits since the last stable release. given: a version must be written."`
	Class   string   `yaml:"class,omitempty" description:"Class that is meant when none is named. Default: the first class that takes tags."`
}

// Commands says who may write which command in a comment.
type Commands struct {
	Promote  CommandRule `yaml:"promote,omitempty" description:"Who may write /promote."`
	Approve  CommandRule `yaml:"approve,omitempty" description:"Who may write /approve, besides those whom the release package names."`
	Deploy   CommandRule `yaml:"deploy,omitempty" description:"Who may write /deploy, and /promote to an environment."`
	Rollback CommandRule `yaml:"rollback,omitempty" description:"Who may write /rollback."`
	Freeze   CommandRule `yaml:"freeze,omitempty" description:"Who may write /freeze."`
	Unfreeze CommandRule `yaml:"unfreeze,omitempty" description:"Who may write /unfreeze."`
	Retry    CommandRule `yaml:"retry,omitempty" description:"Who may write /retry."`
	Cancel   CommandRule `yaml:"cancel,omitempty" description:"Who may write /cancel."`
	Status   CommandRule `yaml:"status,omitempty" description:"Who may write /status. Default: read."`
	Hold     CommandRule `yaml:"hold,omitempty" description:"Who may write /hold."`
	Unhold   CommandRule `yaml:"unhold,omitempty" description:"Who may write /unhold."`
	Help     CommandRule `yaml:"help,omitempty" description:"Who may write /help. Default: read."`
}

// CommandRule is who may write a command: whoever has the permission and, where
// there are teams, is in one of them.
type CommandRule struct {
	Permission string   `yaml:"permission,omitempty" enum:"write,read,triage,maintain,admin" description:"What the forge must let the commenter do in the repository, at least. Default: write; for status and help read."`
	Teams      []string `yaml:"teams,omitempty" description:"Teams, as org/team, of which the commenter must be in one, besides having the permission. Default: anybody with the permission."`
}

// Of is the rule of a command by its name, with defaults filled in. A command
// that has no rule of its own asks for write.
func (c Commands) Of(name string) CommandRule {
	rule, permission := CommandRule{}, "write"
	switch name {
	case "promote":
		rule = c.Promote
	case "approve":
		rule = c.Approve
	case "deploy":
		rule = c.Deploy
	case "rollback":
		rule = c.Rollback
	case "freeze":
		rule = c.Freeze
	case "unfreeze":
		rule = c.Unfreeze
	case "retry":
		rule = c.Retry
	case "cancel":
		rule = c.Cancel
	case "status":
		rule, permission = c.Status, "read"
	case "hold":
		rule = c.Hold
	case "unhold":
		rule = c.Unhold
	case "help":
		rule, permission = c.Help, "read"
	}
	rule.Permission = orDefault(rule.Permission, permission)
	return rule
}

// PromoteRules is Promote with its defaults filled in. Class stays empty when no
// class takes tags.
func (c Config) PromoteRules() Promote {
	p := c.Promote
	p.Bits, p.Version = orDefault(p.Bits, "same"), orDefault(p.Version, "next")
	if p.Class == "" {
		classes := c.classesOrDefault()
		if i := slices.IndexFunc(classes, func(c Class) bool { return c.Tag != "" }); i >= 0 {
			p.Class = classes[i].Name
		}
	}
	return p
}

func (c Config) classesOrDefault() []Class {
	if c.Classes == nil {
		return DefaultClasses("")
	}
	return c.Classes
}

// MatchCheck reports whether a status or check has a name that is required: the
// very name, or one that the glob takes.
func MatchCheck(required, name string) bool {
	if required == name {
		return true
	}
	ok, err := doublestar.Match(required, name)
	return ok && err == nil
}
