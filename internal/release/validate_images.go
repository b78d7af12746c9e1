package release

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func (v *validator) images() {
	first := map[string]int{}
	for i, img := range v.given.Images {
		field := at("images", i)
		j, twice := first[img.ID]
		switch {
		case img.ID == "":
			v.add(field+".id", "", "the image has no id")
		case twice:
			v.add(field+".id", "", "images[%d] has the id %q too", j, img.ID)
		default:
			v.fileName(field+".id", img.ID)
		}
		if !twice {
			first[img.ID] = i
		}
		v.image(field, img)
	}
}

func (v *validator) image(field string, img Image) {
	v.oneKind(field, img)
	emptyList(v, field+".repository", img.Repository, "leave the key out for the default")
	emptyList(v, field+".platforms", img.Platforms, "leave the key out for the default platforms")
	for i, p := range v.platforms(field+".platforms", img.Platforms) {
		if p.OS != "linux" && p != (Platform{}) {
			v.add(at(field+".platforms", i), "", "images are made for Linux, not for %s", p)
		}
	}
	v.ofBuilds(field, img)
	if img.Dockerfile != "" {
		v.path(field+".dockerfile", "", img.Dockerfile)
	}
	v.dir(field+".context", img.Context)
	if s := img.Source; s != nil {
		v.enum(field+".source.language", *s, "Language", s.Language)
		v.env(field+".source.env", s.Env)
		v.within(field+".source.artifacts", img.Context, s.Artifacts)
		if s.Language == "command" && s.Build == "" {
			v.add(field+".source.build", "write the script that leaves the artifacts in $SLIPWAY_OUT", "language command has no build script")
		}
	}
	if s := img.S2I; s != nil {
		v.s2i(field+".s2i", *s)
	}
	v.imageSettings(field, img)
}

// oneKind: an image is made of one thing, and each key belongs to some kinds.
func (v *validator) oneKind(field string, img Image) {
	var kinds []string
	for _, k := range []struct {
		name  string
		given bool
	}{{"builds", img.Builds != nil}, {"dockerfile", img.Dockerfile != ""}, {"source", img.Source != nil}, {"s2i", img.S2I != nil}} {
		if k.given {
			kinds = append(kinds, k.name)
		}
	}
	if len(kinds) > 1 {
		v.add(field+"."+kinds[1], "make two images of it", "an image is made of one thing, but `%s` is given too", kinds[0])
		return
	}
	kind := img.Kind()
	for _, k := range []struct {
		name  string
		given bool
		for_  []ImageKind
	}{
		{"base", img.Base != "", []ImageKind{ImageOfBuilds}}, {"files", img.Files != nil, []ImageKind{ImageOfBuilds}},
		{"context", img.Context != "", []ImageKind{ImageOfDockerfile, ImageOfSource, ImageOfS2I}},
		{"target", img.Target != "", []ImageKind{ImageOfDockerfile}}, {"args", img.Args != nil, []ImageKind{ImageOfDockerfile, ImageOfSource}},
		{"secrets", img.Secrets != nil, []ImageKind{ImageOfDockerfile, ImageOfSource, ImageOfS2I}},
		{"cache", img.Cache.From != nil || img.Cache.To != nil, []ImageKind{ImageOfDockerfile, ImageOfSource, ImageOfS2I}},
		{"env", img.Env != nil, []ImageKind{ImageOfBuilds, ImageOfSource, ImageOfS2I}}, {"port", img.Port != 0, []ImageKind{ImageOfBuilds, ImageOfSource, ImageOfS2I}},
		{"user", img.User != "", []ImageKind{ImageOfBuilds, ImageOfSource}}, {"workdir", img.Workdir != "", []ImageKind{ImageOfBuilds, ImageOfSource}},
		{"entrypoint", img.Entrypoint != nil, []ImageKind{ImageOfBuilds, ImageOfSource, ImageOfS2I}}, {"cmd", img.Cmd != nil, []ImageKind{ImageOfBuilds, ImageOfSource, ImageOfS2I}},
	} {
		if k.given && !slices.Contains(k.for_, kind) {
			hint := "it is for images of " + joinKinds(k.for_)
			if kind == ImageOfDockerfile {
				hint = "say it in the Dockerfile"
			}
			v.add(field+"."+k.name, hint, "`%s` means nothing to an image of %s", k.name, kind)
		}
	}
}

