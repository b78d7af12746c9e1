package release

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the bot is told is checked against the classes that there are.
func TestValidateForTheBot(t *testing.T) {
	t.Parallel()
	classes := []Class{{Name: "stable", Tag: "v.+"}, {Name: "development", Branch: "main"}, {Name: "next", Branch: "release/*"}}
	schedule := func(s ...Schedule) Config { return Config{Classes: classes, Schedule: s} }
	promote := func(p Promote) Config { return Config{Classes: classes, Promote: p} }
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"schedules", schedule(Schedule{Cron: "@daily"}, Schedule{Cron: "@daily", Branch: "main", Class: "stable"}, Schedule{Cron: "@daily", Branch: "release/2", Class: "next"}, Schedule{Cron: "@daily", Branch: "release/2"}), nil},
		{"without classes", Config{Schedule: []Schedule{{Cron: "@daily", Branch: "trunk", Class: "development"}}}, nil},
		{"no schedules", Config{Schedule: []Schedule{}}, []string{"schedule: the list is empty (leave the key out when nothing is scheduled)"}},
		{"no time", schedule(Schedule{}), []string{"schedule[0].cron: the schedule has no time (write `cron: '0 3 * * 1'` for Mondays at 3)"}},
		{"branches", schedule(Schedule{Cron: "x", Branch: "refs/heads/main"}, Schedule{Cron: "x", Branch: "release/*"}, Schedule{Cron: "x", Branch: "trunk"}, Schedule{Cron: "x", Branch: "main", Class: "next"}), []string{
			"schedule[0].branch: a branch's name does not begin with refs/heads/ (write main)",
			`schedule[1].branch: "release/*" is no name of a branch (write the name of one branch)`,
			"schedule[2].branch: no class takes commits of branch trunk (name a class with `class`, or add one with `branch: trunk`)",
			"schedule[3].class: class next takes branch release/*, not main"}},
		{"classes", schedule(Schedule{Cron: "x", Class: "nxt"}, Schedule{Cron: "x", Class: "zzzzzzzz"}), []string{
			"schedule[0].class: there is no class \"nxt\" (did you mean `next`?)",
			`schedule[1].class: there is no class "zzzzzzzz" (the classes are stable, development, next)`}},
		{"promote", promote(Promote{Bits: "rebuild", Version: "given", Class: "stable", Require: []string{"build (linux)", "ci/**"}}), nil},
		{"promote's words", promote(Promote{Bits: "anew", Version: "last", Class: "development"}), []string{
			`promote.bits: "anew" is not one of same, rebuild`, `promote.version: "last" is not one of next, given`,
			"promote.class: class development takes branches; what is promoted gets a tag (name a class with `tag`)"}},
		{"default classes", Config{Promote: Promote{Class: "stabel"}}, []string{"promote.class: there is no class \"stabel\" (did you mean `stable`?)"}},
		{"require", promote(Promote{Require: []string{"a", " ", "a", "b["}}), []string{
			"promote.require[1]: the name is blank", "promote.require[2]: a is listed twice",
			`promote.require[3]: "b[" is no glob (a glob has *, **, ?, [a-z] and {a,b}; before one of these signs itself write \)`}},
		{"require nothing", promote(Promote{Require: []string{}}), nil},
		{"commands", Config{Commands: Commands{Hold: CommandRule{Permission: "all"}, Help: CommandRule{Teams: []string{"acme/ops", "x", "a b/c"}}}}, []string{
			`commands.hold.permission: "all" is not one of write, read, triage, maintain, admin`,
			`commands.help.teams[1]: "x" is no team (write org/team, such as acme/release-managers)`,
			`commands.help.teams[2]: "a b/c" is no team (write org/team, such as acme/release-managers)`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tt.want, problemLines(Validate(tt.cfg))); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each command has a rule, also where nothing is written.
func TestCommandRules(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"promote": "write", "retry": "write", "cancel": "write", "hold": "write", "unhold": "write", "status": "read", "help": "read", "unknown": "write"} {
		if got := (Commands{}).Of(name); got.Permission != want || got.Teams != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	rule := CommandRule{Permission: "admin", Teams: []string{"a/b"}}
	all := Commands{Promote: rule, Retry: rule, Cancel: rule, Status: rule, Hold: rule, Unhold: rule, Help: rule}
	for _, name := range []string{"promote", "retry", "cancel", "hold", "unhold", "status", "help"} {
		if d := cmp.Diff(rule, all.Of(name)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if d := cmp.Diff(CommandRule{Permission: "read", Teams: []string{"a/b"}}, Commands{Status: CommandRule{Teams: []string{"a/b"}}}.Of("status")); d != "" {
		t.Error(d)
	}
}

// What is not written of promote has a default.
func TestPromoteRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cfg, want Promote }{
		{Promote{}, Promote{Bits: "same", Version: "next", Class: "b"}},
		{Promote{Bits: "rebuild", Version: "given", Class: "c", Require: []string{"x"}}, Promote{Bits: "rebuild", Version: "given", Class: "c", Require: []string{"x"}}},
	} {
		cfg := Config{Promote: tt.cfg, Classes: []Class{{Name: "a", Branch: "x"}, {Name: "b", Tag: "x"}, {Name: "c", Tag: "y"}}}
		if d := cmp.Diff(tt.want, cfg.PromoteRules()); d != "" {
			t.Error(d)
		}
	}
	if got := (Config{}).PromoteRules().Class; got != "stable" {
		t.Error(got)
	}
	if got := (Config{Classes: []Class{{Name: "a", Branch: "x"}}}).PromoteRules().Class; got != "" {
		t.Error(got)
	}
}

// A check is required by its very name, whatever signs are in it, or by a glob.
func TestMatchCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		required, name string
		want           bool
	}{
		{"build", "build", true}, {"build", "Build", false}, {"build", "build 2", false}, {"build (linux, [x])", "build (linux, [x])", true},
		{"ci/*", "ci/build", true}, {"ci/*", "ci/build/linux", false}, {"ci/**", "ci/build/linux", true}, {"**", "anything/at all", true}, {"[", "[", true}, {"[", "x", false},
	} {
		if got := MatchCheck(tt.required, tt.name); got != tt.want {
			t.Errorf("%s, %s: %v", tt.required, tt.name, got)
		}
	}
}
