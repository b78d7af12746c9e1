package rehearse

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/proc"
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
		Unset: gitUnset})
}

// gitUnset are variables by which git would work elsewhere.
var gitUnset = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}

// sampleRegistry is what the sample's config has where the rehearsal's registry
// belongs.
const sampleRegistry = "registry.example"

// makeSample writes the sample's history to dir and returns its last tag.
func makeSample(ctx context.Context, dir, registry string) (tag string, err error) {
	if err := runGit(ctx, "", nil, "init", "--quiet", "--initial-branch=main", "--template=", dir); err != nil {
		return "", err
	}
	names, err := fs.Glob(sample, "sample/0*.txtar")
	if err != nil {
		return "", err
	}
	for i, name := range names {
		data, err := sample.ReadFile(name)
		if err != nil {
			return "", err
		}
		data = bytes.ReplaceAll(data, []byte(sampleRegistry), []byte(registry))
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

// makeFeature commits to the sample in dir what the second act promotes.
func makeFeature(ctx context.Context, dir string) (subject string, err error) {
	data, err := sample.ReadFile("sample/promote.txtar")
	if err != nil {
		return "", err
	}
	a := txtar.Parse(data)
	subject, _, _ = strings.Cut(string(a.Comment), "\n")
	_, err = makeCommit(ctx, dir, a, begun.AddDate(0, 0, 30))
	return subject, err
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
