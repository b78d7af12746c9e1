// Package recipe makes the Dockerfiles of images in memory: of binaries, of
// sources, of sources for a Source-to-Image builder, and the user's own,
// checked. It reads files through an fs.FS and does nothing else.
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
	ContextBinaries   = "binaries"   // what Upon gives, in a folder <Platform.Slug> for each platform; given by the caller
	ContextRootFS     = "rootfs"     // what an image from scratch has
	ContextGoModCache = "gomodcache" // Seed.GoModCache
	ContextCargoHome  = "cargohome"  // Seed.CargoHome
)

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
