// Package project reads from a repository what a release needs to know before
// it is decided on: the event that was meant, and the config that counts.
package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

// Selection is what a person or a runner asked for; empty fields are found.
type Selection struct {
	Tag, Commit, Branch string
	Remote              string // the remote that the forge's repository is, usually origin
}

// FromRunner is the selection that a workflow's variables make (GitHub and
// Gitea Actions set the same ones), empty elsewhere.
func FromRunner(getenv func(string) string) Selection {
	name := getenv("GITHUB_REF_NAME")
	switch {
	case getenv("GITHUB_ACTIONS") != "true" || name == "":
		return Selection{}
	case getenv("GITHUB_REF_TYPE") == "tag" || strings.HasPrefix(getenv("GITHUB_REF"), "refs/tags/"):
		return Selection{Tag: name}
	case strings.HasPrefix(getenv("GITHUB_REF"), "refs/heads/"):
		return Selection{Branch: name, Commit: getenv("GITHUB_SHA")}
	}
	return Selection{Commit: getenv("GITHUB_SHA")}
}

// Event turns a selection into what happened. With nothing selected it is the
// best tag at HEAD (by the order of classes, then by version), else HEAD on the
// current branch.
func Event(ctx context.Context, repo *git.Repo, s Selection, classes []release.Class) (release.Event, error) {
	switch {
	case s.Tag != "":
		return tagEvent(ctx, repo, s)
	case s.Commit != "" || s.Branch != "":
		return commitEvent(ctx, repo, s)
	}
	head, branch, err := repo.Head(ctx)
	if err != nil {
		return release.Event{}, err
	}
	tags, err := repo.TagsAt(ctx, head.Hash)
	if err != nil {
		return release.Event{}, err
	}
	tag, err := best(tags, classes)
	if err != nil {
		return release.Event{}, err
	}
	if tag != "" {
		branch = ""
	}
	return release.Event{Tag: tag, Branch: branch, Commit: head.Hash, Time: head.Time}, nil
}

func tagEvent(ctx context.Context, repo *git.Repo, s Selection) (release.Event, error) {
	t, err := repo.Tag(ctx, strings.TrimPrefix(s.Tag, "refs/tags/"))
	if err != nil {
		return release.Event{}, err
	}
	if s.Commit != "" {
		c, err := repo.Commit(ctx, s.Commit)
		if err != nil {
			return release.Event{}, err
		}
		if c.Hash != t.Commit {
			return release.Event{}, release.Refuse("give one of the two, or fetch the tag again (git fetch --tags --force)",
				"tag %s is at %s, not at %s", t.Name, release.ShortCommit(t.Commit), release.ShortCommit(c.Hash))
		}
	}
	return release.Event{Tag: t.Name, Commit: t.Commit, Time: t.CommitTime}, nil
}

func commitEvent(ctx context.Context, repo *git.Repo, s Selection) (release.Event, error) {
	rev := s.Commit
	if rev == "" {
		rev = s.Branch
	}
	c, err := repo.Commit(ctx, rev)
	if err != nil && s.Commit == "" {
		// A branch that only the remote has.
		var rerr error
		if c, rerr = repo.Commit(ctx, orElse(s.Remote, "origin")+"/"+s.Branch); rerr == nil {
			err = nil
		}
	}
	if err != nil {
		return release.Event{}, err
	}
	ev := release.Event{Branch: s.Branch, Commit: c.Hash, Time: c.Time}
	holding, err := repo.BranchesContaining(ctx, c.Hash)
	if err != nil {
		return release.Event{}, err
	}
	if s.Branch != "" {
		if s.Commit != "" && !slices.Contains(holding, s.Branch) && !repo.IsShallow() {
			// GitHub's workflow_run calls a tag that was pushed a branch, too.
			if t, err := repo.Tag(ctx, s.Branch); err == nil && t.Commit == c.Hash {
				return release.Event{Tag: t.Name, Commit: t.Commit, Time: t.CommitTime}, nil
			}
			return release.Event{}, release.Invalidf("give a commit of that branch", "commit %s is not on branch %s", release.ShortCommit(c.Hash), s.Branch)
		}
		return ev, nil
	}
	if main, err := repo.DefaultBranch(ctx, s.Remote); err == nil && slices.Contains(holding, main) {
		ev.Branch = main
	} else if len(holding) > 0 {
		ev.Branch = holding[0]
	}
	return ev, nil
}

// best picks the tag that says most about a commit: of the first class that
// takes any, the highest version.
func best(tags []git.Tag, classes []release.Class) (string, error) {
	c, err := release.NewClassifier(classes)
	if err != nil {
		return "", err
	}
	rank := func(class string) int {
		return slices.IndexFunc(classes, func(c release.Class) bool { return c.Name == class })
	}
	var name string
	bestRank := len(classes)
	for _, t := range tags {
		d, err := c.Classify(release.Event{Tag: t.Name, Commit: t.Commit, Time: t.CommitTime})
		if err != nil {
			return "", err
		}
		r := rank(d.Class)
		if d.Skip || r > bestRank {
			continue
		}
		if r < bestRank || release.CompareTags(release.ParseTag(t.Name), t.Time, release.ParseTag(name), t.Time) > 0 {
			name, bestRank = t.Name, r
		}
	}
	return name, nil
}

// ConfigName is the config's file, at the top of the repository.
const ConfigName = ".slipway.yaml"

// ConfigNames are the names that are looked for, in order.
func ConfigNames() []string { return []string{ConfigName, ".slipway.yml"} }

// ConfigOnDisk reads the config as it lies in a folder; one without it gives no
// data.
func ConfigOnDisk(dir string) (name string, data []byte, err error) {
	for _, name := range ConfigNames() {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return name, data, err
		}
	}
	return "", nil, nil
}

// readAt reads the config of a commit; a commit without one gives no data.
func readAt(ctx context.Context, repo *git.Repo, commit string) (name string, data []byte, err error) {
	name, data, err = repo.ShowFirst(ctx, commit, ConfigNames()...)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("read the config of commit %s: %w", release.ShortCommit(commit), err)
	}
	return name, data, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
