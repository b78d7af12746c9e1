package pack

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// source is the checkout. os.Root sees to it that no symbolic link leads out
// of it.
type source struct {
	root *os.Root
	dist string // the output folder as a path in the source, or empty
}

func openSource(dir, output string) (*source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, dist.Readable(err)
	}
	s := &source{root: root}
	if from, err := filepath.Abs(dir); err == nil {
		if to, err := filepath.Abs(output); err == nil {
			if rel, err := filepath.Rel(from, to); err == nil && filepath.IsLocal(rel) && rel != "." {
				s.dist = filepath.ToSlash(rel)
			}
		}
	}
	return s, nil
}

func (s *source) Close() error { return s.root.Close() }

// entry is one file as it goes into an archive. The exported fields are what
// an archive's bytes depend on.
type entry struct {
	Name   string      // path in the archive, with slashes
	Mode   fs.FileMode // 0755 or 0644; with fs.ModeSymlink for a link
	Size   int64
	Digest string
	Link   string `json:",omitempty"` // target of a link
	open   func() (*os.File, error)
}

// find gives the files that patterns name, sorted by path, each once. A plain
// path must exist, and a folder stands for everything in it where folders are
// allowed; a glob may match nothing. who has asked, for errors.
func (s *source) find(patterns []string, who string, folders bool) ([]entry, error) {
	seen := map[string]bool{}
	for _, p := range patterns {
		paths, err := s.match(p, who, folders)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			seen[path] = true
		}
	}
	paths := make([]string, 0, len(seen))
	for p := range seen {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	entries := make([]entry, 0, len(paths))
	for _, p := range paths {
		e, err := s.entry(p, paths, who, folders)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// match gives the paths of files and links that one pattern names.
func (s *source) match(pattern, who string, folders bool) ([]string, error) {
	clean := path.Clean(pattern)
	if pattern == "" || !filepath.IsLocal(filepath.FromSlash(clean)) || slices.Contains(strings.Split(pattern, "/"), "..") {
		return nil, release.Invalidf("write it relative to the repository's root, without `..`", "%s: %q leads out of the repository", who, pattern)
	}
	if strings.ContainsAny(clean, `*?[{\`) {
		return s.glob(clean, who)
	}
	st, err := s.root.Lstat(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, release.Invalidf("commit it, or take it out; a glob may match nothing", "%s: there is no file %q in the repository at this commit", who, pattern)
	case err != nil:
		return nil, release.Invalidf("name a file of the repository", "%s: %q can't be read: %v", who, pattern, err)
	case st.IsDir() && !folders:
		return nil, release.Invalidf("an asset is one file: write "+clean+"/* for those in it", "%s: %q is a folder", who, pattern)
	case st.IsDir():
		return s.glob(clean+"/**", who)
	}
	return []string{clean}, nil
}

func (s *source) glob(pattern, who string) ([]string, error) {
	if !doublestar.ValidatePattern(pattern) {
		return nil, release.Invalidf("* ? [ab] {a,b} and ** are understood; \\ takes away a character's meaning", "%s: %q is not a valid glob", who, pattern)
	}
	found, err := doublestar.Glob(globFS{s.root.FS()}, pattern, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, release.Invalidf("make the files readable, and let no link lead out of the repository", "%s: %q can't be read: %v", who, pattern, err)
	}
	var paths []string
	for _, p := range found {
		if s.hidden(p) {
			continue
		}
		st, err := s.root.Lstat(p)
		if err != nil {
			return nil, dist.Readable(err)
		}
		if !st.IsDir() {
			paths = append(paths, p)
		}
	}
	return paths, nil
}

// globFS lets a glob that looks for a folder, such as {LICENSE,docs}/**, pass by
// a file of that name instead of failing on it.
type globFS struct{ fs.FS }

func (g globFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(g.FS, name)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	return entries, err
}

func (g globFS) Stat(name string) (fs.FileInfo, error) {
	st, err := fs.Stat(g.FS, name)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	return st, err
}

// hidden tells what no glob means: git's own folder and the output.
func (s *source) hidden(p string) bool {
	return slices.Contains(strings.Split(p, "/"), ".git") || (s.dist != "" && (p == s.dist || strings.HasPrefix(p, s.dist+"/")))
}

// entry looks at one file. A link stays one if what it points at goes into the
// same archive, so that it neither dangles nor leads anywhere else; otherwise
// the file behind it goes in.
func (s *source) entry(p string, packed []string, who string, links bool) (entry, error) {
	st, err := s.root.Stat(p)
	if err != nil {
		return entry{}, release.Invalidf("let it point at a file of the repository, or take it out", "%s: the link %q leads nowhere, or out of the repository", who, p)
	}
	if target, ok := s.link(p, packed); ok && links {
		return entry{Name: p, Mode: fs.ModeSymlink | 0o777, Link: target}, nil
	}
	if !st.Mode().IsRegular() {
		return entry{}, release.Invalidf("name the files behind it", "%s: %q is a folder behind a link, or no file", who, p)
	}
	mode := fs.FileMode(0o644)
	if st.Mode()&0o100 != 0 {
		mode = 0o755
	}
	open := func() (*os.File, error) { return s.root.Open(p) }
	f, err := open()
	if err != nil {
		return entry{}, dist.Readable(err)
	}
	defer f.Close()
	size, digest, err := dist.Hash(f)
	if err != nil {
		return entry{}, err
	}
	return entry{Name: p, Mode: mode, Size: size, Digest: digest, open: open}, nil
}

// link gives the target of a link whose file, or a file in whose folder, is
// among those packed.
func (s *source) link(p string, packed []string) (string, bool) {
	target, err := s.root.Readlink(p)
	if err != nil || path.IsAbs(target) {
		return "", false
	}
	to := path.Join(path.Dir(p), target)
	for _, q := range packed {
		if q != p && (q == to || strings.HasPrefix(q, to+"/")) {
			return target, true
		}
	}
	return "", false
}
