package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ocuroot"
)

// stateImport takes over a state folder of Ocuroot's, or a branch with one.
func (a *app) stateImport(ctx context.Context, r *rollouts, from, branch, intent string) error {
	tree, done, err := a.ocurootTree(ctx, from, branch)
	if err != nil {
		return err
	}
	defer done()
	var wishes fs.FS
	if intent != "" {
		more, done, err := a.ocurootTree(ctx, intent, branch)
		if err != nil {
			return err
		}
		defer done()
		wishes = more
	}
	s, err := ocuroot.Read(ctx, tree, wishes)
	if err != nil {
		return err
	}
	took, err := r.Import(ctx, s, func(run ocuroot.Run) ([]rollout.Line, error) {
		lines, err := ocuroot.Logs(tree, run)
		out := make([]rollout.Line, 0, len(lines))
		for _, l := range lines {
			out = append(out, rollout.ImportedLine(l.Time, []string{"print", "stdout", "stderr"}[max(0, min(l.Stream, 2))], l.Text))
		}
		return out, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "took over %d releases, %d deploys, %d environments, %d custom values and %d wishes\n",
		took.Releases, took.Deploys, took.Environments, took.Values, took.Intents)
	for _, p := range took.Left {
		fmt.Fprintf(a.err, "%s %s has releases here already, and was left as it is\n", a.yellow("warning:"), p)
	}
	for _, sk := range s.Skipped {
		if strings.HasPrefix(sk.Path, ownFolder+"/") {
			continue
		}
		fmt.Fprintf(a.err, "%s not taken over: %s: %s\n", a.yellow("warning:"), sk.Path, sk.Reason)
	}
	return nil
}

// ocurootTree gives the files of a folder, or of a branch of a repository.
func (a *app) ocurootTree(ctx context.Context, from, branch string) (fs.FS, func(), error) {
	if !git.IsRemote(from) && !filepath.IsAbs(from) {
		abs, err := filepath.Abs(filepath.Join(a.dir, from)) // git runs elsewhere
		if err != nil {
			return nil, nil, err
		}
		from = abs
	}
	if branch == "" {
		root, err := folder(from)
		if err != nil {
			return nil, nil, err
		}
		return root.FS(), func() { _ = root.Close() }, nil
	}
	dir, err := os.MkdirTemp("", "slipway-import-")
	if err != nil {
		return nil, nil, err
	}
	clean := func() { _ = os.RemoveAll(dir) }
	repo, commit, err := git.Fetch(ctx, from, branch, filepath.Join(dir, "clone"))
	if err == nil {
		err = repo.Checkout(ctx, commit, filepath.Join(dir, "tree"))
	}
	if err != nil {
		clean()
		return nil, nil, err
	}
	root, err := folder(filepath.Join(dir, "tree"))
	if err != nil {
		clean()
		return nil, nil, err
	}
	return root.FS(), func() { _ = root.Close(); clean() }, nil
}

// problemsOf parts the problems of a package from what else can go wrong.
func problemsOf(err error) (release.Problems, error) {
	var e *lang.Error
	var ps release.Problems
	var p release.Problem
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &e):
		return append(release.Problems{e.Problem}, e.Others...), nil
	case errors.As(err, &ps):
		return ps, nil
	case errors.As(err, &p):
		return release.Problems{p}, nil
	}
	return nil, err
}

// clip bounds a cell of a table.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimRight(string(r[:most]), " ") + "…"
	}
	return s
}

func firstLineOf(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
