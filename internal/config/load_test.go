package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// Every key reaches its field, in either style of YAML.
func TestLoad(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	want := release.Config{
		Project: "hello",
		Classes: []release.Class{
			{Name: "stable", Tag: `v(?P<version>[0-9]+)`, Version: "{version}"},
			{Name: "nightly", Branch: "main", ReleaseTag: "nightly-{short}", Prerelease: &yes},
		},
		Test: []release.Step{
			{Name: "vet", Run: release.Command{Script: "go vet ./..."}},
			{Run: release.Command{Args: []string{"go", "test", ""}}, On: "release", Platforms: []string{"linux/amd64"}, Dir: "x", Env: map[string]string{"A": "", "B": "1"}},
		},
		Builds: []release.Build{
			{ID: "hello", Builder: "go", Main: "./cmd/hello", Binary: "hi", Platforms: []string{"linux/amd64", "linux/arm/v6"},
				Tags: []string{"netgo"}, Ldflags: []string{}, Flags: []string{"-mod=readonly"}, CGO: true, Static: &no},
			{ID: "tool", Builder: "command", Dir: "tool", Run: release.Command{Script: "make\nmake install\n"}, Output: "out/{target}", Env: map[string]string{"CC": "cc"}},
		},
		Archives: []release.Archive{{ID: "all", Builds: []string{"hello", "tool"}, Formats: []string{"tar.gz", "zip"}, Name: "{project}-{platform}", Files: []string{"LICENSE"}}},
		Assets:   []string{"install.sh"},
		Notes: release.Notes{Groups: []release.NotesGroup{{Title: "New", Types: []string{"feat"}}}, Exclude: []string{"^chore"},
			Paths: []string{"cli/**"}, Template: "{{ .Version }}"},
		Promote:  release.Promote{Require: []string{"build", "ci/**"}, Bits: "rebuild", Version: "given", Class: "stable"},
		Schedule: []release.Schedule{{Cron: "0 3 * * 1", Timezone: "Europe/Paris", Branch: "main", Class: "nightly"}, {Cron: "@daily"}},
		Commands: release.Commands{Promote: release.CommandRule{Permission: "maintain", Teams: []string{"acme/release-managers"}}, Status: release.CommandRule{Permission: "triage"}},
		Rollout:  []release.RolloutPackage{{Package: "release.ocu.star", Classes: []string{"stable", "nightly"}}, {Package: "deploy/web.ocu.star"}},
	}
	const block = `
project: hello
classes:
  - name: stable
    tag: v(?P<version>[0-9]+)
    version: "{version}"
  - name: nightly
    branch: main
    release-tag: nightly-{short}
    prerelease: true
test:
- name: vet
  run: go vet ./...
- run: [go, test, '']
  on: release
  platforms:
  - linux/amd64
  dir: x
  env:
    A: ""
    B: !!str 1
builds:
  - {id: hello, builder: go, main: ./cmd/hello, binary: hi, platforms: &p [linux/amd64, linux/arm/v6], tags: [netgo], ldflags: [], flags: [-mod=readonly], cgo: true, static: false}
  - id: tool
    builder: command
    dir: tool
    run: |
      make
      make install
    output: out/{target}
    env: {CC: cc}
archives: [{id: all, builds: [hello, tool], formats: [tar.gz, zip], name: "{project}-{platform}", files: [LICENSE]}]
assets: [install.sh]
notes:
  groups: [{title: New, types: [feat]}]
  exclude: [^chore]
  paths: ["cli/**"]
  template: "{{ .Version }}"
promote:
  require: [build, ci/**]
  bits: rebuild
  version: given
  class: stable
schedule:
  - {cron: 0 3 * * 1, timezone: Europe/Paris, branch: main, class: nightly}
  - cron: "@daily"
commands:
  promote: {permission: maintain, teams: [acme/release-managers]}
  status:
    permission: triage
rollout:
  - {package: release.ocu.star, classes: [stable, nightly]}
  - package: deploy/web.ocu.star
`
	for name, text := range map[string]string{
		"plain": block, "CRLF": strings.ReplaceAll(block, "\n", "\r\n"), "BOM": "\xEF\xBB\xBF" + block,
		"markers": "%YAML 1.2\n---" + block + "...\n", "comments": "# a\n" + strings.ReplaceAll(block, "project: hello\n", "project: hello # b\n\n#c\n"),
	} {
		got, problems := Load("f.yaml", []byte(text))
		problems = fatal(problems) // builder tool makes platforms that hello does not
		if d := cmp.Diff(want, got); d != "" || len(problems) > 0 {
			t.Errorf("%s: %v\n%s", name, problems, d)
		}
	}
}

