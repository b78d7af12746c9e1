package release

import "slices"

// Config says what to ship: the contents of .slipway.yaml, or the defaults for
// a repository without one. The yaml tags are the keys; the description tags
// feed the JSON schema and docs/config.md.
type Config struct {
	// Project is the base name of archives. Default: the repository's name.
	Project     string `yaml:"project,omitempty" description:"Name of the project; the base of archive names. Default: the repository's name."`
	Description string `yaml:"description,omitempty" description:"What the project is, in a line; for packages and the release page."`
	Homepage    string `yaml:"homepage,omitempty" description:"URL of the project; for packages. Default: the repository on its forge."`
	License     string `yaml:"license,omitempty" description:"SPDX identifier of the licence; for packages."`
	Maintainer  string `yaml:"maintainer,omitempty" description:"Name <mail> of who answers for packages."`

	Classes  []Class   `yaml:"classes,omitempty" description:"Release classes in order; the first that matches wins. Default: stable, extra, development."`
	Test     []Step    `yaml:"test,omitempty" description:"Checks that must pass before anything is published, in order."`
	Builds   []Build   `yaml:"builds,omitempty" description:"Binaries to build. Default for a Go repository: every main package."`
	Archives []Archive `yaml:"archives,omitempty" description:"Archives to pack from the builds. Default: one tar.gz a platform with all builds, LICENSE and README."`
	Packages []Package `yaml:"packages,omitempty" description:"System packages (deb, rpm, apk, archlinux) of the builds for Linux."`
	Images   []Image   `yaml:"images,omitempty" description:"Container images to push with the release."`
	Builder  Builder   `yaml:"builder,omitempty" description:"Where images are built: the name or address of a builder, or a map. Default: BUILDX_BUILDER, else the docker engine of the current context; without any, images of builds are assembled in process."`
	Assets   []string  `yaml:"assets,omitempty" description:"Further files of the repository to attach, as paths or globs (** crosses folders)."`
	Notes    Notes     `yaml:"notes,omitempty" description:"How release notes are made."`

	// Publish is in a plan, but no part of its hash: a release stays the same when
	// it goes to one more place.
	Publish Publish `yaml:"publish,omitempty" description:"Where a release goes besides the forge and its registries."`

	// What follows is the companion bot's; nothing of it is in a plan.
	Promote  Promote    `yaml:"promote,omitempty" description:"For the bot: what /promote asks of a commit, and what becomes of it. A map, or a word: same or rebuild."`
	Schedule []Schedule `yaml:"schedule,omitempty" description:"For the bot: when it releases by itself."`
	Commands Commands   `yaml:"commands,omitempty" description:"For the bot: who may write which command in a comment. Default: whoever may write to the repository."`

	// Rollout is for the bot and the action, after the release; nothing of it is
	// in a plan.
	Rollout []RolloutPackage `yaml:"rollout,omitempty" description:"For the bot and the action: the release packages (*.ocu.star) that carry a release to its environments."`
}

// RolloutPackage is a release package that is carried out for releases.
type RolloutPackage struct {
	Package string   `yaml:"package" description:"Path of the release package in the repository; its name ends in .ocu.star or .star."`
	Classes []string `yaml:"classes,omitempty" description:"Classes of releases that it is carried out for. Default: stable."`
}

// Takes says whether the package is carried out for releases of a class.
func (r RolloutPackage) Takes(class string) bool {
	if len(r.Classes) == 0 {
		return class == DefaultRolloutClass
	}
	return slices.Contains(r.Classes, class)
}

// DefaultRolloutClass is the class of releases that a release package is carried
// out for where none is named.
const DefaultRolloutClass = "stable"

// RolloutFor are the paths of the release packages for releases of a class, in
// the config's order.
func (c Config) RolloutFor(class string) []string {
	var paths []string
	for _, p := range c.Rollout {
		if p.Takes(class) {
			paths = append(paths, p.Package)
		}
	}
	return paths
}

// Class is one kind of release. A class with Tag takes tags, one with Branch
// takes commits on that branch; exactly one of the two is set.
type Class struct {
	Name       string `yaml:"name" description:"Name of the class, such as stable."`
	Tag        string `yaml:"tag,omitempty" description:"Regular expression (RE2) that the whole tag must match. Named groups become placeholders."`
	Branch     string `yaml:"branch,omitempty" description:"Branch, or glob of branches, whose commits belong to this class."`
	Version    string `yaml:"version,omitempty" description:"Template of the version. Default: the version inside the tag, else the tag; for branches the short commit."`
	ReleaseTag string `yaml:"release-tag,omitempty" description:"For a branch class: template of the tag that the release makes. Default: dev-{short}."`
	Prerelease *bool  `yaml:"prerelease,omitempty" description:"Marks releases as prereleases. Default: false for stable, true for extra, development and every branch class, else true when the version has a prerelease part."`
}

