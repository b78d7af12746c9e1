package recipe

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// BuilderImage is what an image's config says, as far as Source-to-Image goes by
// it.
type BuilderImage struct {
	Labels     map[string]string
	User       string
	Workdir    string
	Env        []string // KEY=VALUE
	Entrypoint []string
	Cmd        []string
}

// S2IImages are the images that a Source-to-Image build starts from.
type S2IImages struct {
	Builder  BuilderImage
	Runtime  BuilderImage // when there is a runtime image
	Previous bool         // img.S2I.Previous is there
}

// Labels of Source-to-Image builder images.
const (
	labelScripts      = "io.openshift.s2i.scripts-url"
	labelDestination  = "io.openshift.s2i.destination"
	labelAssembleUser = "io.openshift.s2i.assemble-user"
	labelInputFiles   = "io.openshift.s2i.assemble-input-files"
	envScripts        = "STI_SCRIPTS_URL" // of older ones
)

// Lines that a build prints; what comes after them is for the user.
const (
	// S2IWarning begins a line about artifacts that could not be saved or
	// restored. The build goes on.
	S2IWarning = "slipway: warning: "
	// S2IMissing begins the line after which a build ends, because the builder
	// image has no script where it was looked for.
	S2IMissing = "slipway: error: "
)

// savedTar is what save-artifacts of the previous image left there, and
// previousTar where it is mounted.
const (
	previousTar = seedDir + "/previous.tar"
	savedTar    = "/tmp/slipway-artifacts.tar"
	artifactDir = seedDir + "/artifacts"
)

// S2I makes an image with a Source-to-Image builder image: assemble runs in it
// as its user, and run is the image's command. With a runtime image only the
// artifacts go on. repository is the commit's files. release.Problems or a
// release.Error of kind Invalid tell what is wrong with the sources, the
// settings or the builder image's labels.
func S2I(img release.PlanImage, repository fs.FS, images S2IImages, o Options) (Recipe, error) {
	context, err := open(repository, img)
	if err != nil {
		return Recipe{}, err
	}
	s := &s2i{img: img, plan: release.PlanS2I{}, files: context, images: images, options: o, doc: &document{}}
	if img.S2I != nil {
		s.plan = *img.S2I
	}
	s.recipe = Recipe{Contexts: map[string]Context{}, Args: maps.Clone(img.Args)}
	if err := s.look(); err != nil {
		return Recipe{}, err
	}
	if s.restores() {
		s.previous()
	}
	s.builder()
	if s.plan.RuntimeImage == "" {
		s.commit()
	} else if err := s.runtime(); err != nil {
		return Recipe{}, err
	}
	return s.finish()
}

// s2i is a recipe in the making.
type s2i struct {
	img     release.PlanImage
	plan    release.PlanS2I
	files   fs.FS
	images  S2IImages
	options Options
	doc     *document
	recipe  Recipe

	dest    string            // folder for src, artifacts and scripts
	base    string            // folder of the builder image's scripts; empty: not known
	own     map[string]bool   // scripts that the sources have
	env     map[string]string // of assemble and of the image
	user    string            // that assemble runs as
	owner   string            // of the sources, for --chown
	exclude []string          // lines of a .dockerignore
}

// look reads everything that the recipe depends on.
func (s *s2i) look() error {
	if err := s.scripts(); err != nil {
		return err
	}
	s.dest = path.Join("/", s.images.Builder.Labels[labelDestination])
	if s.dest == "/" {
		s.dest = "/tmp"
	}
	s.user = s.images.Builder.Labels[labelAssembleUser]
	if s.user == "" {
		s.user = s.images.Builder.User
	}
	name, _, _ := strings.Cut(s.user, ":")
	if name == "" {
		name = "0"
	}
	if !userName.MatchString(name) {
		return release.Invalidf("", "image %s: %q, the user of %s, is no user", s.img.ID, s.user, s.plan.Builder)
	}
	s.owner = name + ":0" // as s2i does it: the group is root's
	env, warnings, err := s.environment()
	if err != nil {
		return err
	}
	s.env, s.recipe.Warnings = env, warnings
	maps.Copy(s.env, s.plan.Env)
	maps.Copy(s.env, s.img.Env)
	s.exclude, err = excluded(s.files, s.plan.Exclude)
	return err
}

