package gitea

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

func sortNames(names []string) { slices.Sort(names) }

// Checks lists a commit's statuses. Of a context the one with the highest
// number counts: the server sorts by whole seconds, and within one the oldest
// comes first.
func (f *Forge) Checks(ctx context.Context, commit string) ([]forge.Check, error) {
	client, call, err := f.begin(ctx, "list the statuses of "+commit)
	if err != nil {
		return nil, err
	}
	newest := map[string]*sdk.Status{}
	err = pages(call, func(s *sdk.Status) int64 { return s.ID },
		func(n int) ([]*sdk.Status, *sdk.Response, error) {
			return client.ListStatuses(f.owner, f.name, commit, sdk.ListStatusesOption{ListOptions: page(n)})
		},
		func(s *sdk.Status) bool {
			if have := newest[s.Context]; have == nil || have.ID < s.ID {
				newest[s.Context] = s
			}
			return true
		})
	if err == nil && len(newest) == 0 {
		// Of a commit that does not exist there are none either.
		err = f.commitExists(client, call, commit)
	}
	if err != nil {
		return nil, err
	}
	out := []forge.Check{}
	for name, s := range newest {
		out = append(out, forge.Check{Name: name, State: checkState(string(s.State)), Word: string(s.State), URL: s.TargetURL})
	}
	slices.SortFunc(out, func(a, b forge.Check) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (f *Forge) commitExists(client *sdk.Client, call *wire.Call, commit string) error {
	_, _, err := client.GetSingleCommit(f.owner, f.name, commit)
	return call.Err(err)
}

// checkState: the server takes any word for a state; "warning" is one of its
// own, and no success.
func checkState(word string) forge.CheckState {
	switch word {
	case "success", "skipped":
		return forge.CheckPassed
	case "pending":
		return forge.CheckPending
	}
	return forge.CheckFailed
}

// SetStatus gives a commit a status. The server fails with 500 for a commit
// that it does not have, so that is looked up before the call is repeated.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.CommitStatus) error {
	op := "set the status " + s.Context
	client, call, err := f.beginWrite(ctx, op)
	if err != nil {
		return err
	}
	in := sdk.CreateStatusOption{
		State: sdk.StatusState(s.State), Context: s.Context, Description: s.Description, TargetURL: s.URL,
	}
	_, _, err = client.CreateStatus(f.owner, f.name, commit, in)
	if err = call.Err(err); !forge.Uncertain(err) || !errors.Is(err, forge.ErrUnavailable) {
		return err
	}
	if failedInside(err) && errors.Is(f.commitExists(client, call, commit), forge.ErrNotFound) {
		return call.Fail(forge.ErrRejected, "the repository has no commit "+commit)
	}
	again, call, err := f.beginWrite(ctx, op)
	if err != nil {
		return err
	}
	call.Repeatable()
	_, _, err = again.CreateStatus(f.owner, f.name, commit, in)
	return call.Err(err)
}

// PullRequest reads a pull request.
func (f *Forge) PullRequest(ctx context.Context, number int) (forge.PullRequest, error) {
	client, call, err := f.begin(ctx, "read the pull request "+placeName(forge.Place{Issue: number}))
	if err != nil {
		return forge.PullRequest{}, err
	}
	p, _, err := client.GetPullRequest(f.owner, f.name, int64(number))
	if err := call.Err(err); err != nil {
		return forge.PullRequest{}, err
	}
	if p.Index != int64(number) || p.Head == nil || p.Base == nil || p.Head.Sha == "" {
		return forge.PullRequest{}, call.NotForge("the answer has no pull request in it")
	}
	out := forge.PullRequest{
		Number: number, HeadBranch: p.Head.Ref, HeadCommit: p.Head.Sha, BaseBranch: p.Base.Ref,
		Merged: p.HasMerged, Draft: p.Draft,
	}
	if strings.HasPrefix(out.HeadBranch, "refs/") {
		out.HeadBranch = p.Head.Name // the branch is gone; what is kept of it has this name
	}
	if p.Head.Repository != nil {
		out.HeadRepository = p.Head.Repository.FullName
	}
	out.Fork = !strings.EqualFold(out.HeadRepository, f.owner+"/"+f.name)
	if p.HasMerged && p.MergedCommitID != nil {
		out.MergeCommit = *p.MergedCommitID
	}
	return out, nil
}

// Tags lists all tags, by name. Of a tag that points at another tag the server
// tells that one, which is then followed as far as it is in the list too.
func (f *Forge) Tags(ctx context.Context) ([]forge.Tag, error) {
	client, call, err := f.begin(ctx, "list tags")
	if err != nil {
		return nil, err
	}
	out, targets := []forge.Tag{}, map[string]string{} // what tag objects point at
	err = pages(call, func(t *sdk.Tag) string { return t.Name },
		func(n int) ([]*sdk.Tag, *sdk.Response, error) {
			return client.ListRepoTags(f.owner, f.name, sdk.ListRepoTagsOptions{ListOptions: page(n)})
		},
		func(t *sdk.Tag) bool {
			if t.Commit != nil {
				out = append(out, forge.Tag{Name: t.Name, Commit: t.Commit.SHA})
				if t.ID != t.Commit.SHA {
					targets[t.ID] = t.Commit.SHA
				}
			}
			return true
		})
	if err != nil {
		return nil, err
	}
	for i := range out {
		// git makes no circles; a bound keeps a false answer from making one.
		for range len(targets) {
			next, ok := targets[out[i].Commit]
			if !ok {
				break
			}
			out[i].Commit = next
		}
	}
	slices.SortFunc(out, func(a, b forge.Tag) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Published lists the public releases, newest first as the server sorts them.
func (f *Forge) Published(ctx context.Context, n int) ([]forge.Release, error) {
	client, call, err := f.begin(ctx, "list releases")
	if err != nil {
		return nil, err
	}
	out, draft := []forge.Release{}, false
	err = pages(call, func(r *sdk.Release) int64 { return r.ID },
		func(n int) ([]*sdk.Release, *sdk.Response, error) {
			return client.ListReleases(f.owner, f.name, sdk.ListReleasesOptions{ListOptions: page(n), IsDraft: &draft})
		},
		func(r *sdk.Release) bool {
			if !r.IsDraft {
				r.Attachments = nil
				out = append(out, domainRelease(r))
			}
			return n == 0 || len(out) < n
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Head is the commit of a branch.
func (f *Forge) Head(ctx context.Context, branch string) (string, error) {
	client, call, err := f.begin(ctx, "read the branch "+branch)
	if err != nil {
		return "", err
	}
	if !forge.ValidTag(branch) {
		return "", call.Fail(forge.ErrNotFound, "git takes no such branch name")
	}
	b, _, err := client.GetRepoBranch(f.owner, f.name, branch)
	if err := call.Err(err); err != nil {
		return "", err
	}
	if b.Name != branch || b.Commit == nil || b.Commit.ID == "" {
		return "", call.NotForge("the answer has no such branch in it")
	}
	return b.Commit.ID, nil
}

// CreateTag makes a lightweight tag. The server takes upper and lower case for
// the same.
func (f *Forge) CreateTag(ctx context.Context, name, commit string) error {
	client, call, err := f.beginWrite(ctx, "create the tag "+name)
	if err != nil {
		return err
	}
	if err := checkTag(call, name); err != nil {
		return err
	}
	t, _, err := client.CreateTag(f.owner, f.name, sdk.CreateTagOption{TagName: name, Target: commit})
	if err := call.Err(err); err != nil {
		return err
	}
	if t.Name != name {
		return call.NotForge("the answer has no such tag in it")
	}
	return nil
}
