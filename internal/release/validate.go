package release

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/releasenotes"
)

// Validate finds everything that is wrong with a config beyond its structure:
// names, patterns, paths, placeholders, references and assets that would get
// the same name. It needs no repository and takes a config before or after its
// defaults are filled in. Problem.Field holds the place, such as
// "builds[1].platforms[0]"; Problems that only warn come along.
func Validate(cfg Config) Problems {
	v := &validator{given: cfg, cfg: cfg.WithDefaults()}
	v.project()
	v.classes()
	v.steps()
	v.builds()
	v.archives()
	v.packages()
	v.images()
	v.builder()
	v.assets()
	v.notes()
	v.publish()
	v.promote()
	v.schedules()
	v.commands()
	v.rollout()
	if !v.tooMany() {
		v.placeholders()
		v.names()
	}
	return v.problems
}

// FieldKey is the place of a map's key inside the map at field: "env.PATH", or
// quoted in brackets where the key is no plain word.
func FieldKey(field, key string) string {
	if plainKey.MatchString(key) {
		return field + "." + key
	}
	return fmt.Sprintf("%s[%q]", field, key)
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

type validator struct {
	given    Config // as written
	cfg      Config // with defaults
	problems Problems
}

func (v *validator) add(field, hint, format string, args ...any) {
	v.problems = append(v.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (v *validator) warn(field, hint, format string, args ...any) {
	v.add(field, hint, format, args...)
	v.problems[len(v.problems)-1].Warning = true
}

func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func (v *validator) project() {
	if p := v.given.Project; p != "" && FileName(p) == "" {
		v.add("project", "it is the base of archive names: use letters and digits", "%q leaves nothing for a file name", p)
	}
}

// enum refuses a value that the field's enum tag does not list.
func (v *validator) enum(field string, of any, goField, value string) {
	f, _ := reflect.TypeOf(of).FieldByName(goField)
	allowed := strings.Split(f.Tag.Get("enum"), ",")
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	v.add(field, EnumHint(value, allowed), "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// EnumHint says which of the allowed values was probably meant; it may be empty.
func EnumHint(value string, allowed []string) string {
	if near := Nearest(value, allowed); near != "" {
		return fmt.Sprintf("did you mean `%s`?", near)
	}
	return ""
}

// emptyList refuses a list that is there but has nothing in it.
func emptyList[T any](v *validator, field string, list []T, hint string) {
	if list != nil && len(list) == 0 {
		v.add(field, hint, "the list is empty")
	}
}

func (v *validator) steps() {
	for i, s := range v.given.Test {
		field := at("test", i)
		v.command(field+".run", s.Run)
		v.builderImage(field+".image", s.Image)
		if all := s.Run.Script + strings.Join(s.Run.Args, " "); strings.Contains(all, "{output}") {
			v.add(field+".run", "a step with `on: release` finds the binary of build x in $SLIPWAY_BINARY_X", "{output} is for builds; a step builds nothing")
		}
		v.enum(field+".on", s, "On", s.On)
		v.dir(field+".dir", s.Dir)
		v.env(field+".env", s.Env)
		emptyList(v, field+".platforms", s.Platforms, "leave the key out for every platform of the builds")
		if s.Platforms != nil && s.On != "release" && s.Image == "" {
			v.add(field+".platforms", "add `on: release`, or leave `platforms` out", "platforms mean nothing to a step that runs once, before the builds")
			continue
		}
		v.stepPlatforms(field+".platforms", s.Platforms)
	}
}

func (v *validator) stepPlatforms(field string, names []string) {
	made := v.madePlatforms()
	for i, p := range v.platforms(field, names) {
		if p == (Platform{}) || len(made) == 0 || slices.Contains(made, p.String()) {
			continue
		}
		v.add(at(field, i), "the builds make "+strings.Join(made, ", "), "no build makes %s", p)
	}
}

// madePlatforms is every platform of the builds in the file, in order.
func (v *validator) madePlatforms() []string {
	if v.given.Builds == nil {
		return nil
	}
	var out []string
	for _, b := range v.cfg.Builds {
		for _, p := range b.Platforms {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// platforms parses names; one that is wrong is reported and left as zero.
func (v *validator) platforms(field string, names []string) []Platform {
	out := make([]Platform, len(names))
	for i, n := range names {
		p, err := ParsePlatform(n)
		switch {
		case err != nil:
			v.add(at(field, i), "", "%v", err)
		case slices.Contains(out[:i], p):
			v.add(at(field, i), "", "%s is listed twice", p)
		default:
			out[i] = p
		}
	}
	return out
}

func (v *validator) command(field string, c Command) {
	switch {
	case strings.TrimSpace(c.Script) == "" && len(c.Args) == 0:
		v.add(field, "write a string for the shell, or a list of arguments", "there is no command")
	case len(c.Args) > 0 && c.Args[0] == "":
		v.add(at(field, 0), "", "the command's name is empty")
	}
	v.text(field, c.Script)
	for i, a := range c.Args {
		v.text(at(field, i), a)
	}
}

// text refuses what no argument and no variable can hold.
func (v *validator) text(field, s string) {
	if strings.ContainsRune(s, 0) {
		v.add(field, "", "it holds a NUL character")
	}
}

var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v *validator) env(field string, env map[string]string) {
	for _, k := range sortedKeys(env) {
		if !envKey.MatchString(k) {
			v.add(FieldKey(field, k), "use letters, digits and _, beginning with a letter", "%q is no name of an environment variable", k)
		}
		v.text(FieldKey(field, k), env[k])
	}
}

func (v *validator) notes() {
	n := v.given.Notes
	o := releasenotes.Options{Template: n.Template}
	for i, g := range n.Groups {
		if g.Title != "" && strings.TrimSpace(g.Title) == "" {
			v.add(at("notes.groups", i)+".title", "leave it out to keep these commits out of the notes", "the title is blank")
		}
		o.Groups = append(o.Groups, releasenotes.Group{Title: g.Title, Types: g.Types})
	}
	for i, expr := range n.Exclude {
		v.pattern(at("notes.exclude", i), expr)
	}
	for i, p := range n.Paths {
		v.path(at("notes.paths", i), "", p)
	}
	_, err := releasenotes.New(o)
	v.notesOptions(err)
}

// notesOptions takes over what releasenotes finds wrong with its options.
func (v *validator) notesOptions(err error) {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range all.Unwrap() {
			v.notesOptions(e)
		}
		return
	}
	var e *releasenotes.OptionError
	if !errors.As(err, &e) {
		return
	}
	message, hint := e.Message, ""
	if e.Field == "template" {
		hint = "it is a Go text/template"
	}
	if e.Line > 0 {
		message = fmt.Sprintf("line %d of the template: %s", e.Line, e.Message)
	}
	v.add("notes."+e.Field, hint, "%s", message)
}

// placeholders fills every template with sample values, as the plan will with
// real ones, and reports those that can't be filled.
func (v *validator) placeholders() {
	b := v.sample()
	b.steps()
	b.builds()
	v.imagePlaceholders(b)
	for i, p := range v.cfg.Packages {
		vars := b.on(samplePlatform)
		vars["package"], vars["format"] = orDefault(p.Name, "project"), "deb"
		b.fileName(at("packages", i)+".file", p.File, vars)
		for j, c := range p.Contents {
			b.text(fmt.Sprintf("packages[%d].contents[%d].source", i, j), c.Source, vars)
			b.text(fmt.Sprintf("packages[%d].contents[%d].target", i, j), c.Target, vars)
		}
	}
	for i, a := range v.cfg.Archives {
		b.fileName(at("archives", i)+".name", orDefault(a.Name, DefaultArchiveName), b.on(samplePlatform))
	}
	for _, p := range b.problems {
		if !v.reported(p.Field) {
			v.problems = append(v.problems, p)
		}
	}
}

var samplePlatform = Platform{OS: "linux", Arch: "amd64"}

// sample is a planner with the values of a made-up release.
func (v *validator) sample() *planner {
	p := Plan{Project: orDefault(v.cfg.Project, "project"), Version: "1.2.3", Tag: "v1.2.3", Branch: "main", Class: "stable",
		Commit: strings.Repeat("0123456789", 4), Time: time.Unix(1700000000, 0).UTC()}
	return &planner{plan: &p, cfg: v.cfg, vars: planVars(p)}
}

// maxAssets is what GitHub takes in one release.
const maxAssets = 1000

// tooMany refuses what no release can hold, before every combination is tried.
func (v *validator) tooMany() bool {
	binaries, platforms := 0, v.madePlatforms()
	for _, b := range v.cfg.Builds {
		binaries += len(b.Platforms)
	}
	archives := 0
	for _, a := range v.given.Archives {
		archives += max(len(a.Formats), 1) * max(len(platforms), 1)
	}
	switch {
	case binaries > maxAssets:
		v.add("builds", "a release has at most 1000 assets", "%d binaries would be built", binaries)
	case len(v.given.Test)*max(len(platforms), 1) > maxAssets:
		v.add("test", "", "%d checks would run", len(v.given.Test)*max(len(platforms), 1))
	case archives > 10*maxAssets:
		v.add("archives", "a release has at most 1000 assets", "there are too many archives")
	case len(v.given.Assets) > maxAssets:
		v.add("assets", "a release has at most 1000", "there are %d assets", len(v.given.Assets))
	default:
		return false
	}
	return true
}

func (v *validator) reported(field string) bool {
	return slices.ContainsFunc(v.problems, func(p Problem) bool { return p.Field == field })
}
