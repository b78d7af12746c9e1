package git

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// DefaultBranch is the name of the branch that new work goes to, or "" when
// nothing in this clone tells: what the remote's HEAD points to; else the only
// one of main, master, trunk and default that exists; else the only branch of
// a repository without remotes; else git's init.defaultBranch, when there is
// such a branch. remote may be empty for origin.
func (r *Repo) DefaultBranch(ctx context.Context, remote string) (string, error) {
	if remote == "" {
		remote = "origin"
	}
	prefix := "refs/remotes/" + remote + "/"
	out, err := r.line(ctx, "for-each-ref", "--format=%(refname)%00%(symref)", "refs/heads/", "refs/remotes/")
	if err != nil {
		return "", fmt.Errorf("find the default branch: %w", err)
	}
	var there, local []string // branches of the remote, branches here
	head, tracking := "", false
	for line := range strings.SplitSeq(out, "\n") {
		ref, target, _ := strings.Cut(line, "\x00")
		tracking = tracking || strings.HasPrefix(ref, "refs/remotes/")
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			local = append(local, name)
		} else if name, ok := strings.CutPrefix(ref, prefix); ok && target == "" {
			there = append(there, name)
		} else if ref == prefix+"HEAD" {
			head = strings.TrimPrefix(target, prefix)
		}
	}
	if slices.Contains(there, head) { // it may point to a name that is gone since
		return head, nil
	}
	for _, names := range [][]string{there, local} {
		if name := onlyOne(names, "main", "master", "trunk", "default"); name != "" {
			return name, nil
		}
	}
	if len(local) == 1 && !tracking {
		if remotes, err := r.Remotes(ctx); err == nil && len(remotes) == 0 {
			return local[0], nil
		}
	}
	if name, err := r.line(ctx, "config", "--get", "init.defaultBranch"); err == nil {
		if slices.Contains(there, name) || slices.Contains(local, name) {
			return name, nil
		}
	}
	return "", nil
}

// onlyOne is the one of the candidates that is in names, or "" when there are
// several or none.
func onlyOne(names []string, candidates ...string) string {
	found := ""
	for _, c := range candidates {
		if slices.Contains(names, c) {
			if found != "" {
				return ""
			}
			found = c
		}
	}
	return found
}

// BranchesContaining is the sorted names of the branches, of this clone and of
// its remotes, whose history has the commit. A remote's branch is named
// without its remote.
func (r *Repo) BranchesContaining(ctx context.Context, commit string) ([]string, error) {
	hash, err := r.resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	remotes, err := r.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	c := r.command("for-each-ref", "--contains="+hash, "--format=%(refname)%00%(symref)", "refs/heads/", "refs/remotes/")
	err = r.eachRecord(ctx, c, '\n', func(b []byte) error {
		ref, target, _ := strings.Cut(string(b), "\x00")
		if target == "" {
			names = append(names, branchName(ref, remotes))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the branches of %s: %w", hash, err)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// branchName takes refs/heads/ or refs/remotes/<remote>/ off a ref. A remote's
// name may have slashes in it.
func branchName(ref string, remotes map[string]string) string {
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return name
	}
	ref = strings.TrimPrefix(ref, "refs/remotes/")
	longest := ""
	for remote := range remotes {
		if strings.HasPrefix(ref, remote+"/") && len(remote) > len(longest) {
			longest = remote
		}
	}
	if longest != "" {
		return ref[len(longest)+1:]
	}
	_, name, _ := strings.Cut(ref, "/")
	return name
}
