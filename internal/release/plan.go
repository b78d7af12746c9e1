package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/shlex"
	"github.com/gowebpki/jcs"
)

// PlanInput is everything a plan is made of.
type PlanInput struct {
	Event    Event
	Decision Decision // not skipped
	Config   Config   // completed: every default filled in
	History  History
	Target   *Target // nil when nothing will be published
	Snapshot bool
	// Platforms leaves only these in the plan; empty means all.
	Platforms []Platform
	Images    ImageFacts
	// Promote is the manifest of the release whose bits the new one gets; nil
	// builds them.
	Promote *Manifest
}

// NewPlan says what exactly will exist. Its error is Problems, every one found.
func NewPlan(in PlanInput) (Plan, error) {
	c, err := NewClassifier(in.Config.Classes)
	if err != nil {
		return Plan{}, err
	}
	d, at := in.Decision, in.Event.Time.UTC().Truncate(time.Second)
	p := Plan{
		Schema: PlanSchema, Project: in.Config.Project, Target: in.Target,
		Class: d.Class, Version: d.Version, Tag: d.Tag, Branch: d.Branch, Commit: d.Commit, Time: at,
		Title: d.Tag, Prerelease: d.Prerelease, Snapshot: in.Snapshot, MakesTag: in.Event.MakesTag,
		Latest: !d.Prerelease && d.Branch == "" && c.newestOfClass(d, at, in.History),
	}
	previous := in.History.Previous
	if previous == nil {
		previous = &Predecessor{Reason: noPredecessor(d)}
	}
	p.Notes = PlanNotes{Previous: previous.Name, From: previous.Commit, To: d.Commit, Reason: previous.Reason,
		Paths: in.Config.Notes.Paths, Groups: in.Config.Notes.Groups, Exclude: in.Config.Notes.Exclude, Template: in.Config.Notes.Template}

	b := planner{plan: &p, cfg: in.Config, vars: planVars(p)}
	if in.Promote != nil {
		b.promotion(c, in)
	} else {
		p.Files = in.Config.Assets
		b.only(in.Platforms)
		b.steps()
		b.builds()
		b.archives()
		b.packages()
		b.images(c, in)
		b.assets()
	}
	b.places(in.Promote)
	b.installer()
	if len(b.problems) > 0 {
		return Plan{}, b.problems
	}
	return p, nil
}

