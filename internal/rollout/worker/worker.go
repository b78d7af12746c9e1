// Package worker has rollouts done by a process of their own, which has neither
// the secrets nor the database of the one that starts it: it is told by a pipe
// what to do, and asks by another for the state and for what a forge knows.
package worker

import (
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
)

// Action is what a worker is asked for.
type Action string

// The actions.
const (
	// Carry makes the release of a package at a commit, or finds the one that is
	// there, and does its work as far as that goes.
	Carry Action = "carry"
	// Retry is Carry that runs failed items again.
	Retry Action = "retry"
	// Approve writes an approval down, and does no work.
	Approve Action = "approve"
	// Deploy deploys a release into an environment.
	Deploy Action = "deploy"
	// Rollback deploys what was in an environment before, or a given release.
	Rollback Action = "rollback"
	// Continue does what is outstanding besides: what other releases have changed.
	Continue Action = "continue"
)

// Request is what a worker is asked for, with all that it may know.
type Request struct {
	Action Action `json:"action"`
	// Package is a file in the repository. Approve, Deploy and Rollback find the
	// one that is meant when it is empty.
	Package     string `json:"package,omitempty"`
	Commit      string `json:"commit,omitempty"`  // of Carry; of others where repo.ocu.star is read
	Tag         string `json:"tag,omitempty"`     // of the forge's release that is carried out
	Release     string `json:"release,omitempty"` // "r7", a tag of the package's, the forge's tag, or a commit; empty for the newest
	Environment string `json:"environment,omitempty"`
	Approval    string `json:"approval,omitempty"` // its name
	By          string `json:"by,omitempty"`       // who asks
	// Only writes down what is asked for, and does no work: somebody else will.
	Only bool `json:"only,omitempty"`
	// Leave are the releases that Continue does nothing of: somebody stopped them.
	Leave []Left `json:"leave,omitempty"`

	Git    string `json:"git"`   // folder of the repository
	Trees  string `json:"trees"` // folder for checkouts
	Name   string `json:"name"`  // of the repository in references, unless repo.ocu.star gives one
	Limits Limits `json:"limits"`
	Host   Host   `json:"host"`
}

// Left is a release that is left as it is.
type Left struct {
	Package string `json:"package"`
	Commit  string `json:"commit"`
}

// Limits bound a worker.
type Limits struct {
	Memory  int64         `json:"memory,omitempty"` // bytes that evaluating may take
	Time    time.Duration `json:"time,omitempty"`   // for all of it
	Private bool          `json:"private,omitempty"`
}

// Host says where scripts run: plain on this machine, in an image, or nowhere.
type Host struct {
	Local   bool              `json:"local,omitempty"`
	Image   string            `json:"image,omitempty"`
	Builder string            `json:"builder,omitempty"` // that the image runs in
	Env     map[string]string `json:"env,omitempty"`     // what scripts see besides the least
}

// Outcome is how a worker's work stands at its end.
type Outcome struct {
	Release string         `json:"release,omitempty"` // ref of the release it is about
	Status  rollout.Status `json:"status,omitempty"`
	Summary string         `json:"summary,omitempty"`
	Waits   []string       `json:"waits,omitempty"`
	Until   time.Time      `json:"until,omitzero"` // the soonest time at which that may change by itself
	Failed  string         `json:"failed,omitempty"`
	Hint    string         `json:"hint,omitempty"`
	Items   []Item         `json:"items,omitempty"`
	// Wish is the ref of what is to be deployed, when that was only written down.
	Wish string `json:"wish,omitempty"`
	// Changed says that something was put out or deployed, which others may wait
	// for.
	Changed bool `json:"changed,omitempty"`
	// Elsewhere are releases of other repositories that have not ended.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// Item is an item of a release at a glance.
type Item struct {
	Phase  string         `json:"phase,omitempty"`
	Key    string         `json:"key"` // "deploy/production"
	Status rollout.Status `json:"status"`
	Text   string         `json:"text,omitempty"` // outputs, what it waits for, or why it failed
}

// Event is what a worker tells while it works.
type Event struct {
	Kind  string `json:"kind"` // stage, stage-done, task, output, task-done, note, at
	Stage int    `json:"stage,omitempty"`
	Task  int    `json:"task,omitempty"`
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// Fault is an error on its way from one process to the other.
type Fault struct {
	Kind    int    `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	return &Fault{Kind: int(release.KindOf(err)), Message: err.Error(), Hint: release.HintOf(err)}
}

func (f *Fault) err() error {
	if f == nil {
		return nil
	}
	return &release.Error{Kind: release.Kind(f.Kind), Message: f.Message, Hint: f.Hint}
}
