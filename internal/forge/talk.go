package forge

import (
	"context"
	"time"
)

// What the bot needs of a repository besides its releases. Each interface is a
// capability: an adapter that lacks one does not implement it. The contract of
// Forge (goroutines, retries, complete lists, kinds of errors) holds here too;
// React, SetStatus, EditComment and the reads may be repeated, CreateComment,
// Dispatch and CreateDeployment are uncertain after a fault (see Uncertain).

// Permission is what a forge lets somebody do in a repository, in rising order.
type Permission int

// The permissions of GitHub, which Gitea knows without triage and maintain.
const (
	NoAccess Permission = iota
	MayRead
	MayTriage
	MayWrite
	MayMaintain
	MayAdmin
)

// Place is where people talk: an issue, a pull request, or a commit.
type Place struct {
	Issue         int // number of the issue or pull request; 0 on a commit
	OnPullRequest bool
	Commit        string // full hash, for a commit
}

// Reaction is an answer of one sign.
type Reaction string

// The reactions that commands get; both forges know them by these names.
const (
	Eyes     Reaction = "eyes"
	Rocket   Reaction = "rocket"
	Confused Reaction = "confused"
)

// Talk is where commands are written and answered.
type Talk interface {
	// Self is the login that comments made with this token have; "app-name[bot]"
	// for a GitHub App.
	Self(ctx context.Context) (string, error)
	// Permission is what a user may do in the repository. Somebody whom the forge
	// does not know, or who is no collaborator, has NoAccess, or MayRead where the
	// repository is public; that is no error.
	Permission(ctx context.Context, login string) (Permission, error)
	// InTeam reports whether a user is in a team, "org/team" (GitHub: the team's
	// slug). A team that can't be seen has nobody in it.
	InTeam(ctx context.Context, team, login string) (bool, error)
	// Comments lists the comments on all issues and pull requests, and on
	// commits where the forge has those, that were made or changed at or after
	// since, oldest first.
	Comments(ctx context.Context, since time.Time) ([]PostedComment, error)
	// CommentsAt lists the comments at one place, oldest first.
	CommentsAt(ctx context.Context, at Place) ([]PostedComment, error)
	CreateComment(ctx context.Context, at Place, body string) (PostedComment, error)
	// EditComment gives a comment another text. ErrNotFound when it is gone.
	EditComment(ctx context.Context, at Place, id, body string) error
	// React gives a comment this reaction, and takes back the other ones of
	// Eyes, Rocket and Confused that this account has given it.
	React(ctx context.Context, at Place, id string, r Reaction) error
}

// PostedComment is a comment as the forge has it now.
type PostedComment struct {
	ID        string
	Place     Place
	Author    string
	ByBot     bool   // an app's or another machine account's, as far as the forge tells
	Body      string // untrusted
	URL       string
	CreatedAt time.Time
	Edited    bool // somebody changed the text
}

// Commits is what a forge knows of commits, and of pull requests, which
// become some.
type Commits interface {
	// Checks lists the statuses and, on GitHub, the check runs of a commit: of
	// each name the newest only, sorted by name.
	Checks(ctx context.Context, commit string) ([]Check, error)
	// SetStatus gives a commit a status; the newest of a context counts.
	SetStatus(ctx context.Context, commit string, s CommitStatus) error
	// PullRequest reads a pull request. ErrNotFound when the number is none, or
	// is an issue's.
	PullRequest(ctx context.Context, number int) (PullRequest, error)
	// Tags lists every tag with the commit it points at, annotated ones resolved.
	Tags(ctx context.Context) ([]Tag, error)
	// Published lists the public releases, newest first, without their assets;
	// at most n of them, 0 for all.
	Published(ctx context.Context, n int) ([]Release, error)
	// Head is the commit of a branch. ErrNotFound when there is no such branch.
	Head(ctx context.Context, branch string) (string, error)
	// CreateTag makes a lightweight tag. ErrConflict when the name is taken.
	CreateTag(ctx context.Context, name, commit string) error
}

// CheckState is how a check stands.
type CheckState string

// The states of checks. GitHub's neutral and skipped count as passed, as it
// counts them itself; what a forge says beyond its own words is failed.
const (
	CheckPassed  CheckState = "passed"
	CheckPending CheckState = "pending"
	CheckFailed  CheckState = "failed"
)

