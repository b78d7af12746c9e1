package site

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// The sample is the releases of a project as Garage's are: four platforms, an
// archive and packages of each, an image, notes.
func sampleSite() Site {
	return Site{
		Project: "hello", Description: "Says hello to the world, in any language, from one small binary.",
		Base: "https://hello.example/", Source: "https://git.example/acme/hello",
		Groups: DefaultGroups(release.DefaultClasses("main")),
		HTML:   "_releases.html", JSON: "_releases.json", Atom: "_releases.atom",
	}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

var sampleTime = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// day is a time so many days after the sample's first.
func day(n int) time.Time { return sampleTime.AddDate(0, 0, n) }

func commitOf(name string) string { return strings.TrimPrefix(digestOf(name), "sha256:")[:40] }

// tagged is a release of a tag with a binary and an archive for each platform.
func tagged(tag, class string, at time.Time, platforms ...release.Platform) Release {
	if len(platforms) == 0 {
		platforms = release.DefaultPlatforms
	}
	r := Release{
		Schema: RecordSchema, Name: tag, Tag: tag, Version: release.ParseTag(tag).Version, Class: class, Commit: commitOf(tag),
		Prerelease: class != "stable", Time: at, Page: "https://git.example/acme/hello/releases/tag/" + tag,
	}
	if r.Version == "" {
		r.Version = tag
	}
	for i := range platforms {
		r.Files = append(r.Files, binaryOf(r, &platforms[i]))
	}
	return r
}

func binaryOf(r Release, p *release.Platform) File {
	return File{
		Name: "hello" + p.Exe(), Key: "_releases/" + r.Name + "/" + targetName(*p) + "/hello" + p.Exe(), Kind: release.KindBinary, Platform: p,
		Size: int64(7_123_456 + 1000*len(p.String())), Digest: digestOf(r.Name + p.String()), Time: r.Time.Add(10 * time.Minute),
	}
}

// built is a release of a branch.
func built(class string, at time.Time) Release {
	r := tagged(commitOf(at.String()), class, at)
	r.Commit, r.Version, r.Tag = r.Name, r.Name[:7], "dev-"+r.Name[:7]
	r.Page = "https://git.example/acme/hello/releases/tag/" + r.Tag
	return r
}

// whole gives a release everything that one can have.
func whole(r Release) Release {
	r.PlanHash = digestOf("plan of " + r.Name)
	asset := func(name string, kind release.ArtifactKind, p *release.Platform, size int64) {
		r.Files = append(r.Files, File{Name: name, Key: "_releases/" + r.Name + "/" + name, Kind: kind, Platform: p, Size: size, Digest: digestOf(r.Name + name), Time: r.Time.Add(11 * time.Minute)})
	}
	for _, f := range r.Files {
		p := f.Platform
		asset(fmt.Sprintf("hello_%s_%s.tar.gz", r.Version, p.Slug()), release.KindArchive, p, f.Size/3)
		for _, format := range release.PackageFormats {
			asset(fmt.Sprintf("hello_%s_%s%s", r.Version, p.Slug(), release.PackageEnding(format)), release.KindPackage, p, f.Size/3+4096)
		}
	}
	asset("checksums.txt", release.KindChecksums, nil, 1480)
	asset("install.sh", release.KindFile, nil, 3210)
	asset("slipway.json", release.KindManifest, nil, 9876)
	image := release.MadeImage{ID: "hello", Repositories: []string{"registry.example/acme/hello", "ghcr.io/acme/hello"}, Tags: []string{r.Version},
		MediaType: "application/vnd.oci.image.index.v1+json", Digest: digestOf("image of " + r.Name), Size: 1234}
	for _, p := range release.DefaultPlatforms {
		image.Manifests = append(image.Manifests, release.ImageManifest{Platform: p, Digest: digestOf(r.Name + p.Slug()), Size: 3_000_000})
	}
	r.Images = []release.MadeImage{image}
	r.Docs = []Link{{Name: "Documentation", Key: "docs/" + r.Name + "/"}}
	r.Notes = sampleNotes
	return r
}

const sampleNotes = `## Features

- **greet:** say hello in the language of the terminal ([#128](https://git.example/acme/hello/pulls/128)), by @ana
- **serve:** answer over HTTP with ` + "`hello serve --port 8080`" + `

## Fixes

- a name of more than 255 bytes is no longer cut in the middle of a letter
- the man page says what the program does

## New contributors

@ana made her first contribution in [#128](https://git.example/acme/hello/pulls/128).

**Full changelog:** https://git.example/acme/hello/compare/v1.2.2...v1.2.3
`

func sampleReleases() []Release {
	withdrawn := whole(tagged("v1.3.0", "stable", day(40)))
	withdrawn.Withdrawn = &release.Withdrawn{Reason: "It forgets the greeting when the disk is full. Take 1.2.3 until 1.3.1 is there.", Time: day(42), By: "ana"}
	stamped := whole(tagged("v1.2.3", "stable", day(30)))
	stamped.Stamp = `"5d41402abc4b2a76b9719d911017c592"`
	return []Release{
		whole(tagged("v0.9.0", "stable", day(0))),
		whole(tagged("v0.10.0", "stable", day(8))),
		whole(tagged("v1.2.2", "stable", day(20))),
		stamped,
		withdrawn,
		whole(tagged("v1.2.3-rc1", "extra", day(25))),
		tagged("test-s3", "extra", day(27), release.DefaultPlatforms[0]),
		built("development", day(33)),
		built("development", day(41)),
	}
}
