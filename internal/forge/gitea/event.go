package gitea

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
)

// ParseEvent reads the body of a webhook of Gitea or Forgejo, or the event file
// of their runners. name is that of X-Gitea-Event (X-Gitea-Event-Type will do
// as well) or GITHUB_EVENT_NAME; the event comes back under GitHub's name. An
// event that is not known is no error: it has what all events have in common.
// Errors are of kind release.Invalid; the caller bounds the body.
func ParseEvent(name string, body []byte) (forge.Event, error) {
	var b eventBody
	var into any = &b
	if !read(name) {
		into = &b.commonBody
	}
	if err := forge.EventError(name, body, json.Unmarshal(body, into)); err != nil {
		return forge.Event{}, err
	}
	ev := forge.Event{Name: b.event(name), Sender: b.Sender.Login}
	ev.Action = actionOf(ev.Name, b.Action)
	// The forge's own users, such as gitea-actions, have numbers below zero; -1
	// is the ghost that deleted users become.
	ev.SenderIsBot = b.Sender.ID < -1
	if r := b.Repository; r != nil {
		ev.SetRepository(r.FullName, r.HTMLURL, r.CloneURL, r.DefaultBranch, r.Private)
	}
	var err error
	switch ev.Name {
	case "push":
		ev.SetPush(b.Ref, b.Before, b.After, b.HeadCommit.ID)
	case "create", "delete":
		ev.SetNamedRef(b.RefType, b.Ref)
		ev.Deleted = ev.Name == "delete"
		if ev.Branch != "" {
			ev.Commit = b.SHA // a tag's may be the tag's own object
		}
	case "pull_request", "pull_request_target":
		ev.PullRequest = b.PullRequest.domain(ev.Repository)
	case "issue_comment":
		ev.Comment = b.comment()
	case "release":
		if r := b.Release; r != nil {
			ev.Release = &forge.EventRelease{ID: decimal(r.ID), Tag: r.TagName, Draft: r.Draft, Prerelease: r.Prerelease}
		}
	case "workflow_run":
		ev.Run = b.run(ev.Repository)
	case "workflow_dispatch":
		ev.SetRef(dispatchedRef(b.Ref))
		ev.Inputs, err = forge.EventInputs(name, b.Inputs)
	case "schedule":
		ev.Schedule = b.Schedule
	case "status":
		ev.Status = &forge.Status{Commit: b.SHA, Context: b.Context, State: b.State}
	}
	if err != nil {
		return forge.Event{}, err
	}
	if err := ev.Validate(); err != nil {
		return forge.Event{}, err
	}
	return ev, nil
}

// read says whether an event's document is read whole.
func read(name string) bool {
	switch name {
	case "push", "create", "delete", "pull_request", "pull_request_target", "issue_comment", "release", "workflow_run",
		"workflow_dispatch", "status",
		"pull_request_assign", "pull_request_label", "pull_request_milestone", "pull_request_sync", "pull_request_review_request",
		"pull_request_comment", "workflow_call": // what these are, their document tells
		return true
	}
	return false
}

// event gives an event's name in GitHub's words. Gitea has a name for the
// header, a finer one (X-Gitea-Event-Type) and, in workflows, either.
func (b *eventBody) event(name string) string {
	switch name {
	case "issue_assign", "issue_label", "issue_milestone":
		return "issues"
	case "pull_request_assign", "pull_request_label", "pull_request_milestone", "pull_request_sync", "pull_request_review_request":
		return "pull_request"
	case "pull_request_comment":
		// A comment by type, a review by header.
		if b.Comment != nil {
			return "issue_comment"
		}
		return "pull_request_review"
	case "pull_request_approved", "pull_request_rejected",
		"pull_request_review_approved", "pull_request_review_rejected", "pull_request_review_comment":
		return "pull_request_review"
	case "wiki":
		return "gollum"
	case "workflow_call":
		return b.caller()
	}
	return name
}

// caller finds out which event started the workflow that called a reusable
// one: Gitea names the call in its place, but hands on the event's document.
func (b *eventBody) caller() string {
	switch {
	case b.Schedule != "":
		return "schedule"
	case b.Run != nil:
		return "workflow_run"
	case b.Comment != nil:
		return "issue_comment"
	case b.Release != nil:
		return "release"
	case b.Review != nil:
		return "pull_request_review"
	case b.PullRequest != nil:
		return "pull_request"
	case b.After != "":
		return "push"
	case b.RefType != "" && b.SHA != "":
		return "create"
	case b.RefType != "":
		return "delete"
	case strings.HasPrefix(string(b.Workflow), `"`):
		return "workflow_dispatch"
	}
	return "workflow_call"
}

// actionOf gives an action in GitHub's words.
func actionOf(event, action string) string {
	switch event + " " + action {
	case "pull_request synchronized", "pull_request_target synchronized":
		return "synchronize"
	case "pull_request label_updated", "pull_request_target label_updated", "issues label_updated":
		return "labeled"
	case "pull_request label_cleared", "pull_request_target label_cleared", "issues label_cleared":
		return "unlabeled"
	case "pull_request_review reviewed":
		return "submitted"
	case "release updated":
		return "edited"
	}
	return action
}

// dispatchedRef makes a ref full; Gitea takes a short one for a branch's name.
func dispatchedRef(ref string) string {
	if ref == "" || strings.HasPrefix(ref, "refs/") {
		return ref
	}
	return "refs/heads/" + ref
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
