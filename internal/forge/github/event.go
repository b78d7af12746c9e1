package github

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/slipway-dev/slipway/internal/forge"
)

// ParseEvent reads the body of a webhook or a runner's event file. name is that
// of X-GitHub-Event or GITHUB_EVENT_NAME. An event that is not known is no
// error: it has what all events have in common. Errors are of kind
// release.Invalid; the caller bounds the body.
func ParseEvent(name string, body []byte) (forge.Event, error) {
	ev := forge.Event{Name: name}
	payload := payloadOf(name)
	if err := forge.EventError(name, body, ignoreCustomProperties(json.Unmarshal(body, payload))); err != nil {
		return forge.Event{}, err
	}
	var err error
	switch p := payload.(type) {
	case *gh.PushEvent:
		ev.SetPush(p.GetRef(), p.GetBefore(), p.GetAfter(), p.GetHeadCommit().GetID())
		ev.Forced = p.GetForced()
		r := p.GetRepo()
		ev.SetRepository(r.GetFullName(), r.GetHTMLURL(), r.GetCloneURL(), r.GetDefaultBranch(), r.GetPrivate())
	case *gh.CreateEvent:
		ev.SetNamedRef(p.GetRefType(), p.GetRef())
	case *gh.DeleteEvent:
		ev.SetNamedRef(p.GetRefType(), p.GetRef())
		ev.Deleted = true
	case *gh.PullRequestEvent:
		ev.PullRequest = pullRequest(p.PullRequest, p.GetRepo())
	case *gh.IssueCommentEvent:
		ev.Comment = issueComment(p.Comment, p.Issue)
	case *gh.CommitCommentEvent:
		ev.Comment = commitComment(p.Comment)
	case *gh.ReleaseEvent:
		if r := p.Release; r != nil {
			ev.Release = &forge.EventRelease{ID: decimal(r.GetID()), Tag: r.GetTagName(), Draft: r.GetDraft(), Prerelease: r.GetPrerelease()}
		}
	case *gh.WorkflowRunEvent:
		ev.Run = workflowRun(p.WorkflowRun, p.GetRepo())
	case *gh.StatusEvent:
		ev.Status = &forge.Status{Commit: p.GetSHA(), Context: p.GetContext(), State: p.GetState()}
	case *gh.WorkflowDispatchEvent:
		setDispatchedRef(&ev, p.GetRef())
		ev.Inputs, err = forge.EventInputs(name, p.Inputs)
	case *anyEvent:
		ev.Schedule = p.Schedule
	}
	if err != nil {
		return forge.Event{}, err
	}
	setCommon(&ev, payload)
	if err := ev.Validate(); err != nil {
		return forge.Event{}, err
	}
	return ev, nil
}

// anyEvent is what all events have in common, and the schedule, which only
// runners know.
type anyEvent struct {
	Action       *string          `json:"action"`
	Repository   *gh.Repository   `json:"repository"`
	Sender       *gh.User         `json:"sender"`
	Installation *gh.Installation `json:"installation"`
	Schedule     string           `json:"schedule"`
}

func (e *anyEvent) GetAction() string {
	if e.Action == nil {
		return ""
	}
	return *e.Action
}
func (e *anyEvent) GetRepo() *gh.Repository           { return e.Repository }
func (e *anyEvent) GetSender() *gh.User               { return e.Sender }
func (e *anyEvent) GetInstallation() *gh.Installation { return e.Installation }

func payloadOf(name string) any {
	switch name {
	case "push", "create", "delete", "pull_request", "issue_comment", "commit_comment", "release", "workflow_run", "status", "workflow_dispatch":
		return gh.EventForType(name)
	case "pull_request_target":
		return new(gh.PullRequestEvent) // the same document
	}
	return new(anyEvent)
}

// ignoreCustomProperties forgives the one shape that go-github v60 knows
// wrongly in the documents that are read here: a repository's custom
// properties may be lists, and it takes them for text. encoding/json reads the
// rest all the same.
func ignoreCustomProperties(err error) error {
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) && strings.Contains(shape.Field+".", ".custom_properties.") {
		return nil
	}
	return err
}

func setCommon(ev *forge.Event, payload any) {
	if p, ok := payload.(interface{ GetAction() string }); ok {
		ev.Action = p.GetAction()
	}
	if p, ok := payload.(interface{ GetRepo() *gh.Repository }); ok {
		r := p.GetRepo()
		ev.SetRepository(r.GetFullName(), r.GetHTMLURL(), r.GetCloneURL(), r.GetDefaultBranch(), r.GetPrivate())
	}
	if p, ok := payload.(interface{ GetSender() *gh.User }); ok {
		ev.Sender, ev.SenderIsBot = p.GetSender().GetLogin(), p.GetSender().GetType() == "Bot"
	}
	if p, ok := payload.(interface{ GetInstallation() *gh.Installation }); ok {
		ev.Installation = p.GetInstallation().GetID()
	}
}

// setDispatchedRef takes a full ref; a short one is a branch's.
func setDispatchedRef(ev *forge.Event, ref string) {
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	ev.SetRef(ref)
}

func pullRequest(p *gh.PullRequest, base *gh.Repository) *forge.PullRequest {
	if p == nil {
		return nil
	}
	head := p.GetHead().GetRepo().GetFullName()
	return &forge.PullRequest{
		Number:         p.GetNumber(),
		HeadRepository: head,
		HeadBranch:     p.GetHead().GetRef(),
		HeadCommit:     p.GetHead().GetSHA(),
		BaseBranch:     p.GetBase().GetRef(),
		Fork:           head == "" || !strings.EqualFold(head, base.GetFullName()),
		Merged:         p.GetMerged(),
		Draft:          p.GetDraft(),
		MergeCommit:    p.GetMergeCommitSHA(),
	}
}

func issueComment(c *gh.IssueComment, issue *gh.Issue) *forge.Comment {
	if c == nil {
		return nil
	}
	return &forge.Comment{
		ID:            decimal(c.GetID()),
		Author:        c.GetUser().GetLogin(),
		Body:          c.GetBody(),
		Issue:         issue.GetNumber(),
		OnPullRequest: issue.GetPullRequestLinks() != nil,
		URL:           c.GetHTMLURL(),
		CreatedAt:     c.GetCreatedAt().Time,
	}
}

func commitComment(c *gh.RepositoryComment) *forge.Comment {
	if c == nil {
		return nil
	}
	return &forge.Comment{
		ID:        decimal(c.GetID()),
		Author:    c.GetUser().GetLogin(),
		Body:      c.GetBody(),
		Commit:    c.GetCommitID(),
		URL:       c.GetHTMLURL(),
		CreatedAt: c.GetCreatedAt().Time,
	}
}

func workflowRun(r *gh.WorkflowRun, base *gh.Repository) *forge.WorkflowRun {
	if r == nil {
		return nil
	}
	head := r.GetHeadRepository().GetFullName()
	return &forge.WorkflowRun{
		ID:         decimal(r.GetID()),
		Name:       r.GetName(),
		Event:      r.GetEvent(),
		Branch:     r.GetHeadBranch(),
		Commit:     r.GetHeadSHA(),
		Conclusion: r.GetConclusion(),
		Fork:       head == "" || !strings.EqualFold(head, base.GetFullName()), // empty: deleted since
		URL:        r.GetHTMLURL(),
	}
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
