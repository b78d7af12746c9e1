package release

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ImageFacts is what the plan must know for images and the config does not say.
type ImageFacts struct {
	// Namespace is the registry and the login there, registry.example/alice, for
	// images without a repository. Missing says why there is none.
	Namespace string
	Missing   error
	License   string // SPDX, of the repository; empty when it is not known
	// BuildImage and RuntimeImage override the config's for source and s2i.
	BuildImage, RuntimeImage string
	Development              bool
}

// Defaults of images.
const (
	ScratchBase     = "scratch"
	DefaultUser     = "65532:65532" // nonroot, as in distroless images
	DefaultPort     = 8080
	SourceWorkdir   = "/app"
	annotationStart = "org.opencontainers.image."
)

// DefaultEnvFiles are environment files by their usual names.
var DefaultEnvFiles = []string{".env", ".env.*"}

// images plans the images.
func (b *planner) images(c *Classifier, in PlanInput) {
	owner := map[string]string{}
	for i, img := range b.cfg.Images {
		field := at("images", i)
		planned := b.image(field, img, c, in)
		b.claim(field, planned, owner)
		b.plan.Images = append(b.plan.Images, planned)
	}
}

// claim notes in owner which image has which name, and finds two of one name.
func (b *planner) claim(field string, planned PlanImage, owner map[string]string) {
	for _, r := range planned.Repositories {
		for _, t := range planned.Tags {
			name := r + ":" + t.Name
			if other, taken := owner[name]; taken && other != planned.ID {
				b.problems = append(b.problems, Problem{Field: field + ".tags", Message: fmt.Sprintf("images %s and %s would both be %s", other, planned.ID, name),
					Hint: "give one of them another `repository` or other `tags`"})
			}
			owner[name] = planned.ID
		}
	}
}

func (b *planner) image(field string, img Image, c *Classifier, in PlanInput) PlanImage {
	out := PlanImage{ID: img.ID, Kind: img.Kind(), Platforms: b.parse(field+".platforms", img.Platforms),
		Target: img.Target, Args: b.env(field+".args", img.Args, b.vars), Secrets: img.Secrets,
		Env: b.env(field+".env", img.Env, b.vars), EnvFiles: img.EnvFiles, Development: in.Images.Development,
		User: orDefault(img.User, DefaultUser), Workdir: img.Workdir, Port: img.Port,
		SBOM: img.SBOM, Provenance: img.Provenance,
		Cache: ImageCache{From: b.texts(field+".cache.from", img.Cache.From), To: b.texts(field+".cache.to", img.Cache.To)},
	}
	if img.EnvFiles == nil {
		out.EnvFiles = DefaultEnvFiles
	}
	out.Entrypoint, out.Cmd = b.texts(field+".entrypoint", img.Entrypoint), b.texts(field+".cmd", img.Cmd)
	switch out.Kind {
	case ImageOfBuilds:
		out.Builds, out.Files, out.Base = img.Builds, img.Files, orDefault(b.text(field+".base", img.Base, b.vars), ScratchBase)
		out.Platforms = b.imagePlatforms(field, img, out.Platforms)
	case ImageOfDockerfile:
		out.Dockerfile, out.Context, out.User = path.Clean(img.Dockerfile), clean(img.Context), img.User
	case ImageOfSource:
		out.Context, out.Source = clean(img.Context), b.imageSource(field+".source", *img.Source, in.Images)
		out.Workdir = orDefault(img.Workdir, SourceWorkdir)
		out.Port = cmp.Or(img.Port, DefaultPort)
	case ImageOfS2I:
		out.Context, out.S2I, out.User = clean(img.Context), b.imageS2I(field+".s2i", *img.S2I, in.Images), img.User
	}
	out.Repositories = b.repositories(field+".repository", img, in.Images)
	b.tags(field, img, &out, c, in)
	if s := out.S2I; s != nil && s.Incremental && s.Previous == "" && len(out.Repositories) > 0 {
		s.Previous = out.Repositories[0] + ":" + out.previousTag()
	}
	out.Labels, out.Annotations = b.labels(field, img, in.Images)
	return out
}

// Kind says what the image is made of: of builds, when it says nothing.
func (img Image) Kind() ImageKind {
	switch {
	case img.Dockerfile != "":
		return ImageOfDockerfile
	case img.Source != nil:
		return ImageOfSource
	case img.S2I != nil:
		return ImageOfS2I
	}
	return ImageOfBuilds
}

func clean(folder string) string {
	if folder = path.Clean(folder); folder == "." {
		return ""
	}
	return folder
}

func (b *planner) texts(field string, templates []string) []string {
	var out []string
	for i, t := range templates {
		out = append(out, b.text(at(field, i), t, b.vars))
	}
	return out
}