// restores tells whether artifacts of the last image are restored from it. A
// runtime image has none: then a cache mount keeps them.
func (s *s2i) restores() bool {
	return s.plan.Incremental && s.plan.RuntimeImage == "" && s.images.Previous && s.plan.Previous != "" && s.hasScript("save-artifacts")
}

func (s *s2i) caches() bool {
	return s.plan.Incremental && s.plan.RuntimeImage != "" && s.hasScript("save-artifacts")
}

// save is a script that writes the artifacts to $2, which is empty when there
// are none. $1 is save-artifacts. It never fails.
const save = `if [ ! -x "$1" ]; then true >"$2" || :; echo "` + S2IWarning + `$1 is not there: no artifacts are kept" >&2; ` +
	`elif "$1" >"$2.new" && mv "$2.new" "$2"; then :; ` +
	`else rm -f "$2.new" || :; true >"$2" || :; echo "` + S2IWarning + `save-artifacts failed: the next build starts afresh" >&2; fi`

// restore unpacks $3 into $2, if it is there. It never fails.
const restore = `mkdir -p "$2"; if [ -s "$3" ]; then tar -xf "$3" -C "$2" || echo "` + S2IWarning + `the saved artifacts can't be unpacked" >&2; fi`

// previous writes the stage that saves the artifacts of the last image, as that
// image's user.
func (s *s2i) previous() {
	d := s.doc
	d.from("", s.plan.Previous, "previous")
	s.ownScripts("save-artifacts")
	d.argv("RUN", []string{"sh", "-c", "# save-artifacts of the last image\n" + save, "slipway", s.script("save-artifacts"), savedTar})
	d.line("")
}

// builder writes the stage in which assemble runs.
func (s *s2i) builder() {
	d := s.doc
	d.from("", s.plan.Builder, "build")
	s.check()
	for _, k := range slices.Sorted(maps.Keys(s.env)) {
		d.env(k, s.env[k])
	}
	for _, a := range slices.Sorted(maps.Keys(s.img.Args)) {
		d.arg(a)
	}
	if s.user != s.images.Builder.User {
		d.user(s.user)
	}
	d.copy("--chown="+s.owner, ".", folder(s.dest, "src"))
	s.ownScripts("assemble", "run", "save-artifacts", "usage")
	mounts := secretMounts(d, s.img)
	artifacts, assemble := path.Join(s.dest, "artifacts"), s.script("assemble")
	switch {
	case s.restores():
		// Only the file: BuildKit reads all that is mounted, to know whether it
		// has changed.
		mounts = append(mounts, "type=bind,from=previous,source="+savedTar+",target="+previousTar)
		s.command(mounts, []string{"sh", "-euc", "# assemble, with the saved artifacts\n" + restore + `; exec "$1"`, "slipway", assemble, artifacts, previousTar})
	case s.caches():
		d.arg("TARGETPLATFORM")
		id := strings.Join([]string{"slipway", slug(s.options.Project), slug(s.img.ID), imageSlug(s.plan.Builder), "s2i", "$TARGETPLATFORM"}, "-")
		mounts = append(mounts, "type=cache,id="+id+",target="+artifactDir+",mode=0777,sharing=locked")
		const script = "# assemble, with the saved artifacts\n" + restore + `; "$1"; shift 2; set -- "$2" "$1"; ` + save
		s.command(mounts, []string{"sh", "-euc", script, "slipway", assemble, artifacts, artifactDir + "/artifacts.tar", s.script("save-artifacts")})
	default:
		s.command(mounts, []string{assemble})
	}
}

func (s *s2i) command(mounts, argv []string) {
	s.doc.argv(strings.Join(append([]string{"RUN"}, flags(mounts)...), " "), argv)
}

