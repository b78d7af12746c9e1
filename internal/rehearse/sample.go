package rehearse

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// sample is the history of a small program, a file for each commit: its
// message, the fields author and tag, and the files that it changes.
//
//go:embed sample/*.txtar
var sample embed.FS

// begun is the date of the sample's first commit; the others follow by a day.
var begun = time.Date(2024, 3, 1, 9, 0, 0, 0, time.UTC)

// gitEnv keeps the user's git settings out of what the rehearsal makes.
func gitEnv() []string {
	return []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Slipway", "GIT_AUTHOR_EMAIL=rehearsal@slipway.example", "GIT_COMMITTER_NAME=Slipway", "GIT_COMMITTER_EMAIL=rehearsal@slipway.example"}
}

func runGit(ctx context.Context, dir string, env []string, args ...string) error {
	return proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: dir, Env: append(gitEnv(), env...),
		Unset: []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}})
}

// makeSample writes the sample's history to dir and returns its last tag.
func makeSample(ctx context.Context, dir string) (tag string, err error) {
	if err := runGit(ctx, "", nil, "init", "--quiet", "--initial-branch=main", "--template=", dir); err != nil {
		return "", err
	}
	names, err := fs.Glob(sample, "sample/*.txtar")
	if err != nil {
		return "", err
	}
	for i, name := range names {
		data, err := sample.ReadFile(name)
		if err != nil {
			return "", err
		}
		made, err := makeCommit(ctx, dir, txtar.Parse(data), begun.AddDate(0, 0, i))
		if err != nil {
			return "", err
		}
		if made != "" {
			tag = made
		}
	}
	return tag, nil
}

func makeCommit(ctx context.Context, dir string, a *txtar.Archive, at time.Time) (tag string, err error) {
	message, fields, _ := strings.Cut(string(a.Comment), "\nauthor: ")
	author, rest, _ := strings.Cut(fields, "\n")
	name, email, _ := strings.Cut(strings.TrimSuffix(author, ">"), " <")
	_, tag, _ = strings.Cut(strings.TrimSpace(rest), "tag: ")
	for _, f := range a.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return "", err
		}
	}
	date := at.Format(time.RFC3339)
	env := []string{"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + email, "GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date}
	if err := runGit(ctx, dir, env, "add", "--all"); err != nil {
		return "", err
	}
	if err := runGit(ctx, dir, env, "commit", "--quiet", "--message", strings.TrimSpace(message)); err != nil {
		return "", err
	}
	if tag != "" {
		err = runGit(ctx, dir, env, "tag", "--annotate", "--message", tag, tag)
	}
	return tag, err
}

// copyRepository clones the user's repository to dir, with its config as it
// lies there, and returns its name and the tag to rehearse: the one at HEAD, or
// a new one after the last.
func copyRepository(ctx context.Context, from, dir, config string) (tag, name string, err error) {
	repo, err := git.Open(ctx, from)
	if err != nil {
		return "", "", err
	}
	if _, _, err := repo.Head(ctx); err != nil {
		return "", "", err
	}
	remotes, err := repo.Remotes(ctx)
	if err != nil {
		return "", "", err
	}
	// A forge takes fewer characters in a name than a folder may have.
	name = release.FileName(cmp.Or(project.Name(nil, remotes["origin"]), filepath.Base(repo.Dir)))
	name = cmp.Or(strings.Trim(forgeName.ReplaceAllString(name, "-"), "-"), "repository")
	if err := runGit(ctx, "", nil, "clone", "--quiet", "--no-hardlinks", "--", repo.Dir, dir); err != nil {
		return "", "", err
	}
	if err := copyConfig(repo, dir); err != nil {
		return "", "", err
	}
	tag, err = tagToRehearse(ctx, dir, config)
	return tag, name, err
}

var forgeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func tagToRehearse(ctx context.Context, dir, config string) (tag string, err error) {
	clone, err := git.Open(ctx, dir)
	if err != nil {
		return "", err
	}
	p, err := project.Load(ctx, clone, project.Selection{}, config)
	if err != nil || p.Event.Tag != "" {
		return p.Event.Tag, err
	}
	if tag, err = nextTag(ctx, clone); err != nil {
		return "", err
	}
	return tag, runGit(ctx, dir, nil, "tag", "--annotate", "--message", "a rehearsal", tag)
}

// configOf is the config that a release of the tag goes by.
func configOf(ctx context.Context, dir, tag, file string) (release.Config, error) {
	repo, err := git.Open(ctx, dir)
	if err != nil {
		return release.Config{}, err
	}
	p, err := project.Load(ctx, repo, project.Selection{Tag: tag}, file)
	return p.Config, err
}

// copyConfig takes over a config that is not committed yet.
func copyConfig(repo *git.Repo, dir string) error {
	for _, name := range project.ConfigNames() {
		b, err := os.ReadFile(filepath.Join(repo.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), b, 0o644)
	}
	return nil
}

// nextTag is a tag that does not exist yet: the last version with its last
// number raised, or v0.1.0.
func nextTag(ctx context.Context, repo *git.Repo) (string, error) {
	var tags []release.HistoryTag
	err := repo.Tags(ctx, "", func(t git.Tag) error {
		tags = append(tags, release.HistoryTag{Name: t.Name, Commit: t.Commit, Time: t.CommitTime})
		return nil
	})
	if err != nil {
		return "", err
	}
	var major, minor, patch int
	if n, _ := fmt.Sscanf(release.LastVersion(tags), "%d.%d.%d", &major, &minor, &patch); n < 2 {
		return "v0.1.0", nil
	}
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch+1), nil
}
