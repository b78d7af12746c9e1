package git

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
)

// MaxShow is the size in bytes of the largest file that Show reads: 16 MiB.
const MaxShow = 16 << 20

// Show reads a file as it is in a commit, following symbolic links within the
// commit. A file that isn't there is an fs.ErrNotExist, a folder or a file over
// MaxShow another *fs.PathError.
func (r *Repo) Show(ctx context.Context, commit, name string) ([]byte, error) {
	_, content, err := r.ShowFirst(ctx, commit, name)
	return content, err
}

// ShowFirst is Show for the first of the names that is there.
func (r *Repo) ShowFirst(ctx context.Context, commit string, names ...string) (name string, content []byte, err error) {
	fail := func(err error) (string, []byte, error) {
		return "", nil, &fs.PathError{Op: "show", Path: strings.Join(names, ", "), Err: err}
	}
	hash, err := r.resolve(ctx, commit)
	if err != nil {
		return "", nil, err
	}
	var asked strings.Builder
	for _, name := range names {
		clean := path.Clean(name)
		if !fs.ValidPath(clean) || clean == "." || strings.ContainsAny(clean, "\n\x00") {
			return fail(fs.ErrInvalid)
		}
		asked.WriteString(hash + ":" + clean + "\n")
	}
	c := r.command("cat-file", "--batch", "--follow-symlinks")
	c.Stdin = strings.NewReader(asked.String())
	var unread error
	err = r.stream(ctx, c, func(out io.Reader) error {
		answers := bufio.NewReader(out)
		for _, name = range names {
			if content, unread = readBlob(answers); !errors.Is(unread, fs.ErrNotExist) {
				break
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return "", nil, ctx.Err()
	}
	// git's own error says more than the end of its answer.
	if err != nil || unread != nil {
		return fail(cmp.Or(err, unread))
	}
	return name, content, nil
}

var (
	errFolder   = errors.New("is not a file")
	errTooLarge = fmt.Errorf("is larger than %d MiB", MaxShow>>20)
)

// readBlob reads one answer of cat-file --batch.
func readBlob(r *bufio.Reader) ([]byte, error) {
	head, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	f := strings.Fields(head)
	if len(f) != 3 || !fullHash.MatchString(f[0]) {
		// "<name> missing", or what became of a symbolic link: dangling,
		// loop, notdir, or symlink when it leaves the commit.
		return nil, fs.ErrNotExist
	}
	if f[1] != "blob" {
		return nil, errFolder
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return nil, err
	}
	if size > MaxShow {
		return nil, errTooLarge
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	_, err = r.Discard(1) // the newline after the content
	return content, err
}

// maxChanged is how many names Status gives.
const maxChanged = 5

// Status gives the first few paths, at most five, with changes that are not
// committed: modified, staged, deleted or untracked, but not ignored files. It
// is empty when there are none, and in a bare repository. With paths (taken
// literally) only what is at or below them counts.
func (r *Repo) Status(ctx context.Context, paths ...string) ([]string, error) {
	if r.Bare {
		return nil, nil
	}
	args := []string{"status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=none", "--"}
	c := r.command(append(args, paths...)...)
	c.Dir = r.Dir
	c.Env = append(c.Env[:len(c.Env):len(c.Env)], "GIT_WORK_TREE="+r.Dir, "GIT_LITERAL_PATHSPECS=1")
	changed, err := r.changed(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("look for uncommitted changes: %w", err)
	}
	return changed, nil
}

// changed reads git status -z: two letters, a space and the path.
func (r *Repo) changed(ctx context.Context, c proc.Cmd) ([]string, error) {
	var names []string
	err := r.eachRecord(ctx, c, 0, func(b []byte) error {
		if len(b) > 3 {
			names = append(names, string(b[3:]))
		}
		if len(names) == maxChanged {
			return fs.SkipAll
		}
		return nil
	})
	return names, err
}
