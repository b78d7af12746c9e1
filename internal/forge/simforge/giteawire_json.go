package simforge

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g giteaWire) user(c *call, id int64, login string) map[string]any {
	return map[string]any{
		"id": id, "login": login, "login_name": "", "source_id": 0, "full_name": "", "email": login + "@noreply.localhost",
		"avatar_url": c.base() + "/avatars/" + login, "html_url": c.base() + "/" + login, "language": "", "is_admin": false,
		"last_login": "0001-01-01T00:00:00Z", "created": "2026-01-01T00:00:00Z", "restricted": false, "active": false,
		"prohibit_login": false, "location": "", "website": "", "description": "", "visibility": "public",
		"followers_count": 0, "following_count": 0, "starred_repos_count": 0, "username": login,
	}
}

// account is somebody; the forge's own users have numbers below zero.
func (g giteaWire) account(c *call, u memory.User) map[string]any {
	if u.Bot {
		return g.user(c, -u.ID, u.Login)
	}
	return g.user(c, u.ID, u.Login)
}

func (g giteaWire) self(c *call) map[string]any {
	return g.account(c, c.s.people.Add(memory.Gitea.Self()))
}

// repoJSON tells the user's rights, not the token's: Gitea's permissions are
// those of the account, whatever the token's scopes are.
func (g giteaWire) repoJSON(c *call, in memory.Info) map[string]any {
	full := c.repo().FullName()
	owner, name, _ := strings.Cut(full, "/")
	known := c.access == memory.Writer || c.access == memory.ReadOnly
	pulls := 0
	for _, is := range c.repo().Issues() {
		if is.Pull != nil && !is.Closed {
			pulls++
		}
	}
	return map[string]any{
		"id": repositoryID(full), "owner": g.user(c, 2, owner), "name": name, "full_name": full, "description": "", "empty": in.Empty,
		"private": in.Private, "fork": false, "template": false, "mirror": false, "size": 25, "language": "",
		"languages_url": g.api(c) + "/languages", "html_url": g.page(c), "url": g.api(c), "link": "", "ssh_url": "",
		"clone_url": g.page(c) + ".git", "original_url": "", "website": "", "stars_count": 0, "forks_count": 0,
		"watchers_count": 1, "branch_count": 1, "open_issues_count": 0, "open_pr_counter": pulls, "release_counter": in.Releases,
		"default_branch": in.DefaultBranch, "archived": in.Archived, "created_at": "2026-01-01T00:00:00Z",
		"updated_at": "2026-01-01T00:00:00Z", "archived_at": "1970-01-01T00:00:00Z",
		"permissions": map[string]bool{"admin": known, "push": known, "pull": true},
		"has_code":    true, "has_issues": true, "has_wiki": true, "has_pull_requests": true, "has_projects": true,
		"has_releases": true, "has_packages": true, "has_actions": true, "avatar_url": "", "internal": false,
		"internal_tracker": map[string]bool{
			"enable_time_tracker": true, "allow_only_contributors_to_track_time": true, "enable_issue_dependencies": true,
		},
		"projects_mode": "all", "ignore_whitespace_conflicts": false, "allow_merge_commits": true, "allow_rebase": true,
		"allow_rebase_explicit": true, "allow_squash_merge": true, "allow_fast_forward_only_merge": true,
		"allow_merge_update": true, "allow_rebase_update": true, "allow_manual_merge": false, "autodetect_manual_merge": false,
		"default_delete_branch_after_merge": false, "default_merge_style": "merge", "default_update_style": "merge",
		"default_allow_maintainer_edit": true, "mirror_interval": "", "mirror_updated": "0001-01-01T00:00:00Z",
		"mirror_last_sync_at": "0001-01-01T00:00:00Z",
		"object_format_name":  "sha1", "topics": []string{}, "licenses": []string{},
	}
}

func (g giteaWire) issueJSON(c *call, is memory.Issue) map[string]any {
	full := c.repo().FullName()
	owner, name, _ := strings.Cut(full, "/")
	page, pull := fmt.Sprintf("%s/issues/%d", g.page(c), is.Number), any(nil)
	if is.Pull != nil {
		page = fmt.Sprintf("%s/pulls/%d", g.page(c), is.Number)
		pull = map[string]any{
			"merged": is.Pull.Merged, "merged_at": stamp(is.Pull.MergedAt), "draft": is.Pull.Draft, "html_url": page,
		}
	}
	return map[string]any{
		"id": is.ID, "url": fmt.Sprintf("%s/issues/%d", g.api(c), is.Number), "html_url": page, "number": is.Number,
		"user": g.account(c, is.Author), "original_author": "", "original_author_id": 0, "title": is.Title, "body": is.Body,
		"ref": "", "assets": []any{}, "labels": []any{}, "milestone": nil, "projects": nil, "assignee": nil, "assignees": nil,
		"state": openOrClosed(is), "is_locked": false, "comments": is.Comments, "created_at": stamp(is.Created),
		"updated_at": stamp(is.Updated), "closed_at": stamp(is.ClosedAt), "due_date": nil, "time_estimate": 0, "pull_request": pull,
		"repository": map[string]any{"id": repositoryID(full), "name": name, "owner": owner, "full_name": full},
		"pin_order":  0, "content_version": 0,
	}
}

func openOrClosed(is memory.Issue) string {
	if is.Closed {
		return "closed"
	}
	return "open"
}

