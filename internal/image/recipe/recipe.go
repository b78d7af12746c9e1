// Package recipe says what is in images: it makes Dockerfiles in memory, of
// sources and of sources for a Source-to-Image builder, checks the user's own,
// and lists what an image of binaries has. It reads files through an fs.FS and
// does nothing else.
package recipe

import (
	"io/fs"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Recipe is what BuildKit needs to make one image.
type Recipe struct {
	Dockerfile []byte
	// Ignore is the whole .dockerignore of the context: the context's own, then
	// what must stay out, which comes last so that no line brings it back.
	Ignore []byte
	// Contexts are the named contexts that the Dockerfile copies from.
	Contexts map[string]Context
	Args     map[string]string
	Warnings []release.Problem
	// Path is the Dockerfile's in the repository; empty when it was made here.
	Path string
}

// Context is a named build context. Exactly one of Dir, Image and Files is set.
type Context struct {
	Dir string // a folder on this machine
	// Include are patterns as of a .dockerignore: only what they match of Dir may
	// be sent. Empty: everything.
	Include []string
	Image   string // reference of an image
	Files   []File // files that are in memory, with paths relative to the context
}

// File is a file or folder of an image.
type File struct {
	Path     string // without a leading slash
	Mode     int64  // permission bits as tar has them: 0o644, 0o1777
	UID, GID int
	Content  []byte
	Dir      bool
}

// Options are what a recipe depends on besides the image and its sources.
type Options struct {
	Project string // names the cache mounts
	Seed    Seed
}

// Seed are local dependency caches from which a first build can be offline;
// empty where there is none.
type Seed struct {
	GoModCache string // a GOMODCACHE
	CargoHome  string // a CARGO_HOME
}

// Names of the named contexts.
const (
	ContextRootFS     = "rootfs"     // what an image from scratch has
	ContextGoModCache = "gomodcache" // Seed.GoModCache
	ContextCargoHome  = "cargohome"  // Seed.CargoHome
)

// finish gives the recipe its text and its .dockerignore.
func (r Recipe) finish(img release.PlanImage, context fs.FS, d *document, ignores ...string) (Recipe, error) {
	var err error
	if r.Dockerfile, err = d.end(); err != nil {
		return Recipe{}, err
	}
	i, err := newIgnoring(context, ignores...)
	if err != nil {
		return Recipe{}, err
	}
	if img.Kind == release.ImageOfSource {
		i.add("the history is no source", "**/.git")
	}
	if err := i.environment(img, context); err != nil {
		return Recipe{}, err
	}
	r.Ignore = i.text.Bytes()
	if img.Kind == release.ImageOfSource {
		r.Warnings = append(r.Warnings, i.leftOut(img)...)
	}
	return r, nil
}

// environmentFiles copies them into the working directory of a development
// image.
func (d *document) environmentFiles(img release.PlanImage, context fs.FS) error {
	if !img.Development {
		return nil
	}
	files, err := EnvironmentFiles(img, context)
	at := path.Join("/", img.Workdir)
	in := at
	for _, p := range files {
		to := path.Join(at, p)
		if path.Dir(to) != in { // a folder that COPY makes would have the file's mode
			in = path.Dir(to)
			d.workdir(in)
		}
		d.copy("--chmod=0644", "/"+p, to)
	}
	if in != at {
		d.workdir(at)
	}
	return err
}

// open gives the folder of the repository that is an image's context.
func open(repository fs.FS, img release.PlanImage) (fs.FS, error) {
	if img.Context == "" || img.Context == "." {
		return repository, nil
	}
	dir, err := inside(repository, img.Context)
	if err != nil {
		return nil, outside(img, "context", img.Context, err)
	}
	st, err := fs.Stat(repository, dir)
	if err != nil || !st.IsDir() {
		return nil, release.Invalidf("write a folder of the repository, relative to its root", "image %s: its context %q is no folder of the repository", img.ID, img.Context)
	}
	return fs.Sub(repository, dir)
}

// clean gives a path in a context a form that can't lead out of it.
func clean(p string) (string, bool) {
	p = path.Clean(strings.TrimSuffix(p, "/"))
	return p, fs.ValidPath(p) && !strings.ContainsFunc(p, control)
}
