package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// transports are those that a remote address may use: none of them runs a
// command that the address names.
const transports = "GIT_ALLOW_PROTOCOL=https:http:ssh:git:file"

var scpAddress = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9.-]+:[^:]`)

// IsRemote tells a repository's address (https://…, ssh://…, git@host:path) from
// a path on this machine.
func IsRemote(s string) bool { return strings.Contains(s, "://") || scpAddress.MatchString(s) }

// Fetch brings one commit of a remote repository, without its history, into a
// bare repository at dir, which is made if need be and kept for the next time.
// ref is a branch, a tag or a full commit hash; empty is the remote's HEAD. It
// gives the repository and the commit's full hash.
func Fetch(ctx context.Context, address, ref, dir string) (*Repo, string, error) {
	if strings.HasPrefix(address, "-") || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, ":*^~ \x00") {
		return nil, "", release.Invalidf("write URL#branch, URL#tag or URL#commit", "%q of %q is no branch, tag or commit", ref, address)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, "", err
	}
	env := append(environment(), transports, "GIT_DIR="+dir)
	git := func(args ...string) error {
		return proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: filepath.Dir(dir), Env: env, Unset: unset})
	}
	if err := git("init", "--quiet", "--bare"); err != nil {
		return nil, "", fmt.Errorf("make a repository for %s: %w", withoutLogin(address), redact(err))
	}
	r, err := Open(ctx, dir)
	if err != nil {
		return nil, "", err
	}
	const here = "refs/slipway/fetched"
	if ref == "" {
		ref = "HEAD"
	}
	r.env = append(r.env, transports)
	fetch := r.command("fetch", "--quiet", "--depth=1", "--no-tags", "--force", "--", address, "+"+ref+":"+here)
	fetch.Env = append(r.networkEnv(ctx), transports)
	if err := proc.Run(ctx, fetch); err != nil {
		return nil, "", fetchError(address, ref, err)
	}
	commit, err := r.line(ctx, "rev-parse", "--verify", "--end-of-options", here+"^{commit}")
	if err != nil {
		return nil, "", fmt.Errorf("read %s of %s: %w", ref, withoutLogin(address), redact(err))
	}
	return r, commit, nil
}

func fetchError(address, ref string, err error) error {
	var p *proc.Error
	if !errors.As(err, &p) || errors.Is(err, context.Canceled) {
		return err
	}
	where := withoutLogin(address)
	switch {
	case strings.Contains(p.Tail, "couldn't find remote ref"), strings.Contains(p.Tail, "not our ref"):
		hint := "see `git ls-remote " + shellQuote(where) + "` for what there is"
		if fullHash.MatchString(ref) {
			hint = "the server gives out commits by hash only when it is set to; name a branch or a tag"
		}
		return release.Invalidf(hint, "%s has no branch, tag or commit %q", where, ref)
	case strings.Contains(p.Tail, "not found"), strings.Contains(p.Tail, "does not appear to be a git repository"), strings.Contains(p.Tail, "does not exist"):
		return release.Invalidf("look at the address; a private repository needs a login that git knows", "there is no git repository at %s", where)
	case strings.Contains(p.Tail, "not allowed"):
		return release.Invalidf("use https://, ssh://, git:// or file://", "git will not read from %s", where)
	}
	return fmt.Errorf("fetch %s of %s: %w", ref, where, redact(err))
}

var login = regexp.MustCompile(`://[^/@]*@`)

// withoutLogin takes a user and a password out of an address.
func withoutLogin(address string) string { return login.ReplaceAllString(address, "://") }
