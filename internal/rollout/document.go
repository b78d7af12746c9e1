// Package rollout carries a release to its environments: the work that a
// release package (package lang) names, in phases, recorded by ref in the
// state, so that any process can go on with what another began.
package rollout

import (
	"encoding/json"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// Status is how far a release or an item of it is.
type Status string

// The states of an item and of a release. Waiting, of an item, means that a
// dependency is missing; of a release, that nothing of it can go on.
const (
	Pending    Status = "pending"
	Waiting    Status = "waiting"
	Running    Status = "running"
	Complete   Status = "complete"
	Failed     Status = "failed"
	Superseded Status = "superseded" // a deploy that a newer release was ahead of
	Removed    Status = "removed"    // a deploy that was taken down because it was asked for
	Gone       Status = "gone"       // a deploy that went with its environment, and comes back with it
)

// ended says whether an item stands in no way of the next phase.
func (s Status) ended() bool { return s == Complete || s == Superseded || s == Removed }

// Release is the document PACKAGE/@r7.
type Release struct {
	Release string        `json:"release"` // its own ref
	Number  int           `json:"number"`  // from 1, counted by package
	Commit  string        `json:"commit"`
	Tag     string        `json:"tag,omitempty"` // of the forge's release that it carries out
	Status  Status        `json:"status"`
	Waits   []string      `json:"waits,omitempty"` // what for, in words
	Tags    []string      `json:"tags,omitempty"`  // that its functions gave it
	Created time.Time     `json:"created"`
	Updated time.Time     `json:"updated"`
	By      string        `json:"by,omitempty"`
	Phases  []Phase       `json:"phases"`
	Sources []lang.Source `json:"sources,omitempty"` // what the package consisted of
	// Environments is a hash of those that the package was evaluated with: with the
	// same ones it says the same.
	Environments string `json:"environments,omitempty"`
}

// Phase is a phase of a release, as its package named it when it was last
// evaluated.
type Phase struct {
	Name  string   `json:"name,omitempty"`
	Items []string `json:"items"` // "call/build", "deploy/staging"
}

// Item is the document of a call or a deploy in a release
// (PACKAGE/@r7/call/build), of one run of it (…/build/1), of the last successful
// call (PACKAGE/@/call/build), and of what is deployed now
// (PACKAGE/@/deploy/production).
type Item struct {
	Release string                     `json:"release"` // the ref of its release
	Commit  string                     `json:"commit"`
	Status  Status                     `json:"status"`
	Run     int                        `json:"run"`              // the run that this tells of, from 1
	Inputs  map[string]json.RawMessage `json:"inputs,omitempty"` // as they were when it began
	Output  map[string]json.RawMessage `json:"output,omitempty"`
	// Follows are the references that a deploy's inputs came from, with their
	// defaults; its own outputs are left out. What is deployed follows them.
	Follows map[string]lang.Input `json:"follows,omitempty"`
	Waits   []Wait                `json:"waits,omitempty"`
	Next    *Step                 `json:"next,omitempty"`  // where a chain goes on
	Steps   []string              `json:"steps,omitempty"` // functions of the chain that returned
	Error   *Failure              `json:"error,omitempty"`
	Started *time.Time            `json:"started,omitempty"`
	Ended   *time.Time            `json:"ended,omitempty"`
	// Annotation is what the file or the function says of it.
	Annotation string `json:"annotation,omitempty"`
	Down       bool   `json:"down,omitempty"` // the run took it down
	// DownWith is the function that takes down what a deploy put up.
	DownWith *lang.Function `json:"downWith,omitempty"`
	// Recorded is set by a retry that is to use the inputs as they were.
	Recorded bool `json:"recorded,omitempty"`
	// Pinned is set on what a rollback deployed: it does not follow its inputs
	// until a release deploys again.
	Pinned bool `json:"pinned,omitempty"`
}

// Step is a function that a chain goes on with.
type Step struct {
	Function   lang.Function         `json:"function"`
	Inputs     map[string]lang.Input `json:"inputs,omitempty"`
	Annotation string                `json:"annotation,omitempty"`
}

// Wait is something that an item waits for.
type Wait struct {
	Input  string    `json:"input,omitempty"` // of the item
	Ref    string    `json:"ref,omitempty"`   // that has no value yet
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"` // of a soak or a freeze
	Hint   string    `json:"hint,omitempty"`
}

// Failure is why a run failed.
type Failure struct {
	Message   string   `json:"message"`
	Hint      string   `json:"hint,omitempty"`
	Backtrace []string `json:"backtrace,omitempty"` // innermost last
}

// Logs is the document …/build/1/logs.
type Logs struct {
	Lines   []Line `json:"lines"`
	Dropped int    `json:"dropped,omitempty"` // lines between the first and the last ones
}

// Line is a line that a run printed, without its secrets.
type Line struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // print, stdout or stderr
	Text   string    `json:"text"`
}

// Intent is a wish: the document of a ref with "+". It is deleted when it has
// been brought about.
type Intent struct {
	Set    json.RawMessage `json:"set,omitempty"`
	Delete bool            `json:"delete,omitempty"`
	By     string          `json:"by,omitempty"`
	At     time.Time       `json:"at"`
}

// DeployIntent is the value of an intent PACKAGE/+/deploy/ENVIRONMENT.
type DeployIntent struct {
	Release string                     `json:"release,omitempty"` // "r6"; empty for the one that is there
	Inputs  map[string]json.RawMessage `json:"inputs,omitempty"`  // instead of the recorded ones
}

// latest is the document PACKAGE/@: which releases there are.
type latest struct {
	Number  int       `json:"number"` // of the newest
	Updated time.Time `json:"updated"`
}

// pointer is the document of a tag (PACKAGE/@1.2.0) and of a commit
// (PACKAGE/@/commit/4f70…): the release meant.
type pointer struct {
	Release string `json:"release"` // "r7"
}

// Approval is the value of custom/approval when it was given by name.
type Approval struct {
	Approvals []Approved `json:"approvals"`
}

// Approved is one person's approval.
type Approved struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// FreezeDoc is the value of @/freeze/NAME: nothing is deployed until then.
type FreezeDoc struct {
	Until        time.Time `json:"until,omitzero"` // zero: until it is lifted
	Environments []string  `json:"environments,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	By           string    `json:"by,omitempty"`
	At           time.Time `json:"at"`
}
