package maker

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/patternmatcher"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// places are the folders that a build reads from. What was made for it lies
// there until clean is called.
type places struct {
	context string            // the build context
	named   map[string]string // named contexts, as the builder takes them
	made    []string
}

func (p *places) clean() {
	for _, dir := range p.made {
		_ = os.RemoveAll(dir)
	}
}

// places lays out what a recipe reads.
func (m *Maker) places(ctx context.Context, r recipe.Recipe, o image.Order) (*places, error) {
	p := &places{context: filepath.Join(o.Source, filepath.FromSlash(o.Image.Context)), named: map[string]string{}}
	if o.Image.Kind == release.ImageOfBuilds {
		if err := p.ofBuilds(o); err != nil {
			return p, fmt.Errorf("make the build context: %w", err)
		}
	}
	for name, c := range r.Contexts {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err := p.name(name, c); err != nil {
			return p, fmt.Errorf("make the build context %s: %w", name, err)
		}
	}
	if o.Image.Kind != release.ImageOfBuilds {
		return p, nil
	}
	for _, dir := range p.made {
		if err := dateAll(dir, o.Time); err != nil {
			return p, fmt.Errorf("date the build context: %w", err)
		}
	}
	return p, nil
}

// ofBuilds lays out what the image has upon its base, for each platform in a
// folder of its own, with nothing else of the commit. All of it gets the
// commit's date, so that the builder packs each layer once.
func (p *places) ofBuilds(o image.Order) error {
	var err error
	if p.context, err = p.make("files"); err != nil { // stays empty
		return err
	}
	binaries, err := p.make("binaries")
	if err != nil {
		return err
	}
	p.named[recipe.ContextBinaries] = binaries
	files, err := filesOf(o)
	if err != nil {
		return err
	}
	for _, platform := range o.Image.Platforms {
		root := filepath.Join(binaries, platform.Slug())
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		for _, f := range files {
			if err := bring(filepath.Join(o.Source, filepath.FromSlash(f.from)), filepath.Join(root, f.to), f.mode, o.Time); err != nil {
				return err
			}
		}
		for _, b := range o.Binaries {
			if b.Platform != platform || !slices.Contains(o.Image.Builds, b.ID) {
				continue
			}
			if err := bring(b.Path, filepath.Join(root, recipe.BinaryPath(o.Image, b.Name)), 0o755, o.Time); err != nil {
				return err
			}
		}
		if o.Image.Base == release.ScratchBase && !inRootFS(o.Image.Workdir) {
			if err := os.MkdirAll(filepath.Join(root, o.Image.Workdir), 0o755); err != nil {
				return err
			}
		}
		if err := openFolders(root, o.Image.Base); err != nil {
			return err
		}
	}
	return nil
}

// placed is a file of the commit and where it lies in an image.
type placed struct {
	from, to string // relative to the commit's root and to the image's
	mode     fs.FileMode
}

// filesOf are the further files of an image of builds.
func filesOf(o image.Order) ([]placed, error) {
	files, err := recipe.Files(o.Image, os.DirFS(o.Source))
	if err != nil {
		return nil, err
	}
	var out []placed
	for _, f := range files {
		out = append(out, placed{f.Path, f.Path, fs.FileMode(f.Mode)})
	}
	if !o.Image.Development {
		return out, nil
	}
	environment, err := recipe.EnvironmentFiles(o.Image, os.DirFS(o.Source))
	for _, f := range environment {
		out = append(out, placed{f, filepath.Join(o.Image.Workdir, f), 0o644})
	}
	return out, err
}

// dated tells whether a build makes no file or folder itself: then those that it
// is given have their date already. It makes a base's working directory.
func dated(img release.PlanImage) bool {
	return img.Kind == release.ImageOfBuilds && (img.Base == release.ScratchBase || path.Join("/", img.Workdir) == "/")
}

// inRootFS tells a folder that every image from scratch has.
func inRootFS(folder string) bool {
	folder = strings.TrimPrefix(path.Clean("/"+folder), "/")
	return folder == "" || slices.ContainsFunc(recipe.RootFS(), func(f recipe.File) bool { return f.Path == folder })
}

// openFolders gives the folders of a tree, whatever the umask is, the modes that
// they have in an image.
func openFolders(root, base string) error {
	modes := map[string]fs.FileMode{}
	if base == release.ScratchBase {
		for _, f := range recipe.RootFS() {
			modes[filepath.FromSlash(f.Path)] = fileMode(f)
		}
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		mode, ok := modes[rel]
		if !ok {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

func (p *places) make(what string) (string, error) {
	dir, err := os.MkdirTemp("", "slipway-"+what+"-")
	if err == nil {
		p.made = append(p.made, dir)
	}
	return dir, err
}

// name adds a recipe's context.
func (p *places) name(name string, c recipe.Context) error {
	switch {
	case c.Image != "":
		p.named[name] = "docker-image://" + c.Image
		return nil
	case c.Dir != "" && len(c.Include) == 0:
		p.named[name] = c.Dir
		return nil
	}
	dir, err := p.make("context")
	if err != nil {
		return err
	}
	p.named[name] = dir
	if c.Dir != "" {
		return linkIncluded(dir, c)
	}
	return writeFiles(dir, c.Files)
}

// dateAll gives all of a context its date. A file that is linked has it already.
func dateAll(dir string, date time.Time) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if st, err := d.Info(); err != nil || st.ModTime().Equal(date) {
			return err
		}
		return os.Chtimes(path, date, date)
	})
}

// writeFiles puts files that are in memory into a folder.
func writeFiles(dir string, files []recipe.File) error {
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if f.Dir {
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
		} else if err := os.WriteFile(to, f.Content, 0o644); err != nil {
			return err
		}
	}
	// The modes come last: a folder that nobody may write into is filled first.
	for _, f := range files {
		if err := os.Chmod(filepath.Join(dir, filepath.FromSlash(f.Path)), fileMode(f)); err != nil {
			return err
		}
	}
	return nil
}

func fileMode(f recipe.File) fs.FileMode {
	mode := fs.FileMode(f.Mode).Perm()
	if f.Mode&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// linkIncluded puts into dir what the context's patterns match.
func linkIncluded(dir string, c recipe.Context) error {
	match, err := patternmatcher.New(c.Include)
	if err != nil {
		return err
	}
	return filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.Dir, path)
		if err != nil || rel == "." {
			return err
		}
		if d.IsDir() {
			if !mayHold(c.Include, rel) {
				return fs.SkipDir
			}
			return nil
		}
		ok, err := match.MatchesOrParentMatches(rel)
		if err != nil || !ok || !d.Type().IsRegular() {
			return err
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return link(path, to)
	})
}

// mayHold reports whether something below a folder may match: so that a large
// cache is not walked for the few files of it that are wanted.
func mayHold(patterns []string, folder string) bool {
	parts := strings.Split(filepath.ToSlash(folder), "/")
	for _, p := range patterns {
		want := strings.Split(strings.Trim(p, "/"), "/")
		holds := true
		for i := 0; i < len(parts) && i < len(want); i++ {
			if strings.ContainsAny(want[i], "*?[") {
				break
			}
			if want[i] != parts[i] {
				holds = false
				break
			}
		}
		if holds {
			return true
		}
	}
	return false
}
