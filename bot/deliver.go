package bot

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/command"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
)

// The kinds of operations.
const (
	kindLook    = "look"    // find what a tag or branch points at, then release that
	kindRelease = "release" // release a tag, or a commit of a branch
	kindPromote = "promote" // release a commit, or the bits of another release, under a new tag
	kindRollout = "rollout" // carry a release to its environments, or part of it
	kindCommand = "command" // answer the commands of a comment
	kindRefresh = "refresh" // fetch, and read the schedules of the default branch
)

// Parse reads a delivery's body as its forge writes it.
type Parse func(kind, event string, body []byte) (forge.Event, error)

// identity is the same for all who ask for the same release, whoever they are:
// a webhook, its redelivery, a tick, a comment, a look at the forge. The class
// is that of the config at the commit, so the commit stands for it too.
func identity(forgeName, repository, ref, commit, action string) string {
	return strings.Join([]string{action, forgeName, strings.ToLower(repository), ref, commit}, "|")
}

// releaseOf is the release of a tag or a branch at a commit.
func releaseOf(forgeName, repository string, s project.Selection, actor, cause string) ledger.NewOperation {
	ref := "refs/tags/" + s.Tag
	if s.Tag == "" {
		ref = "refs/heads/" + s.Branch
	}
	return ledger.NewOperation{
		Identity: identity(forgeName, repository, ref, s.Commit, "release"), Lane: ledger.Releases, Kind: kindRelease,
		Forge: forgeName, Repository: strings.ToLower(repository), Ref: ref, Commit: s.Commit, Actor: actor, Cause: cause,
	}
}

// commentInput is what a command's operation is given.
type commentInput struct {
	Comment   string         `json:"comment"` // its id
	Place     forge.Place    `json:"place"`
	Author    string         `json:"author"`
	URL       string         `json:"url,omitempty"`
	CreatedAt time.Time      `json:"createdAt"`
	Parsed    command.Parsed `json:"parsed"`
}

// verdict decides what an event asks for. It is pure.
func verdict(forgeName string, ev forge.Event, delivery int64) ledger.Verdict {
	ignore := func(format string, args ...any) ledger.Verdict {
		return ledger.Verdict{Outcome: ledger.Ignored, Reason: fmt.Sprintf(format, args...)}
	}
	var v ledger.Verdict
	switch ev.Name {
	case "issue_comment", "commit_comment":
		return commentVerdict(forgeName, ev)
	case "push":
		if ev.Deleted && ev.Tag != "" {
			v = ignore("Tag %s was deleted: what is there to release has ended with it.", ev.Tag)
			v.Supersede = []string{ev.Ref}
			return v
		}
		if ev.Branch != "" {
			if ev.Branch != ev.DefaultBranch || ev.Deleted {
				return ignore("Branch %s was pushed, and only tags, comments and schedules release.", ev.Branch)
			}
			v.Reason = fmt.Sprintf("Branch %s was pushed: its schedules are read anew.", ev.Branch)
			v.Operations = []ledger.NewOperation{refresh(forgeName, ev.Repository, ev.Commit)}
			return v
		}
	case "workflow_run":
		if ev.Run != nil && ev.Run.Tag == "" {
			return ignore("A workflow ran for a branch, and only tags, comments and schedules release.")
		}
	}
	asked := project.Ask(ev)
	if asked.Skip || asked.Plan {
		return ignore("%s", asked.Reason)
	}
	s := asked.Selection
	v.Reason = asked.Reason
	actor := ev.Sender
	if s.Commit == "" {
		op := ledger.NewOperation{Lane: ledger.Commands, Kind: kindLook, Forge: forgeName, Repository: strings.ToLower(ev.Repository),
			Identity: fmt.Sprintf("%s|%d", identity(forgeName, ev.Repository, "refs/tags/"+s.Tag, "", "look"), delivery),
			Ref:      "refs/tags/" + s.Tag, Actor: actor, Cause: asked.Reason}
		v.Operations = []ledger.NewOperation{op}
		return v
	}
	v.Operations = []ledger.NewOperation{releaseOf(forgeName, ev.Repository, s, actor, asked.Reason)}
	return v
}

func refresh(forgeName, repository, commit string) ledger.NewOperation {
	return ledger.NewOperation{Lane: ledger.Commands, Kind: kindRefresh, Forge: forgeName, Repository: strings.ToLower(repository),
		Identity: identity(forgeName, repository, "", commit, "refresh"), Commit: commit, Actor: "slipway", Cause: "the default branch was pushed"}
}

func commentVerdict(forgeName string, ev forge.Event) ledger.Verdict {
	c := ev.Comment
	ignore := func(reason string) ledger.Verdict { return ledger.Verdict{Outcome: ledger.Ignored, Reason: reason} }
	switch {
	case c == nil:
		return ledger.Verdict{Outcome: ledger.Invalid, Reason: "The event has no comment."}
	case ev.Action != "created":
		return ignore(fmt.Sprintf("The comment was %s, and only new comments are commands.", ev.Action))
	case ev.SenderIsBot:
		return ignore("A bot wrote the comment.")
	case c.Author != "" && ev.Sender != "" && !strings.EqualFold(c.Author, ev.Sender):
		return ignore("Somebody else than its author sent the comment.")
	}
	op, ok := commentOperation(forgeName, ev.Repository, forge.PostedComment{ID: c.ID, Author: c.Author, Body: c.Body, URL: c.URL, CreatedAt: c.CreatedAt,
		Place: forge.Place{Issue: c.Issue, OnPullRequest: c.OnPullRequest, Commit: c.Commit}})
	if !ok {
		return ignore("The comment has no command in it.")
	}
	return ledger.Verdict{Reason: op.Cause, Operations: []ledger.NewOperation{op}}
}

// commentOperation answers the commands of a comment. ok is false when it has
// none, and nothing near to one.
func commentOperation(forgeName, repository string, c forge.PostedComment) (op ledger.NewOperation, ok bool) {
	parsed := command.Parse(c.Body)
	if len(parsed.Commands) == 0 && len(parsed.Hints) == 0 || isOurs(c.Body) {
		return op, false
	}
	input, err := json.Marshal(commentInput{Comment: c.ID, Place: c.Place, Author: c.Author, URL: c.URL, CreatedAt: c.CreatedAt, Parsed: parsed})
	if err != nil {
		return op, false // a struct of strings and numbers always encodes
	}
	cause := "a comment of " + c.Author
	if len(parsed.Commands) > 0 {
		cause = fmt.Sprintf("%s wrote %s", c.Author, clip(parsed.Commands[0].Text, 100))
	}
	place := "issue"
	if c.Place.Commit != "" {
		place = "commit" // comments on commits are numbered apart from those on issues
	}
	return ledger.NewOperation{
		Identity: identity(forgeName, repository, place, c.ID, "comment"), Lane: ledger.Commands, Kind: kindCommand,
		Forge: forgeName, Repository: strings.ToLower(repository), Commit: c.Place.Commit, Actor: c.Author, Cause: cause, Input: input,
	}, true
}
