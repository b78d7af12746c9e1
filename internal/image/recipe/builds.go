package recipe

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/release"
)

// EnvironmentFiles gives the paths of a context's environment files, sorted.
func EnvironmentFiles(img release.PlanImage, context fs.FS) ([]string, error) {
	e, err := environmentOf(img)
	if err != nil {
		return nil, err
	}
	found, _, err := e.find(context)
	var files []string
	for _, p := range found {
		if err == nil {
			err = fs.WalkDir(context, p, func(p string, entry fs.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					files = append(files, p)
				}
				return err
			})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for environment files: %w", err)
	}
	return slices.Compact(slices.Sorted(slices.Values(files))), nil
}

// Files gives the further files of an image of builds, without their content,
// sorted by path: what a path names, which must exist, or lies in the folder it
// names, and what a glob matches. Files behind symbolic links go in as files.
// Environment files stay out.
func Files(img release.PlanImage, repository fs.FS) ([]File, error) {
	if len(img.Files) == 0 {
		return nil, nil
	}
	e, err := environmentOf(img)
	if err != nil {
		return nil, err
	}
	modes := map[string]int64{}
	for _, pattern := range img.Files {
		paths, err := named(img, repository, pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			if slices.Contains(strings.Split(p, "/"), ".git") {
				continue
			}
			real, err := inside(repository, p)
			if err != nil {
				return nil, outside(img, "file", p, err)
			}
			if e.has(p) || e.has(real) {
				if p == path.Clean(pattern) && !img.Development {
					return nil, release.Invalidf("take it out of `files`, or build with --development", "image %s: %s is an environment file, which stays out of releases", img.ID, p)
				}
				continue
			}
			st, err := fs.Stat(repository, real)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", p, err)
			}
			if !st.Mode().IsRegular() {
				return nil, release.Invalidf("name the files behind it", "image %s: %q is a folder behind a link, or no file", img.ID, p)
			}
			modes[p] = 0o644
			if st.Mode()&0o100 != 0 {
				modes[p] = 0o755
			}
		}
	}
	var out []File
	for _, p := range slices.Sorted(maps.Keys(modes)) {
		out = append(out, File{Path: p, Mode: modes[p]})
	}
	return out, nil
}

// named gives the files that a path or a glob names.
func named(img release.PlanImage, repository fs.FS, pattern string) ([]string, error) {
	p := path.Clean(pattern)
	if pattern == "" || !fs.ValidPath(p) || slices.Contains(strings.Split(pattern, "/"), "..") {
		return nil, outside(img, "file", pattern, errOutside)
	}
	if !strings.ContainsAny(p, `*?[{\`) {
		st, err := fs.Lstat(repository, p)
		if err != nil {
			return nil, outside(img, "file", pattern, err)
		}
		if !st.IsDir() {
			return []string{p}, nil
		}
		p += "/**"
	}
	if !doublestar.ValidatePattern(p) {
		return nil, release.Invalidf("* ? [ab] {a,b} and ** are understood; \\ takes away a character's meaning", "image %s: files: %q is not a valid glob", img.ID, pattern)
	}
	found, err := doublestar.Glob(repository, p, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("look for the files %s: %w", pattern, err)
	}
	return slices.DeleteFunc(found, func(p string) bool {
		st, err := fs.Lstat(repository, p)
		return err == nil && st.IsDir()
	}), nil
}
