package gitea

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// commonBody is what all events have in common, and the schedule of a schedule:
// the rest of that document is of the push that brought it.
type commonBody struct {
	Action     string          `json:"action"`
	Repository *bodyRepository `json:"repository"`
	Sender     bodyUser        `json:"sender"`
	Schedule   string          `json:"schedule"`
}

// eventBody is what Slipway reads of the documents of Gitea's events (its
// modules/structs/hook.go); the SDK has no types for them. Events that it does
// not know may have something else under the same names (a wiki's comment is
// text), so for them it stays empty.
type eventBody struct {
	commonBody

	Ref        string `json:"ref"`      // push, workflow_dispatch: full; create, delete: short
	RefType    string `json:"ref_type"` // create, delete
	SHA        string `json:"sha"`      // create, status
	Before     string `json:"before"`
	After      string `json:"after"`
	HeadCommit struct {
		ID string `json:"id"`
	} `json:"head_commit"`

	PullRequest *bodyPullRequest `json:"pull_request"`
	Review      *struct{}        `json:"review"`
	Issue       bodyIssue        `json:"issue"`
	Comment     *bodyComment     `json:"comment"`
	IsPull      bool             `json:"is_pull"`
	Release     *bodyRelease     `json:"release"`
	Workflow    json.RawMessage  `json:"workflow"` // an object in workflow_run, a file's name in workflow_dispatch
	Run         *bodyRun         `json:"workflow_run"`
	Inputs      json.RawMessage  `json:"inputs"`
	Context     string           `json:"context"`
	State       string           `json:"state"`
}

type bodyRepository struct {
	ID            int64  `json:"id"`
	FullName      string `json:"full_name"`
	HTMLURL       string `json:"html_url"`
	CloneURL      string `json:"clone_url"`
	DefaultBranch string `json:"default_branch"`
	Private       bool   `json:"private"`
}

type bodyUser struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

type bodyBranch struct {
	Ref        string          `json:"ref"`
	SHA        string          `json:"sha"`
	Repository *bodyRepository `json:"repo"` // null when it was deleted
}

type bodyPullRequest struct {
	Number      int        `json:"number"`
	Head        bodyBranch `json:"head"`
	Base        bodyBranch `json:"base"`
	Merged      bool       `json:"merged"`
	Draft       bool       `json:"draft"`
	MergeCommit string     `json:"merge_commit_sha"` // null before
}

type bodyIssue struct {
	Number      int       `json:"number"`
	PullRequest *struct{} `json:"pull_request"`
}

type bodyComment struct {
	ID      int64     `json:"id"`
	HTMLURL string    `json:"html_url"`
	User    bodyUser  `json:"user"`
	Body    string    `json:"body"`
	Created time.Time `json:"created_at"`
}

type bodyRelease struct {
	ID         int64  `json:"id"`
	TagName    string `json:"tag_name"`
	Draft      bool   `json:"draft"`
	Prerelease bool   `json:"prerelease"`
}

type bodyRun struct {
	ID             int64           `json:"id"`
	Path           string          `json:"path"` // "release.yml@refs/tags/v1.0.0"
	Event          string          `json:"event"`
	HeadSHA        string          `json:"head_sha"`
	HeadBranch     string          `json:"head_branch"` // empty for tags and pull requests
	HeadRepository *bodyRepository `json:"head_repository"`
	Conclusion     string          `json:"conclusion"`
	HTMLURL        string          `json:"html_url"`
}

func (p *bodyPullRequest) domain(repository string) *forge.PullRequest {
	if p == nil {
		return nil
	}
	d := &forge.PullRequest{
		Number:      p.Number,
		HeadBranch:  p.Head.Ref,
		HeadCommit:  p.Head.SHA,
		BaseBranch:  p.Base.Ref,
		Merged:      p.Merged,
		Draft:       p.Draft,
		MergeCommit: p.MergeCommit,
	}
	if p.Head.Repository != nil {
		d.HeadRepository = p.Head.Repository.FullName
	}
	d.Fork = d.HeadRepository == "" || !strings.EqualFold(d.HeadRepository, repository)
	return d
}

func (b *eventBody) comment() *forge.Comment {
	c := b.Comment
	if c == nil {
		return nil
	}
	return &forge.Comment{
		ID:            decimal(c.ID),
		Author:        c.User.Login,
		Body:          c.Body,
		Issue:         b.Issue.Number,
		OnPullRequest: b.IsPull || b.Issue.PullRequest != nil,
		URL:           c.HTMLURL,
		CreatedAt:     c.Created,
	}
}

func (b *eventBody) run(repository string) *forge.WorkflowRun {
	r := b.Run
	if r == nil {
		return nil
	}
	var workflow struct {
		Name string `json:"name"`
	}
	// A workflow that is gone is null; without its name the run is as good.
	_ = json.Unmarshal(b.Workflow, &workflow)
	d := &forge.WorkflowRun{
		ID:         decimal(r.ID),
		Name:       workflow.Name,
		Event:      r.Event,
		Branch:     r.HeadBranch,
		Commit:     r.HeadSHA,
		Conclusion: r.Conclusion,
		URL:        r.HTMLURL,
	}
	if _, tag, ok := strings.Cut(r.Path, "@refs/tags/"); ok {
		d.Tag = tag
	}
	// Gitea does not say where a pull request's commit comes from, so it may
	// always be a fork; everything else runs in the repository itself.
	if r.HeadRepository != nil {
		d.Fork = !strings.EqualFold(r.HeadRepository.FullName, repository)
	} else {
		d.Fork = strings.HasPrefix(r.Event, "pull_request")
	}
	return d
}
