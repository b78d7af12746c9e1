// Package ocuroot reads the state that Ocuroot 0.3 left in a folder or on a git
// branch, so that its users can go on with Slipway.
package ocuroot

import (
	"context"
	"encoding/json"
	"io/fs"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// State is what was read, in Slipway's terms. Lists are sorted.
type State struct {
	Version      int // of the store's layout, as Ocuroot counts it
	Environments []Environment
	Releases     []Release // by package and number
	Live         []Live    // by package and environment
	Custom       []Value
	Intents      []Intent
	// Skipped is everything that was found and is not in the rest.
	Skipped []Skipped
}

// Environment is a place to deploy to.
type Environment struct {
	Name       string
	Attributes map[string]string
}

// Release is one release of a package.
type Release struct {
	Package ref.Ref // repository and file
	Number  int
	ID      string // as Ocuroot wrote it: "r7", "7", or "<commit>.1" in its first layout
	Commit  string
	Created time.Time // zero when it is not known
	Tags    []string
	Items   []Item // in the order of the package's phases, then by kind and name
}

// Item is a call or a deploy of a release.
type Item struct {
	Kind  ref.Kind
	Name  string
	Phase string // the phase's name; empty for work outside of one
	Runs  []Run  // by number
	// Output is that of the last run that was complete, a JSON object; nil when
	// there is none.
	Output json.RawMessage
}

// Status is how far a run is.
type Status string

// The states of a run. Ocuroot's "paused" is read as pending.
const (
	Pending   Status = "pending"
	Running   Status = "running"
	Complete  Status = "complete"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Run is one try at an item.
type Run struct {
	Number    int
	Down      bool // a deploy that was taken away
	Status    Status
	Retried   bool      // failed, and a later run took its place
	Changed   time.Time // when it got its status; zero when it is not known
	Functions []Function
	Output    json.RawMessage // a JSON object; nil when there is none
	LogFiles  []string        // in the store; read them with Logs
}

// Function is one function of a run's chain.
type Function struct {
	Name     string
	Position string // file:line:column
	Inputs   map[string]Input
}

// Input is an input as Ocuroot kept it.
type Input struct {
	Ref            string          // as it is written there; empty for none
	Value, Default json.RawMessage // Value is what the reference had; nil for none
}

// Live is a deployment that is in place.
type Live struct {
	Package     ref.Ref
	Environment string
	Release     int // number
	Run         int // 0 when it is not known
	Inputs      map[string]Input
	Output      json.RawMessage
}

// Value is a custom value: its reference, in canonical form with the release's
// number, and its JSON.
type Value struct {
	Ref  ref.Ref
	JSON json.RawMessage
}

// Intent is what somebody wished: an environment, a custom value, or a
// deployment.
type Intent struct {
	Ref    ref.Ref // with "+"
	JSON   json.RawMessage
	Deploy *DeployIntent // for a deployment
}

// DeployIntent is which release is to run in an environment, and with what.
type DeployIntent struct {
	Release int // number
	Inputs  map[string]Input
}

// Skipped is something that is not taken over.
type Skipped struct {
	Path   string // of the file or folder in the store
	Reason string
}

// Read reads a store's root, and the root of the intent store that stood beside
// it (nil for none). Something that can't be understood is in State.Skipped. An
// error is of kind release.Invalid when the folder is no store of a known
// version.
func Read(ctx context.Context, fsys, intent fs.FS) (State, error) {
	c := newCollector()
	version, err := readInfo(fsys, "the state")
	if err != nil {
		return State{}, err
	}
	if err := walk(ctx, fsys, c, c.state); err != nil {
		return State{}, err
	}
	if intent != nil {
		if _, err := readInfo(intent, "the intent"); err != nil {
			return State{}, err
		}
		c.prefix = "intent: "
		if err := walk(ctx, intent, c, c.intent); err != nil {
			return State{}, err
		}
	}
	s := c.finish()
	s.Version = version
	return s, nil
}