// check ends the build early, with a clear line, when the builder image has no
// script where its label says.
func (s *s2i) check() {
	argv := []string{"sh", "-euc", "# look for the scripts\n" + `for s do [ -x "$s" ] || { echo "` + S2IMissing + `the builder image has no executable $s" >&2; exit 1; }; done`, "slipway"}
	given := len(argv)
	for _, name := range []string{"assemble", "run"} {
		if !s.own[name] && (name != "run" || s.plan.RuntimeImage == "") {
			argv = append(argv, s.script(name))
		}
	}
	if len(argv) > given {
		s.doc.argv("RUN", argv)
	}
}

// commit makes the builder stage the image.
func (s *s2i) commit() {
	if s.user != s.images.Builder.User {
		user := s.images.Builder.User
		if user == "" {
			user = "0"
		}
		s.doc.user(user)
	}
	c := Config(s.img, nil)
	c.Env = without(c.Env, s.env)
	if c.User == s.images.Builder.User {
		c.User = ""
	}
	if len(c.Entrypoint) == 0 && len(c.Cmd) == 0 {
		c.Cmd = []string{s.script("run")}
	}
	if c.WorkingDir != "" {
		s.doc.workdir(c.WorkingDir)
	}
	s.doc.config(c)
}

// without leaves out the variables that are set already.
func without(env []string, set map[string]string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		k, v, _ := strings.Cut(kv, "=")
		there, ok := set[k]
		return ok && there == v
	})
}

func (s *s2i) finish() (Recipe, error) {
	text, err := s.doc.end()
	if err != nil {
		return Recipe{}, err
	}
	// A .dockerignore is for the Dockerfile that lies beside it, not for s2i.
	i, err := newIgnoring(s.files, ".s2iignore")
	if err != nil {
		return Recipe{}, err
	}
	i.add("exclude", s.exclude...)
	if st, err := fs.Lstat(s.files, ".git"); err == nil && !st.IsDir() {
		// Another one on each machine.
		i.add("a checkout's .git is a link to a folder of this machine", "/.git")
	}
	m, err := i.matcher()
	if err != nil {
		return Recipe{}, err
	}
	var back []string
	for _, name := range slices.Sorted(maps.Keys(s.own)) {
		if out, err := m.MatchesOrParentMatches(sourceScripts + name); err == nil && out {
			back = append(back, "!"+sourceScripts+name)
		}
	}
	i.add("scripts are needed in any case", back...)
	if err := i.environment(s.img, s.files); err != nil {
		return Recipe{}, err
	}
	s.recipe.Dockerfile, s.recipe.Ignore = text, i.text.Bytes()
	s.recipe.Warnings = append(s.recipe.Warnings, i.leftOut(s.img)...)
	return s.recipe, nil
}

// Usage makes a recipe that runs a builder image's usage script; what it says is
// the file /usage of the result. scripts is as PlanS2I.Scripts, and may be empty.
func Usage(reference, scripts string, builder BuilderImage) (Recipe, error) {
	s := &s2i{img: release.PlanImage{ID: reference}, plan: release.PlanS2I{Builder: reference, Scripts: scripts}, images: S2IImages{Builder: builder}, doc: &document{}}
	base, err := s.folder()
	if err != nil {
		return Recipe{}, err
	}
	if base == "" {
		return Recipe{}, release.Invalidf("use a Source-to-Image builder image, or name the folder of its scripts",
			"%s has no Source-to-Image scripts: it has no label %s", reference, labelScripts)
	}
	d := s.doc
	d.from("", reference, "usage")
	d.user("0")
	script := fmt.Sprintf("# usage\n"+`[ -x "$1" ] || { echo "%sthe builder image has no executable $1" >&2; exit 1; }; "$1" >/tmp/slipway-usage 2>&1 || :`, S2IMissing)
	d.argv("RUN", []string{"sh", "-euc", script, "slipway", base + "/usage"})
	d.line("")
	d.from("", release.ScratchBase, "")
	d.copy("--from=usage", "/tmp/slipway-usage", "/usage")
	text, err := d.end()
	return Recipe{Dockerfile: text, Ignore: []byte("**\n"), Contexts: map[string]Context{}}, err
}