// Check is a status or a check run of a commit.
type Check struct {
	Name  string // the status's context, or the check run's name
	State CheckState
	Word  string // the forge's own word: "failure", "timed_out", "bogus"
	URL   string // details, empty when there are none
}

// CommitStatus is a status to set. State is pending, success, failure or error.
type CommitStatus struct {
	Context     string // "slipway/release"
	State       string
	Description string // cut to what the forge takes (GitHub: 140 characters)
	URL         string // empty when there is none
}

// Workflows starts and follows workflows of a repository.
type Workflows interface {
	// Dispatch starts a workflow by its file's name ("release.yml") on a branch
	// or tag (full ref, "refs/tags/v1.0.0").
	Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) error
	// Runs lists the runs of a workflow that were made at or after since, oldest
	// first.
	Runs(ctx context.Context, workflow string, since time.Time) ([]WorkflowRun, error)
	// Run reads one run. Its Conclusion is empty until it has ended.
	Run(ctx context.Context, id string) (WorkflowRun, error)
	// CancelRun asks that a run end; one that has ended is no error.
	CancelRun(ctx context.Context, id string) error
}

// Hooks reads a repository's webhooks (and on GitHub nothing of an app's own).
type Hooks interface {
	Hooks(ctx context.Context) ([]Hook, error)
	// TestHook has the forge send a ping or test delivery.
	TestHook(ctx context.Context, id string) error
}

// Hook is a webhook.
type Hook struct {
	ID          string
	URL         string
	Active      bool
	Events      []string // in the forge's words
	ContentType string   // json or form
}

// Missed reads what a forge tried to deliver and could not (GitHub).
type Missed interface {
	// FailedDeliveries lists the deliveries of a webhook made at or after since
	// of which no try was answered with 2xx, oldest first, by their GUID once.
	FailedDeliveries(ctx context.Context, hook string, since time.Time) ([]FailedDelivery, error)
	// DeliveryBody reads what was to be delivered: the raw JSON.
	DeliveryBody(ctx context.Context, hook, id string) ([]byte, error)
}

// AppHook names, for Missed, the webhook that a GitHub App has of its own: of
// its deliveries, those of this repository.
const AppHook = "app"

// FailedDelivery is a delivery that never arrived.
type FailedDelivery struct {
	ID    string // for DeliveryBody
	GUID  string // X-GitHub-Delivery
	Event string // X-GitHub-Event
	At    time.Time
}

// Deployments tells the forge where a release is (GitHub).
type Deployments interface {
	// CreateDeployment makes a deployment of a commit or tag to an environment
	// and gives its id. It merges nothing and asks for no checks.
	CreateDeployment(ctx context.Context, d Deployment) (string, error)
	// SetDeploymentStatus says how a deployment is. Others stay as they are.
	SetDeploymentStatus(ctx context.Context, id string, s DeploymentStatus) error
	// DeploymentsTo lists the newest n deployments to an environment, at most 100,
	// the newest first.
	DeploymentsTo(ctx context.Context, environment string, n int) ([]Deployed, error)
}

// Deployment is a deployment to make.
type Deployment struct {
	Ref         string // a commit or a tag
	Environment string
	Description string // cut to what the forge takes (GitHub: 140 characters)
}

// Deployed is a deployment that was made.
type Deployed struct {
	ID string
	Deployment
}

// DeploymentStatus is how a deployment is.
type DeploymentStatus struct {
	State       string // queued, in_progress, success, failure, error or inactive
	LogURL      string // where it can be followed; empty when that is nowhere
	SiteURL     string // what was deployed; empty when it has no address
	Description string // cut to what the forge takes (GitHub: 140 characters)
}

// Credentials gives the login by which git reads and writes the repository
// over HTTPS. Tokens of apps end after an hour: ask right before use.
type Credentials interface {
	Login(ctx context.Context) (user, password string, err error)
}

// Rate is what is left of a forge's allowance of calls.
type Rate struct {
	Limit, Remaining int // of the main limit; 0 and 0 when the forge tells none
	Reset            time.Time
}

// Rated tells what was left of the allowance at the forge's last answer.
type Rated interface {
	RateLeft() Rate
}
