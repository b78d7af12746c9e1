package recipe

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Folders of the builder stage.
const (
	sourceDir = "/src"
	outDir    = "/out"
	cacheDir  = "/var/cache/slipway"
	workDir   = cacheDir + "/work" // a user's script finds it in $SLIPWAY_CACHE
	seedDir   = "/run/slipway"     // named contexts are mounted below it
)

// Source makes an image of sources: tested and compiled in one image, then put
// into another. repository is the commit's files; img.Context is the folder of
// them that has the sources. What is wrong with the sources or the settings is
// release.Problems or a release.Error of kind Invalid.
func Source(img release.PlanImage, repository fs.FS, o Options) (Recipe, error) {
	context, err := open(repository, img)
	if err != nil {
		return Recipe{}, err
	}
	s := &source{img: img, plan: release.PlanFrom{}, files: context, options: o, doc: &document{}}
	if img.Source != nil {
		s.plan = *img.Source
	}
	s.recipe = Recipe{Contexts: map[string]Context{}, Args: maps.Clone(img.Args)}
	l, err := s.language()
	if err != nil {
		return Recipe{}, err
	}
	program, err := s.program(l)
	if err != nil {
		return Recipe{}, err
	}
	s.builder(l, program)
	if err := s.runtime(l, program); err != nil {
		return Recipe{}, err
	}
	return s.recipe.finish(img, context, s.doc, ".dockerignore")
}

// source is a recipe for sources in the making.
type source struct {
	img     release.PlanImage
	plan    release.PlanFrom
	files   fs.FS // the context
	options Options
	doc     *document
	recipe  Recipe
}

// language is what a language's defaults say. Scripts are statements of a POSIX
// shell, each on one line.
type language struct {
	name      string
	image     string            // to compile in
	cross     bool              // the compiler runs on the builder's platform, for every other
	env       map[string]string // of the builder stage
	manifests []string          // files that say what it depends on
	download  []string          // gets that, with nothing but the manifests there
	early     []string          // platform arguments that even the tests need
	mounts    []string          // of every RUN
	prepare   []string          // begins every RUN
	target    []string          // begins the build, in a user's script too: the target platform
	test      []string          // empty: there are none
	build     []string
	collect   []string // takes the artifacts, which are the arguments of `artifact`
	programs  []string // that build leaves in $SLIPWAY_OUT, relative to it; nil: not known
	root      bool     // $SLIPWAY_OUT is laid out like an image's root
}

// program finds what the image starts: an absolute path in it, or "" when the
// entrypoint says it.
func (s *source) program(l language) (string, error) {
	if len(s.img.Entrypoint) > 0 {
		return "", nil
	}
	if len(s.plan.Artifacts) > 0 {
		return path.Join(s.workdir(), path.Base(s.plan.Artifacts[0])), nil
	}
	if s.plan.Build == "" && len(l.programs) > 0 {
		return path.Join(s.workdir(), l.programs[0]), nil
	}
	hint := "set `entrypoint`, or name the programs in `artifacts`"
	if l.root {
		hint = "set `entrypoint`, such as [/usr/local/bin/" + path.Base(s.options.Project) + "]"
	}
	return "", release.Invalidf(hint, "image %s: which program it starts can't be told before it is built", s.img.ID)
}

func (s *source) workdir() string {
	if s.img.Workdir == "" {
		return release.SourceWorkdir
	}
	return s.img.Workdir
}

// cache is a mount that keeps a folder from build to build. Its name begins with
// slipway-, by which `slipway cache prune` knows it.
func (s *source) cache(l language, what, target string, options ...string) string {
	id := strings.Join([]string{"slipway", slug(s.options.Project), imageSlug(l.image), what}, "-")
	return strings.Join(append([]string{"type=cache,id=" + id, "target=" + target}, options...), ",")
}

