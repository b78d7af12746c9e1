package memory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/proc"
)

// gitRefs reads a bare repository's refs through the git command, each time
// anew, so that a push is seen at once.
type gitRefs struct{ dir string }

// GitRefs are the refs of the bare git repository in dir.
func GitRefs(dir string) Refs { return gitRefs{dir} }

func (g gitRefs) git(ctx context.Context, args ...string) (string, error) {
	out, err := proc.Output(ctx, proc.Cmd{
		Args:  append([]string{"git", "--git-dir", g.dir}, args...),
		Unset: []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"},
	})
	return strings.TrimSuffix(string(out), "\n"), err
}

// missing is git's way to say that a revision does not exist.
func missing(err error) bool {
	var pe *proc.Error
	return errors.As(err, &pe) && (pe.Code == 1 || pe.Code == 128)
}

func (g gitRefs) Matching(ctx context.Context, prefix string) ([]Ref, error) {
	// for-each-ref matches whole path parts only, so the prefix is cut here.
	out, err := g.git(ctx, "for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", "refs/")
	if err != nil {
		return nil, fmt.Errorf("list refs: %w", err)
	}
	var refs []Ref
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) == 3 && strings.HasPrefix(f[2], prefix) {
			refs = append(refs, Ref{Name: f[2], Object: f[0], Type: f[1]})
		}
	}
	return refs, nil
}

func (g gitRefs) Peel(ctx context.Context, ref string) (Commit, bool, error) {
	if !forge.ValidTag(ref) {
		return Commit{}, false, nil
	}
	return g.read(ctx, ref)
}

func (g gitRefs) Commit(ctx context.Context, rev string) (Commit, bool, error) {
	switch {
	case isHash(rev):
		return g.read(ctx, rev)
	case forge.ValidTag(rev):
		return g.read(ctx, "refs/heads/"+rev)
	}
	return Commit{}, false, nil
}

func (g gitRefs) read(ctx context.Context, rev string) (Commit, bool, error) {
	out, err := g.git(ctx, "log", "-1", "--format=%H%n%ct%n%B", "--end-of-options", rev+"^{commit}", "--")
	if missing(err) {
		return Commit{}, false, nil
	}
	if err != nil {
		return Commit{}, false, fmt.Errorf("read %s: %w", rev, err)
	}
	f := strings.SplitN(out, "\n", 3)
	if len(f) < 3 {
		return Commit{}, false, nil
	}
	sec, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return Commit{}, false, fmt.Errorf("read %s: %w", rev, err)
	}
	return Commit{Hash: f[0], Time: time.Unix(sec, 0).UTC(), Message: strings.TrimRight(f[2], "\n")}, true, nil
}

func (g gitRefs) TagObject(ctx context.Context, hash string) (TagObject, bool, error) {
	if !isHash(hash) {
		return TagObject{}, false, nil
	}
	out, err := g.git(ctx, "cat-file", "tag", hash)
	if missing(err) {
		return TagObject{}, false, nil
	}
	if err != nil {
		return TagObject{}, false, fmt.Errorf("read tag object %s: %w", hash, err)
	}
	head, msg, _ := strings.Cut(out, "\n\n")
	t := TagObject{Hash: hash, Message: msg}
	for line := range strings.Lines(head) {
		key, val, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "object":
			t.Target = val
		case "type":
			t.TargetType = val
		case "tag":
			t.Name = val
		case "tagger":
			t.Tagger, t.Email, t.Date = parsePerson(val)
		}
	}
	return t, true, nil
}

// parsePerson reads "A B <a@b> 1700000000 +0000".
func parsePerson(s string) (name, email string, at time.Time) {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	sec, _, _ := strings.Cut(when, " ")
	if n, err := strconv.ParseInt(sec, 10, 64); err == nil {
		at = time.Unix(n, 0).UTC()
	}
	return name, email, at
}

func (g gitRefs) SetTag(ctx context.Context, name, commit string) error {
	if !forge.ValidTag(name) {
		return fmt.Errorf("%q is not a valid tag name", name)
	}
	_, err := g.git(ctx, "update-ref", "refs/tags/"+name, commit)
	return err
}

func (g gitRefs) DeleteTag(ctx context.Context, name string) error {
	if !forge.ValidTag(name) {
		return nil
	}
	_, err := g.git(ctx, "update-ref", "-d", "refs/tags/"+name)
	return err
}

func (g gitRefs) DefaultBranch(ctx context.Context) (string, error) {
	out, err := g.git(ctx, "symbolic-ref", "--short", "HEAD")
	if err != nil {
		return "", fmt.Errorf("read HEAD: %w", err)
	}
	if _, ok, err := g.Commit(ctx, out); err != nil || !ok {
		return "", err
	}
	return out, nil
}

func (g gitRefs) Fork(ctx context.Context, commit string) (string, error) {
	return g.git(ctx, "-c", "user.name=Somebody Else", "-c", "user.email=else@example.org",
		"commit-tree", "-p", commit, "-m", "a commit that nobody planned", commit+"^{tree}")
}

func (g gitRefs) Merge(ctx context.Context, branch, head, message string) (string, error) {
	base, ok, err := g.Commit(ctx, branch)
	if err != nil || !ok || !isHash(head) {
		return "", errors.Join(err, fmt.Errorf("no branch %s, or no commit %s, to merge", branch, head))
	}
	tree, err := g.git(ctx, "merge-tree", "--write-tree", base.Hash, head)
	if err != nil {
		return "", fmt.Errorf("merge %s into %s: %w", head, branch, err)
	}
	merge, err := g.git(ctx, "-c", "user.name=A Maintainer", "-c", "user.email=maintainer@example.org",
		"commit-tree", "-p", base.Hash, "-p", head, "-m", message, tree)
	if err != nil {
		return "", fmt.Errorf("merge %s into %s: %w", head, branch, err)
	}
	_, err = g.git(ctx, "update-ref", "refs/heads/"+branch, merge, base.Hash)
	return merge, err
}

// isHash says whether s is a full object name (SHA-1 or SHA-256).
func isHash(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
