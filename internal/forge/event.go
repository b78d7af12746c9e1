package forge

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// Event is what happened on a forge, as the body of a webhook or the event
// file of a runner (GITHUB_EVENT_PATH) tells it: the two are one document.
//
// Names of tags and branches, and all that people wrote, are as the forge sent
// them: nothing here is safe in a shell, a path or a template. Hashes are full
// and lower-case, or empty; a repository is of the form owner/name, or empty.
type Event struct {
	// Name is the event in GitHub's words (push, create, delete, pull_request,
	// issue_comment, commit_comment, release, workflow_dispatch, workflow_run,
	// schedule, status, ping …), on every forge.
	Name string
	// Action says what was done, in GitHub's words (opened, synchronize,
	// created, edited, published …); empty for events that know only one.
	Action string

	Repository    string // owner/name; empty when it happened to none
	Server        string // "https://git.example/gitea", without a slash at the end: URL less the repository
	URL           string // the repository's page
	CloneURL      string // for git, over HTTP
	DefaultBranch string
	Private       bool
	// Installation is the number of the GitHub App's installation that the
	// webhook belongs to; 0 for other webhooks, on runners and on other forges.
	Installation int64

	Sender      string // who did it: a login
	SenderIsBot bool   // an app, or the forge's own user for workflows

	// Ref is the full ref of a push, create, delete or workflow_dispatch
	// ("refs/tags/v1.0.0"). It is a tag or a branch, or, rarely, neither.
	Ref         string
	Tag, Branch string
	// Commit is what was pushed: of an annotated tag its commit, not the tag's
	// own object. Empty for a deletion, for a tag of something else than a
	// commit, and for a created tag (create doesn't tell).
	Commit  string
	Before  string // what a push replaced, empty for a new ref; for a tag it may be the tag's own object
	Deleted bool   // the ref is gone (push, delete)
	Forced  bool   // the push threw commits away, or moved a tag. Only GitHub tells

	PullRequest *PullRequest  // pull_request, pull_request_target
	Comment     *Comment      // issue_comment, commit_comment
	Release     *EventRelease // release
	Run         *WorkflowRun  // workflow_run
	Status      *Status       // status
	// Inputs are what a workflow_dispatch was given, as text: "true", "3".
	Inputs   map[string]string
	Schedule string // the cron expression of a schedule, where the runner tells it
}

// PullRequest is a pull request at the time of its event.
type PullRequest struct {
	Number         int
	HeadRepository string // owner/name; empty when it was deleted
	HeadBranch     string // a branch of HeadRepository
	HeadCommit     string
	BaseBranch     string
	Fork           bool // HeadRepository is another one than the event's
	Merged         bool
	Draft          bool
	// MergeCommit is the commit it was merged with. Before that GitHub gives the
	// commit it last tried the merge with, which may be out of date; Gitea none.
	MergeCommit string
}

// Comment is a comment on a commit (GitHub), an issue or a pull request.
// Comments of reviews are not among them.
type Comment struct {
	ID            string
	Author        string // may differ from the sender, who edited or deleted it
	Body          string // at most 64 KB on GitHub; untrusted
	Issue         int    // the number of the issue or pull request; 0 on a commit
	OnPullRequest bool
	Commit        string // full hash, for a comment on a commit
	URL           string
	CreatedAt     time.Time
}

// EventRelease is the release that an event is about.
type EventRelease struct {
	ID         string
	Tag        string
	Draft      bool
	Prerelease bool
}

// WorkflowRun is a run of a workflow.
type WorkflowRun struct {
	ID     string
	Name   string // the workflow's
	Event  string // what started it: push, pull_request …
	Branch string // on GitHub also the name of a tag, when one was pushed: only the repository tells which
	Tag    string // only Gitea tells
	Commit string
	// Conclusion is success, failure, cancelled, skipped …; empty before its end.
	Conclusion string
	Fork       bool // its commit is another repository's, or may be
	URL        string
}

// Status is the status of a commit.
type Status struct {
	Commit  string
	Context string
	State   string // pending, success, failure, error; Gitea takes any word
}

// SetRef takes a full ref apart.
func (e *Event) SetRef(ref string) {
	e.Ref, e.Tag, e.Branch = ref, "", ""
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		e.Tag = tag
	} else if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		e.Branch = branch
	}
}

// SetNamedRef takes what create and delete say: a short name and whether it is
// a tag or a branch. Anything else that was created is no ref.
func (e *Event) SetNamedRef(kind, name string) {
	switch kind {
	case "tag":
		e.SetRef("refs/tags/" + name)
	case "branch":
		e.SetRef("refs/heads/" + name)
	}
}

