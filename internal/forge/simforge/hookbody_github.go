package simforge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// messages are what GitHub's webhooks hear.
func (g githubWire) messages(c *call, hook memory.Hook, what memory.Happening) []message {
	in, err := c.repo().Info(context.Background())
	if err != nil {
		return nil // the repository is gone, and its webhooks with it
	}
	repo := g.repoJSON(c, in)
	repo["custom_properties"] = map[string]any{}
	body := map[string]any{"repository": repo, "sender": g.account(c, c.s.people.Add(what.Actor))}
	if what.Action != "" {
		body["action"] = what.Action
	}
	if installation := c.s.apps.installationOf(hook.ID); installation != nil {
		body["installation"] = map[string]any{"id": installation, "node_id": nodeID("Installation", installation)}
	}
	if !g.tellOf(c, in, body, hook, what) {
		return nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil // plain maps always go
	}
	return []message{{event: what.Event, action: what.Action, body: raw}}
}

// tellOf adds what is the event's own; false: GitHub tells nothing of it.
func (g githubWire) tellOf(c *call, in memory.Info, body map[string]any, hook memory.Hook, what memory.Happening) bool {
	switch what.Event {
	case "ping":
		doc := g.hookJSON(c, hook)
		delete(doc, "deliveries_url")
		body["zen"], body["hook_id"], body["hook"] = "Anything added dilutes everything else.", hook.ID, doc
	case "push":
		g.pushBody(c, in, body, what)
	case "create", "delete":
		g.refBody(in, body, what)
	case "issues":
		body["issue"] = g.issueJSON(c, *what.Issue)
	case "issue_comment":
		body["issue"], body["comment"] = g.issueJSON(c, *what.Issue), g.commentJSON(c, *what.Comment)
		if what.Action == "edited" {
			body["changes"] = map[string]any{"body": map[string]string{"from": what.OldBody}}
		}
	case "commit_comment":
		body["comment"] = g.commentJSON(c, *what.Comment)
	case "pull_request":
		body["number"], body["pull_request"] = what.Issue.Number, g.pullJSON(c, in, *what.Issue)
	case "release":
		body["release"] = g.releaseJSON(c, *what.Release)
		if what.Action == "edited" {
			body["changes"] = map[string]any{}
		}
	case "status":
		g.statusBody(c, body, *what.Status)
	case "check_run":
		body["check_run"] = g.checkRunJSON(c, *what.CheckRun)
	case "workflow_run":
		run, err := g.runJSON(c, in, *what.Run)
		if err != nil {
			return false
		}
		body["workflow"], body["workflow_run"] = g.workflowJSON(c, in, what.Run.Workflow), run
	case "deployment", "deployment_status":
		body["deployment"] = g.deploymentJSON(c, *what.Deployed)
		if n := len(what.Deployed.Statuses); what.Event == "deployment_status" && n > 0 {
			body["deployment_status"] = g.deploymentStatusJSON(c, *what.Deployed, what.Deployed.Statuses[n-1])
		}
	default:
		return false
	}
	return true
}

func (g githubWire) pushBody(c *call, in memory.Info, body map[string]any, what memory.Happening) {
	u := what.Update
	body["ref"], body["before"], body["after"], body["base_ref"] = u.Ref, u.Before, u.After, nil
	body["created"], body["deleted"], body["forced"] = u.Created(), u.Deleted(), false
	body["pusher"] = map[string]any{"name": what.Actor, "email": what.Actor + "@users.noreply.github.com"}
	body["commits"], body["head_commit"] = []any{}, nil
	short := strings.TrimPrefix(strings.TrimPrefix(u.Ref, "refs/tags/"), "refs/heads/")
	body["compare"] = g.page(c) + "/compare/" + escapePath(short)
	if !u.Created() && !u.Deleted() {
		body["compare"] = fmt.Sprintf("%s/compare/%.12s...%.12s", g.page(c), u.Before, u.After)
		body["forced"] = strings.HasPrefix(u.Ref, "refs/tags/") // a tag that moves is always forced
	}
	if repo, ok := body["repository"].(map[string]any); ok {
		// Here alone GitHub counts seconds, and has two more names.
		now := c.s.clock().Unix()
		repo["created_at"], repo["pushed_at"], repo["stargazers"], repo["master_branch"] = now, now, 0, in.DefaultBranch
	}
	at, ok := commitOf(c.repo(), u)
	if !ok {
		return
	}
	commit := g.pushedCommit(c, at)
	body["head_commit"] = commit
	if strings.HasPrefix(u.Ref, "refs/heads/") {
		body["commits"] = []any{commit}
	}
}

