package simforge

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) checkRoutes() []route {
	return []route{
		on("GET", githubRepo+"/commits/:ref/status", g.combinedStatus),
		on("GET", githubRepo+"/commits/:ref/check-runs", g.checkRuns),
		on("POST", githubRepo+"/statuses/:sha", g.createStatus),
		on("GET", githubRepo+"/pulls/:number", g.pull),
		on("POST", githubRepo+"/git/refs", g.createRef),
	}
}

// resolve finds a commit by its hash, a branch or a tag.
func (g githubWire) resolve(c *call, name string) (memory.Commit, error) {
	ctx, refs := c.r.Context(), c.repo().Refs()
	at, ok, err := refs.Commit(ctx, strings.TrimPrefix(name, "heads/"))
	if err == nil && !ok {
		at, ok, err = refs.Peel(ctx, "refs/tags/"+strings.TrimPrefix(name, "tags/"))
	}
	if err == nil && !ok {
		err = &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "No commit found for SHA: " + name, Kind: forge.ErrNotFound}
	}
	return at, err
}

// combinedStatus has of each context the newest status.
func (g githubWire) combinedStatus(c *call) error {
	if err := g.may(c, "statuses", false); err != nil {
		return err
	}
	at, err := g.resolve(c, c.vars["ref"])
	if err != nil {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "Not Found"}
	}
	var newest []memory.Status
	seen := map[string]bool{}
	for _, s := range c.repo().Statuses(at.Hash) {
		if !seen[s.Context] {
			seen[s.Context] = true
			newest = append(newest, s)
		}
	}
	in, err := c.repo().Info(c.r.Context())
	if err != nil {
		return err
	}
	list := []any{}
	for _, s := range githubPage(c, newest) {
		one := g.statusJSON(c, s)
		delete(one, "creator") // only the status itself names it
		list = append(list, one)
	}
	return c.answer(http.StatusOK, map[string]any{
		"state": combined(newest), "statuses": list, "sha": at.Hash, "total_count": len(newest), "repository": g.minimalRepoJSON(c, in),
		"commit_url": g.api(c) + "/commits/" + at.Hash, "url": g.api(c) + "/commits/" + at.Hash + "/status",
	})
}

func combined(list []memory.Status) string {
	state := "success"
	if len(list) == 0 {
		return "pending"
	}
	for _, s := range list {
		switch s.State {
		case "failure", "error":
			return "failure"
		case "pending":
			state = "pending"
		}
	}
	return state
}

// minimalRepoJSON leaves out what only a repository's own answer has.
func (g githubWire) minimalRepoJSON(c *call, in memory.Info) map[string]any {
	out := g.repoJSON(c, in)
	for _, k := range []string{"allow_forking", "permissions"} {
		delete(out, k)
	}
	return out
}

