package project

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Contained is the config for a machine that the repository must take nothing
// from: all builds and checks go to builder images, and what would run plain
// there, or read its files and variables, is refused.
func Contained(cfg release.Config, source fs.FS) (release.Config, error) {
	cfg, _ = InImages(cfg, source, func(string) bool { return false })
	if plain := onHost(cfg); len(plain) > 0 {
		return cfg, release.Refuse("name a builder image for it (image: …) in .slipway.yaml, or let the bot run it with host-builds: allow in bot.yaml",
			"%s would run plain on the bot's machine", strings.Join(plain, ", "))
	}
	return cfg, keepsOff(cfg.Images)
}

// onHost names the builds and checks that run in no image.
func onHost(cfg release.Config) []string {
	var out []string
	for i, b := range cfg.Builds {
		if b.Image == "" {
			out = append(out, fmt.Sprintf("builds[%d] (%s)", i, b.ID))
		}
	}
	for i, s := range cfg.Test {
		if s.Image == "" {
			out = append(out, fmt.Sprintf("test[%d] (%s)", i, s.Name))
		}
	}
	return out
}

// keepsOff refuses images that would take files or variables from the bot's
// machine: whoever may push a tag could have the bot's own secrets built into
// an image.
func keepsOff(images []release.Image) error {
	const hint = "build it in a workflow (work: workflow), or let the repository take what it names with host-builds: allow in bot.yaml"
	for _, img := range images {
		if len(img.Secrets) > 0 {
			return release.Refuse(hint, "image %s takes its secret %s from the bot's machine", img.ID, img.Secrets[0].ID)
		}
		for _, cache := range slices.Concat(img.Cache.From, img.Cache.To) {
			// A reference, or attributes of which one is the type.
			if strings.Contains(cache, "=") && !slices.Contains(strings.Split(cache, ","), "type=registry") {
				return release.Refuse(hint, "image %s has a cache that is in no registry, but on the bot's machine, or found with its logins", img.ID)
			}
		}
	}
	return nil
}