func fatal(ps release.Problems) release.Problems {
	ps, _ = ps.Split()
	return ps
}

// A file without a word is the empty config.
func TestLoadEmpty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "\xEF\xBB\xBF", "---\n...\n", "{}"} {
		got, problems := Load("f.yaml", []byte(text))
		if d := cmp.Diff(release.Config{}, got); d != "" || len(problems) > 0 {
			t.Errorf("%q: %v\n%s", text, problems, d)
		}
	}
}

// Every problem is found in one go, at its place and with its hint. The lines
// begin with line:column.
func TestLoadProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"unknown keys", "projekt: x\nbuilds:\n  - id: a\n    platfroms: [linux/amd64]\n    goos: [linux]\nbefore: {hooks: [x]}\ndockers: []\nrun: x\nzzzzzz: 1\n", `
1:1 projekt: unknown key ` + "`projekt` (did you mean `project`?)" + `
4:5 builds[0].platfroms: unknown key ` + "`platfroms` (did you mean `platforms`?)" + `
5:5 builds[0].goos: unknown key ` + "`goos` (write `platforms`, such as [linux/amd64, linux/arm64])" + `
6:1 before: unknown key ` + "`before` (checks and commands that run first are steps of `test`)" + `
7:1 dockers: unknown key ` + "`dockers` (write `images`)" + `
8:1 run: unknown key ` + "`run` (`run` belongs to an entry of `test`; the keys here are project, description, homepage, license, maintainer, classes, test, builds, archives, packages, images, builder, assets, notes, publish, promote, schedule, commands, rollout)" + `
9:1 zzzzzz: unknown key ` + "`zzzzzz` (the keys here are project, description, homepage, license, maintainer, classes, test, builds, archives, packages, images, builder, assets, notes, publish, promote, schedule, commands, rollout)"},
		{"key in another spelling", "classes: [{name: a, branch: main, release_tag: 'x-{short}'}]", "1:35 classes[0].release_tag: unknown key `release_tag` (did you mean `release-tag`?)"},
		{"wrong types", "project: [a]\nbuilds:\n  id: a\nassets: a.txt, b.txt\ntest: [go vet ./...]\nnotes: x\nclasses: 7\narchives: [{files: {a: b}}]\n", `
1:10 project: project must be text, not a list (write one value, without [ ] and ` + "`- `)" + `
3:3 builds: builds must be a list, not a map (begin each entry with ` + "`- `)" + `
4:9 assets: assets must be a list of strings, not the text "a.txt, b.txt" (write [a.txt, b.txt])
5:8 test[0]: an entry of test must be a map, not the text "go vet ./..." (write {run: go vet ./...})
6:8 notes: notes must be a map, not the text "x"
7:10 classes: classes must be a list, not the number 7 (write each entry on a line of its own that begins with ` + "`- `, or all of them in [ ])" + `
8:20 archives[0].files: files must be a list of strings, not a map`},
		{"a number where text is wanted", "classes: [{name: a, tag: x, version: 1.0}]\nproject: true\n", `
1:38 classes[0].version: version must be text, not the number 1.0 (quote it: "1.0")
2:10 project: project must be text, not the boolean true (quote it: "true")`},
		{"no boolean", "builds: [{id: a, cgo: yes, static: 1}]", `
1:23 builds[0].cgo: cgo must be true or false, not the text "yes" (write true)
1:36 builds[0].static: static must be true or false, not the number 1`},
		{"null", "project:\nbuilds:\n  - id: ~\n  -\nassets: [~]\n", `
1:1 project: project has no value (write a value, or leave the key out for the default)
3:5 builds[0].id: id has no value (write a value, or leave the key out for the default)
4:4 builds[1]: an entry of builds has no value (write a value, or leave the key out for the default)
5:10 assets[0]: an entry of assets has no value (write a value, or leave the key out for the default)`},
		{"empty text", "project: ''\n", "1:10 project: project is empty (write a value, or leave the key out for the default)"},
		{"twice", "project: a\nproject: b\nbuilds: [{id: a, id: b}]\n", "2:1 project: `project` is given twice, first on line 1 (keep one of them)\n3:18 builds[0].id: `id` is given twice, first on line 3 (keep one of them)"},
		{"missing", "builds: [{main: .}]\ntest: [{name: x}]\nclasses: [{tag: x}]\n", `
1:10 builds[0].id: id is missing: name of the build; archives refer to it
2:8 test[0].run: run is missing: command: a string for the shell, or a list of arguments without one
3:11 classes[0].name: name is missing: name of the class, such as stable`},
		{"enum", "archives: [{formats: [tgz, ziip]}]\nbuilds: [{id: a, builder: rust, run: x}]\n", `
1:23 archives[0].formats[0]: "tgz" is not one of tar.gz, tar.zst, zip, binary (write ` + "`tar.gz`)" + `
1:28 archives[0].formats[1]: "ziip" is not one of tar.gz, tar.zst, zip, binary (did you mean ` + "`zip`?)" + `
2:27 builds[0].builder: "rust" is not one of go, command (write ` + "`command`)"},
		{"command", "test: [{run: {a: b}}, {run: []}, {run: ''}, {run: [go, 1]}]", `
1:14 test[0].run: run must be text for the shell, or a list of arguments, not a map
1:29 test[1].run: run is an empty list (write the command and its arguments)
1:40 test[2].run: run is empty (write the command)
1:56 test[3].run[1]: an entry of run must be text, not the number 1 (quote it: "1")`},
		{"env", "test:\n- run: x\n  env: {A: 1, B: true, 'c d': x, 3: y}\n", `
3:12 test[0].env.A: A must be text, not the number 1 (quote it: "1")
3:18 test[0].env.B: B must be text, not the boolean true (quote it: "true")
3:24 test[0].env["c d"]: "c d" is no name of an environment variable (use letters, digits and _, beginning with a letter)
3:34 test[0].env["3"]: "3" is no name of an environment variable (use letters, digits and _, beginning with a letter)`},
		{"not a map", "- a\n", "1:1 : a config is a map of keys, not a list (write `key: value` lines, such as `project: hello`)"},
		{"a word", "hello\n", "1:1 : a config is a map of keys, not the text \"hello\" (write `key: value` lines, such as `project: hello`)"},
		{"two documents", "project: a\n---\nproject: b\n", "2:1 : a second document begins here (put everything into one document)"},
		{"tab", "builds:\n\t- id: a\n", "2:1 : the line is indented with a tab (YAML is indented with spaces only)"},
		{"tab after spaces", "builds:\n  - id: a\n  \tmain: .\n", "3:3 : the line is indented with a tab (YAML is indented with spaces only)"},
		{"syntax", "project: a: b\n", "1:10 : no valid YAML: mapping value is not allowed in this context (put a text that has `: ` in it into quotes)"},
		{"open bracket", "assets: [a\n", "1:9 : no valid YAML: sequence end token ']' not found (close the list with ])"},
		{"placeholder without quotes", "archives: [{name: {project}}]\n", "1:19 archives[0].name: name must be text, not a map (put a text that begins with { into quotes)"},
		{"not UTF-8", "project: \xff\n", "1:10 : the file is not UTF-8: byte 0xFF stands here (save it as UTF-8)"},
		{"UTF-16", "\xff\xfep\x00", "1:1 : the file is UTF-16 (save it as UTF-8)"},
		{"NUL", "project: a\nx: \x00\n", "2:4 : a control character (U+0000) stands here (remove it)"},
		{"unknown alias", "builds: [*b]\n", "1:10 builds[0]: there is no anchor &b above (put & and the name before the value that is meant, above this line; quote a text that begins with *)"},
		{"alias of itself", "builds: &b [*b]\n", "1:13 builds[0]: there is no anchor &b above (put & and the name before the value that is meant, above this line; quote a text that begins with *)"},
		{"tags", "project: !foo x\n", "1:10 project: the YAML tag !foo means nothing here (leave the tag out)"},
		{"what merges is no map", "builds:\n  - {id: a, <<: 3}\n  - {id: b, <<: [x]}\n", "2:17 builds[0]: << takes a map, not the number 3 (write <<: *name)\n3:18 builds[1]: << takes maps, not the text \"x\""},
		{"behind an alias, once", "builds:\n  - &a {id: a, zzz: 1}\n  - {<<: *a, id: b}\n", "2:16 builds[0].zzz: unknown key `zzz` (the keys here are id, builder, image, dir, main, run, output, binary, platforms, env, tags, ldflags, flags, cgo, static)"},
		{"keys that are no words", "~: c\n", "1:1 : a key must be a word, not nothing"},
		{"columns count characters", "notes: {exclude: [é, (]}", "1:22 notes.exclude[1]: \"(\" is no regular expression: missing closing ) (for a bracket itself write \\( or \\))"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Load("f.yaml", []byte(tt.text))
			if d := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), lines(problems)); d != "" {
				t.Error(d)
			}
			for _, p := range problems {
				if p.File != "f.yaml" {
					t.Errorf("file %q", p.File)
				}
			}
		})
	}
}

