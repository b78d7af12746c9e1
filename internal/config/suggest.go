package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// elsewhere are the keys that people know from other tools, and what to write
// here instead. An empty type stands for every map.
var elsewhere = map[reflect.Type]map[string]string{
	reflect.TypeFor[release.Config](): {
		"project_name": "write `project`", "name": "write `project`",
		"before": "checks and commands that run first are steps of `test`", "hooks": "checks and commands that run first are steps of `test`",
		"tests": "write `test`", "checks": "write `test`", "steps": "write `test`",
		"changelog": "write `notes`", "release_notes": "write `notes`",
		"build": "write `builds`", "archive": "write `archives`", "class": "write `classes`", "channels": "write `classes`",
		"extra_files": "write `assets`", "files": "write `assets` for files of the release, `archives[].files` for files inside archives",
		"dockers": "write `images`", "docker": "write `images`", "kos": "write `images` with `builds`", "docker_manifests": "an image of several platforms is one entry of `images`",
		"checksum": "checksums.txt (sha256) is always made", "checksums": "checksums.txt (sha256) is always made",
		"snapshot": "no key is needed: `slipway release --snapshot`", "release": "which tags and branches are released is said by `classes`",
		"version": "a config has no version; the version of a release comes from its tag", "env": "set `env` on a build or a step",
		"platforms": "set `platforms` on a build", "goos": "set `platforms` on a build, such as [linux/amd64, linux/arm64]",
		"dist": "give the folder on the command line",
		"cron": "write `schedule`", "schedules": "write `schedule`", "promotion": "write `promote`", "permissions": "write `commands`",
	},
	reflect.TypeFor[release.Schedule](): {
		"tz": "write `timezone`", "zone": "write `timezone`", "time": "write `cron`", "at": "write `cron`", "ref": "write `branch`",
		"branches": "write `branch`, in an entry for each", "every": "write `cron: '@every 6h'`",
	},
	reflect.TypeFor[release.Promote](): {
		"checks": "write `require`", "statuses": "write `require`", "required": "write `require`", "rebuild": "write `bits: rebuild`", "same": "write `bits: same`",
		"to": "write `class`",
	},
	reflect.TypeFor[release.Commands](): {
		"plan": "`/promote --plan` goes by the rule of `promote`", "release": "write `promote`", "freeze": "write `hold`", "thaw": "write `unhold`",
	},
	reflect.TypeFor[release.CommandRule](): {
		"team": "write `teams`, a list", "role": "write `permission`", "users": "write `teams`", "permissions": "write `permission`: the least that is enough",
	},
	reflect.TypeFor[release.Class](): {
		"tags": "write `tag` with a regular expression", "pattern": "write `tag`", "regex": "write `tag`", "match": "write `tag`",
		"branches": "write `branch`; a glob takes several", "name_template": "write `version` or `release-tag`", "pre": "write `prerelease`",
	},
	reflect.TypeFor[release.Step](): {
		"cmd": "write `run`", "command": "write `run`", "script": "write `run`", "commands": "write `run`, once for each step",
		"working-directory": "write `dir`", "working_directory": "write `dir`", "when": "write `on`", "os": "write `platforms` with `on: release`",
	},
	reflect.TypeFor[release.Build](): {
		"goos": "write `platforms`, such as [linux/amd64, linux/arm64]", "goarch": "write `platforms`, such as [linux/amd64, linux/arm64]",
		"goarm": "write `platforms`, such as [linux/arm/v6, linux/arm/v7]", "goamd64": "write `platforms`, such as [linux/amd64]",
		"targets": "write `platforms`, such as [linux/amd64, linux/arm64]", "target": "write `platforms`, such as [linux/amd64]",
		"os": "write `platforms`, such as [linux/amd64]", "arch": "write `platforms`, such as [linux/amd64]",
		"matrix": "write `platforms`", "ignore": "write `platforms` with those that are wanted",
		"name": "write `id`", "package": "write `main`", "command": "write `run`", "cmd": "write `run`", "script": "write `run`",
		"hooks": "checks and commands that run first are steps of `test`", "mod_timestamp": "not needed: every time is the commit's",
		"asmflags": "write `flags: [-asmflags=…]`", "gcflags": "write `flags: [-gcflags=…]`", "buildmode": "write `flags: [-buildmode=…]`",
		"working_directory": "write `dir`",
	},
	reflect.TypeFor[release.Archive](): {
		"name_template": "write `name`", "ids": "write `builds`", "format_overrides": "make one archive for each format and set of builds",
		"wrap_in_directory": "archives have no folder around their files", "extra_files": "write `files`", "template": "write `name`",
	},
	reflect.TypeFor[release.Image](): {
		"name": "write `repository`", "image": "write `repository`", "image_templates": "write `repository` and `tags`", "tag": "write `tags`",
		"goos": "write `platforms`, such as [linux/amd64, linux/arm64]", "goarch": "write `platforms`, such as [linux/amd64, linux/arm64]",
		"ids": "write `builds`", "build_flag_templates": "write `args`, `labels` or `target`", "build_args": "write `args`", "build-args": "write `args`",
		"base_image": "write `base`", "extra_files": "write `files`", "command": "write `entrypoint` and `cmd`", "expose": "write `port`", "licenses": "write `license`",
		"env_file": "write `env-files`",
	},
	reflect.TypeFor[release.Notes](): {
		"filters": "write `exclude`", "sections": "write `groups`", "categories": "write `groups`", "ignore": "write `exclude`", "include_path": "write `paths`",
	},
	reflect.TypeFor[release.RolloutPackage](): {
		"file": "write `package`", "path": "write `package`", "class": "write `classes`, such as [stable]", "environment": "the package says which environments it deploys to",
	},
	reflect.TypeFor[release.NotesGroup](): {
		"regexp": "write `types`, such as [feat]", "name": "write `title`", "labels": "write `types`, such as [feat]", "commits": "write `types`",
	},
}

