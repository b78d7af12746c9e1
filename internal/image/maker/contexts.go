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
	for name, c := range r.Contexts {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err := p.name(name, c); err != nil {
			return p, fmt.Errorf("make the build context %s: %w", name, err)
		}
	}
	return p, nil
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
