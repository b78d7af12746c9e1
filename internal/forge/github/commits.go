package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// dated is a check with what tells which of two of one name is newer.
type dated struct {
	forge.Check
	at time.Time
	id int64
}

// Checks lists statuses and check runs: of each name the newest.
func (f *Forge) Checks(ctx context.Context, commit string) ([]forge.Check, error) {
	ctx, call := wire.Begin(ctx, "read the checks of "+commit)
	if !fullHash(commit) {
		return nil, call.Fail(forge.ErrNotFound, "it is not the full hash of a commit")
	}
	statuses, err := pagesOf(ctx, f.api, call, f.path("/commits/%s/status", commit),
		func(c gh.CombinedStatus) []*gh.RepoStatus { return c.Statuses }, (*gh.RepoStatus).GetID)
	if err != nil {
		return nil, err
	}
	runs, err := pagesOf(ctx, f.api, call, f.path("/commits/%s/check-runs?filter=latest", commit),
		func(c gh.ListCheckRunsResults) []*gh.CheckRun { return c.CheckRuns }, (*gh.CheckRun).GetID)
	if err != nil {
		return nil, err
	}
	newest := map[string]dated{}
	keep := func(d dated) {
		old, ok := newest[d.Name]
		if !ok || cmp.Or(d.at.Compare(old.at), cmp.Compare(d.id, old.id)) >= 0 {
			newest[d.Name] = d
		}
	}
	for _, s := range statuses {
		keep(dated{statusCheck(s), s.GetCreatedAt().Time, s.GetID()})
	}
	for _, r := range runs {
		keep(dated{runCheck(r), r.GetStartedAt().Time, r.GetID()})
	}
	out := make([]forge.Check, 0, len(newest))
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		out = append(out, newest[name].Check)
	}
	return out, nil
}

func statusCheck(s *gh.RepoStatus) forge.Check {
	c := forge.Check{Name: s.GetContext(), Word: s.GetState(), URL: s.GetTargetURL(), State: forge.CheckFailed}
	switch s.GetState() {
	case "success":
		c.State = forge.CheckPassed
	case "pending":
		c.State = forge.CheckPending
	}
	return c
}

func runCheck(r *gh.CheckRun) forge.Check {
	c := forge.Check{Name: r.GetName(), Word: r.GetConclusion(), URL: r.GetDetailsURL(), State: forge.CheckFailed}
	if c.URL == "" {
		c.URL = r.GetHTMLURL()
	}
	if r.GetStatus() != "completed" {
		c.Word, c.State = r.GetStatus(), forge.CheckPending
		return c
	}
	switch c.Word {
	case "success", "neutral", "skipped":
		c.State = forge.CheckPassed
	}
	return c
}

// What GitHub takes of a description, in characters.
const maxDescription = 140

func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// SetStatus gives a commit a status.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.CommitStatus) error {
	ctx, call := wire.Begin(ctx, fmt.Sprintf("set the status %s of %s", s.Context, commit))
	call.Repeatable()
	if err := f.mayWrite(call); err != nil {
		return err
	}
	if !fullHash(commit) {
		return call.Fail(forge.ErrRejected, "it is not the full hash of a commit")
	}
	in := gh.RepoStatus{State: &s.State, Context: &s.Context, Description: gh.String(cut(s.Description, maxDescription))}
	if s.URL != "" {
		in.TargetURL = &s.URL
	}
	_, err := f.do(ctx, call, http.MethodPost, f.path("/statuses/%s", commit), in, nil)
	return err
}

// PullRequest reads a pull request.
func (f *Forge) PullRequest(ctx context.Context, n int) (forge.PullRequest, error) {
	ctx, call := wire.Begin(ctx, fmt.Sprintf("read pull request #%d", n))
	if n <= 0 {
		return forge.PullRequest{}, call.Fail(forge.ErrNotFound, "pull requests are numbered from 1")
	}
	var p gh.PullRequest
	if _, err := f.do(ctx, call, http.MethodGet, f.path("/pulls/%d", n), nil, &p); err != nil {
		return forge.PullRequest{}, notFoundIs(call, err, "there is no such pull request")
	}
	if p.GetNumber() == 0 || p.GetHead().GetSHA() == "" {
		return forge.PullRequest{}, call.NotForge("the answer has no pull request in it")
	}
	base := p.GetBase().GetRepo()
	if base == nil {
		base = &gh.Repository{FullName: gh.String(f.owner + "/" + f.name)}
	}
	return *pullRequest(&p, base), nil
}

// Tags lists every tag.
func (f *Forge) Tags(ctx context.Context) ([]forge.Tag, error) {
	ctx, call := wire.Begin(ctx, "list tags")
	list, err := pages(ctx, f.api, call, f.path("/tags"), (*gh.RepositoryTag).GetName)
	if err != nil {
		return nil, err
	}
	out := make([]forge.Tag, 0, len(list))
	for _, t := range list {
		out = append(out, forge.Tag{Name: t.GetName(), Commit: t.GetCommit().GetSHA()})
	}
	return out, nil
}

// Published lists the public releases in GitHub's order, the newest commit's
// first.
func (f *Forge) Published(ctx context.Context, n int) ([]forge.Release, error) {
	ctx, call := wire.Begin(ctx, "list published releases")
	out := []forge.Release{}
	seen := map[int64]bool{}
	same := func(list []releaseAnswer) []releaseAnswer { return list }
	for page := 1; ; {
		list, next, _, err := readPage(ctx, f.api, call, f.path("/releases"), page, same)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if r.Draft || seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			if out = append(out, r.domain(nil)); len(out) == n {
				return out, nil
			}
		}
		if next <= page {
			return out, nil
		}
		page = next
	}
}

// Head is the commit of a branch.
func (f *Forge) Head(ctx context.Context, branch string) (string, error) {
	ctx, call := wire.Begin(ctx, "read branch "+branch)
	if !forge.ValidTag(branch) { // the rules are git's for all refs
		return "", call.Fail(forge.ErrNotFound, "git takes no such branch name")
	}
	ref, _, err := f.client.Git.GetRef(ctx, f.owner, f.name, "heads/"+branch)
	err = call.Err(err)
	if errors.Is(err, forge.ErrConflict) { // the repository is empty
		return "", call.Fail(forge.ErrNotFound, "the repository is empty")
	}
	if err != nil {
		return "", notFoundIs(call, err, "there is no such branch")
	}
	if ref.GetRef() != "refs/heads/"+branch || !fullHash(ref.GetObject().GetSHA()) {
		return "", call.Fail(forge.ErrNotFound, "there is no such branch")
	}
	return ref.GetObject().GetSHA(), nil
}

// CreateTag makes a lightweight tag.
func (f *Forge) CreateTag(ctx context.Context, name, commit string) error {
	ctx, call := wire.Begin(ctx, "create tag "+name)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	switch {
	case !forge.ValidTag(name):
		return call.Fail(forge.ErrRejected, fmt.Sprintf("git takes no tag of the name %q", name))
	case !fullHash(commit):
		return call.Fail(forge.ErrRejected, fmt.Sprintf("%q is not the full hash of a commit", strings.ToValidUTF8(commit, "?")))
	}
	in := map[string]string{"ref": "refs/tags/" + name, "sha": commit}
	_, err := f.do(ctx, call, http.MethodPost, f.path("/git/refs"), in, nil)
	return err
}