// section is a map of a config, and what it is called.
type section struct {
	typ  reflect.Type
	name string
}

// sections are the maps of a config.
var sections = []section{
	{reflect.TypeFor[release.Config](), "the top level"},
	{reflect.TypeFor[release.Class](), "an entry of `classes`"},
	{reflect.TypeFor[release.Step](), "an entry of `test`"},
	{reflect.TypeFor[release.Build](), "an entry of `builds`"},
	{reflect.TypeFor[release.Archive](), "an entry of `archives`"},
	{reflect.TypeFor[release.Package](), "an entry of `packages`"},
	{reflect.TypeFor[release.PackageContent](), "an entry of `contents` of a package"},
	{reflect.TypeFor[release.PackageScripts](), "`scripts` of a package"},
	{reflect.TypeFor[release.Image](), "an entry of `images`"},
	{reflect.TypeFor[release.ImageSource](), "`source` of an image"},
	{reflect.TypeFor[release.ImageS2I](), "`s2i` of an image"},
	{reflect.TypeFor[release.ImageSecret](), "an entry of `secrets` of an image"},
	{reflect.TypeFor[release.ImageCache](), "`cache` of an image"},
	{reflect.TypeFor[release.Builder](), "`builder`"},
	{reflect.TypeFor[release.BuilderNode](), "an entry of `builder.nodes`"},
	{reflect.TypeFor[release.Notes](), "`notes`"},
	{reflect.TypeFor[release.NotesGroup](), "an entry of `notes.groups`"},
	{reflect.TypeFor[release.Publish](), "`publish`"},
	{reflect.TypeFor[release.PublishS3](), "`publish.s3`"},
	{reflect.TypeFor[release.PublishFolder](), "`publish.folder`"},
	{reflect.TypeFor[release.PublishIndex](), "`publish.index`"},
	{reflect.TypeFor[release.Promote](), "`promote`"},
	{reflect.TypeFor[release.Schedule](), "an entry of `schedule`"},
	{reflect.TypeFor[release.Commands](), "`commands`"},
	{reflect.TypeFor[release.CommandRule](), "a rule of `commands`"},
	{reflect.TypeFor[release.RolloutPackage](), "an entry of `rollout`"},
}

