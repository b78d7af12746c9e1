package recipe

import (
	"fmt"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// sourceScripts is where the sources may have scripts of their own.
const sourceScripts = ".s2i/bin/"

// scripts finds where each script is: in the sources, or in the builder image.
func (s *s2i) scripts() error {
	s.own = map[string]bool{}
	for _, name := range []string{"assemble", "run", "save-artifacts", "usage"} {
		real, err := inside(s.files, sourceScripts+name)
		if err == nil && real != "." {
			s.own[name] = true
		}
	}
	var err error
	if s.base, err = s.folder(); err != nil {
		return err
	}
	for _, name := range []string{"assemble", "run"} {
		if !s.hasScript(name) && (name != "run" || s.plan.RuntimeImage == "") {
			return release.Invalidf("use a Source-to-Image builder image, set `scripts` to the folder of its scripts, or add "+sourceScripts+name,
				"image %s: there is no script %s: the sources have no %s, `scripts` is not set, and %s has no label %s",
				s.img.ID, name, s.path(name), s.plan.Builder, labelScripts)
		}
	}
	return nil
}

// path is where a script of the sources would be in the repository.
func (s *s2i) path(name string) string { return path.Join(s.img.Context, sourceScripts+name) }

func (s *s2i) hasScript(name string) bool { return s.own[name] || s.base != "" }

// folder is the builder image's folder of scripts; empty when nothing names one.
func (s *s2i) folder() (string, error) {
	from, what := s.plan.Scripts, "`scripts`"
	if from == "" {
		from, what = scriptsURL(s.images.Builder, s.plan.Builder)
	}
	return scriptFolder(s.img.ID, what, from)
}

// scriptsURL is where an image says that its scripts are, and by what: its label,
// or the variable that older builder images have.
func scriptsURL(b BuilderImage, reference string) (url, what string) {
	if url = b.Labels[labelScripts]; url == "" {
		for _, kv := range b.Env {
			if name, value, _ := cutEnv(kv); name == envScripts && value != "" {
				return value, fmt.Sprintf("the variable %s of %s", envScripts, reference)
			}
		}
	}
	return url, fmt.Sprintf("the label %s of %s", labelScripts, reference)
}

func scriptFolder(id, what, from string) (string, error) {
	if from == "" {
		return "", nil
	}
	dir, ok := strings.CutPrefix(from, "image://")
	if !ok && strings.Contains(from, "://") {
		return "", release.Invalidf("copy the scripts to "+sourceScripts+" of the sources", "image %s: %s is %q: scripts are taken from the builder image or from the sources, and never downloaded", id, what, from)
	}
	if !strings.HasPrefix(dir, "/") || strings.ContainsFunc(dir, control) {
		return "", release.Invalidf("write it like image:///usr/libexec/s2i", "image %s: %s is %q, which is no folder of the image", id, what, from)
	}
	return path.Clean(dir), nil
}

// script is where a script lies in the builder stage.
func (s *s2i) script(name string) string {
	if s.own[name] {
		return path.Join(s.dest, "scripts", name)
	}
	return path.Join(s.base, name)
}

// ownScripts copies the sources' own scripts, executable whatever their mode in
// the repository is.
func (s *s2i) ownScripts(names ...string) {
	for _, name := range names {
		if s.own[name] {
			s.doc.copy("--chmod=0755 --chown="+s.owner, sourceScripts+name, s.script(name))
		}
	}
}

// runtime writes the stage that becomes the image: a runtime image with only the
// artifacts.
func (s *s2i) runtime() error {
	d := s.doc
	d.line("")
	d.from("", s.plan.RuntimeImage, "")
	if scratch(s.plan.RuntimeImage) {
		s.recipe.Contexts[ContextRootFS] = rootfsContext()
		d.rootfs()
	}
	img := s.img
	if img.Workdir == "" {
		img.Workdir = release.SourceWorkdir
	}
	if img.User == "" {
		img.User = release.DefaultUser
	}
	d.workdir(img.Workdir)
	artifacts, err := s.artifacts(img.Workdir)
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		d.copy("--from=build", a.from, a.to)
	}
	if err := d.environmentFiles(img, s.files); err != nil {
		return err
	}
	c := Config(img, nil)
	c.Env = s.runtimeEnv(img)
	if len(c.Entrypoint) == 0 && len(c.Cmd) == 0 {
		run, err := s.runtimeRun()
		switch {
		case err != nil:
			return err
		case run != "":
			c.Cmd = []string{run}
		case len(s.images.Runtime.Entrypoint)+len(s.images.Runtime.Cmd) == 0: // as scratch has none
			c.Entrypoint = []string{artifacts[0].to}
		}
	}
	d.config(c)
	return nil
}

// runtimeEnv is the image's environment, PORT included.
func (s *s2i) runtimeEnv(img release.PlanImage) []string {
	img.Env = s.env
	return Config(img, nil).Env
}

// runtimeRun is the run script of a runtime image: the sources' own, or the
// runtime image's; "" leaves what the runtime image starts by itself.
func (s *s2i) runtimeRun() (string, error) {
	if s.own["run"] && !scratch(s.plan.RuntimeImage) {
		to := "/usr/libexec/s2i/run"
		s.doc.copy("--chmod=0755", sourceScripts+"run", to)
		return to, nil
	}
	url, what := scriptsURL(s.images.Runtime, s.plan.RuntimeImage)
	base, err := scriptFolder(s.img.ID, what, url)
	if base == "" || err != nil {
		return "", err
	}
	return base + "/run", nil
}

// artifact is what a runtime image gets from the builder stage.
type artifact struct{ from, to string }

// artifacts are those of the config, as SOURCE or SOURCE:DESTINATION, or those
// that the builder image's label names. A source is absolute or relative to the
// builder image's working directory. It keeps its name in the image's working
// directory, or below a destination that ends in a slash; any other destination
// is its new path. In the label a destination is a folder, as s2i has it.
func (s *s2i) artifacts(workdir string) ([]artifact, error) {
	list, label := s.plan.Artifacts, false
	if len(list) == 0 {
		list, label = strings.Split(s.images.Builder.Labels[labelInputFiles], ";"), true
	}
	var out []artifact
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		from, to, named := strings.Cut(text, ":")
		if from == "" || path.Clean("/"+from) == "/" || strings.Contains(to, ":") || strings.Contains("/"+to+"/", "/../") {
			return nil, release.Invalidf("write SOURCE or SOURCE:DESTINATION", "image %s: %q is no artifact", s.img.ID, text)
		}
		if !path.IsAbs(from) {
			from = path.Join("/", s.images.Builder.Workdir, from)
		}
		if !named || label || to == "." || to == "" {
			to += "/"
		}
		inFolder := strings.HasSuffix(to, "/")
		if !path.IsAbs(to) || !named {
			to = path.Join(workdir, to)
		}
		if inFolder {
			to = path.Join(to, path.Base(from))
		}
		out = append(out, artifact{path.Clean(from), path.Clean(to)})
	}
	if len(out) == 0 {
		return nil, release.Invalidf("write what to copy into `artifacts`, as SOURCE or SOURCE:DESTINATION", "image %s: the runtime image %s would get nothing", s.img.ID, s.plan.RuntimeImage)
	}
	return out, nil
}