// imagePlatforms are the platforms given, or those of the image's builds; each
// of the builds must be made for each of them.
func (b *planner) imagePlatforms(field string, img Image, given []Platform) []Platform {
	all := given
	if len(given) == 0 {
		for _, build := range b.plan.Builds {
			if slices.Contains(img.Builds, build.ID) && build.Platform.OS == "linux" && !slices.Contains(all, build.Platform) {
				all = append(all, build.Platform)
			}
		}
	}
	for _, p := range all {
		for _, id := range img.Builds {
			if !slices.ContainsFunc(b.plan.Builds, func(x PlanBuild) bool { return x.ID == id && x.Platform == p }) {
				b.problem(field+".platforms", fmt.Errorf("build %s is not made for %s", id, p))
			}
		}
	}
	if len(all) == 0 && len(b.problems) == 0 {
		b.problem(field+".builds", fmt.Errorf("none of the builds %s is made for Linux", strings.Join(img.Builds, ", ")))
	}
	return all
}

func (b *planner) imageSource(field string, s ImageSource, facts ImageFacts) *PlanFrom {
	return &PlanFrom{Language: s.Language,
		BuildImage:   orDefault(facts.BuildImage, b.text(field+".build-image", s.BuildImage, b.vars)),
		RuntimeImage: orDefault(facts.RuntimeImage, b.text(field+".runtime-image", s.RuntimeImage, b.vars)),
		Toolchain:    s.Toolchain, Packages: s.Packages, Test: s.Test, Build: s.Build, Artifacts: s.Artifacts,
		Env: b.env(field+".env", s.Env, b.vars)}
}

func (b *planner) imageS2I(field string, s ImageS2I, facts ImageFacts) *PlanS2I {
	out := &PlanS2I{
		Builder:      orDefault(facts.BuildImage, b.text(field+".builder", s.Builder, b.vars)),
		RuntimeImage: orDefault(facts.RuntimeImage, b.text(field+".runtime-image", s.RuntimeImage, b.vars)),
		Artifacts:    s.Artifacts, Scripts: s.ScriptsURL, Incremental: s.Incremental,
		Previous: b.text(field+".previous", s.Previous, b.vars), Exclude: DefaultExclude, Env: b.env(field+".env", s.Env, b.vars)}
	if s.Exclude != nil {
		out.Exclude = *s.Exclude
	}
	return out
}

func (b *planner) repositories(field string, img Image, facts ImageFacts) []string {
	if len(img.Repository) == 0 {
		if facts.Namespace == "" {
			p := Problem{Field: field, Message: fmt.Sprintf("image %s has no repository", img.ID), Hint: "write `repository: registry.example/owner/" + ImageName(b.plan.Project) + "`, or log in to a registry"}
			if facts.Missing != nil {
				p.Message += ": " + facts.Missing.Error()
				p.Hint = orDefault(HintOf(facts.Missing), p.Hint)
			}
			b.problems = append(b.problems, p)
			return nil
		}
		return []string{facts.Namespace + "/" + ImageName(b.plan.Project)}
	}
	var out []string
	for i, r := range img.Repository {
		f := field
		if len(img.Repository) > 1 {
			f = at(field, i)
		}
		name, err := ParseRepository(b.text(f, r, b.vars))
		b.problem(f, err)
		if slices.Contains(out, name) && err == nil {
			b.problem(f, fmt.Errorf("%s is listed twice", name))
		}
		out = append(out, name)
	}
	return out
}

// previousTag is the tag under which the last image is looked for.
func (img PlanImage) previousTag() string {
	for _, t := range img.Tags {
		if t.Moving {
			return t.Name
		}
	}
	return "latest"
}

// labels gives the labels and annotations of the OCI specification, and those of
// the config over them.
func (b *planner) labels(field string, img Image, facts ImageFacts) (labels, annotations map[string]string) {
	known := map[string]string{
		"title": b.plan.Project, "version": b.plan.Version, "revision": b.plan.Commit,
		"created": b.plan.Time.Format(time.RFC3339), "licenses": orDefault(img.License, facts.License),
	}
	if t := b.plan.Target; t != nil {
		known["source"] = t.Server + "/" + t.Repository
	}
	labels, annotations = map[string]string{}, map[string]string{}
	for k, v := range known {
		if v != "" {
			labels[annotationStart+k], annotations[annotationStart+k] = v, v
		}
	}
	maps.Copy(labels, b.env(field+".labels", img.Labels, b.vars))
	maps.Copy(annotations, b.env(field+".annotations", img.Annotations, b.vars))
	return labels, annotations
}

// DefaultImageTags are the templates of a class's tags.
func DefaultImageTags(d Decision) []string {
	switch {
	case d.Branch != "":
		return []string{"{branch}", "sha-{short}"}
	case d.Class == "stable" || !d.Prerelease && ParseTag(d.Tag).Plain():
		return []string{"{version}", "{major}.{minor}", "{major}", "latest"}
	}
	return []string{"{tag}"}
}

