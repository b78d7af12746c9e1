package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// A bucket that is away for a while is no failure: the bot tries again, also when
// the release is public by then. What keys and names are wrong stays a failure.
func TestBotWaitsForPlaces(t *testing.T) {
	t.Parallel()
	fault := func(cause error) error {
		s3 := &release.Error{Kind: release.Failed, Message: "put x", Err: cause, Hint: "look at the network"}
		return &release.Error{Kind: release.Failed, Message: "v1.0.0 is public, but not yet in s3", Err: fmt.Errorf("write the list: %w", s3), Hint: "run it again"}
	}
	if err := away(fault(publish.ErrUnavailable)); !errors.Is(err, bot.ErrAway) || release.HintOf(err) != "run it again" || release.KindOf(err) != release.Failed {
		t.Errorf("%v (%s)", err, release.HintOf(err))
	}
	for _, cause := range []error{publish.ErrForbidden, publish.ErrUnauthorized, publish.ErrNotFound, publish.ErrConflict} {
		if err := away(fault(cause)); errors.Is(err, bot.ErrAway) {
			t.Errorf("%v", err)
		}
	}
	if err := away(nil); err != nil {
		t.Error(err)
	}
}

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
