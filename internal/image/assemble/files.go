package assemble

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/slipway-dev/slipway/internal/image/recipe"
)

// files are the image's further files of the commit and, in a development
// image, its environment files, which lie in the working directory.
func (s Spec) files() (out []entry, err error) {
	if len(s.Image.Files) == 0 && !s.Image.Development {
		return nil, nil
	}
	root, err := os.OpenRoot(s.Source)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	found, err := recipe.Files(s.Image, root.FS())
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		e, err := s.fileEntry(root, f.Path, f.Path, f.Mode)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if !s.Image.Development {
		return out, nil
	}
	environment, err := recipe.EnvironmentFiles(s.Image, root.FS())
	if err != nil {
		return nil, err
	}
	for _, p := range environment {
		e, err := s.fileEntry(root, p, path.Join(s.Image.Workdir, p), 0o644)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// fileEntry is a file of the commit. root sees to it that no symbolic link
// leads out of the source.
func (s Spec) fileEntry(root *os.Root, from, to string, mode int64) (entry, error) {
	f, err := root.Open(from)
	if err != nil {
		return entry{}, err
	}
	defer f.Close()
	e := entry{Path: imagePath(to), Mode: mode, open: func() (io.ReadCloser, error) { return openIn(s.Source, from) }}
	sum := sha256.New()
	if e.Size, err = io.Copy(sum, f); err != nil {
		return entry{}, err
	}
	e.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return e, nil
}

// openIn opens a file when its layer is written, which may be long after the
// files were found.
func openIn(dir, name string) (fs.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(name)
	return f, errors.Join(err, root.Close())
}
