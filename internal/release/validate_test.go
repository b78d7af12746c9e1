package release

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each thing that is wrong with a config's meaning is found, at its field.
func TestValidate(t *testing.T) {
	t.Parallel()
	yes := true
	linux := []string{"linux/amd64"}
	run := Command{Script: "make {output}"}
	two := []Build{{ID: "a", Platforms: linux}, {ID: "b", Platforms: []string{"linux/amd64", "linux/arm64"}}}
	class := func(c Class) Config { return Config{Classes: []Class{c}} }
	build := func(b Build) Config { return Config{Builds: []Build{b}} }
	check := Command{Script: "make check"}
	step := func(s Step) Config { return Config{Test: []Step{s}} }
	archive := func(a ...Archive) Config { return Config{Project: "p", Builds: two, Archives: a} }
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string // field: message (hint), a warning with a ? before it
	}{
		{"nothing", Config{}, nil},
		{"defaults", Config{Project: "p", Classes: DefaultClasses("main"), Builds: two}, nil},
		{"project", Config{Project: "//"}, []string{`project: "//" leaves nothing for a file name (it is the base of archive names: use letters and digits)`}},

		{"no classes", Config{Classes: []Class{}}, []string{"classes: the list is empty (nothing would ever be released; leave the key out for stable, extra and development)"}},
		{"class names", Config{Classes: []Class{{Tag: "a"}, {Name: "B", Tag: "b"}, {Name: "c", Tag: "c"}, {Name: "c", Tag: "d"}}}, []string{
			"classes[0].name: the class has no name",
			`classes[1].name: "B" is no name for a class (use lower-case letters, digits and -, beginning with a letter or digit)`,
			`classes[3].name: classes[2] is called "c" too`}},
		{"takes nothing", class(Class{Name: "a"}), []string{"classes[0].tag: the class takes nothing: it has neither tag nor branch (write tag: with a regular expression, or branch: with the name of a branch)"}},
		{"takes both", class(Class{Name: "a", Tag: "x", Branch: "y"}), []string{"classes[0].branch: a class takes tags or a branch, not both (make two classes)"}},
		{"release-tag of tags", class(Class{Name: "a", Tag: "x", ReleaseTag: "y-{short}"}), []string{"classes[0].release-tag: release-tag is only for classes with a branch (leave it out: the release is made for the tag that is there)"}},
		{"lookahead", class(Class{Name: "a", Tag: `v1(?!0)`}), []string{"classes[0].tag: \"v1(?!0)\" is no regular expression: lookahead or lookbehind at character 3 ((?!) (RE2 has neither: a class above this one can take what it must not match)"}},
		{"lookbehind", class(Class{Name: "a", Tag: `(?<!x)v`}), []string{"classes[0].tag: \"(?<!x)v\" is no regular expression: lookahead or lookbehind at character 1 ((?<!) (RE2 has neither: a class above this one can take what it must not match)"}},
		{"backreference", class(Class{Name: "a", Tag: `é(a)\1`}), []string{"classes[0].tag: \"é(a)\\\\1\" is no regular expression: invalid escape sequence at character 5 (\\1) (RE2 has no backreferences)"}},
		{"glob as pattern", class(Class{Name: "a", Tag: `*.x`}), []string{`classes[0].tag: "*.x" is no regular expression: missing argument to repetition operator at character 1 (*) (for any text write .*; a glob is no regular expression)`}},
		{"open quote", class(Class{Name: "a", Tag: `v\Q1`}), []string{`classes[0].tag: the pattern ends inside \Q (close \Q with \E)`}},
		{"ref as pattern", class(Class{Name: "a", Tag: `refs/tags/v.*`}), []string{"?classes[0].tag: a tag's name does not begin with refs/tags/ (write the tag's own name, such as v1.2.3)"}},
		{"group that is no placeholder", class(Class{Name: "a", Tag: `v(?P<Major>1)`}), []string{"classes[0].tag: the group Major can't be a placeholder (use lower-case letters, digits and _, beginning with a letter)"}},
		{"groups in version", class(Class{Name: "a", Tag: `v(?P<major>1)`, Version: "{major}-{short}-{majr}"}), []string{"classes[0].version: unknown placeholder {majr}: did you mean {major}?"}},
		{"branch", Config{Classes: []Class{{Name: "a", Branch: "["}, {Name: "b", Branch: "refs/heads/x"}}}, []string{
			`classes[0].branch: "[" is no glob (a glob has *, **, ?, [a-z] and {a,b}; a backslash takes the next character as it is)`,
			"classes[1].branch: a branch's name does not begin with refs/heads/ (write x)"}},
		{"release-tag", Config{Classes: []Class{{Name: "a", Branch: "a", ReleaseTag: "a {short}"}, {Name: "b", Branch: "b", ReleaseTag: "nightly-{date}"}, {Name: "c", Branch: "c", ReleaseTag: "{os}-{version}"}}}, []string{
			`classes[0].release-tag: it gives "a 012345678901", which git does not take as a tag`,
			"?classes[1].release-tag: two commits can get the same tag, and the second release would be refused (put {short} into it)",
			"classes[2].release-tag: unknown placeholder {os}: there are {branch}, {class}, {commit}, {date}, {short}, {tag}, {version}"}},

		{"no command", Config{Test: []Step{{}, {Run: Command{Script: " \n"}}, {Run: Command{Args: []string{""}}}, {Run: Command{Args: []string{"a", "\x00"}}}}}, []string{
			"test[0].run: there is no command (write a string for the shell, or a list of arguments)",
			"test[1].run: there is no command (write a string for the shell, or a list of arguments)",
			"test[2].run[0]: the command's name is empty", "test[3].run[1]: it holds a NUL character"}},
		{"on", step(Step{Run: check, On: "comit"}), []string{"test[0].on: \"comit\" is not one of commit, release (did you mean `commit`?)"}},
		{"platforms of a commit step", step(Step{Run: check, Platforms: linux}), []string{"test[0].platforms: platforms mean nothing to a step that runs once, before the builds (add `on: release`, or leave `platforms` out)"}},
		{"platforms that are not built", Config{Project: "p", Builds: []Build{{ID: "a", Platforms: linux}}, Test: []Step{{Run: check, On: "release", Platforms: []string{"linux/386", "linux/amd64", "x"}}}}, []string{
			`test[0].platforms[2]: "x" is not a platform: write os/arch or os/arch/variant, such as linux/amd64 or linux/arm/v6`,
			"test[0].platforms[0]: no build makes linux/386 (the builds make linux/amd64)"}},
		{"paths", Config{Test: []Step{{Run: check, Dir: "/x"}, {Run: check, Dir: "a/../../b"}}, Assets: []string{"", "~/x", `C:\x`, `a\b`, "a\nb", "[", "../x", "ok/**", "späße.txt"}, Notes: Notes{Paths: []string{".."}}}, []string{
			`test[0].dir: "/x" is an absolute path (write it relative to the repository's root)`,
			`test[1].dir: "a/../../b" leaves the repository (only what is in the commit can be released)`,
			"assets[0]: the path is empty", `assets[1]: "~/x" is in a home folder (write it relative to the repository's root)`,
			`assets[2]: "C:\\x" has a backslash in it (write / between folders)`, `assets[3]: "a\\b" has a backslash in it (write / between folders)`,
			`assets[4]: "a\nb" has a control character in it`, `assets[5]: "[" is no glob (a glob has *, **, ?, [a-z] and {a,b})`,
			`assets[6]: "../x" leaves the repository (only what is in the commit can be released)`,
			`assets[8]: "späße.txt" is a name that forges change (rename it: use letters, digits and . _ + @ = -)`,
			`notes.paths[0]: ".." leaves the repository (only what is in the commit can be released)`}},
		{"output in a step", step(Step{Run: run}), []string{"test[0].run: {output} is for builds; a step builds nothing (a step with `on: release` finds the binary of build x in $SLIPWAY_BINARY_X)"}},
		{"env", step(Step{Run: check, Env: map[string]string{"A-B": "x", "C": "\x00", "1": ""}}), []string{
			`test[0].env["1"]: "1" is no name of an environment variable (use letters, digits and _, beginning with a letter)`,
			`test[0].env.A-B: "A-B" is no name of an environment variable (use letters, digits and _, beginning with a letter)`,
			"test[0].env.C: it holds a NUL character"}},

		{"ids", Config{Project: "p", Builds: []Build{{}, {ID: "a"}, {ID: "a", Binary: "c"}, {ID: "a/b"}, {ID: ".."}, {ID: strings.Repeat("x", 101)}}, Archives: []Archive{}}, []string{
			"builds[0].id: the build has no id", `builds[2].id: builds[1] has the id "a" too`,
			`builds[3].id: "a/b" is no file name (use letters, digits and . _ + @ = -)`, `builds[4].id: ".." is no file name (use letters, digits and . _ + @ = -)`,
			"builds[5].id: the name has 101 characters; at most 100 fit everywhere"}},
		{"binary", Config{Builds: []Build{{ID: "a", Binary: "../x"}, {ID: "b", Binary: "b.exe"}}}, []string{
			`builds[0].binary: "../x" is no file name (use letters, digits and . _ + @ = -)`, "builds[1].binary: .exe is added for Windows, and only there (leave .exe out)"}},
		{"builder", build(Build{ID: "a", Builder: "rust"}), []string{`builds[0].builder: "rust" is not one of go, command`}},
		{"go build with the keys of command", build(Build{ID: "a", Run: run, Output: "x", Env: map[string]string{"GOOS": "x", "CGO_ENABLED": "1"}}), []string{
			"builds[0].run: builder go runs no command (it is for `builder: command`)", "builds[0].output: builder go chooses the output itself (it is for `builder: command`)",
			"builds[0].env.CGO_ENABLED: builder go sets CGO_ENABLED itself (set `cgo` instead)", "builds[0].env.GOOS: builder go sets GOOS itself (set `platforms` instead)"}},
		{"command with the keys of go", build(Build{ID: "a", Builder: "command", Run: run, Main: ".", Tags: []string{"x"}, Ldflags: []string{}, Flags: []string{"x"}, CGO: true, Static: &yes}), []string{
			"builds[0].main: main is for builder go (builder command passes on only what `run` and `env` say)", "builds[0].tags: tags is for builder go (builder command passes on only what `run` and `env` say)",
			"builds[0].ldflags: ldflags is for builder go (builder command passes on only what `run` and `env` say)", "builds[0].flags: flags is for builder go (builder command passes on only what `run` and `env` say)",
			"builds[0].cgo: cgo is for builder go (builder command passes on only what `run` and `env` say)"}},
		{"command without a command", build(Build{ID: "a", Builder: "command"}), []string{"builds[0].run: builder command has no command to run (write the command that builds the binary for {target} and leaves it at {output})"}},
		{"command without output", Config{Builds: []Build{{ID: "a", Builder: "command", Run: Command{Script: "make"}}, {ID: "b", Builder: "command", Run: Command{Script: `make "$SLIPWAY_OUTPUT"`}}, {ID: "c", Builder: "command", Dir: "x", Run: Command{Script: "make"}, Output: "../../y"}}},
			[]string{"?builds[0].run: nothing says where the command leaves the binary (use {output} in the command, or set `output`)", `builds[2].output: "../../y" leaves the repository (only what is in the commit can be released)`}},
		{"main", Config{Builds: []Build{{ID: "a", Main: "cmd/a"}, {ID: "b", Main: "./..."}, {ID: "c", Main: "-x"}, {ID: "d", Main: "../d"}, {ID: "e", Main: "../e", Dir: "x"}, {ID: "f", Main: "example.com/f"}}}, []string{
			`builds[0].main: go would look for "cmd/a" in its standard library (write ./cmd/a)`, `builds[1].main: "./..." is more than one package (make one build for each main package)`,
			"builds[2].main: \"-x\" is no package (flags go to `flags`)", `builds[3].main: "../d" leaves the repository (only what is in the commit can be released)`}},
		{"platforms", build(Build{ID: "a", Platforms: []string{"linux/i686", "linux/amd64", "linux/amd64", "linus/amd46"}}), []string{
			`builds[0].platforms[0]: "linux/i686" is not a platform: write linux/386`, "builds[0].platforms[2]: linux/amd64 is listed twice",
			"?builds[0].platforms[3]: Go has no operating system \"linus\" (did you mean `linux`?)", "?builds[0].platforms[3]: Go has no architecture \"amd46\" (did you mean `amd64`?)"}},
		{"no platforms", build(Build{ID: "a", Platforms: []string{}}), []string{"builds[0].platforms: the list is empty (leave the key out for the default platforms)"}},
		{"placeholders", Config{Project: "p", Test: []Step{{Run: Command{Script: "echo {verson} {x,y} {print $1} ${tag}"}}, {Run: Command{Args: []string{"{os}"}}}},
			Builds: []Build{{ID: "a", Platforms: linux, Flags: []string{"{nope}"}, Ldflags: []string{"-X 'a"}, Env: map[string]string{"A": "{arc}"}}}}, []string{
			"test[0].run: unknown placeholder {verson}: did you mean {version}?",
			"test[1].run[0]: unknown placeholder {os}: there are {branch}, {class}, {commit}, {date}, {output}, {project}, {short}, {tag}, {time}, {version}",
			"builds[0].env.A: unknown placeholder {arc}: did you mean {arch}?",
			"builds[0].flags[0]: unknown placeholder {nope}: there are {arch}, {branch}, {class}, {commit}, {date}, {exe}, {os}, {platform}, {project}, {short}, {tag}, {target}, {time}, {variant}, {version}", "builds[0].ldflags[0]: EOF found when expecting closing quote"}},

		{"archive references", archive(Archive{ID: "x", Builds: []string{"a", "bb", "a", "zzz"}, Name: "x-{platform}"}, Archive{ID: "x", Builds: []string{}}), []string{
			"archives[0].builds[1]: there is no build \"bb\" (did you mean `b`?)", "archives[0].builds[2]: a is listed twice",
			`archives[0].builds[3]: there is no build "zzz" (there are a, b)`, `archives[1].id: archives[0] has the id "x" too`,
			"archives[1].builds: the list is empty (leave the key out for all builds)"}},
		{"formats", archive(Archive{Formats: []string{"tar.gz", "tar.gz", "rar"}}), []string{
			"archives[0].formats[1]: tar.gz is listed twice", "archives[0].formats[2]: \"rar\" is not one of tar.gz, tar.zst, zip, binary",
			"archives[0].name: two assets would be named p_1.2.3_linux_amd64.tar.gz: that of archives[0] for linux/amd64, and that of archives[0] for linux/amd64 (put {platform}, or another word, into it)"}},
		{"archive names", archive(Archive{Name: "a/{platform}"}, Archive{Name: "x..{platform}"}, Archive{Name: "ä{platform}"}, Archive{Name: "-{platform}"}, Archive{Name: "{os}_{verson}"}), []string{
			`archives[0].name: "a/{platform}" has a slash in it (an asset is one file, without a folder)`, `archives[1].name: "x..{platform}" has .. in it`,
			`archives[2].name: "ä{platform}" has characters that forges rename (use letters, digits and . _ + @ = -)`, `archives[3].name: "-{platform}" has characters that forges rename (use letters, digits and . _ + @ = -)`,
			"archives[4].name: unknown placeholder {verson}: did you mean {version}?"}},
		{"one name for two platforms", archive(Archive{Name: "{project}"}), []string{
			"archives[0].name: two assets would be named p.tar.gz: that of archives[0] for linux/amd64, and that of archives[0] for linux/arm64 (put {platform}, or another word, into it)"}},
		{"one name for two archives", archive(Archive{Builds: []string{"a"}}, Archive{Builds: []string{"b"}}), []string{
			"archives[1].name: two assets would be named p_1.2.3_linux_amd64.tar.gz: that of archives[0] for linux/amd64, and that of archives[1] for linux/amd64 (put {platform}, or another word, into it)"}},
		{"one name in two formats", archive(Archive{Formats: []string{"tar.gz", "zip"}}), nil},
		{"bare binaries", archive(Archive{Formats: []string{"binary"}}), []string{"archives[0].formats[0]: format binary is one bare file, but a and b are both built for linux/amd64 (make one archive for each build)"}},
		{"two binaries of one name", Config{Project: "p", Builds: []Build{{ID: "a", Platforms: linux}, {ID: "b", Binary: "a", Platforms: linux}}}, []string{
			"builds[1].binary: builds a and b would both be a in the archive (give one of them another `binary`, or put them into two archives)"}},
		{"two binaries of one name, on other platforms", Config{Project: "p", Builds: []Build{{ID: "a", Platforms: linux}, {ID: "b", Binary: "a", Platforms: []string{"linux/386"}}}}, nil},
		{"a build that is not packed", archive(Archive{Builds: []string{"a"}}), []string{"?builds[1].id: b is built but in no archive and no image, so it is not released (add b to the `builds` of an archive)"}},
		{"archives of nothing", Config{Builds: []Build{}, Archives: []Archive{{}}}, []string{"archives: there is nothing to pack: builds is empty (leave `builds` out for the defaults, or `archives` too)"}},
		{"reserved names", Config{Project: "p", Builds: two, Archives: []Archive{}, Assets: []string{"x/checksums.txt", "a/i.sh", "b/i.sh"}}, []string{
			"assets[0]: two assets would be named checksums.txt: that of a file that Slipway makes itself, and that of x/checksums.txt (rename one of them)",
			"assets[2]: two assets would be named i.sh: that of a/i.sh, and that of b/i.sh (rename one of them)"}},
		{"too many", Config{Builds: make([]Build, 300)}, nil},

		{"no rollout", Config{Rollout: []RolloutPackage{}}, []string{"rollout: the list is empty (leave the key out to roll nothing out)"}},
		{"rollout", Config{Rollout: []RolloutPackage{{Package: "/a.star"}, {Package: "a b.star"}, {Package: "*.ocu.star"}, {Package: `a\b.star`}, {Package: "x/repo.ocu.star"}, {Package: ".star"}, {Package: "x.ocu.star", Classes: []string{}}}}, []string{
			`rollout[0].package: "/a.star" is an absolute path (write it relative to the repository's root)`,
			`rollout[1].package: "a b.star" can't be part of a reference: it has one of @ + # = or a space in it (give the file another name)`,
			`rollout[2].package: "*.ocu.star" is a glob, and one file is wanted (write an entry for each package)`,
			`rollout[3].package: "a\\b.star" has a backslash in it (write / between folders)`,
			"rollout[4].package: repo.ocu.star is about the repository, and has no work to do (name a release package, such as release.ocu.star)",
			`rollout[5].package: ".star" is no release package (a release package's name ends in .ocu.star)`,
			"rollout[6].classes: the list is empty (leave the key out for releases of the class stable)"}},
		{"rollout without a stable class", Config{Classes: []Class{{Name: "nightly", Branch: "main"}}, Rollout: []RolloutPackage{{Package: "a.star"}}}, []string{
			"rollout[0].classes: it stands for the class stable, which is not among the classes (name the classes: nightly)"}},

		{"notes", Config{Notes: Notes{Groups: []NotesGroup{{Title: " ", Types: []string{"feat", "*"}}, {Title: "b", Types: []string{"feat", "a b"}}}, Exclude: []string{"("}, Template: "{{ .Nope }}"}}, []string{
			"notes.groups[0].title: the title is blank (leave it out to keep these commits out of the notes)", `notes.exclude[0]: "(" is no regular expression: missing closing ) (for a bracket itself write \( or \))`,
			`notes.groups[1].types[0]: type "feat" belongs to group " " already`, `notes.groups[1].types[1]: "a b" can't be a commit type: a type is one word, such as feat, or *`,
			"notes.template: line 1 of the template: <.Nope>: can't evaluate field Nope in type releasenotes.Notes; see the fields of releasenotes.Notes (it is a Go text/template)"}},
		{"commits that a group leaves out", Config{Notes: Notes{Groups: []NotesGroup{{Types: []string{"docs"}}}}}, nil},
		{"template syntax", Config{Notes: Notes{Template: "a\n{{ range"}}, []string{"notes.template: line 2 of the template: unclosed action (it is a Go text/template)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := problemLines(Validate(tt.cfg))
			if tt.name == "too many" {
				got = got[len(got)-1:]
				tt.want = []string{"builds: 1200 binaries would be built (a release has at most 1000 assets)"}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func problemLines(problems []Problem) (out []string) {
	for _, p := range problems {
		s := p.Field + ": " + p.Message
		if p.Hint != "" {
			s += " (" + p.Hint + ")"
		}
		if p.Warning {
			s = "?" + s
		}
		out = append(out, s)
	}
	return out
}

// Filling in defaults leaves the config it is given as it was, and what is
// given as it is.
func TestWithDefaults(t *testing.T) {
	t.Parallel()
	given := Config{Builds: []Build{{ID: "a"}, {ID: "b", Builder: "command", Platforms: []string{}}}, Archives: []Archive{{Files: []string{}}}}
	before := Config{Builds: []Build{given.Builds[0], given.Builds[1]}, Archives: []Archive{given.Archives[0]}}
	four := []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"}
	want := Config{
		Builds:   []Build{{ID: "a", Builder: "go", Main: ".", Binary: "a", Platforms: four}, {ID: "b", Builder: "command", Binary: "b", Platforms: []string{}}},
		Archives: []Archive{{Builds: []string{"a", "b"}, Formats: []string{"tar.gz"}, Name: DefaultArchiveName, Files: []string{}}},
	}
	if d := cmp.Diff(want, given.WithDefaults()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, given); d != "" {
		t.Errorf("changed what it was given: %s", d)
	}
}
