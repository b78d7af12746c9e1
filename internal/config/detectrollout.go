package config

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// packageHead is what a release package begins with, besides comments; files that
// it loads seldom do.
var packageHead = regexp.MustCompile(`(?m)^(ocuroot|slipway)\(`)

// ReleasePackages finds the release packages (*.ocu.star) of a repository, in the
// order of their paths. What init writes names them; nothing is rolled out by
// itself because they are there.
func ReleasePackages(fsys fs.FS) ([]release.RolloutPackage, error) {
	var found []release.RolloutPackage
	folders := 0
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			if folders++; folders > maxFolders || strings.Count(name, "/") > maxFolderDeep {
				return release.Invalidf("write `rollout:` into "+FileName, "the repository has too many folders to look for release packages (at %s)", name)
			}
			if name != "." && skipped(e.Name()) && e.Name() != "internal" {
				return fs.SkipDir
			}
			return nil
		case !e.Type().IsRegular(), !strings.HasSuffix(name, ".ocu.star"), path.Base(name) == "repo.ocu.star":
			return nil
		}
		head, err := readHead(fsys, name, headerSize)
		if err != nil {
			return err
		}
		p := release.RolloutPackage{Package: name}
		if fatal, _ := release.Validate(release.Config{Rollout: []release.RolloutPackage{p}}).Split(); packageHead.Match(head) && len(fatal) == 0 {
			found = append(found, p)
		}
		return nil
	})
	return found, err
}
