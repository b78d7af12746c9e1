package simforge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// messages are what Gitea's webhooks hear. Check runs and deployments it does
// not have.
func (g giteaWire) messages(c *call, _ memory.Hook, what memory.Happening) []message {
	in, err := c.repo().Info(context.Background())
	if err != nil {
		return nil // the repository is gone, and its webhooks with it
	}
	m := message{event: what.Event, kind: what.Event, action: what.Action}
	u := c.s.people.Add(what.Actor)
	body := map[string]any{"repository": g.repoJSON(c, in), "sender": g.account(c, u)}
	if what.Action != "" {
		body["action"] = what.Action
	}
	switch what.Event {
	case "push":
		if what.Hook != 0 {
			what.Update = g.testPush(c, in)
		}
		g.pushBody(c, body, what.Update, what.Hook != 0)
		body["pusher"] = body["sender"]
	case "create", "delete":
		g.refBody(body, what)
	case "issues":
		body["number"], body["issue"], body["commit_id"] = what.Issue.Number, g.issueJSON(c, *what.Issue), ""
	case "issue_comment":
		m.kind = g.commentBodyOf(c, in, body, what)
	case "pull_request":
		body["number"], body["pull_request"] = what.Issue.Number, g.pullJSON(c, in, *what.Issue)
		body["requested_reviewer"], body["review"], body["commit_id"] = nil, nil, ""
		if what.Action == "synchronize" {
			m.kind, m.action, body["action"] = "pull_request_sync", "synchronized", "synchronized"
		}
	case "release":
		body["release"] = g.releaseJSON(c, *what.Release, what.Release.Assets)
	case "status":
		g.statusBody(c, body, *what.Status)
	case "workflow_run":
		body["workflow"], body["workflow_run"] = g.workflowJSON(c, in, what.Run.Workflow), g.runJSON(c, in, *what.Run)
	default:
		return nil
	}
	if m.body, err = json.MarshalIndent(body, "", "  "); err != nil {
		return nil // plain maps always go
	}
	return []message{m}
}

// testPush is what a test delivery tells: the default branch, unchanged.
func (g giteaWire) testPush(c *call, in memory.Info) memory.RefUpdate {
	at, _, _ := c.repo().Refs().Commit(context.Background(), in.DefaultBranch)
	return memory.RefUpdate{Ref: "refs/heads/" + in.DefaultBranch, Before: at.Hash, After: at.Hash}
}

// commitOf finds the commit that a pushed ref names, through a tag's object.
func commitOf(repo *memory.Repo, u memory.RefUpdate) (memory.Commit, bool) {
	ctx := context.Background()
	if at, ok, err := repo.Refs().Commit(ctx, u.After); err == nil && ok {
		return at, true
	}
	if t, ok, err := repo.Refs().TagObject(ctx, u.After); err == nil && ok {
		at, ok, err := repo.Refs().Commit(ctx, t.Target)
		return at, err == nil && ok
	}
	return memory.Commit{}, false
}

func (g giteaWire) pushBody(c *call, body map[string]any, u memory.RefUpdate, test bool) {
	body["ref"], body["before"], body["after"] = u.Ref, u.Before, u.After
	body["commits"], body["total_commits"], body["head_commit"] = []any{}, 0, nil
	body["compare_url"] = c.base() + "/"
	at, ok := commitOf(c.repo(), u)
	if !ok {
		return
	}
	commit := g.payloadCommit(c, at)
	body["compare_url"] = g.page(c) + "/compare/" + u.Before + "..." + u.After
	body["head_commit"] = commit
	if strings.HasPrefix(u.Ref, "refs/heads/") && !u.Created() || test {
		body["commits"], body["total_commits"] = []any{commit}, 1
	}
}

// refBody: create says the tag's own object, and nobody's rights.
func (g giteaWire) refBody(body map[string]any, what memory.Happening) {
	name, isTag := strings.CutPrefix(what.Update.Ref, "refs/tags/")
	body["ref"], body["ref_type"] = strings.TrimPrefix(name, "refs/heads/"), "branch"
	if isTag {
		body["ref_type"] = "tag"
	}
	if what.Event == "delete" {
		body["pusher_type"] = "user"
		return
	}
	body["sha"] = what.Update.After
	if repo, ok := body["repository"].(map[string]any); ok {
		repo["permissions"] = map[string]bool{"admin": false, "push": false, "pull": false}
	}
}

// commentBodyOf gives the finer name too: the header of a pull request's
// comment says issue_comment all the same.
func (g giteaWire) commentBodyOf(c *call, in memory.Info, body map[string]any, what memory.Happening) string {
	body["comment"], body["issue"], body["is_pull"] = g.commentJSON(c, *what.Comment), g.issueJSON(c, *what.Issue), what.Issue.Pull != nil
	if what.Action == "edited" {
		body["changes"] = map[string]any{"body": map[string]string{"from": what.OldBody}, "added_labels": nil, "removed_labels": nil}
	}
	if what.Issue.Pull == nil {
		return "issue_comment"
	}
	body["pull_request"] = g.pullJSON(c, in, *what.Issue)
	return "pull_request_comment"
}

func (g giteaWire) statusBody(c *call, body map[string]any, s memory.Status) {
	at, _, _ := c.repo().Refs().Commit(context.Background(), s.Commit)
	for k, v := range map[string]any{
		"commit": g.payloadCommit(c, at), "context": s.Context, "created_at": stamp(s.Created), "description": s.Description, "id": s.ID,
		"sha": s.Commit, "state": s.State, "target_url": s.URL, "updated_at": stamp(s.Updated),
	} {
		body[k] = v
	}
}

func (g giteaWire) workflowJSON(c *call, in memory.Info, w memory.Workflow) map[string]any {
	path := ".gitea/workflows/" + w.File
	return map[string]any{
		"id": w.File, "name": w.Name, "path": path, "state": "active", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
		"url": g.api(c) + "/actions/workflows/" + w.File, "html_url": g.page(c) + "/src/branch/" + in.DefaultBranch + "/" + path,
		"badge_url":  fmt.Sprintf("%s/actions/workflows/%s/badge.svg?branch=%s", g.page(c), w.File, in.DefaultBranch),
		"deleted_at": "0001-01-01T00:00:00Z",
	}
}
