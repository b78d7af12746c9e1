package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
)

func (v view) Checks(ctx context.Context, commit string) ([]forge.Check, error) {
	op := "list the checks of " + commit
	if err := v.may(ctx, false); err != nil {
		return nil, failed(op, err)
	}
	if err := v.repo.checkCommit(commit); err != nil {
		return nil, failed(op, notFound(v.repo.dialect))
	}
	out, seen := []forge.Check{}, map[string]bool{}
	for _, s := range v.repo.Statuses(commit) {
		if !seen[s.Context] {
			seen[s.Context] = true
			out = append(out, forge.Check{Name: s.Context, State: stateOf(s.State), Word: s.State, URL: s.URL})
		}
	}
	for _, run := range v.repo.CheckRuns(commit, true) {
		word := run.Conclusion
		if run.Status != "completed" {
			word = run.Status
		}
		out = append(out, forge.Check{Name: run.Name, State: stateOf(word), Word: word, URL: run.URL})
	}
	slices.SortStableFunc(out, func(a, b forge.Check) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// stateOf says how a check stands whose word is given.
func stateOf(word string) forge.CheckState {
	switch word {
	case "success", "neutral", "skipped":
		return forge.CheckPassed
	case "pending", "queued", "in_progress", "waiting", "requested":
		return forge.CheckPending
	}
	return forge.CheckFailed
}

func (v view) SetStatus(ctx context.Context, commit string, s forge.CommitStatus) error {
	op := "set status " + s.Context
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	if err := v.repo.checkCommit(commit); err != nil {
		return &forge.Error{Op: op, Kind: forge.ErrRejected, Message: "there is no commit " + commit}
	}
	if text := []rune(s.Description); v.repo.dialect == GitHub && len(text) > githubMaxDescription {
		s.Description = string(text[:githubMaxDescription-1]) + "…"
	}
	_, err := v.repo.AddStatus(v.login, Status{Commit: commit, Context: s.Context, State: s.State, Description: s.Description, URL: s.URL})
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (v view) PullRequest(ctx context.Context, number int) (forge.PullRequest, error) {
	const op = "read pull request"
	if err := v.may(ctx, false); err != nil {
		return forge.PullRequest{}, failed(op, err)
	}
	is, err := v.repo.Issue(number)
	if err == nil && is.Pull == nil {
		err = notFound(v.repo.dialect)
	}
	if err != nil {
		return forge.PullRequest{}, failed(op, err)
	}
	p := is.Pull
	return forge.PullRequest{
		Number: number, HeadRepository: p.HeadRepository, HeadBranch: p.HeadBranch, HeadCommit: p.HeadCommit, BaseBranch: p.Base,
		Fork:   !strings.EqualFold(p.HeadRepository, v.repo.fullName),
		Merged: p.Merged, Draft: p.Draft, MergeCommit: p.MergeCommit,
	}, nil
}

func (v view) Tags(ctx context.Context) ([]forge.Tag, error) {
	const op = "list tags"
	if err := v.may(ctx, false); err != nil {
		return nil, failed(op, err)
	}
	refs, err := v.repo.refs.Matching(ctx, "refs/tags/")
	if err != nil {
		return nil, failed(op, err)
	}
	out := []forge.Tag{}
	for _, ref := range refs {
		at, ok, err := v.repo.refs.Peel(ctx, ref.Name)
		if err != nil {
			return nil, failed(op, err)
		}
		if ok {
			out = append(out, forge.Tag{Name: strings.TrimPrefix(ref.Name, "refs/tags/"), Commit: at.Hash})
		}
	}
	return out, nil
}

func (v view) Published(ctx context.Context, n int) ([]forge.Release, error) {
	const op = "list releases"
	if err := v.may(ctx, false); err != nil {
		return nil, failed(op, err)
	}
	list, err := v.repo.Releases(v.access)
	if err != nil {
		return nil, failed(op, err)
	}
	out := []forge.Release{}
	for _, rel := range list {
		if !rel.Draft && (n == 0 || len(out) < n) {
			out = append(out, v.repo.domain(rel, nil))
		}
	}
	return out, nil
}

func (v view) Head(ctx context.Context, branch string) (string, error) {
	op := "read branch " + branch
	if err := v.may(ctx, false); err != nil {
		return "", failed(op, err)
	}
	refs, err := v.repo.refs.Matching(ctx, "refs/heads/"+branch)
	if err != nil {
		return "", failed(op, err)
	}
	for _, ref := range refs {
		if ref.Name == "refs/heads/"+branch {
			return ref.Object, nil
		}
	}
	return "", failed(op, notFound(v.repo.dialect))
}

func (v view) CreateTag(ctx context.Context, name, commit string) error {
	op := "create tag " + name
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	if !forge.ValidTag(name) {
		return &forge.Error{Op: op, Kind: forge.ErrRejected, Message: "git takes no tag of this name"}
	}
	if err := v.repo.CreateTag(ctx, name, commit, v.login); err != nil {
		return failed(op, err)
	}
	return nil
}