// Hash is sha256:<hex> over the plan's canonical JSON (RFC 8785). Latest and the
// moving tags of images are left out, because a later tag takes them away without
// changing what this release is; so are the forge's kind, which says how the
// target is spoken to, whether the tag was there before, and the places that the
// release goes to besides the forge.
func (p Plan) Hash() string {
	p.Latest, p.MakesTag = false, false
	p.Images, p.Places = withoutMoving(p.Images), nil
	if p.Target != nil {
		t := *p.Target
		t.Forge = ""
		p.Target = &t
	}
	sum := sha256.Sum256(p.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Canonical is the plan as canonical JSON (RFC 8785): the same plan has the
// same bytes.
func (p Plan) Canonical() []byte {
	b, err := json.Marshal(p)
	if err == nil {
		b, err = jcs.Transform(b)
	}
	if err != nil {
		panic("release: a plan does not encode: " + err.Error()) //nolint:forbidigo // no input leads here: a Plan holds strings, bools, times and maps of strings
	}
	return b
}

// planner fills in a plan and gathers what is wrong on the way.
type planner struct {
	plan     *Plan
	cfg      Config
	vars     map[string]string
	problems Problems
}

func planVars(p Plan) map[string]string {
	return map[string]string{
		"project": p.Project, "version": p.Version, "tag": p.Tag, "branch": p.Branch, "class": p.Class,
		"commit": p.Commit, "short": ShortCommit(p.Commit),
		"date": p.Time.Format("20060102"), "time": p.Time.Format(time.RFC3339),
	}
}

func (b *planner) problem(field string, err error) {
	if err == nil {
		return
	}
	// The same setting is expanded once a platform; it is wrong only once.
	p := Problem{Field: field, Message: err.Error()}
	if !slices.Contains(b.problems, p) {
		b.problems = append(b.problems, p)
	}
}

// on is the variables with those of a platform added.
func (b *planner) on(p Platform) map[string]string {
	vars := maps.Clone(b.vars)
	vars["os"], vars["arch"], vars["variant"] = p.OS, p.Arch, p.Variant
	vars["platform"], vars["target"], vars["exe"] = p.Slug(), p.Target(), p.Exe()
	return vars
}

func (b *planner) text(field, template string, vars map[string]string) string {
	s, err := Expand(template, vars)
	b.problem(field, err)
	return s
}

// fileName expands a template of a file name: what the values hold is made fit
// for a file, what the template says stands.
func (b *planner) fileName(field, template string, vars map[string]string) string {
	safe := make(map[string]string, len(vars))
	for k, v := range vars {
		safe[k] = FileName(v)
	}
	return b.text(field, template, safe)
}

func (b *planner) command(field string, c Command, vars map[string]string) PlanCommand {
	// {output} is filled in on the machine that builds.
	vars = maps.Clone(vars)
	vars["output"] = "{output}"
	var out PlanCommand
	if c.Script != "" {
		var err error
		out.Script, err = expandScript(c.Script, vars)
		b.problem(field, err)
	}
	for i, a := range c.Args {
		field := fmt.Sprintf("%s[%d]", field, i)
		if i > 0 && c.Args[i-1] == "-c" && slices.Contains(shells, path.Base(c.Args[0])) {
			script, err := expandScript(a, vars)
			b.problem(field, err)
			out.Args = append(out.Args, script)
			continue
		}
		out.Args = append(out.Args, b.text(field, a, vars))
	}
	return out
}

// shells read the argument after -c as a script.
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "fish"}

func (b *planner) env(field string, env map[string]string, vars map[string]string) map[string]string {
	if len(env) == 0 {
		return nil
	}
	out := make(map[string]string, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out[k] = b.text(field+"."+k, env[k], vars)
	}
	return out
}

// only takes every platform but these out of the config's builds.
func (b *planner) only(platforms []Platform) {
	if len(platforms) == 0 {
		return
	}
	known := b.buildPlatforms()
	for _, p := range platforms {
		if !slices.Contains(known, p) {
			b.problems = append(b.problems, Problem{Message: fmt.Sprintf("no build is for platform %s", p), Hint: "there are " + joined(known)})
		}
	}
	drop := func(name string) bool {
		p, err := ParsePlatform(name)
		return err == nil && !slices.Contains(platforms, p)
	}
	b.cfg.Builds, b.cfg.Test = slices.Clone(b.cfg.Builds), slices.Clone(b.cfg.Test)
	for i := range b.cfg.Builds {
		b.cfg.Builds[i].Platforms = slices.DeleteFunc(slices.Clone(b.cfg.Builds[i].Platforms), drop)
	}
	b.cfg.Test = slices.DeleteFunc(b.cfg.Test, func(s Step) bool {
		return len(s.Platforms) > 0 && !slices.ContainsFunc(s.Platforms, func(n string) bool { return !drop(n) })
	})
	for i := range b.cfg.Test {
		b.cfg.Test[i].Platforms = slices.DeleteFunc(slices.Clone(b.cfg.Test[i].Platforms), drop)
	}
}

func (b *planner) steps() {
	all := b.buildPlatforms()
	for i, s := range b.cfg.Test {
		field := fmt.Sprintf("test[%d]", i)
		step := func(vars map[string]string, p *Platform) {
			b.plan.Steps = append(b.plan.Steps, PlanStep{
				Name: stepName(s), Release: s.On == "release", Platform: p, Image: s.Image, Dir: s.Dir,
				Run: b.command(field+".run", s.Run, vars), Env: b.env(field+".env", s.Env, vars),
			})
		}
		if s.On != "release" && len(s.Platforms) == 0 {
			step(b.vars, nil)
			continue
		}
		platforms := b.parse(field+".platforms", s.Platforms)
		if len(platforms) == 0 {
			platforms = all
		}
		if len(platforms) == 0 {
			step(b.vars, nil)
		}
		for _, p := range platforms {
			step(b.on(p), &p)
		}
	}
}

func stepName(s Step) string {
	switch {
	case s.Name != "":
		return s.Name
	case s.Run.Script != "":
		line, _, _ := strings.Cut(s.Run.Script, "\n")
		return line
	}
	return strings.Join(s.Run.Args, " ")
}

func (b *planner) parse(field string, names []string) []Platform {
	var out []Platform
	for i, n := range names {
		p, err := ParsePlatform(n)
		if err != nil {
			b.problem(fmt.Sprintf("%s[%d]", field, i), err)
			continue
		}
		out = append(out, p)
	}
	return out
}

// buildPlatforms is the union of the builds' platforms, in order.
func (b *planner) buildPlatforms() []Platform {
	var all []Platform
	for _, build := range b.cfg.Builds {
		for _, n := range build.Platforms {
			if p, err := ParsePlatform(n); err == nil && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

func (b *planner) builds() {
	for i, c := range b.cfg.Builds {
		field := fmt.Sprintf("builds[%d]", i)
		for _, p := range b.parse(field+".platforms", c.Platforms) {
			b.plan.Builds = append(b.plan.Builds, b.build(field, c, p))
		}
	}
}

func (b *planner) build(field string, c Build, p Platform) PlanBuild {
	vars := b.on(p)
	out := PlanBuild{
		ID: c.ID, Builder: c.Builder, Platform: p, Binary: orDefault(c.Binary, c.ID) + p.Exe(),
		Image: c.Image, Dir: c.Dir, Env: b.env(field+".env", c.Env, vars), Static: StaticIfELF,
	}
	if c.Static != nil {
		out.Static = StaticOff
		if *c.Static {
			out.Static = StaticRequired
		}
	}
	if c.Builder == "command" {
		out.Run = b.command(field+".run", c.Run, vars)
		if c.Output != "" {
			out.Output = path.Clean(b.text(field+".output", c.Output, vars))
		}
		return out
	}
	out.Main, out.CGO, out.Tags = c.Main, c.CGO, c.Tags
	for i, f := range c.Flags {
		out.Flags = append(out.Flags, b.text(fmt.Sprintf("%s.flags[%d]", field, i), f, vars))
	}
	ldflags := c.Ldflags
	if ldflags == nil {
		ldflags = []string{"-s -w", "-X main.version={version}", "-X main.commit={commit}", "-X main.date={time}"}
	}
	for i, f := range ldflags {
		f2 := fmt.Sprintf("%s.ldflags[%d]", field, i)
		// Split first: no value may become a second argument.
		args, err := shlex.Split(f)
		b.problem(f2, err)
		for _, a := range args {
			out.Ldflags = append(out.Ldflags, b.text(f2, a, vars))
		}
	}
	return out
}

func (b *planner) archives() {
	for i, c := range b.cfg.Archives {
		field := fmt.Sprintf("archives[%d]", i)
		for _, p := range b.buildPlatforms() {
			ids := b.buildsOn(p, c.Builds)
			if len(ids) == 0 {
				continue
			}
			for _, format := range c.Formats {
				vars := b.on(p)
				name := b.fileName(field+".name", orDefault(c.Name, DefaultArchiveName), vars)
				a := PlanArchive{Name: name + ending(format, p), Format: format, Platform: p, Builds: ids}
				if format != "binary" {
					a.Files = c.Files
				}
				b.plan.Archives = append(b.plan.Archives, a)
			}
		}
	}
}

func ending(format string, p Platform) string {
	if format == "binary" {
		return p.Exe()
	}
	return "." + format
}

// buildsOn is the ids, of those named or of all, that are built for p.
func (b *planner) buildsOn(p Platform, named []string) []string {
	var ids []string
	for _, build := range b.plan.Builds {
		if build.Platform == p && (len(named) == 0 || slices.Contains(named, build.ID)) && !slices.Contains(ids, build.ID) {
			ids = append(ids, build.ID)
		}
	}
	return ids
}

func (b *planner) assets() {
	seen := map[string]bool{ChecksumsName: true, DigestsName: true, ManifestName: true, FullNotesName: true, b.cfg.Publish.Script: true}
	for _, a := range b.plan.Archives {
		kind := KindArchive
		if a.Format == "binary" {
			kind = KindBinary
		}
		if seen[a.Name] {
			b.problems = append(b.problems, Problem{Field: "archives", Message: fmt.Sprintf("two assets would be named %s", a.Name),
				Hint: "put {platform} or another placeholder into `name`"})
		}
		seen[a.Name] = true
		b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: a.Name, Kind: kind, Platform: &a.Platform})
	}
	for _, p := range b.plan.Packages {
		if seen[p.Asset] {
			b.problems = append(b.problems, Problem{Field: "packages", Message: fmt.Sprintf("two assets would be named %s", p.Asset),
				Hint: "put {package} or another placeholder into `file`"})
		}
		seen[p.Asset] = true
		b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: p.Asset, Kind: KindPackage, Platform: &p.Platform})
	}
	if len(b.plan.Images) > 0 {
		b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: DigestsName, Kind: KindDigests})
	}
	if len(b.plan.Assets) > 0 || len(b.plan.Files) > 0 {
		b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: ChecksumsName, Kind: KindChecksums})
	}
	b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: ManifestName, Kind: KindManifest})
}

// SnapshotDecision is the decision for a build that nobody will publish, from
// any commit: the version is the last one with the commit added.
func SnapshotDecision(ev Event, lastVersion string) Decision {
	v := orDefault(lastVersion, "0.0.0") + "-snapshot." + ShortCommit(ev.Commit)
	return Decision{Class: "snapshot", Version: v, Tag: "snapshot-" + ShortCommit(ev.Commit), Branch: ev.Branch,
		Commit: ev.Commit, Prerelease: true, Reason: "a snapshot is built from any commit and never published"}
}

func joined(platforms []Platform) string {
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}
