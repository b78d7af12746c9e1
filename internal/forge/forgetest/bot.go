package forgetest

import (
	"context"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// BotSubject is one forge under test for what the bot needs besides releases,
// with a fresh repository. What people and other programs do there is done by
// its functions, which share no code with the adapter. Every field is needed,
// except where its comment says otherwise.
type BotSubject struct {
	// Forge sees the repository with the token of an administrator of the
	// repository. Only the capabilities that it implements are asked for.
	Forge forge.Forge
	// ReadOnly sees it with a token that may only read, BadToken with one that
	// the server does not know.
	ReadOnly, BadToken forge.Forge

	Self       string // the login of Forge's token
	Repository string // owner/name
	// Tags are the tags that exist, with their commits: at least v1.0.0, a
	// lightweight tag, and v1.1.0, an annotated one, on the head of main.
	Tags map[string]string

	// AddUser makes an account that may do that much; NoAccess is a stranger.
	AddUser func(t *testing.T, p forge.Permission) (login string)
	// AddTeam makes a team, "org/team", that the token can see.
	AddTeam   func(t *testing.T, members ...string) (team string)
	OpenIssue func(t *testing.T) (number int)
	// OpenPull opens a pull request of a branch of the repository, OpenForkPull
	// one of a fork.
	OpenPull, OpenForkPull func(t *testing.T) (number int, head string)
	Merge                  func(t *testing.T, number int) (commit string)
	// Comment and EditComment are by somebody who is an administrator.
	Comment     func(t *testing.T, at forge.Place, body string) (id string)
	EditComment func(t *testing.T, at forge.Place, id, body string)
	// Sign gives a comment another user's reaction; Signs are all, "login eyes".
	Sign      func(t *testing.T, at forge.Place, id, sign string) (login string)
	Signs     func(t *testing.T, at forge.Place, id string) []string
	SetStatus func(t *testing.T, commit, context, state string)
	// SetCheckRun adds a check run; nil where there are none.
	SetCheckRun func(t *testing.T, commit, name, status, conclusion string)
	// SetTag makes or moves a lightweight tag.
	SetTag func(t *testing.T, name, commit string)
	// AddWorkflow puts a workflow that can be dispatched on main and on the tag
	// v2.0.0, and gives its file's name and main's head.
	AddWorkflow func(t *testing.T) (file, head string)
	// EndRun ends a run with a conclusion other than success, and gives it; nil
	// leaves that out.
	EndRun func(t *testing.T, id string) (conclusion string)
	// AddHook makes a webhook for the event push and gives its id; AwaitHook
	// waits until something was delivered to it.
	AddHook   func(t *testing.T, url string) (id string)
	AwaitHook func(t *testing.T, id string)
	// FailDelivery makes a delivery of a hook that nobody takes, and DeliverOK one
	// that is taken at its second try; nil where Forge has no Missed.
	FailDelivery func(t *testing.T, hook string) (event string, body []byte)
	DeliverLate  func(t *testing.T, hook string)
	// Deployed tells the deployments: "production queued success"; nil where
	// Forge has no Deployments.
	Deployed func(t *testing.T) []string
	// GitLogin tries a login for git over HTTP; nil leaves that out.
	GitLogin func(t *testing.T, user, password string) error

	Traits BotTraits
}

// BotTraits are the differences that the contract allows between forges.
type BotTraits struct {
	// PageSize is the longest page that the forge answers.
	PageSize int
	// CommitComments: people comment on commits.
	CommitComments bool
	// FinePermissions: triage and maintain are known.
	FinePermissions bool
	// AnyState: a status may have any word for its state.
	AnyState bool
	// CancelRuns: a run can be cancelled; else ErrRejected until it has ended.
	CancelRuns bool
	// Words are the events that AddHook subscribes to, as Hooks lists them.
	HookEvents []string
}

// The traits of the forges as they are.
var (
	GitHubBot = BotTraits{PageSize: 100, CommitComments: true, FinePermissions: true, CancelRuns: true, HookEvents: []string{"push"}}
	GiteaBot  = BotTraits{PageSize: 50, AnyState: true, HookEvents: []string{"push"}}
)

type promise struct {
	text string
	run  func(*testing.T, BotSubject)
}

// RunBot holds an implementation against the contracts of Talk, Commits,
// Workflows, Hooks, Missed, Deployments and Credentials, as far as it has them.
// The factory is called for each subtest, from several goroutines.
func RunBot(t *testing.T, factory func(t *testing.T) BotSubject) {
	groups := []struct {
		name     string
		has      func(forge.Forge) bool
		promises []promise
	}{
		{"Talk", has[forge.Talk], talkPromises},
		{"Commits", has[forge.Commits], commitPromises},
		{"Workflows", has[forge.Workflows], workflowPromises},
		{"Hooks", has[forge.Hooks], hookPromises},
		{"Missed", has[forge.Missed], missedPromises},
		{"Deployments", has[forge.Deployments], deploymentPromises},
		{"Credentials", has[forge.Credentials], credentialPromises},
	}
	first := factory(t)
	first.check(t)
	asked := 0
	for _, g := range groups {
		if !g.has(first.Forge) {
			continue
		}
		asked++
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range g.promises {
				t.Run(p.text, func(t *testing.T) {
					t.Parallel()
					p.run(t, factory(t))
				})
			}
		})
	}
	if asked == 0 {
		t.Fatal("the forge has no capability to ask for")
	}
}

func has[C any](f forge.Forge) bool { _, ok := f.(C); return ok }

// must is a capability that the forge was found to have.
func must[C any](t *testing.T, f forge.Forge) C {
	t.Helper()
	c, ok := f.(C)
	if !ok {
		t.Fatalf("%T lacks a capability that another view of the same forge has", f)
	}
	return c
}

// check fails on a factory that leaves something out.
func (s BotSubject) check(t *testing.T) {
	t.Helper()
	complete := s.Forge != nil && s.ReadOnly != nil && s.BadToken != nil && s.Self != "" && s.Repository != "" &&
		s.AddUser != nil && s.AddTeam != nil && s.OpenIssue != nil && s.OpenPull != nil && s.OpenForkPull != nil &&
		s.Merge != nil && s.Comment != nil && s.EditComment != nil && s.Sign != nil && s.Signs != nil && s.SetStatus != nil &&
		s.SetTag != nil && s.AddWorkflow != nil && s.AddHook != nil && s.AwaitHook != nil && s.Traits.PageSize > 0
	if !complete {
		t.Fatal("the factory leaves out a field that is needed")
	}
	if s.Tags["v1.0.0"] == "" || s.Tags["v1.1.0"] == "" {
		t.Fatal("the factory's repository must have the tags v1.0.0 (lightweight) and v1.1.0 (annotated)")
	}
	if has[forge.Missed](s.Forge) && (s.FailDelivery == nil || s.DeliverLate == nil) || has[forge.Deployments](s.Forge) && s.Deployed == nil {
		t.Fatal("the factory leaves out what Missed or Deployments need")
	}
}

// certain fails when an error says that something may have been done.
func certain(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || forge.Uncertain(err) {
		t.Errorf("%s: got %v, uncertain %v; want a certain refusal", what, err, forge.Uncertain(err))
	}
}

// eventually asks until the answer is yes, for ten seconds: what a forge does
// in the background comes later.
func eventually(t *testing.T, what string, yes func(ctx context.Context) bool) {
	t.Helper()
	for begun := time.Now(); !yes(t.Context()); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}