func (g giteaWire) commentJSON(c *call, cm memory.Comment) map[string]any {
	issue, pull := fmt.Sprintf("%s/issues/%d", g.page(c), cm.Place.Issue), ""
	if cm.Place.OnPullRequest {
		issue, pull = "", fmt.Sprintf("%s/pulls/%d", g.page(c), cm.Place.Issue)
	}
	return map[string]any{
		"id": cm.ID, "html_url": fmt.Sprintf("%s%s#issuecomment-%d", issue, pull, cm.ID), "pull_request_url": pull, "issue_url": issue,
		"user": g.account(c, cm.Author), "original_author": "", "original_author_id": 0, "body": cm.Body, "assets": []any{},
		"created_at": stamp(cm.Created), "updated_at": stamp(cm.Updated),
	}
}

func (g giteaWire) reactionJSON(c *call, r memory.Reaction) map[string]any {
	return map[string]any{"user": g.account(c, r.User), "content": r.Content, "created_at": stamp(r.Created)}
}

func (g giteaWire) pullJSON(c *call, in memory.Info, is memory.Issue) map[string]any {
	p := is.Pull
	page := fmt.Sprintf("%s/pulls/%d", g.page(c), is.Number)
	repo := g.repoJSON(c, in)
	head := map[string]any{"label": p.HeadBranch, "ref": p.HeadBranch, "sha": p.HeadCommit, "repo_id": repo["id"], "repo": repo}
	switch {
	case p.HeadRepository == "":
		head["ref"], head["repo_id"], head["repo"] = fmt.Sprintf("refs/pull/%d/head", is.Number), -1, nil
	case !strings.EqualFold(p.HeadRepository, c.repo().FullName()):
		fork := map[string]any{}
		for k, v := range repo {
			fork[k] = v
		}
		fork["id"], fork["full_name"], fork["fork"] = repositoryID(p.HeadRepository), p.HeadRepository, true
		head["repo_id"], head["repo"] = fork["id"], fork
	}
	out := map[string]any{
		"id": is.ID, "url": page, "number": is.Number, "user": g.account(c, is.Author), "title": is.Title, "body": is.Body,
		"labels": []any{}, "milestone": nil, "assignee": nil, "assignees": []any{}, "requested_reviewers": []any{},
		"requested_reviewers_teams": []any{}, "state": openOrClosed(is), "draft": p.Draft, "is_locked": false, "comments": is.Comments,
		"additions": 1, "deletions": 0, "changed_files": 1, "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"mergeable": true, "merged": p.Merged, "merged_at": stamp(p.MergedAt), "merge_commit_sha": nil, "merged_by": nil,
		"allow_maintainer_edit": true, "base": map[string]any{
			"label": p.Base, "ref": p.Base, "sha": p.BaseCommit, "repo_id": repo["id"], "repo": repo,
		},
		"head": head, "merge_base": p.BaseCommit, "due_date": nil, "created_at": stamp(is.Created), "updated_at": stamp(is.Updated),
		"closed_at": stamp(is.ClosedAt), "pin_order": 0, "content_version": 0,
	}
	if p.Merged {
		out["merge_commit_sha"], out["merged_by"] = p.MergeCommit, g.account(c, p.MergedBy)
	}
	return out
}

func (g giteaWire) statusJSON(c *call, s memory.Status) map[string]any {
	return map[string]any{
		"id": s.ID, "status": s.State, "target_url": s.URL, "description": s.Description, "url": g.api(c) + "/statuses/" + s.Commit,
		"context": s.Context, "creator": g.account(c, s.Creator), "created_at": stamp(s.Created), "updated_at": stamp(s.Updated),
	}
}

func (g giteaWire) runJSON(c *call, in memory.Info, run memory.Run) map[string]any {
	self := fmt.Sprintf("/actions/runs/%d", run.ID)
	out := map[string]any{
		"id": run.ID, "url": g.api(c) + self, "previous_attempt_url": nil, "html_url": g.page(c) + self, "display_title": run.Workflow.Name,
		"path": run.Workflow.File + "@" + run.Ref, "event": run.Event, "run_attempt": 1, "run_number": run.Number, "head_sha": run.Commit,
		"status": run.Status, "actor": g.account(c, run.Actor), "trigger_actor": g.account(c, run.Actor), "repository": g.repoJSON(c, in),
		"pull_requests": []any{}, "started_at": "1970-01-01T00:00:00Z", "completed_at": "1970-01-01T00:00:00Z",
	}
	if branch, ok := strings.CutPrefix(run.Ref, "refs/heads/"); ok {
		out["head_branch"] = branch
	}
	if run.Status != "queued" {
		out["started_at"] = stamp(run.Created)
	}
	if run.Conclusion != "" {
		out["conclusion"], out["completed_at"] = run.Conclusion, stamp(run.Updated)
	}
	return out
}

// hookJSON keeps the secret to itself.
func (g giteaWire) hookJSON(h memory.Hook) map[string]any {
	return map[string]any{
		"id": h.ID, "name": "", "type": "gitea", "branch_filter": "", "config": map[string]string{"content_type": h.ContentType, "url": h.URL},
		"events": h.Events, "authorization_header": "", "active": !h.Inactive, "updated_at": stamp(h.Created), "created_at": stamp(h.Created),
	}
}

// payloadCommit is a commit as webhooks tell it.
func (g giteaWire) payloadCommit(c *call, at memory.Commit) map[string]any {
	who := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org", "username": memory.Gitea.Self()}
	return map[string]any{
		"id": at.Hash, "message": at.Message, "url": g.page(c) + "/commit/" + at.Hash, "author": who, "committer": who,
		"verification": nil, "timestamp": at.Time.UTC().Format(time.RFC3339), "added": []string{}, "removed": []string{}, "modified": []string{},
	}
}