// Step is one check.
type Step struct {
	Name      string            `yaml:"name,omitempty" description:"Name shown while it runs. Default: the command."`
	Run       Command           `yaml:"run" description:"Command: a string for the shell, or a list of arguments without one."`
	On        string            `yaml:"on,omitempty" enum:"commit,release" description:"commit (default): once, before the builds. release: on the release's own binaries, for each platform this machine can run."`
	Platforms []string          `yaml:"platforms,omitempty" description:"With on: release, the platforms to run on. Default: every platform of the builds."`
	Image     string            `yaml:"image,omitempty" description:"Builder image to run in, with BuildKit. With platforms, in the image's variant for each, under emulation where the builder has it. Default: this machine."`
	Dir       string            `yaml:"dir,omitempty" description:"Folder inside the repository to run in."`
	Env       map[string]string `yaml:"env,omitempty" description:"Environment variables to set."`
}

// Command is either a script for the shell or an argument list that meets no
// shell at all.
type Command struct {
	Script string
	Args   []string
}

// IsZero reports whether no command was given.
func (c Command) IsZero() bool { return c.Script == "" && len(c.Args) == 0 }

// Build is one binary on a matrix of platforms.
type Build struct {
	ID        string            `yaml:"id" description:"Name of the build; archives refer to it."`
	Builder   string            `yaml:"builder,omitempty" enum:"go,command" description:"go (default) cross-compiles a Go package; command runs any command."`
	Image     string            `yaml:"image,omitempty" description:"Builder image to build in, with BuildKit, such as golang:1.26. Default: this machine."`
	Dir       string            `yaml:"dir,omitempty" description:"Folder inside the repository to build in. Default: its root."`
	Main      string            `yaml:"main,omitempty" description:"builder go: the main package. Default: ."`
	Run       Command           `yaml:"run,omitempty" description:"builder command: what to run for each platform; it must leave the binary at {output}, or at the path given by output."`
	Output    string            `yaml:"output,omitempty" description:"builder command: where the command leaves the binary, relative to dir. Default: the command writes {output}."`
	Binary    string            `yaml:"binary,omitempty" description:"File name of the binary, without .exe. Default: the id."`
	Platforms []string          `yaml:"platforms,omitempty" description:"Platforms as os/arch or os/arch/variant. Default: linux/amd64, linux/386, linux/arm64, linux/arm/v6."`
	Env       map[string]string `yaml:"env,omitempty" description:"Environment variables to set."`
	Tags      []string          `yaml:"tags,omitempty" description:"builder go: build tags."`
	Ldflags   []string          `yaml:"ldflags,omitempty" description:"builder go: linker flags. Default: -s -w and -X main.version, main.commit, main.date."`
	Flags     []string          `yaml:"flags,omitempty" description:"builder go: further flags of go build."`
	CGO       bool              `yaml:"cgo,omitempty" description:"builder go: set CGO_ENABLED=1. Default: off."`
	Static    *bool             `yaml:"static,omitempty" description:"true: a Linux binary must be a static ELF file; false: not looked at. Default: every ELF file made for Linux must be static."`
}

// Archive packs the binaries of one platform into one file for each format.
type Archive struct {
	ID      string   `yaml:"id,omitempty" description:"Name of the archive in problems and plans."`
	Builds  []string `yaml:"builds,omitempty" description:"Builds whose binaries go in. Default: all."`
	Formats []string `yaml:"formats,omitempty" enum:"tar.gz,tar.zst,zip,binary" description:"Formats: tar.gz (default), tar.zst, zip, or binary for the bare file."`
	Name    string   `yaml:"name,omitempty" description:"Template of the file name without its ending. Default: {project}_{version}_{platform}."`
	Files   []string `yaml:"files,omitempty" description:"Further files to put in, as paths (which must exist) or globs (which may match nothing). Default: LICENSE*, README*."`
}

// Notes says how release notes are made.
type Notes struct {
	Groups   []NotesGroup `yaml:"groups,omitempty" description:"Sections in order. Default: Features, Fixes, Performance, Reverts, Documentation, Other changes."`
	Exclude  []string     `yaml:"exclude,omitempty" description:"Regular expressions; commits whose subject matches one are left out."`
	Paths    []string     `yaml:"paths,omitempty" description:"Only commits that touch these paths count. For monorepos."`
	Template string       `yaml:"template,omitempty" description:"Go text/template for the Markdown. Default: built in."`
}

// NotesGroup is one section of the notes.
type NotesGroup struct {
	Title string   `yaml:"title,omitempty" json:"title,omitempty" description:"Heading of the section. A group without one leaves its commits out."`
	Types []string `yaml:"types,omitempty" json:"types,omitempty" description:"Conventional commit types that belong here, such as feat. * takes every commit left over."`
}

// DefaultClasses are Garage's: vX.Y.Z (a fourth number is allowed) is stable,
// any other tag extra, a commit on the default branch development.
func DefaultClasses(branch string) []Class {
	if branch == "" {
		branch = "main"
	}
	return []Class{
		{Name: "stable", Tag: `^v[0-9]+\.[0-9]+\.[0-9]+(\.[0-9]+)?$`},
		{Name: "extra", Tag: `.+`},
		{Name: "development", Branch: branch},
	}
}

// Defaults of templates and names.
const (
	DefaultArchiveName = "{project}_{version}_{platform}"
	DefaultReleaseTag  = "dev-{short}"
	ChecksumsName      = "checksums.txt"
	DigestsName        = "digests.txt"
	ManifestName       = "slipway.json"
	FullNotesName      = "NOTES.md"
)
