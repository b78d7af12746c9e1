package recipe

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// errOutside is a path, or a link on the way to it, that leads out of the
// repository.
var errOutside = errors.New("leads out of the repository")

const mostLinks = 40

// inside follows the symbolic links of a path and gives where it is, without
// links, within fsys.
func inside(fsys fs.FS, name string) (string, error) {
	if path.IsAbs(name) || strings.Contains(name, "\\") {
		return "", errOutside
	}
	links := 0
	done, rest := ".", strings.Split(name, "/")
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "." {
				return "", errOutside
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		if !fs.ValidPath(next) {
			return "", errOutside
		}
		st, err := fs.Lstat(fsys, next)
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > mostLinks {
			return "", fmt.Errorf("%s: too many symbolic links", name)
		}
		to, err := fs.ReadLink(fsys, next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(to) {
			return "", errOutside
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return done, nil
}

// outside is the error of a path that inside refused.
func outside(img release.PlanImage, key, name string, err error) error {
	switch {
	case errors.Is(err, errOutside):
		return release.Invalidf("write a path inside the repository, relative to its root", "image %s: %s %q leads out of the repository", img.ID, key, name)
	case errors.Is(err, fs.ErrNotExist):
		return release.Invalidf("commit it, or correct the path, which is relative to the repository's root", "image %s: there is no %s %q in the repository", img.ID, key, name)
	}
	return fmt.Errorf("read %s %s: %w", key, name, err)
}
