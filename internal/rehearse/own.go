package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// makeRepository makes the sample, or clones the user's repository. made is
// true when the tag is the rehearsal's own.
func (s *stage) makeRepository(ctx context.Context) (made bool, err error) {
	name := "hello"
	if s.Dir == "" {
		s.branch = "main"
		if s.tag, err = makeSample(ctx, s.repo, s.registry.Host); err != nil {
			return false, err
		}
	} else if name, made, err = s.copyRepository(ctx); err != nil {
		return false, err
	}
	s.name = "rehearsal/" + name
	p, err := s.load(ctx, project.Selection{Tag: s.tag})
	if err != nil {
		return made, err
	}
	s.config = s.redirect(p.Config)
	if s.Dir == "" {
		return made, nil
	}
	return made, s.commitConfig(ctx, p)
}

// load reads what the clone says, with the user's config file if one is given.
func (s *stage) load(ctx context.Context, selected project.Selection) (project.Project, error) {
	clone, err := git.Open(ctx, s.repo)
	if err != nil {
		return project.Project{}, err
	}
	return project.Load(ctx, clone, selected, s.Config)
}

// copyRepository clones the user's repository, with its config as it lies
// there, and finds its name and the tag to rehearse: the one at HEAD, or a new
// one after the last.
func (s *stage) copyRepository(ctx context.Context) (name string, made bool, err error) {
	own, err := git.Open(ctx, s.Dir)
	if err != nil {
		return "", false, err
	}
	if _, _, err := own.Head(ctx); err != nil {
		return "", false, err
	}
	remotes, err := own.Remotes(ctx)
	if err != nil {
		return "", false, err
	}
	// A forge takes fewer characters in a name than a folder may have.
	name = release.FileName(cmp.Or(project.Name(nil, remotes["origin"]), filepath.Base(own.Dir)))
	name = cmp.Or(strings.Trim(forgeName.ReplaceAllString(name, "-"), "-"), "repository")
	if err := runGit(ctx, "", nil, "clone", "--quiet", "--no-hardlinks", "--", own.Dir, s.repo); err != nil {
		return "", false, err
	}
	file, data, err := project.ConfigOnDisk(own.Dir)
	if err == nil && data != nil {
		err = os.WriteFile(filepath.Join(s.repo, file), data, 0o644)
	}
	if err != nil {
		return "", false, err
	}
	branch, err := gitOutput(ctx, s.repo, "branch", "--show-current")
	if err != nil {
		return "", false, err
	}
	s.branch = cmp.Or(branch, "main") // without one, HEAD is detached
	p, err := s.load(ctx, project.Selection{})
	if err != nil {
		return "", false, err
	}
	if s.tag = p.Event.Tag; s.tag != "" {
		return name, false, nil
	}
	if s.tag, err = nextTag(ctx, p.Repo); err != nil {
		return "", false, err
	}
	return name, true, runGit(ctx, s.repo, nil, "tag", "--annotate", "--message", "a rehearsal", s.tag)
}

var forgeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// commitConfig puts the config that is rehearsed into the commit at HEAD, since
// the bot reads it there. Nothing else of the commit changes but its hash, and
// its tags go along.
func (s *stage) commitConfig(ctx context.Context, p project.Project) error {
	name := configName(s.repo)
	file := filepath.Join(s.repo, name)
	switch {
	case len(s.config.Images) > 0:
		if err := os.WriteFile(file, config.Write(s.config), 0o644); err != nil {
			return err
		}
	case s.Config != "":
		data, err := os.ReadFile(s.Config)
		if err == nil {
			err = os.WriteFile(file, data, 0o644)
		}
		if err != nil {
			return err
		}
	case p.ConfigFile == "":
		return nil
	}
	tags, err := gitOutput(ctx, s.repo, "tag", "--points-at", "HEAD")
	if err != nil {
		return err
	}
	if err := runGit(ctx, s.repo, nil, "add", "--force", "--", name); err != nil {
		return err
	}
	changed, err := gitOutput(ctx, s.repo, "diff", "--cached", "--name-only")
	if err != nil || changed == "" {
		return err
	}
	at, err := gitOutput(ctx, s.repo, "log", "-1", "--format=%cI")
	if err != nil {
		return err
	}
	date := []string{"GIT_COMMITTER_DATE=" + at}
	if err := runGit(ctx, s.repo, date, "commit", "--quiet", "--amend", "--no-edit", "--allow-empty-message", "--no-verify"); err != nil {
		return err
	}
	for tag := range strings.Lines(tags) {
		tag = strings.TrimSpace(tag)
		if err := runGit(ctx, s.repo, date, "tag", "--force", "--annotate", "--message", tag, tag); err != nil {
			return err
		}
	}
	s.changed = name
	return nil
}

// configName is the name of a folder's config, or the one that it would have.
func configName(dir string) string {
	if name, data, err := project.ConfigOnDisk(dir); err == nil && data != nil {
		return name
	}
	return project.ConfigNames()[0]
}

func gitOutput(ctx context.Context, dir string, args ...string) (string, error) {
	var out bytes.Buffer
	err := proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: dir, Env: gitEnv(), Unset: gitUnset, Stdout: &out})
	return strings.TrimSpace(out.String()), err
}
