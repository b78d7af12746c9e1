package main

import (
	"testing"
)

// A repository's commands, where they may run on the bot's machine, see none of
// the variables that the bot has its secrets from.
func TestBotCommandsSeeNoSecret(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{project: `project: hello
test: [{run: 'test -z "$SLIPWAY_BOT_FORGES_0_TOKEN$SLIPWAY_BOT_FORGES_0_SECRETS$NAMED" && test -n "$OTHER"'}]
builds: [{id: hello, builder: command, run: 'printf %s {os} > {output}'}]
`, bot: "database: $NAMED"})
	s.env = append(s.env, "SLIPWAY_BOT_FORGES_0_TOKEN="+s.repo.Server.Admin, "SLIPWAY_BOT_FORGES_0_SECRETS="+botSecret, "OTHER=there",
		"NAMED=sqlite:"+s.data+"/named.db")
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
}