// SetPush takes what a push says: the ref, its hash before and after, and the
// commit that the forge shows for it (head_commit), if any. A deletion ends at
// the hash of zeros, a new ref begins there.
func (e *Event) SetPush(ref, before, after, head string) {
	e.SetRef(ref)
	if !isZero(before) {
		e.Before = before
	}
	switch {
	case isZero(after):
		e.Deleted = true
	case e.Tag != "":
		e.Commit = head // after may be the tag's own object
	default:
		e.Commit = after
	}
}

// SetRepository takes what forges say of a repository.
func (e *Event) SetRepository(fullName, page, clone, defaultBranch string, private bool) {
	e.Repository, e.URL, e.CloneURL, e.DefaultBranch, e.Private = fullName, page, clone, defaultBranch, private
	if server, ok := strings.CutSuffix(page, "/"+fullName); ok && fullName != "" {
		e.Server = server
	}
}

// isZero says whether a push's hash stands for "nothing"; none at all does not.
func isZero(hash string) bool { return hash != "" && strings.Trim(hash, "0") == "" }

var fullHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Validate says what an event lacks of that which its name promises, and which
// of its hashes and names have another shape than Event promises. The error is
// of kind release.Invalid.
func (e Event) Validate() error {
	if e.Repository != "" {
		if _, _, err := SplitRepository(e.Repository); err != nil {
			return eventProblem(e.Name, "is of no repository that can be: %s", clip(err.Error()))
		}
	}
	if lack := e.lack(); lack != "" {
		return eventProblem(e.Name, "has no %s", lack)
	}
	for _, h := range e.hashes() {
		if h.value != "" && !fullHash.MatchString(h.value) {
			return eventProblem(e.Name, "has a %s that is not a full hash: %q", h.field, clip(h.value))
		}
	}
	return nil
}

// lack names the first thing that is missing, by its name in the document.
func (e Event) lack() string {
	switch e.Name {
	case "push":
		if e.Ref == "" {
			return "ref"
		}
		if !e.Deleted && e.Branch != "" && e.Commit == "" {
			return "commit (after)"
		}
	case "create", "delete":
		if e.Ref != "" && e.Tag == "" && e.Branch == "" {
			return "ref"
		}
	case "pull_request", "pull_request_target":
		return e.PullRequest.lack()
	case "issue_comment", "commit_comment":
		return e.Comment.lack(e.Name == "commit_comment")
	case "release":
		if e.Release == nil {
			return "release"
		}
		if e.Release.Tag == "" && !e.Release.Draft {
			return "tag (release.tag_name)"
		}
	case "workflow_run":
		if e.Run == nil {
			return "workflow_run"
		}
		if e.Run.Commit == "" {
			return "commit (workflow_run.head_sha)"
		}
	case "status":
		if e.Status == nil || e.Status.Commit == "" {
			return "commit (sha)"
		}
	}
	return ""
}

func (p *PullRequest) lack() string {
	switch {
	case p == nil:
		return "pull_request"
	case p.Number <= 0:
		return "number (pull_request.number)"
	case p.HeadCommit == "":
		return "commit (pull_request.head.sha)"
	}
	return ""
}

func (c *Comment) lack(onCommit bool) string {
	switch {
	case c == nil:
		return "comment"
	case c.ID == "" || c.ID == "0":
		return "id of its comment (comment.id)"
	case onCommit && c.Commit == "":
		return "commit (comment.commit_id)"
	case !onCommit && c.Issue <= 0:
		return "number of its issue (issue.number)"
	}
	return ""
}

type eventHash struct{ field, value string }

func (e Event) hashes() []eventHash {
	hs := []eventHash{{"commit", e.Commit}, {"before", e.Before}}
	if p := e.PullRequest; p != nil {
		hs = append(hs, eventHash{"pull_request.head.sha", p.HeadCommit}, eventHash{"pull_request.merge_commit_sha", p.MergeCommit})
	}
	if c := e.Comment; c != nil {
		hs = append(hs, eventHash{"comment.commit_id", c.Commit})
	}
	if r := e.Run; r != nil {
		hs = append(hs, eventHash{"workflow_run.head_sha", r.Commit})
	}
	if s := e.Status; s != nil {
		hs = append(hs, eventHash{"sha", s.Commit})
	}
	return hs
}

func eventProblem(name, format string, args ...any) error {
	return release.Invalidf("give the document as the forge made it, with the name of its event (X-GitHub-Event, X-Gitea-Event, GITHUB_EVENT_NAME)",
		"the %q event %s", clip(name), fmt.Sprintf(format, args...))
}

// clip keeps a message readable when a document has something huge in it.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
