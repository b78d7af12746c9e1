package linuxpkg

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// contents collects what lies where in the package.
type contents struct {
	asset string
	list  files.Contents
	at    map[string]string // target → file, dir or symlink
}

// add takes one thing, and refuses a second at the same place.
func (l *contents) add(c *files.Content) error {
	target := path.Clean(c.Destination)
	if err := checkTarget(l.asset, "target", target); err != nil {
		return err
	}
	if l.at[target] != "" {
		return twice(l.asset, target)
	}
	kind := "file"
	if c.Type == files.TypeDir || c.Type == files.TypeSymlink {
		kind = c.Type
	}
	l.at[target] = kind
	c.Destination = target
	l.list = append(l.list, c)
	return nil
}

// tree refuses a file that would be a folder, too.
func (l *contents) tree() error {
	for target := range l.at {
		for dir := path.Dir(target); dir != "/"; dir = path.Dir(dir) {
			if kind := l.at[dir]; kind != "" && kind != "dir" {
				return release.Invalidf("give one of them another target", "package %s: %s would be a %s and a folder", l.asset, dir, kind)
			}
		}
	}
	return nil
}

// own adds the folders that are named after the package, so that they go with it
// where a package manager takes away what belongs to packages only. Other folders
// are the system's, and keep its owner and mode.
func (l *contents) own(names []string) error {
	for _, target := range slices.Collect(maps.Keys(l.at)) {
		ours := ""
		for dir := path.Dir(target); dir != "/"; dir = path.Dir(dir) {
			if slices.Contains(names, path.Base(dir)) {
				ours = dir
			}
		}
		for dir := path.Dir(target); ours != "" && len(dir) >= len(ours); dir = path.Dir(dir) {
			if l.at[dir] != "" {
				continue
			}
			if err := l.add(&files.Content{Destination: dir, Type: files.TypeDir, FileInfo: root(0o755, 0)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// root is how a file of the package is owned. Each field is set, because nfpm asks
// the file system for what is not.
func root(mode uint32, size int64) *files.ContentFileInfo {
	return &files.ContentFileInfo{Owner: "root", Group: "root", Mode: os.FileMode(mode), Size: size}
}

// addContents adds binaries, documentation and the configured contents.
func addContents(info *nfpm.Info, o Options, c *checkout) error {
	l := &contents{asset: o.Package.Asset, at: map[string]string{}}
	if err := l.binaries(o); err != nil {
		return err
	}
	for _, pc := range o.Package.Contents {
		if err := l.configured(c, pc); err != nil {
			return err
		}
	}
	if err := l.documents(o, c, info.Version); err != nil {
		return err
	}
	if err := l.tree(); err != nil {
		return err
	}
	if err := l.own([]string{o.Package.Name, o.Project}); err != nil {
		return err
	}
	for _, content := range l.list {
		content.FileInfo.MTime = o.Time
	}
	info.Contents = l.list
	return nil
}

func (l *contents) binaries(o Options) error {
	for _, id := range o.Package.Builds {
		i := slices.IndexFunc(o.Binaries, func(b release.Binary) bool { return b.ID == id && b.Platform == o.Package.Platform })
		if i < 0 {
			return fmt.Errorf("package %s: there is no binary of build %q for %s", l.asset, id, o.Package.Platform)
		}
		b := o.Binaries[i]
		real, err := filepath.EvalSymlinks(b.Path) // nfpm would pack a link
		if err != nil {
			return dist.Readable(err)
		}
		if real, err = filepath.Abs(real); err != nil {
			return err
		}
		size, digest, err := dist.HashFile(real)
		if err != nil {
			return err
		}
		if b.Digest != "" && b.Digest != digest {
			return release.Failf("run again", "package %s: %s is not what build %q made: %s instead of %s", l.asset, real, id, digest, b.Digest)
		}
		if err := l.add(&files.Content{Source: real, Destination: path.Join(o.Package.BinDir, b.Name), Type: files.TypeFile, FileInfo: root(0o755, size)}); err != nil {
			return err
		}
	}
	return nil
}

// configured adds one entry of `contents`.
func (l *contents) configured(c *checkout, pc release.PackageContent) error {
	mode, err := octal(pc.Mode, 0)
	if err != nil {
		return err
	}
	switch pc.Type {
	case "dir":
		if mode == 0 {
			mode = 0o755
		}
		return l.add(&files.Content{Destination: pc.Target, Type: files.TypeDir, FileInfo: root(mode, 0)})
	case "symlink":
		return l.add(&files.Content{Source: pc.Source, Destination: pc.Target, Type: files.TypeSymlink, FileInfo: root(0o777, int64(len(pc.Source)))})
	}
	sources, err := c.find(pc.Source)
	if err != nil {
		return err
	}
	kind := files.TypeFile
	if pc.Type == "config" {
		kind = files.TypeConfigNoReplace
	}
	for _, f := range sources {
		target := path.Join(pc.Target, f.below)
		if f.below == "" && strings.HasSuffix(pc.Target, "/") {
			target = path.Join(pc.Target, path.Base(f.name))
		}
		if err := l.file(c, f.name, target, kind, mode); err != nil {
			return err
		}
	}
	return nil
}

// file adds a file of the checkout; mode 0 is 0644, or 0755 when it is executable.
func (l *contents) file(c *checkout, name, target, kind string, mode uint32) error {
	s, err := c.stage(name)
	if err != nil {
		return err
	}
	switch {
	case mode == 0 && s.executable:
		mode = 0o755
	case mode == 0:
		mode = 0o644
	}
	return l.add(&files.Content{Source: s.path, Destination: target, Type: kind, FileInfo: root(mode, s.size)})
}