func joinKinds(kinds []ImageKind) string {
	var words []string
	for _, k := range kinds {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}

// ofBuilds checks an image of builds against the builds there are.
func (v *validator) ofBuilds(field string, img Image) {
	if img.Kind() != ImageOfBuilds {
		return
	}
	emptyList(v, field+".builds", img.Builds, "leave the key out for all builds")
	if v.given.Builds == nil {
		return // which builds there are is found in the repository
	}
	var known []string
	for _, b := range v.cfg.Builds {
		known = append(known, b.ID)
	}
	v.references(field+".builds", img.Builds, known)
	if len(known) == 0 {
		v.add(field, "write `dockerfile`, `source` or `s2i`, or add builds", "nothing says what the image is made of: there are no builds")
	}
	for i, f := range img.Files {
		v.glob(at(field+".files", i), f)
	}
}

func (v *validator) within(field, dir string, paths []string) {
	for i, p := range paths {
		v.path(at(field, i), dir, p)
	}
}

func (v *validator) s2i(field string, s ImageS2I) {
	if s.Builder == "" {
		v.add(field+".builder", "", "builder is missing: the Source-to-Image builder image")
	}
	if s.Exclude != nil {
		v.pattern(field+".exclude", *s.Exclude)
	}
	v.env(field+".env", s.Env)
	if s.RuntimeImage != "" && len(s.Artifacts) == 0 {
		v.add(field+".artifacts", "write what to copy, as SOURCE or SOURCE:DESTINATION", "the runtime image would get nothing")
	}
	if s.RuntimeImage == "" && s.Artifacts != nil {
		v.add(field+".artifacts", "set `runtime-image`", "artifacts are for a runtime image")
	}
}

var (
	labelKey  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
	secretID  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	imageUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
)

func (v *validator) imageSettings(field string, img Image) {
	v.env(field+".env", img.Env)
	v.env(field+".args", img.Args)
	for key, m := range map[string]map[string]string{"labels": img.Labels, "annotations": img.Annotations} {
		for _, k := range sortedKeys(m) {
			if !labelKey.MatchString(k) {
				v.add(FieldKey(field+"."+key, k), "use letters, digits, dots and dashes", "%q is no name of a label", k)
			}
			v.text(FieldKey(field+"."+key, k), m[k])
		}
	}
	for i, s := range img.Secrets {
		f := at(field+".secrets", i)
		switch {
		case !secretID.MatchString(s.ID):
			v.add(f+".id", "use letters, digits, _, - and dots", "%q is no name of a secret", s.ID)
		case s.Env != "" && s.File != "":
			v.add(f+".file", "leave one of them out", "a secret comes from a variable or from a file")
		case s.Env != "" && !envKey.MatchString(s.Env):
			v.add(f+".env", "", "%q is no name of an environment variable", s.Env)
		}
	}
	if img.User != "" && !imageUser.MatchString(img.User) {
		v.add(field+".user", "write a name or number, or user:group", "%q is no user", img.User)
	}
	if img.Workdir != "" && !strings.HasPrefix(img.Workdir, "/") {
		v.add(field+".workdir", "write /"+img.Workdir, "%q is no absolute path", img.Workdir)
	}
	if img.Port < 0 || img.Port > 65535 {
		v.add(field+".port", "", "%d is no port", img.Port)
	}
	v.enum(field+".provenance", img, "Provenance", img.Provenance)
	for i, p := range img.EnvFiles {
		v.glob(at(field+".env-files", i), p)
	}
	v.tagClasses(field+".tags", img.Tags)
}

// tagClasses: the keys of `tags` are classes.
func (v *validator) tagClasses(field string, tags map[string][]string) {
	known := []string{"*"}
	for _, c := range v.cfg.Classes {
		known = append(known, c.Name)
	}
	if v.given.Classes == nil {
		known = append(known, "stable", "extra", "development")
	}
	for _, class := range sortedKeys(tags) {
		if !slices.Contains(known, class) {
			v.add(FieldKey(field, class), EnumHint(class, known), "there is no class %q", class)
		}
		emptyList(v, FieldKey(field, class), tags[class], "leave the class out for its default tags")
	}
}

// imagePlaceholders fills the templates of images with sample values.
func (v *validator) imagePlaceholders(b *planner) {
	facts := ImageFacts{Namespace: "registry.example/login"}
	for i, img := range v.given.Images {
		field := at("images", i)
		b.repositories(field+".repository", img, facts)
		b.labels(field, img, facts)
		b.env(field+".args", img.Args, b.vars)
		b.env(field+".env", img.Env, b.vars)
		b.text(field+".base", img.Base, b.vars)
		for _, class := range sortedKeys(img.Tags) {
			for j, t := range img.Tags[class] {
				f := at(FieldKey(field+".tags", class), j)
				name, ok := b.tagName(f, t, b.tagVars())
				if ok && strings.TrimSpace(t) != t {
					b.problem(f, fmt.Errorf("%q has spaces around it", name))
				}
			}
		}
		for _, ref := range imageReferences(img) {
			s := b.text(field+"."+ref.key, ref.value, b.vars)
			if s == "" || s == ScratchBase {
				continue
			}
			_, err := ParseImage(s)
			b.problem(field+"."+ref.key, err)
		}
	}
}

type imageReference struct{ key, value string }

func imageReferences(img Image) []imageReference {
	out := []imageReference{{"base", img.Base}}
	if s := img.Source; s != nil {
		out = append(out, imageReference{"source.build-image", s.BuildImage}, imageReference{"source.runtime-image", s.RuntimeImage})
	}
	if s := img.S2I; s != nil {
		out = append(out, imageReference{"s2i.builder", s.Builder}, imageReference{"s2i.runtime-image", s.RuntimeImage}, imageReference{"s2i.previous", s.Previous})
	}
	return out
}

func (v *validator) builder() {
	b := v.given.Builder
	v.enum("builder.driver", b, "Driver", b.Driver)
	for i, n := range b.Nodes {
		field := at("builder.nodes", i)
		if n.Endpoint == "" {
			v.add(field+".endpoint", "", "the node has no endpoint")
		}
		v.platforms(field+".platforms", n.Platforms)
	}
	if b.Name != "" && len(b.Nodes) > 0 {
		v.add("builder.nodes", "leave `name` out", "a builder is known by its name, or described by its nodes")
	}
	if len(b.Nodes) > 0 && b.Driver == "" {
		v.add("builder.driver", "docker-container, kubernetes or remote", "nodes need a driver")
	}
}
