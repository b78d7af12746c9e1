package project_test

import (
	"os"
	"testing"

	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// What a repository's config names is not taken from the bot's machine: no
// program of it, no file, no variable.
func TestContained(t *testing.T) {
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
			_, err := project.Contained(c.config, os.DirFS(t.TempDir()))
			if (release.KindOf(err) == release.Refused) != c.refused || err != nil && !c.refused {
				t.Errorf("%v", err)
			}
		})
	}
}
