package project

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

// Project is a repository, the event that was meant and the config that counts
// for it.
type Project struct {
	Repo  *git.Repo
	Event release.Event
	// Config is as written; Classes alone have their default filled in.
	Config     release.Config
	ConfigFile string // empty when the repository has none
	Branch     string // the default branch, empty when nothing tells
	Warnings   release.Problems
}

// Load finds the event and reads its config: of the commit, or from the
// working tree when the commit is the one checked out, or from file when one
// is given. Its error holds every problem of the config in one go.
func Load(ctx context.Context, repo *git.Repo, s Selection, file string) (Project, error) {
	p := Project{Repo: repo}
	selected := s != Selection{Remote: s.Remote} // else the classes choose among the tags at HEAD
	head, err := p.look(ctx, s, selected)
	if err != nil {
		return p, err
	}
	commit := head
	if selected {
		commit = p.Event.Commit
	}
	data, err := p.read(ctx, commit, commit == head, file)
	if err != nil {
		return p, err
	}
	cfg, problems := config.Load(p.ConfigFile, data)
	fatal, warnings := problems.Split()
	if len(fatal) > 0 {
		return p, problems
	}
	p.Config, p.Warnings = cfg, append(p.Warnings, warnings...)
	if len(p.Config.Classes) == 0 {
		p.Config.Classes = release.DefaultClasses(p.Branch)
	}
	if !selected {
		p.Event, err = Event(ctx, repo, s, p.Config.Classes)
	}
	return p, err
}

// look asks git for what needs no config, all at once.
func (p *Project) look(ctx context.Context, s Selection, selected bool) (head string, err error) {
	g, ctx := errgroup.WithContext(ctx)
	if selected {
		g.Go(func() (err error) {
			p.Event, err = Event(ctx, p.Repo, s, nil)
			return err
		})
	}
	g.Go(func() (err error) {
		p.Branch, err = p.Repo.DefaultBranch(ctx, s.Remote)
		return err
	})
	g.Go(func() (err error) {
		if head, err = p.Repo.HeadHash(ctx); selected && errors.Is(err, git.ErrEmpty) {
			return nil // a branch that has yet to begin is checked out
		}
		return err
	})
	err = g.Wait()
	return head, err
}

// read finds the config's text. What is not committed counts for the commit
// that is checked out, with a warning: a person tries things out that way.
func (p *Project) read(ctx context.Context, commit string, checkedOut bool, file string) ([]byte, error) {
	if file != "" {
		p.ConfigFile = file
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, release.Invalidf("look at --config", "there is no file %s", file)
		}
		return b, err
	}
	name, committed, err := readAt(ctx, p.Repo, commit)
	if err != nil {
		return nil, err
	}
	p.ConfigFile = name
	if p.Repo.Bare || !checkedOut {
		return committed, nil
	}
	for _, candidate := range ConfigNames() {
		b, err := os.ReadFile(filepath.Join(p.Repo.Dir, candidate))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p.ConfigFile = candidate
		if name != candidate || !bytes.Equal(b, committed) {
			p.Warnings = append(p.Warnings, release.Problem{File: candidate, Warning: true,
				Message: "it is not committed as it is here", Hint: "commit it, so that the release can be made again from its commit"})
		}
		return b, nil
	}
	return committed, nil
}

// Complete fills in every default. name is the repository's, empty when no
// remote tells it; source is a folder with the commit's files, asked for only
// when something must be found in them.
func (p *Project) Complete(name string, source func() (string, error)) (release.Config, error) {
	facts := config.Facts{RepositoryName: name}
	if p.Config.Builds == nil || p.Config.Project == "" && name == "" {
		dir, err := source()
		if err != nil {
			return release.Config{}, err
		}
		if facts, err = config.Detect(os.DirFS(dir), name); err != nil {
			return release.Config{}, err
		}
	}
	facts.DefaultBranch = p.Branch
	if name == "" && facts.Module == "" {
		facts.RepositoryName = filepath.Base(p.Repo.Dir)
	}
	cfg, problems := config.Complete(p.Config, facts)
	for i := range problems {
		if problems[i].File == "" {
			problems[i].File = p.ConfigFile
		}
	}
	fatal, warnings := problems.Split()
	if len(fatal) > 0 {
		return release.Config{}, fatal
	}
	p.Warnings = append(p.Warnings, warnings...)
	return cfg, nil
}

// Name is the repository's name as its forge or its remote has it; a clone's
// folder may be called anything, so it does not count.
func Name(target *release.Target, remoteURL string) string {
	if target != nil {
		return path.Base(target.Repository)
	}
	if remoteURL == "" {
		return ""
	}
	name := path.Base(strings.TrimSuffix(strings.TrimRight(filepath.ToSlash(remoteURL), "/"), ".git"))
	if _, after, ok := strings.Cut(name, ":"); ok {
		name = after
	}
	return strings.Trim(name, "./")
}