func (g githubWire) pushedCommit(c *call, at memory.Commit) map[string]any {
	who := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org", "username": memory.GitHub.Self()}
	return map[string]any{
		"id": at.Hash, "tree_id": at.Hash, "distinct": true, "message": at.Message, "timestamp": at.Time.UTC().Format(time.RFC3339),
		"url": g.page(c) + "/commit/" + at.Hash, "author": who, "committer": who, "added": []string{}, "removed": []string{}, "modified": []string{},
	}
}

func (g githubWire) refBody(in memory.Info, body map[string]any, what memory.Happening) {
	name, isTag := strings.CutPrefix(what.Update.Ref, "refs/tags/")
	body["ref"], body["ref_type"], body["pusher_type"] = strings.TrimPrefix(name, "refs/heads/"), "branch", "user"
	if isTag {
		body["ref_type"] = "tag"
	}
	if what.Event == "create" {
		body["master_branch"], body["description"] = in.DefaultBranch, nil
	}
}

// issueJSON is an issue, or what a pull request is as one.
func (g githubWire) issueJSON(c *call, is memory.Issue) map[string]any {
	self, page := fmt.Sprintf("%s/issues/%d", g.api(c), is.Number), fmt.Sprintf("%s/issues/%d", g.page(c), is.Number)
	out := map[string]any{
		"url": self, "repository_url": g.api(c), "labels_url": self + "/labels{/name}", "comments_url": self + "/comments",
		"events_url": self + "/events", "html_url": page, "id": is.ID, "node_id": nodeID("Issue", is.ID), "number": is.Number, "title": is.Title,
		"user": g.account(c, is.Author), "labels": []any{}, "state": openOrClosed(is), "locked": false, "assignee": nil, "assignees": []any{},
		"milestone": nil, "comments": is.Comments, "created_at": stamp(is.Created), "updated_at": stamp(is.Updated), "closed_at": stamp(is.ClosedAt),
		"author_association": g.association(c, is.Author), "body": orNull(is.Body), "active_lock_reason": nil,
		"reactions": g.rollup(self, nil),
	}
	if is.Pull != nil {
		page = fmt.Sprintf("%s/pull/%d", g.page(c), is.Number)
		out["html_url"], out["draft"] = page, is.Pull.Draft
		out["pull_request"] = map[string]any{
			"url": fmt.Sprintf("%s/pulls/%d", g.api(c), is.Number), "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
			"merged_at": stamp(is.Pull.MergedAt),
		}
	}
	return out
}

func (g githubWire) statusBody(c *call, body map[string]any, s memory.Status) {
	at, _, _ := c.repo().Refs().Commit(context.Background(), s.Commit)
	for k, v := range map[string]any{
		"id": s.ID, "sha": s.Commit, "name": c.repo().FullName(), "target_url": orNull(s.URL), "context": s.Context,
		"description": orNull(s.Description), "state": s.State, "commit": g.commitJSON(c, at), "branches": []any{},
		"created_at": stamp(s.Created), "updated_at": stamp(s.Updated),
	} {
		body[k] = v
	}
}

func (g githubWire) workflowJSON(c *call, in memory.Info, w memory.Workflow) map[string]any {
	path := ".github/workflows/" + w.File
	return map[string]any{
		"id": w.ID, "node_id": nodeID("Workflow", w.ID), "name": w.Name, "path": path, "state": "active", "created_at": begun, "updated_at": begun,
		"url": fmt.Sprintf("%s/actions/workflows/%d", g.api(c), w.ID), "html_url": g.page(c) + "/blob/" + in.DefaultBranch + "/" + path,
		"badge_url": g.page(c) + "/workflows/" + escapePath(w.Name) + "/badge.svg",
	}
}
