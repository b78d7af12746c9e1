package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

// Source is what an image is built from by hand: a folder of a commit, or of
// the working tree.
type Source struct {
	Repo  *git.Repo
	Event release.Event
	// Folder is the path inside the repository that was given; empty is its root.
	Folder string
	// Name is the repository's, for the default name of the image.
	Name string
	// Local is set for a path on this machine.
	Local bool
}

// OpenSource finds what source means: a git address, with #ref or
// #ref:folder behind it, or a path on this machine, inside a repository.
func OpenSource(ctx context.Context, source string) (Source, error) {
	if !git.IsRemote(source) {
		return localSource(ctx, source)
	}
	address, fragment, _ := strings.Cut(source, "#")
	ref, folder, _ := strings.Cut(fragment, ":")
	folder = path.Clean(strings.TrimLeft(folder, "/"))
	if !filepath.IsLocal(folder) {
		return Source{}, release.Invalidf("write URL#ref:folder, with the folder's path from the root of the repository", "%q leads out of the repository", folder)
	}
	if folder == "." {
		folder = ""
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Source{}, err
	}
	sum := sha256.Sum256([]byte(address))
	repo, commit, err := git.Fetch(ctx, address, ref, filepath.Join(cache, "slipway", "clones", hex.EncodeToString(sum[:8])+".git"))
	if err != nil {
		return Source{}, err
	}
	s := Source{Repo: repo, Folder: folder, Name: Name(nil, address)}
	s.Event, err = bareEvent(ctx, repo, commit)
	return s, err
}

func localSource(ctx context.Context, dir string) (Source, error) {
	repo, err := git.Open(ctx, dir)
	if err != nil {
		return Source{}, err
	}
	head, err := repo.HeadHash(ctx)
	if err != nil {
		return Source{}, err
	}
	s := Source{Repo: repo, Local: true}
	if s.Event, err = bareEvent(ctx, repo, head); err != nil {
		return s, err
	}
	if s.Folder, err = Within(repo.Dir, dir); err != nil {
		return s, err
	}
	remotes, err := repo.Remotes(ctx)
	if s.Name = Name(nil, remotes["origin"]); s.Name == "" {
		s.Name = filepath.Base(repo.Dir)
	}
	return s, err
}

// Within gives the path of dir inside root with slashes, symbolic links followed;
// it is empty for root itself. A folder outside is an error of kind Invalid.
func Within(root, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", release.Invalidf("give a folder of the repository", "%s is outside the repository at %s", dir, root)
	}
	if rel == "." {
		return "", nil
	}
	return filepath.ToSlash(rel), nil
}

// bareEvent is a commit that no tag or branch is asked of.
func bareEvent(ctx context.Context, repo *git.Repo, commit string) (release.Event, error) {
	c, err := repo.Commit(ctx, commit)
	return release.Event{Commit: c.Hash, Time: c.Time}, err
}

// Config reads the config of the source: of the commit, or of the folder as it
// is. A source without one has the zero config.
func (s Source) Config(ctx context.Context, workingTree bool) (release.Config, error) {
	name, data, err := readAt(ctx, s.Repo, s.Event.Commit)
	if workingTree {
		name, data, err = ConfigOnDisk(s.Repo.Dir)
	}
	if err != nil || data == nil {
		return release.Config{}, err
	}
	cfg, problems := config.Load(name, data)
	fatal, _ := problems.Split()
	if len(fatal) > 0 {
		return release.Config{}, fatal
	}
	return cfg, nil
}
