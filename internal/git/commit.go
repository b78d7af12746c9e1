package git

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/slipway-dev/slipway/internal/release"
)

// Commit is one commit.
type Commit struct {
	Hash    string    // full hash
	Parents []string  // full hashes; a shallow clone's boundary has none
	Time    time.Time // committer date, UTC
	Subject string    // first line of the message
}

// ErrEmpty is given by Head when there is no commit yet.
var ErrEmpty error = &release.Error{Kind: release.Invalid,
	Message: "the current branch has no commit yet", Hint: "commit something first"}

// Head is the commit that is checked out and the current branch, which is
// empty when HEAD is detached. In an empty repository the error is ErrEmpty.
func (r *Repo) Head(ctx context.Context) (c Commit, branch string, err error) {
	ref, err := r.line(ctx, "symbolic-ref", "--quiet", "HEAD")
	if err != nil && exitCode(err) != 1 {
		return Commit{}, "", fmt.Errorf("read HEAD: %w", err)
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	hash, err := r.HeadHash(ctx)
	if err != nil {
		return Commit{}, branch, err
	}
	c, err = r.readCommit(ctx, hash)
	return c, branch, err
}

// HeadHash is the full hash of the commit that is checked out; ErrEmpty when
// there is none.
func (r *Repo) HeadHash(ctx context.Context) (string, error) {
	hash, err := r.line(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if exitCode(err) == 1 {
		return "", ErrEmpty
	}
	if err != nil {
		return "", fmt.Errorf("read HEAD: %w", err)
	}
	return hash, nil
}

// Commit finds a commit by anything git takes for one: a hash, its beginning,
// a branch, a tag. A range, an option or an unknown name is an Invalid error.
func (r *Repo) Commit(ctx context.Context, rev string) (Commit, error) {
	if err := checkRevision(rev); err != nil {
		return Commit{}, err
	}
	c, err := r.readCommit(ctx, rev)
	return c, r.explain(ctx, err, rev)
}

var fullHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// resolve turns a revision into a commit's full hash. A full hash is taken at
// its word: the command that uses it finds out.
func (r *Repo) resolve(ctx context.Context, rev string) (string, error) {
	if fullHash.MatchString(rev) {
		return rev, nil
	}
	return r.lookup(ctx, rev)
}

// lookup is resolve that takes nothing at its word.
func (r *Repo) lookup(ctx context.Context, rev string) (string, error) {
	if err := checkRevision(rev); err != nil {
		return "", err
	}
	hash, err := r.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err == nil && fullHash.MatchString(hash) {
		return hash, nil
	}
	if code := exitCode(err); err != nil && code != 1 && code != 128 {
		return "", fmt.Errorf("find commit %q: %w", rev, err)
	}
	return "", release.Invalidf(r.nearTags(ctx, rev, "give a commit's hash, a tag or a branch of this clone"),
		"there is no commit %q in this clone", rev)
}

// explain finds out whether a command failed because one of the revisions it
// was given is none, so that no command has to look them up beforehand.
func (r *Repo) explain(ctx context.Context, err error, revs ...string) error {
	if exitCode(err) != 128 {
		return err
	}
	for _, rev := range revs {
		if _, unknown := r.lookup(ctx, rev); unknown != nil {
			return unknown
		}
	}
	return err
}

// checkRevision refuses what can't be one commit's name, without asking git.
func checkRevision(rev string) error {
	why := ""
	switch {
	case rev == "":
		why = "it is empty"
	case rev[0] == '-':
		why = "it starts with -"
	case rev[0] == '^' || strings.Contains(rev, ".."):
		why = "it names a range"
	case strings.Contains(rev, ":"):
		why = "it names a file or a search"
	case strings.ContainsFunc(rev, unicode.IsControl):
		why = "it has a control character"
	default:
		return nil
	}
	return release.Invalidf("give a commit's hash, a tag or a branch", "%q is not a commit: %s", rev, why)
}

// readCommit reads the commit of a checked revision.
func (r *Repo) readCommit(ctx context.Context, rev string) (Commit, error) {
	out, err := r.output(ctx, "log", "-1", "--no-walk", "--format=%H%x00%P%x00%ct%x00%B", "--end-of-options", rev+"^{commit}", "--")
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %w", err)
	}
	f := strings.SplitN(string(out), "\x00", 4)
	if len(f) != 4 {
		return Commit{}, fmt.Errorf("read commit %s: git log gave %d fields instead of 4", rev, len(f))
	}
	subject, _ := splitMessage(validUTF8([]byte(f[3])))
	return Commit{Hash: f[0], Parents: strings.Fields(f[1]), Time: unixTime(f[2]), Subject: subject}, nil
}

// unixTime reads seconds since 1970; a date that git could not read is 1970.
func unixTime(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0).UTC()
}

// IsAncestor reports whether commit b has commit a in its history. A commit is
// its own ancestor. The time it takes goes with the distance between the two.
func (r *Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	for _, rev := range []string{a, b} {
		if err := checkRevision(rev); err != nil {
			return false, err
		}
	}
	_, err := r.output(ctx, "merge-base", "--is-ancestor", "--end-of-options", a+"^{commit}", b+"^{commit}")
	switch exitCode(err) {
	case 0:
		return true, nil
	case 1:
		return false, nil
	}
	return false, r.explain(ctx, fmt.Errorf("compare commits: %w", err), a, b)
}

// walk yields the hash of each commit in a range (revisions as git rev-list
// takes them, made of full hashes), newest first.
func (r *Repo) walk(ctx context.Context, yield func(hash []byte) error, revs ...string) error {
	c := r.command(append([]string{"rev-list", "--end-of-options"}, append(revs, "--")...)...)
	return r.eachRecord(ctx, c, '\n', yield)
}
