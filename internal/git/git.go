// Package git reads a repository's history, tags and files, and checks out a
// commit, through the git command (2.34 or newer).
//
// Long answers are streamed to a yield function, which may return fs.SkipAll
// to stop early without an error. Names that come from outside never reach git
// where it could take them for an option, a range or another kind of ref.
package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// Repo is a git repository on this machine. Its methods may be called from
// several goroutines.
type Repo struct {
	// Dir is the absolute path of the working tree's top folder; of a bare
	// repository, its git directory.
	Dir string
	// Bare is true when there is no working tree.
	Bare bool

	gitDir    string // absolute; of a linked worktree, its own
	commonDir string // absolute; shared by all worktrees
	env       []string
}

// CommonDir is the absolute path of the git directory that all worktrees of
// the repository share.
func (r *Repo) CommonDir() string { return r.commonDir }

// Open finds the repository that dir, or any folder above it, belongs to. As
// git itself does, it lets GIT_DIR and GIT_WORK_TREE decide when they are set.
func Open(ctx context.Context, dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if fi, err := os.Stat(abs); err != nil || !fi.IsDir() {
		return nil, release.Invalidf("give a folder inside a git repository", "there is no folder %s", dir)
	}
	env := environment()
	// --show-toplevel comes last: it fails in a bare repository, when the
	// other answers are out already.
	out, err := proc.Output(ctx, proc.Cmd{Dir: abs, Env: env, Args: []string{"git", "rev-parse", "--path-format=absolute",
		"--git-dir", "--git-common-dir", "--is-bare-repository", "--is-inside-work-tree", "--show-toplevel"}})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	r := &Repo{env: env}
	switch {
	case err == nil && len(lines) == 5:
		r.gitDir, r.commonDir, r.Dir = lines[0], lines[1], lines[4]
	case len(lines) == 4 && lines[2] == "true":
		r.gitDir, r.commonDir, r.Dir, r.Bare = lines[0], lines[1], lines[0], true
	case len(lines) == 4 && lines[3] == "false":
		return nil, release.Invalidf("go to the folder that has the .git folder in it",
			"%s is inside a git directory, not in a working tree", dir)
	default:
		return nil, openError(dir, err)
	}
	r.env = append(env, "GIT_DIR="+r.gitDir)
	return r, nil
}

// openError tells why git could not open a repository.
func openError(dir string, err error) error {
	if errors.Is(err, proc.ErrNotFound) {
		return release.Invalidf("install git 2.34 or newer", "git is not installed, or not in PATH")
	}
	var pe *proc.Error
	if !errors.As(err, &pe) {
		return fmt.Errorf("open repository: git rev-parse gave an answer that can't be read for %q: %w", dir, errors.Join(err, errOldGit))
	}
	switch {
	case strings.Contains(pe.Tail, "dubious ownership"), strings.Contains(pe.Tail, "unsafe repository"):
		at := quotedPath(pe.Tail, dir)
		return release.Invalidf("if you trust it, run: git config --global --add safe.directory "+shellQuote(at),
			"git will not read %s: it belongs to another user (dubious ownership)", at)
	case strings.Contains(pe.Tail, "not a git repository"):
		return release.Invalidf("run this inside a clone, or make one with git init", "%s is not in a git repository", dir)
	}
	return fmt.Errorf("open repository: %w", redact(err))
}

var errOldGit = errors.New("git 2.34 or newer is needed")

// quotedPath is the first 'quoted' path in git's message.
func quotedPath(message, otherwise string) string {
	if _, rest, ok := strings.Cut(message, "'"); ok {
		if p, _, ok := strings.Cut(rest, "'"); ok {
			return p
		}
	}
	return otherwise
}

// shellQuote makes s one word of a POSIX shell, for commands that people copy.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// command is a git command that reads the repository. It runs inside the git
// directory, so that nothing in the working tree (.mailmap, .gitattributes)
// has a say in what a commit's history reads like.
func (r *Repo) command(args ...string) proc.Cmd {
	return proc.Cmd{Args: append([]string{"git"}, args...), Dir: r.gitDir, Env: r.env, Unset: unset}
}

// output runs a reading git command and gives its stdout.
func (r *Repo) output(ctx context.Context, args ...string) ([]byte, error) {
	out, err := proc.Output(ctx, r.command(args...))
	return out, redact(err)
}

// line runs a reading git command whose answer is one line.
func (r *Repo) line(ctx context.Context, args ...string) (string, error) {
	out, err := r.output(ctx, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

// stream runs a reading git command and hands its stdout to read, which may
// stop early with fs.SkipAll.
func (r *Repo) stream(ctx context.Context, c proc.Cmd, read func(io.Reader) error) error {
	err := proc.Stream(ctx, c, read)
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return redact(err)
}

// exitCode is the exit code that a git command ended with, 0 without an error,
// -1 when it did not end by itself.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var pe *proc.Error
	if errors.As(err, &pe) {
		return pe.Code
	}
	return -1
}
