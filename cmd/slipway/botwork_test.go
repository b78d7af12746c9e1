package main

import (
	"context"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

// What a repository's config names is not taken from the bot's machine: no
// program of it, no file, no variable.
func TestBotWorkIsContained(t *testing.T) {
	t.Parallel()
	image := func(change func(*release.Image)) release.Config {
		img := release.Image{ID: "hello", Dockerfile: "Dockerfile"}
		change(&img)
		return release.Config{Images: []release.Image{img}}
	}
	for name, c := range map[string]struct {
		config  release.Config
		refused bool
	}{
		"nothing":            {release.Config{}, false},
		"an image":           {image(func(*release.Image) {}), false},
		"a plain command":    {release.Config{Test: []release.Step{{Run: release.Command{Script: "true"}}}}, true},
		"a command in one":   {release.Config{Test: []release.Step{{Run: release.Command{Script: "true"}, Image: "busybox"}}}, false},
		"a secret of a file": {image(func(i *release.Image) { i.Secrets = []release.ImageSecret{{ID: "x", File: "/run/secrets/token"}} }), true},
		"a secret variable":  {image(func(i *release.Image) { i.Secrets = []release.ImageSecret{{ID: "SLIPWAY_BOT_FORGES_0_TOKEN"}} }), true},
		"a registry's cache": {image(func(i *release.Image) {
			i.Cache.From = []string{"reg.example/cache", "type=registry,ref=reg.example/cache"}
		}), false},
		"a folder to read":  {image(func(i *release.Image) { i.Cache.From = []string{"type=local,src=/etc"} }), true},
		"a folder to write": {image(func(i *release.Image) { i.Cache.To = []string{"dest=/etc,type=local"} }), true},
		"a bucket":          {image(func(i *release.Image) { i.Cache.To = []string{"type=s3,bucket=b,region=r"} }), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := contained(t.Context(), c.config, func(context.Context) (string, error) { return t.TempDir(), nil })
			if (release.KindOf(err) == release.Refused) != c.refused || err != nil && !c.refused {
				t.Errorf("%v", err)
			}
		})
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
