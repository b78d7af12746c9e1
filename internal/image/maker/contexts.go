package maker

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// contexts gives a recipe's named contexts as the builder takes them. What has
// to lie in a folder of its own does so until clean is called.
func (m *Maker) contexts(ctx context.Context, r recipe.Recipe, o image.Order) (named map[string]string, clean func(), err error) {
	var folders []string
	clean = func() {
		for _, f := range folders {
			_ = os.RemoveAll(f)
		}
	}
	named = map[string]string{}
	if o.Image.Kind == release.ImageOfBuilds {
		dir, err := binariesContext(o)
		folders = append(folders, dir)
		if err != nil {
			return nil, clean, err
		}
		named[recipe.ContextBinaries] = dir
	}
	for name, c := range r.Contexts {
		if ctx.Err() != nil {
			return nil, clean, ctx.Err()
		}
		switch {
		case c.Image != "":
			named[name] = "docker-image://" + c.Image
			continue
		case c.Dir != "" && len(c.Include) == 0:
			named[name] = c.Dir
			continue
		}
		dir, err := os.MkdirTemp("", "slipway-context-")
		if err != nil {
			return nil, clean, err
		}
		folders = append(folders, dir)
		if c.Dir != "" {
			err = linkIncluded(dir, c)
		} else {
			err = writeFiles(dir, c.Files)
		}
		if err != nil {
			return nil, clean, fmt.Errorf("make the build context %s: %w", name, err)
		}
		named[name] = dir
	}
	return named, clean, nil
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
		mode := fs.FileMode(f.Mode).Perm()
		if f.Mode&0o1000 != 0 {
			mode |= fs.ModeSticky
		}
		if err := os.Chmod(filepath.Join(dir, filepath.FromSlash(f.Path)), mode); err != nil {
			return err
		}
	}
	return nil
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