func (g githubWire) statusJSON(c *call, s memory.Status) map[string]any {
	return map[string]any{
		"url": g.api(c) + "/statuses/" + s.Commit, "avatar_url": fmt.Sprintf("%s/avatars/u/%d", c.base(), s.Creator.ID),
		"id": s.ID, "node_id": nodeID("Status", s.ID), "state": s.State, "description": orNull(s.Description), "target_url": orNull(s.URL),
		"context": s.Context, "created_at": stamp(s.Created), "updated_at": stamp(s.Updated), "creator": g.account(c, s.Creator),
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (g githubWire) createStatus(c *call) error {
	if err := g.may(c, "statuses", true); err != nil {
		return err
	}
	f, err := g.body(c, "state", "target_url", "description", "context")
	if err != nil {
		return err
	}
	s := memory.Status{
		Commit:      c.vars["sha"],
		State:       deref(field[string](f, "state", "a string", &err)),
		URL:         deref(field[string](f, "target_url", "a string", &err)),
		Description: deref(field[string](f, "description", "a string", &err)),
		Context:     deref(field[string](f, "context", "a string", &err)),
	}
	if err == nil && s.State == "" {
		err = invalidRequest(`"state" wasn't supplied.`)
	}
	if err != nil {
		return err
	}
	made, err := c.repo().AddStatus(c.login, s)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, g.statusJSON(c, made))
}

func (g githubWire) checkRuns(c *call) error {
	if err := g.may(c, "checks", false); err != nil {
		return err
	}
	at, err := g.resolve(c, c.vars["ref"])
	if err != nil {
		return err
	}
	list := c.repo().CheckRuns(at.Hash, c.r.URL.Query().Get("filter") != "all")
	out := []any{}
	for _, run := range githubPage(c, list) {
		out = append(out, g.checkRunJSON(c, run))
	}
	return c.answer(http.StatusOK, map[string]any{"total_count": len(list), "check_runs": out})
}

func (g githubWire) checkRunJSON(c *call, run memory.CheckRun) map[string]any {
	self := g.api(c) + "/check-runs/" + strconv.FormatInt(run.ID, 10)
	return map[string]any{
		"id": run.ID, "node_id": nodeID("CheckRun", run.ID), "head_sha": run.Commit, "external_id": "", "url": self,
		"html_url": run.URL, "details_url": run.URL, "status": run.Status, "conclusion": orNull(run.Conclusion),
		"started_at": stamp(run.Started), "completed_at": stamp(run.Completed), "name": run.Name,
		"output":      map[string]any{"title": nil, "summary": nil, "text": nil, "annotations_count": 0, "annotations_url": self + "/annotations"},
		"check_suite": map[string]any{"id": run.ID}, "app": g.appJSON(c, &App{ID: 15368, Slug: "github-actions"}), "pull_requests": []any{},
	}
}

// pull answers 404 for an issue's number.
func (g githubWire) pull(c *call) error {
	if err := g.may(c, "pull_requests", false); err != nil {
		return err
	}
	is, err := c.repo().Issue(int(c.id("number")))
	if err != nil || is.Pull == nil {
		return c.missing()
	}
	in, err := c.repo().Info(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.pullJSON(c, in, is))
}

// pullJSON is a pull request, as the API and webhooks show it.
func (g githubWire) pullJSON(c *call, in memory.Info, is memory.Issue) map[string]any {
	p, n := is.Pull, strconv.Itoa(is.Number)
	api, page := g.api(c), g.page(c)+"/pull/"+n
	self, issue := api+"/pulls/"+n, api+"/issues/"+n
	owner, _, _ := strings.Cut(p.HeadRepository, "/")
	baseOwner, _, _ := strings.Cut(c.repo().FullName(), "/")
	var headRepo, mergedBy any
	if p.HeadRepository != "" {
		repo := g.minimalRepoJSON(c, in)
		_, repo["name"], _ = strings.Cut(p.HeadRepository, "/")
		repo["full_name"], repo["id"] = p.HeadRepository, repositoryID(p.HeadRepository)
		repo["fork"] = !strings.EqualFold(p.HeadRepository, c.repo().FullName())
		headRepo = repo
	}
	if p.Merged {
		mergedBy = g.account(c, p.MergedBy)
	}
	state := "open"
	if is.Closed {
		state = "closed"
	}
	if owner == "" {
		owner = is.Author.Login
	}
	link := func(at string) map[string]any { return map[string]any{"href": at} }
	return map[string]any{
		"url": self, "id": is.ID, "node_id": nodeID("PullRequest", is.ID), "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"issue_url": issue, "commits_url": self + "/commits", "review_comments_url": self + "/comments",
		"review_comment_url": api + "/pulls/comments{/number}", "comments_url": issue + "/comments", "statuses_url": api + "/statuses/" + p.HeadCommit,
		"number": is.Number, "state": state, "locked": false, "title": is.Title, "user": g.account(c, is.Author), "body": orNull(is.Body),
		"labels": []any{}, "milestone": nil, "created_at": stamp(is.Created), "updated_at": stamp(is.Updated), "closed_at": stamp(is.ClosedAt),
		"merged_at": stamp(p.MergedAt), "merge_commit_sha": orNull(p.MergeCommit), "assignee": nil, "assignees": []any{}, "requested_reviewers": []any{},
		"requested_teams": []any{}, "draft": p.Draft, "author_association": g.association(c, is.Author), "auto_merge": nil, "active_lock_reason": nil,
		"head": map[string]any{
			"label": owner + ":" + p.HeadBranch, "ref": p.HeadBranch, "sha": p.HeadCommit, "user": g.account(c, c.s.people.Add(owner)), "repo": headRepo,
		},
		"base": map[string]any{
			"label": baseOwner + ":" + p.Base, "ref": p.Base, "sha": p.BaseCommit, "user": g.user(c, 1, baseOwner), "repo": g.minimalRepoJSON(c, in),
		},
		"_links": map[string]any{
			"self": link(self), "html": link(page), "issue": link(issue), "comments": link(issue + "/comments"), "review_comments": link(self + "/comments"),
			"review_comment": link(api + "/pulls/comments{/number}"), "commits": link(self + "/commits"), "statuses": link(api + "/statuses/" + p.HeadCommit),
		},
		"merged": p.Merged, "mergeable": !is.Closed, "rebaseable": !is.Closed, "mergeable_state": "clean", "merged_by": mergedBy, "comments": is.Comments,
		"review_comments": 0, "maintainer_can_modify": false, "commits": 1, "additions": 1, "deletions": 0, "changed_files": 1,
	}
}

// createRef makes a tag: branches nobody makes here.
func (g githubWire) createRef(c *call) error {
	if err := g.may(c, "contents", true); err != nil {
		return err
	}
	if err := g.nonEmpty(c); err != nil {
		return err
	}
	f, err := g.body(c, "ref", "sha")
	if err != nil {
		return err
	}
	ref := field[string](f, "ref", "a string", &err)
	sha := field[string](f, "sha", "a string", &err)
	switch {
	case err != nil:
		return err
	case ref == nil:
		return invalidRequest(`"ref" wasn't supplied.`)
	case sha == nil:
		return invalidRequest(`"sha" wasn't supplied.`)
	case len(*sha) != 40:
		return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "The sha parameter must be exactly 40 characters and contain only [0-9a-f]."}
	}
	name, ok := strings.CutPrefix(*ref, "refs/tags/")
	if !ok {
		return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "Reference name must start with 'refs/tags/' on this server."}
	}
	if err := c.repo().CreateTag(c.r.Context(), name, *sha, c.login); err != nil {
		return err
	}
	c.w.Header().Set("Location", g.api(c)+"/git/"+escapePath(*ref))
	return c.answer(http.StatusCreated, g.refJSON(c, memory.Ref{Name: *ref, Object: *sha, Type: "commit"}))
}