// unknownKeyHint says what was probably meant by a key that t does not have.
func (d *decoder) unknownKeyHint(t reflect.Type, name string) string {
	known := names(keysOf(t))
	spelling := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"))
	for _, k := range known {
		if k == spelling || strings.ReplaceAll(k, "-", "") == spelling {
			return "did you mean `" + k + "`?"
		}
	}
	if hint := elsewhere[t][strings.ToLower(name)]; hint != "" {
		return hint
	}
	if near := release.Nearest(spelling, known); near != "" {
		return "did you mean `" + near + "`?"
	}
	for _, s := range d.sections {
		for _, k := range names(keysOf(s.typ)) {
			if k == spelling {
				return fmt.Sprintf("`%s` belongs to %s; the keys here are %s", k, s.name, strings.Join(known, ", "))
			}
		}
	}
	return "the keys here are " + strings.Join(known, ", ")
}

// nicknames are other names of enum values.
var nicknames = map[string]string{
	"tgz": "tar.gz", "gz": "tar.gz", "gzip": "tar.gz", "tar": "tar.gz", "zst": "tar.zst", "zstd": "tar.zst", "tar.zstd": "tar.zst", "tzst": "tar.zst",
	"raw": "binary", "none": "binary", "golang": "go", "rust": "command", "cargo": "command", "shell": "command", "make": "command", "c": "command",
	"push": "commit", "tag": "release", "pull": "read", "reader": "read", "writer": "write", "maintainer": "maintain", "owner": "admin",
}

func enumHint(text string, allowed []string) string {
	for _, a := range allowed {
		if nicknames[strings.ToLower(text)] == a {
			return "write `" + a + "`"
		}
	}
	return release.EnumHint(text, allowed)
}

var wordList = regexp.MustCompile(`^[A-Za-z0-9_./*+-]+(, *[A-Za-z0-9_./*+-]+)*$`)

// typeHint says how to write a value of the wanted type.
func (d *decoder) typeHint(v value, wanted string, t reflect.Type) string {
	k := kindOf(v)
	switch {
	case strings.HasPrefix(wanted, "a list") && k != isMap && k != isList:
		if s := v.text(); wordList.MatchString(s) && k == isText && !d.secret && wanted == "a list of strings" {
			return "write [" + s + "]"
		}
		return "write each entry on a line of its own that begins with `- `, or all of them in [ ]"
	case wanted == "a map" && k == isText && !d.secret && t.Kind() == reflect.Struct && firstRequired(t) != "":
		return "write {" + firstRequired(t) + ": " + scalar(v.text()) + "}"
	case wanted == "a list" && k == isMap:
		return "begin each entry with `- `"
	case wanted == "true or false" && k == isText:
		switch strings.ToLower(v.text()) {
		case "yes", "on", "y", "true":
			return "write true"
		case "no", "off", "n", "false":
			return "write false"
		}
	case wanted == "text" && k == isMap && v.isFlow():
		return "put a text that begins with { into quotes"
	case wanted == "text" && k == isList:
		return "write one value, without [ ] and `- `"
	}
	return ""
}

// firstRequired is the key that a lone text was probably meant for.
func firstRequired(t reflect.Type) string {
	for _, k := range keysOf(t) {
		if k.required {
			return k.name
		}
	}
	return ""
}

// emptyHint says what to do about a key with nothing behind it.
func emptyHint(t reflect.Type) string {
	if t.Kind() == reflect.Slice {
		return "write a list, or leave the key out for the default"
	}
	return "write a value, or leave the key out for the default"
}

// firstSentence cuts a description after its first full stop.
func firstSentence(s string) string {
	if head, _, more := strings.Cut(s, ". "); more {
		s = head
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