// tags plans an image's tags: a moving one is left where a higher version of the
// class has it, and is not for prereleases.
func (b *planner) tags(field string, img Image, out *PlanImage, c *Classifier, in PlanInput) {
	field += ".tags"
	templates, given := img.Tags[in.Decision.Class]
	if !given {
		if templates, given = img.Tags["*"]; !given {
			templates = DefaultImageTags(in.Decision)
		}
	}
	seen := map[string]bool{}
	for _, t := range templates {
		name, ok := b.tagName(field, t, b.tagVars())
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		moving := movingTag(t)
		if moving {
			if why := c.keepTag(t, name, in); why != "" {
				out.Kept = append(out.Kept, KeptTag{Name: name, Reason: why})
				continue
			}
		}
		out.Tags = append(out.Tags, ImageTag{Name: name, Moving: moving})
	}
	if len(out.Tags) == 0 && len(b.problems) == 0 {
		b.problems = append(b.problems, Problem{Field: field, Message: fmt.Sprintf("image %s gets no tag in a release of class %s", img.ID, in.Decision.Class),
			Hint: "add a template with {version}, {tag} or {short}"})
	}
}

// tagName fills a tag's template. A template that asks for a part which the
// version does not have gives no tag.
func (b *planner) tagName(field, template string, vars map[string]string) (string, bool) {
	for _, part := range []string{"major", "minor", "patch"} {
		if vars[part] == "" && strings.Contains(template, "{"+part+"}") {
			return "", false
		}
	}
	name := ImageTagName(b.text(field, template, vars))
	return name, name != ""
}

// movingTag tells a tag that later releases take from one that names its
// release: a version, a tag or a commit.
func movingTag(template string) bool {
	for _, fixed := range []string{"{version}", "{tag}", "{commit}", "{short}", "{patch}"} {
		if strings.Contains(template, fixed) {
			return false
		}
	}
	return true
}

// keepTag says why a moving tag stays where it is; empty when it moves.
func (c *Classifier) keepTag(template, name string, in PlanInput) string {
	d := in.Decision
	versioned := strings.Contains(template, "{major}") || strings.Contains(template, "{minor}")
	if d.Prerelease && d.Branch == "" && (name == "latest" || versioned) {
		return fmt.Sprintf("%s is a prerelease", d.Tag)
	}
	if d.Branch != "" {
		return ""
	}
	own := ParseTag(d.Tag)
	for _, t := range in.History.Tags {
		other := ParseTag(t.Name)
		if t.Name == d.Tag || other.Series != own.Series || c.classOf(t) != d.Class || CompareTags(other, t.Time, own, in.Event.Time) <= 0 {
			continue
		}
		if filled, err := Expand(template, versionVars(other.Version)); err != nil || ImageTagName(filled) == name || !versioned {
			return fmt.Sprintf("%s is newer", t.Name)
		}
	}
	return ""
}

func (b *planner) tagVars() map[string]string {
	vars := maps.Clone(b.vars)
	maps.Copy(vars, versionVars(b.plan.Version))
	return vars
}

// versionVars are the parts of a version; empty where it has none.
func versionVars(version string) map[string]string {
	vars := map[string]string{"major": "", "minor": "", "patch": ""}
	name := ParseTag(version)
	if name.parsed == nil {
		return vars
	}
	given := 1 + strings.Count(strings.SplitN(strings.SplitN(name.Version, "-", 2)[0], "+", 2)[0], ".")
	for i, part := range []string{"major", "minor", "patch"} {
		if segments := name.parsed.Segments(); i < given && i < len(segments) {
			vars[part] = strconv.Itoa(segments[i])
		}
	}
	return vars
}

// withoutMoving leaves out what a later release changes.
func withoutMoving(images []PlanImage) []PlanImage {
	out := slices.Clone(images)
	for i := range out {
		out[i].Kept = nil
		out[i].Tags = slices.DeleteFunc(slices.Clone(out[i].Tags), func(t ImageTag) bool { return t.Moving })
	}
	return out
}

// Annotations by which a registry's tags are judged.
const (
	AnnotationRevision = annotationStart + "revision"
	AnnotationVersion  = annotationStart + "version"
	AnnotationCreated  = annotationStart + "created"
)

// KeepTag says why a moving tag, which points at an image with these
// annotations, is left there; empty when it may move. The registry may know of
// newer releases than a shallow clone.
func KeepTag(p Plan, tag ImageTag, there map[string]string) string {
	if !tag.Moving {
		return ""
	}
	if p.Branch == "" {
		own, other := ParseTag(p.Version), ParseTag(there[AnnotationVersion])
		if own.parsed != nil && other.Plain() && CompareTags(other, time.Time{}, own, time.Time{}) > 0 {
			return fmt.Sprintf("it is at version %s, which is newer", other.Version)
		}
		return ""
	}
	if created, err := time.Parse(time.RFC3339, there[AnnotationCreated]); err == nil && created.After(p.Time) {
		return fmt.Sprintf("it is at a commit of %s, which is newer", created.UTC().Format(time.DateTime))
	}
	return ""
}