// lines is each problem as "line:column field: message (hint)".
func lines(problems release.Problems) string {
	var out []string
	for _, p := range problems {
		s := fmt.Sprintf("%d:%d %s: %s", p.Line, p.Column, p.Field, p.Message)
		if p.Hint != "" {
			s += " (" + p.Hint + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// What is wrong with a config's meaning is found together with what is wrong
// with its structure, and nothing is reported that only follows from another
// problem.
func TestLoadMeaning(t *testing.T) {
	t.Parallel()
	_, problems := Load("f", []byte(`classes:
  - {name: A, tag: x}
  - {nmae: b, tag: y}
  - {name: all, tag: .+}
  - {name: late, tag: 'v(1'}
  - {name: later, tag: v1}
builds:
  - id: hello
    platforms: [linux/i686]
    run: make
  - {idd: x}
archives:
  - builds: [helo, x]
`))
	want := "2:12 classes[0].name: \"A\" is no name for a class (use lower-case letters, digits and -, beginning with a letter or digit)\n" +
		"3:5 classes[1].name: name is missing: name of the class, such as stable\n" +
		"3:6 classes[1].nmae: unknown key `nmae` (did you mean `name`?)\n" +
		"5:23 classes[3].tag: \"v(1\" is no regular expression: missing closing ) (for a bracket itself write \\( or \\))\n" +
		"6:24 classes[4].tag: class `later` can never match: every tag it takes is already taken by `all` above it (the first class that matches wins: move `later` above `all`)\n" +
		"9:17 builds[0].platforms[0]: \"linux/i686\" is not a platform: write linux/386\n" +
		"10:10 builds[0].run: builder go runs no command (it is for `builder: command`)\n" +
		"11:5 builds[1].id: id is missing: name of the build; archives refer to it\n" +
		"11:6 builds[1].idd: unknown key `idd` (did you mean `id`?)"
	if d := cmp.Diff(want, lines(problems)); d != "" {
		t.Error(d)
	}
}

// A promotion may be one word; times, zones and rules are looked at with all else.
func TestLoadForTheBot(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"same", "rebuild"} {
		cfg, problems := Load("f", []byte("promote: "+word+"\n"))
		if d := cmp.Diff(release.Config{Promote: release.Promote{Bits: word}}, cfg); d != "" || len(problems) > 0 {
			t.Errorf("%v\n%s", problems, d)
		}
	}
	for _, tt := range []struct{ name, text, want string }{
		{"words", "promote: rebuilt\ncommands: write\n", "1:10 promote: \"rebuilt\" is not one of same, rebuild (did you mean `rebuild`?)\n" +
			"2:11 commands: commands must be a map, not the text \"write\""},
		{"times", "schedule:\n  - {cron: 0 25 * * *, timezone: europe/paris}\n  - cron: 0 0 31 2 *\n    class: stabel\n  - {timezone: UTC}\n  - {cron: '@dayly', tz: UTC}\n", `
2:12 schedule[0].cron: hour "25": "25" is not from 0 to 23 (write 0 to 23, lists (1,2), ranges (1-3), steps (*/2) or *)
2:34 schedule[0].timezone: there is no time zone "europe/paris" (did you mean Europe/Paris?)
3:11 schedule[1].cron: "0 0 31 2 *" never happens: no year has such a day (for the last day of each month write the first, at 0 hours)
4:12 schedule[1].class: there is no class "stabel" (did you mean ` + "`stable`?)" + `
5:5 schedule[2].cron: cron is missing: when: five fields (minute, hour, day of month, month, day of week), or @daily, @weekly, @monthly, @yearly, @hourly, or @every 6h
6:12 schedule[3].cron: "@dayly" is not known (did you mean ` + "`@daily`?)" + `
6:22 schedule[3].tz: unknown key ` + "`tz` (write `timezone`)"},
		{"rollout", "rollout:\n  - {package: ../release.ocu.star, classes: [stabel]}\n  - {file: a.ocu.star}\n  - package: deploy.py\n    classes: [stable, stable]\n  - {package: ./a/../b.ocu.star}\n  - {package: b.ocu.star}\n", `
2:15 rollout[0].package: "../release.ocu.star" leaves the repository (only what is in the commit can be released)
2:46 rollout[0].classes[0]: there is no class "stabel" (did you mean ` + "`stable`?)" + `
3:5 rollout[1].package: package is missing: path of the release package in the repository; its name ends in .ocu.star or .star
3:6 rollout[1].file: unknown key ` + "`file` (write `package`)" + `
4:14 rollout[2].package: "deploy.py" is no release package (a release package's name ends in .ocu.star)
5:23 rollout[2].classes[1]: the class stable is listed twice
7:15 rollout[4].package: rollout[3] is b.ocu.star too (name its classes in one entry)`},
		{"unquoted", "schedule: [{cron: */5 * * * *}]\n", "1:23 : no valid YAML: ',' or '}' must be specified (put the time into quotes)"},
		{"unquoted in a block", "schedule:\n  - cron: */5 * * * *\n    branch: main\n", "2:15 : no valid YAML: value is not allowed in this context. map key-value is pre-defined (put the time into quotes)"},
		{"unquoted word", "schedule: [{cron: @daily}]\n", "1:19 : no valid YAML: '@' is a reserved character (put the time into quotes)"},
		{"commands", "commands:\n  promot: {permission: write}\n  hold: {permission: owner, teams: [acme, a/b, a/b], users: [x]}\n  retry: {teams: []}\n", `
2:3 commands.promot: unknown key ` + "`promot` (did you mean `promote`?)" + `
3:22 commands.hold.permission: "owner" is not one of write, read, triage, maintain, admin (write ` + "`admin`)" + `
3:37 commands.hold.teams[0]: "acme" is no team (write org/team, such as acme/release-managers)
3:48 commands.hold.teams[2]: a/b is listed twice
3:54 commands.hold.users: unknown key ` + "`users` (write `teams`)" + `
4:18 commands.retry.teams: the list is empty (nobody could write the command; leave the key out to go by the permission alone)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Load("f", []byte(tt.text))
			if d := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), lines(problems)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Anchors, aliases and merge keys mean what YAML says.
func TestLoadAliases(t *testing.T) {
	t.Parallel()
	got, problems := Load("f", []byte(`
builds:
  - &base
    id: a
    platforms: &p [linux/amd64]
    env: &e {A: "1", B: "2"}
  - <<: *base
    id: b
    env: {<<: *e, B: "3"}
  - <<: [{id: c, main: ./c}, *base]
    platforms: *p
  - {id: d, main: ./old, <<: {main: ./new}}
`))
	one := []string{"linux/amd64"}
	want := release.Config{Builds: []release.Build{
		{ID: "a", Platforms: one, Env: map[string]string{"A": "1", "B": "2"}},
		{ID: "b", Platforms: one, Env: map[string]string{"A": "1", "B": "3"}},
		{ID: "c", Main: "./c", Platforms: one, Env: map[string]string{"A": "1", "B": "2"}},
		{ID: "d", Main: "./old"},
	}}
	if d := cmp.Diff(want, got); d != "" || len(problems) > 0 {
		t.Errorf("%v\n%s", problems, d)
	}
}

// hostile are files that would cost much time, memory or stack.
func hostile() map[string]string {
	bomb := "builds:\n  - &a {id: a, platforms: &p [" + strings.Repeat("linux/amd64, ", 300) + "]}\n" + strings.Repeat("  - {<<: *a, env: {A: b}}\n", 1000)
	merges := "builds:\n  - &m0 {id: a}\n"
	for i := range 60 {
		merges += fmt.Sprintf("  - &m%d {<<: [*m%d, *m%d, *m%d]}\n", i+1, i, i, i)
	}
	return map[string]string{
		"too large":        strings.Repeat("#", maxSize+1),
		"deep lists":       "assets: " + strings.Repeat("[", maxSize/2),
		"deep maps":        strings.Repeat("{a: ", maxSize/8),
		"deep blocks":      strings.Repeat("- ", maxSize/4),
		"deep keys":        strings.Repeat("? ", maxSize/4),
		"deep indentation": deepIndentation(1000),
		"many keys":        strings.Repeat("a: b\n", maxSize/8),
		"many wrong keys":  manyKeys(5000),
		"many entries":     "assets:\n" + strings.Repeat("- /b\n", 8000),
		"alias bomb":       bomb,
		"merge bomb":       merges,
		"many builds":      "builds:\n" + strings.Repeat("- {id: a}\n", 2000) + "archives:\n" + strings.Repeat("- {id: a}\n", 800),
		"many tags":        "project: " + strings.Repeat("!!str ", maxSize/8),
		"many anchors":     "project: " + strings.Repeat("&a ", 5000) + "x",
		"many documents":   strings.Repeat("---\na: b\n", 4000),
		"many schedules":   "schedule:\n" + strings.Repeat("- {cron: 0 0 29 2 *, timezone: x}\n", 1000),
		"many comments":    strings.Repeat("#\n", 30000) + "x",
	}
}

func deepIndentation(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: x\n", i)
	}
	return b.String()
}

// A hostile file gets a problem, soon, and not a flood of them.
func TestLoadHostile(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, problems := Load("f", []byte(text))
			if len(fatal(problems)) == 0 || len(problems) > maxShown+1 {
				t.Errorf("%d problems", len(problems))
			}
			d := time.Since(start)
			t.Logf("%v, %d problems, first: %.150v", d, len(problems), problems[0])
			if d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// No input panics, and every problem has a place in the file and a message.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "a: b", "builds:\n- {id: a, <<: *x}\n", "test: [{run: [a, b]}]", "classes: [{name: a, tag: '(?=x)'}]", "? a\n: b\n",
		"notes: {template: '{{'}", "- - -\n", "a: !!str\n", "x: |+\n  a\n\n", "%YAML 1.2\n---\n", "archives: [{name: '{variant}..{os}'}]\nbuilds: [{id: x}]\n", "\t", "{", "a: &a *a", "<<: 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, problems := Load("f", data)
		n := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 2
		for _, p := range problems {
			if p.Line < 1 && !strings.HasSuffix(p.Message, "more problems") || p.Column < 1 && p.Line > 0 || p.Line > n || p.Message == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