// builder writes the stage that tests and compiles.
func (s *source) builder(l language, program string) {
	d := s.doc
	platform := ""
	if l.cross {
		platform = "--platform=$BUILDPLATFORM"
	}
	d.from(platform, l.image, "build")
	d.user("0")
	d.workdir(sourceDir)
	env := map[string]string{"SLIPWAY_OUT": outDir}
	maps.Copy(env, l.env)
	maps.Copy(env, s.plan.Env)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		d.env(k, env[k])
	}
	for _, a := range l.early {
		d.arg(a)
	}
	for _, a := range slices.Sorted(maps.Keys(s.img.Args)) {
		d.arg(a)
	}
	var prepare []string
	if len(l.prepare) > 0 {
		// Once, so that the RUNs, which are shown when they fail, stay short; BuildKit
		// would write the text itself in the place of a variable there.
		d.env("SLIPWAY_PREPARE", strings.Join(l.prepare, "; "))
		prepare = []string{`eval "$(printenv SLIPWAY_PREPARE)"`}
	}
	mounts := append(slices.Clone(l.mounts), s.secrets()...)
	if len(l.download) > 0 {
		d.comment("The dependencies: what changes less often than the sources.")
		for _, m := range l.manifests {
			d.copy("", m, "./"+m)
		}
		d.run(mounts, slices.Concat(prepare, l.download)...)
	}
	d.copy("", ".", ".")
	switch {
	case s.plan.Test == "none":
	case s.plan.Test != "":
		d.script("the test script", mounts, prepare, s.plan.Test, nil)
	case len(l.test) > 0:
		d.run(mounts, slices.Concat(prepare, l.test)...)
	}
	for _, a := range []string{"TARGETOS", "TARGETARCH", "TARGETVARIANT", "SOURCE_DATE_EPOCH"} {
		d.arg(a)
	}
	before := slices.Concat(prepare, l.target, []string{`mkdir -p "$SLIPWAY_OUT"`})
	if s.plan.Build != "" {
		d.script("the build script", mounts, before, s.plan.Build, s.leave(l, program))
		return
	}
	d.run(mounts, slices.Concat(before, l.build, s.leave(l, program))...)
}

// leave takes the artifacts to $SLIPWAY_OUT, gives them modes that don't depend
// on the builder image's umask, and sees to it that there are any.
func (s *source) leave(l language, program string) []string {
	var out []string
	seen := map[string]bool{}
	for _, a := range s.plan.Artifacts {
		p, ok := clean(a)
		if !ok || p == "." {
			s.doc.refuse("write it relative to the sources, without ..", "the artifact %q is no path inside the sources", a)
			continue
		}
		if seen[path.Base(p)] {
			s.doc.refuse("rename one of them: they go into one folder", "two artifacts are called %s", path.Base(p))
		}
		seen[path.Base(p)] = true
		if len(l.collect) == 0 {
			out = append(out, fmt.Sprintf(`cp -R ./%s "$SLIPWAY_OUT/"`, shell(p)))
			continue
		}
		out = append(out, "artifact="+shell(p))
		out = append(out, l.collect...)
	}
	if program != "" && strings.HasPrefix(program, s.workdir()+"/") {
		out = append(out, "program="+shell(strings.TrimPrefix(program, s.workdir()+"/")),
			`[ -f "$SLIPWAY_OUT/$program" ] || { echo "slipway: error: the build left no $program in \$SLIPWAY_OUT" >&2; exit 1; }`)
	}
	return append(out,
		`[ -n "$(ls -A "$SLIPWAY_OUT")" ] || { echo 'slipway: error: the build left nothing in $SLIPWAY_OUT' >&2; exit 1; }`,
		`chmod -R u=rwX,go=rX "$SLIPWAY_OUT"`)
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// secrets mounts the image's secrets at /run/secrets/ID.
func (s *source) secrets() []string { return secretMounts(s.doc, s.img) }

func secretMounts(d *document, img release.PlanImage) []string {
	var out []string
	for _, x := range img.Secrets {
		if !secretName.MatchString(x.ID) {
			d.refuse("use letters, digits, _, - and dots", "%q is no name of a secret", x.ID)
			continue
		}
		out = append(out, "type=secret,id="+x.ID+",required=true")
	}
	return out
}

// runtime writes the stage that becomes the image.
func (s *source) runtime(l language, program string) error {
	d := s.doc
	d.line("")
	d.from("", s.plan.RuntimeImage, "")
	if scratch(s.plan.RuntimeImage) {
		s.recipe.Contexts[ContextRootFS] = rootfsContext()
		d.rootfs()
	}
	img := s.img
	img.Workdir = s.workdir()
	d.workdir(img.Workdir)
	to := img.Workdir
	if l.root && len(s.plan.Artifacts) == 0 && s.plan.Build == "" {
		to = "/"
	}
	d.copy("--from=build", outDir+"/", folder(to))
	if err := d.environmentFiles(img, s.files); err != nil {
		return err
	}
	c := Config(img, nil)
	if program != "" {
		c.Entrypoint = []string{program}
	}
	d.config(c)
	return nil
}
