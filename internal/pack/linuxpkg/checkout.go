package linuxpkg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// checkout reads the repository's files. nfpm opens files by path and follows
// links, so it gets copies of what os.Root has let through.
type checkout struct {
	root    *os.Root
	staging string
	asset   string // for errors
	at      time.Time
	copies  int
}

func openCheckout(dir, staging, asset string, at time.Time) (*checkout, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, dist.Readable(err)
	}
	return &checkout{root: root, staging: staging, asset: asset, at: at}, nil
}

// staged is a copy of a file of the checkout.
type staged struct {
	path       string
	size       int64
	executable bool
}

// stage copies a file of the checkout.
func (c *checkout) stage(name string) (staged, error) {
	st, err := c.root.Stat(name)
	if err != nil {
		return staged{}, release.Invalidf("let it point at a file of the repository, or take it out", "package %s: the link %q leads nowhere, or out of the repository", c.asset, name)
	}
	if !st.Mode().IsRegular() {
		return staged{}, release.Invalidf("name the files behind it", "package %s: %q is a folder behind a link, or no file", c.asset, name)
	}
	from, err := c.root.Open(name)
	if err != nil {
		return staged{}, dist.Readable(err)
	}
	defer func() { _ = from.Close() }()
	out, err := c.keep(from)
	out.executable = st.Mode()&0o100 != 0
	return out, err
}

// keep writes a file for nfpm. apk takes the time of a script from the file.
func (c *checkout) keep(from io.Reader) (staged, error) {
	c.copies++
	out := staged{path: filepath.Join(c.staging, strconv.Itoa(c.copies))}
	to, err := os.OpenFile(out.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return staged{}, dist.Readable(err)
	}
	out.size, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return staged{}, dist.Readable(err)
	}
	return out, os.Chtimes(out.path, c.at, c.at)
}

// largestScript is more than any script has, and what a mistake is told by.
const largestScript = 1 << 20

// script copies a script that the package runs.
func (c *checkout) script(field, name string) (string, error) {
	if !insideCheckout(name) {
		return "", release.Invalidf("write it relative to the repository's root, without `..`", "package %s: the script %s %q leads out of the repository", c.asset, field, name)
	}
	s, err := c.stage(path.Clean(name))
	if err != nil {
		return "", release.Invalidf("commit it, or take it out of `scripts`", "package %s: the script %s %q can't be read: %v", c.asset, field, name, err)
	}
	if s.size > largestScript {
		return "", release.Invalidf("scripts are of 1 MB at most", "package %s: the script %s %q has %d bytes", c.asset, field, name, s.size)
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(text, []byte("#!")) || bytes.ContainsRune(text, 0) {
		return "", release.Invalidf("begin it with #!/bin/sh", "package %s: the script %s %q does not begin with the program that runs it", c.asset, field, name)
	}
	return s.path, nil
}

// insideCheckout tells a path or glob that stays in the repository.
func insideCheckout(name string) bool {
	return name != "" && filepath.IsLocal(filepath.FromSlash(path.Clean(name))) && !slices.Contains(strings.Split(name, "/"), "..")
}

// found is a file of the checkout that a source names.
type found struct {
	name  string // path in the checkout
	below string // path below the folder that the source stands for; empty when it names this one file
}

// find gives the files that a source names, sorted. A plain path must exist; a
// glob must match something, as it was written for this package.
func (c *checkout) find(source string) ([]found, error) {
	clean := path.Clean(source)
	if !strings.ContainsAny(clean, `*?[{\`) {
		st, err := c.root.Stat(clean)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, release.Invalidf("commit it, or take it out of `contents`", "package %s: there is no file %q in the repository at this commit", c.asset, source)
		case err != nil:
			return nil, release.Invalidf("name a file of the repository, and let no link lead out of it", "package %s: %q can't be read: %v", c.asset, source, err)
		case !st.IsDir():
			return []found{{name: clean}}, nil
		}
		return c.glob(source, clean, "**")
	}
	if !doublestar.ValidatePattern(clean) {
		return nil, release.Invalidf("* ? [ab] {a,b} and ** are understood; \\ takes away a character's meaning", "package %s: %q is not a valid glob", c.asset, source)
	}
	base, pattern := doublestar.SplitPattern(clean)
	return c.glob(source, base, pattern)
}

func (c *checkout) glob(source, base, pattern string) ([]found, error) {
	from, err := fs.Sub(c.root.FS(), base)
	if err != nil {
		return nil, err
	}
	names, err := doublestar.Glob(globFS{from}, pattern, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, release.Invalidf("make the files readable, and let no link lead out of the repository", "package %s: %q can't be read: %v", c.asset, source, err)
	}
	var out []found
	for _, below := range names {
		name := path.Join(base, below)
		if slices.Contains(strings.Split(name, "/"), ".git") {
			continue
		}
		st, err := c.root.Lstat(name)
		if err != nil {
			return nil, dist.Readable(err)
		}
		if !st.IsDir() {
			out = append(out, found{name, below})
		}
	}
	if len(out) == 0 {
		return nil, release.Invalidf("commit such a file, or take it out of `contents`", "package %s: %q matches no file of the repository at this commit", c.asset, source)
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// globFS lets a glob that looks for a folder pass by a file of that name.
type globFS struct{ fs.FS }

func (g globFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(g.FS, name)
	return entries, noFolder(err)
}

func (g globFS) Stat(name string) (fs.FileInfo, error) {
	st, err := fs.Stat(g.FS, name)
	return st, noFolder(err)
}

func noFolder(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}
