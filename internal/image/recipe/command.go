package recipe

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// ContextFiles is the named context with the files of a CommandSpec: 0, 1, ….
const ContextFiles = "files"

// CommandSpec is one command to run in a builder image.
type CommandSpec struct {
	Project  string // names the caches
	Image    string
	Platform *release.Platform // of the image; nil: the builder's own
	Source   string            // where the context is seen, an absolute path; writes to it are thrown away
	Dir      string            // to run in, an absolute path
	Args     []string
	Env      []string // KEY=VALUE
	Caches   []string // folders that are kept from run to run
	Files    []string // absolute paths at which the files of ContextFiles are seen
	// Output is the absolute path of a file that the result holds, under its own
	// name; empty when the command is only run.
	Output string
}

// Command runs one command in a builder image. repository is the context.
func Command(s CommandSpec, repository fs.FS) (Recipe, error) {
	d := &document{}
	platform := "--platform=$BUILDPLATFORM"
	if s.Platform != nil {
		platform = "" // the image's variant for the platform that is built
	}
	d.from(platform, s.Image, "run")
	d.user("0")
	if s.Output != "" {
		d.workdir(path.Dir(s.Output)) // makes the folder, without a shell
	}
	d.workdir(s.Dir)
	for _, kv := range s.Env {
		name, value, _ := cutEnv(kv)
		d.env(name, value)
	}
	var mounts []string
	if inSource := strings.HasPrefix(s.Output, s.Source+"/"); inSource {
		d.copy("", ".", s.Source+"/") // what is written to a mount is thrown away
	} else {
		mounts = append(mounts, "type=bind,target="+s.Source+",rw")
	}
	for i, at := range s.Files {
		mounts = append(mounts, fmt.Sprintf("type=bind,from=%s,source=/%d,target=%s", ContextFiles, i, at))
	}
	for _, c := range s.Caches {
		id := strings.Join([]string{"slipway", slug(s.Project), slug(s.Image), slug(strings.Trim(c, "/"))}, "-")
		mounts = append(mounts, "type=cache,id="+id+",target="+c)
	}
	d.line("RUN %s", strings.Join(append(flags(mounts), list(s.Args)), " \\\n    "))
	if s.Output != "" {
		d.line("FROM %s", release.ScratchBase)
		d.copyIfThere("--from=run", s.Output, "/") // the caller says what is wrong when it is not
	}
	r := Recipe{}
	text, err := d.end()
	if err != nil {
		return r, err
	}
	r.Dockerfile = text
	// The user's own .dockerignore is about images; a build gets all sources.
	keep := &ignoring{}
	keep.add("a build needs no history", "/.git")
	if err := keep.environment(release.PlanImage{}, repository); err != nil {
		return r, err
	}
	r.Ignore = keep.text.Bytes()
	return r, nil
}
