// Package ledger is the bot's memory in a database (SQLite or PostgreSQL):
// deliveries, the operations they ask for, and the River jobs that carry them
// out, so that nothing that was acknowledged is lost and nothing is done twice.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Delivery is one webhook delivery, kept as it came.
type Delivery struct {
	ID         int64           `json:"id"`
	Forge      string          `json:"forge"` // the forge's name in the bot's config
	Event      string          `json:"event"` // the forge's own word, as in its header
	GUID       string          `json:"guid"`
	Repository string          `json:"repository"` // owner/name, lower case; empty when it is of none
	Received   time.Time       `json:"received"`
	Body       []byte          `json:"-"`       // the raw JSON
	Outcome    DeliveryOutcome `json:"outcome"` // pending until its job has run
	Reason     string          `json:"reason,omitempty"`
	Operations []int64         `json:"operations,omitempty"` // that it asked for, new or folded into
	Processed  time.Time       `json:"processed,omitzero"`
}

// DeliveryOutcome is what became of a delivery.
type DeliveryOutcome string

// What becomes of deliveries.
const (
	Pending DeliveryOutcome = "pending" // its job has yet to run
	Ignored DeliveryOutcome = "ignored" // it asks for nothing; Reason says why
	Queued  DeliveryOutcome = "queued"  // it made at least one new operation
	Folded  DeliveryOutcome = "folded"  // all it asks for was asked for before
	Invalid DeliveryOutcome = "invalid" // its body is not what its event promises
)

// Lane keeps operations of one repository in order: within a lane they run one
// after another, oldest first; the lanes go side by side.
type Lane string

// The lanes.
const (
	Releases Lane = "release"
	Commands Lane = "command"
	Rollouts Lane = "rollout"
)

// NewOperation is a piece of work that somebody asked for.
type NewOperation struct {
	// Identity is the same for all who ask for the same; unique in the ledger.
	Identity   string
	Lane       Lane
	Kind       string // the bot's word for its handler: "release", "promote", "command"
	Forge      string
	Repository string // owner/name, lower case
	Ref        string // "refs/tags/v1.0.0", empty when there is none
	Commit     string // full hash, empty when it is not known yet
	Class      string
	Actor      string // the login of who asked, "schedule" or "catch-up"
	Cause      string // a sentence: what asked for it
	Delivery   int64  // 0 when none did
	// Input is for the handler alone.
	Input json.RawMessage
}

// OperationState is how an operation stands.
type OperationState string

// The states of operations. Running ones have a lease that their process
// renews; the last four are final, until Retry.
const (
	OpQueued    OperationState = "queued"
	OpRunning   OperationState = "running"
	OpWaiting   OperationState = "waiting" // for its next try, at NextTry
	OpDone      OperationState = "done"
	OpFailed    OperationState = "failed"
	OpRefused   OperationState = "refused"
	OpCancelled OperationState = "cancelled"
)

// Final reports whether nothing more happens to the operation by itself.
func (s OperationState) Final() bool {
	return s == OpDone || s == OpFailed || s == OpRefused || s == OpCancelled
}

// Operation is an operation as the ledger has it.
type Operation struct {
	NewOperation
	ID       int64
	State    OperationState
	Attempt  int // how often it was begun
	Folds    int // how often it was asked for again
	Created  time.Time
	Started  time.Time // of the last attempt
	Finished time.Time
	NextTry  time.Time
	Summary  string          // a sentence: how it ended, or why it waits
	Memory   json.RawMessage // what the handler keeps from one attempt to the next
	Report   json.RawMessage // what it ended with, the handler's document
}

// Result is how an attempt at an operation ended.
type Result struct {
	State   OperationState // OpDone, OpFailed, OpRefused, OpCancelled, or OpWaiting for another try
	Summary string
	Report  json.RawMessage
	After   time.Duration // with OpWaiting: the wait; 0 takes the ledger's backoff (15 s doubling to 10 min, ± 10 %)
	// Next are further operations, made in the transaction that ends this one.
	Next []NewOperation
}

// Verdict is what a delivery asks for.
type Verdict struct {
	Outcome    DeliveryOutcome // Ignored or Invalid; with Operations it is found by the ledger
	Reason     string
	Operations []NewOperation
	// Supersede frees the identities of the operations of these refs in the
	// delivery's repository that run or are final: their tag is gone, and may come
	// back.
	Supersede []string
}

// Handler does the bot's work. Its methods are called from several goroutines.
// The context ends with cause ErrCancelled, ErrLeaseLost or ErrDraining.
type Handler interface {
	// Deliver decides what a delivery asks for. It waits for no network. An
	// error is retried.
	Deliver(ctx context.Context, d Delivery) (Verdict, error)
	// Operate makes one attempt at an operation. After ErrDraining and
	// ErrLeaseLost its result does not count: the operation is begun again.
	Operate(ctx context.Context, op Operation) Result
	// Reconcile compares a repository with the ledger.
	Reconcile(ctx context.Context, forge, repository string) error
}

// Why a handler's context ended.
var (
	ErrCancelled = errors.New("it was cancelled on request")
	ErrLeaseLost = errors.New("another replica has taken it over")
	ErrDraining  = errors.New("the bot is shutting down")
)

// ErrNotFound means that there is no such delivery or operation.
var ErrNotFound = errors.New("not found")

// ErrBusy means that the ledger takes nothing now; ask again later.
var ErrBusy = errors.New("the ledger takes nothing now")

// AuditEntry says who did what, when, on which commit, with which outcome.
type AuditEntry struct {
	ID         int64     `json:"id"`
	At         time.Time `json:"at"`
	Actor      string    `json:"actor"`
	Action     string    `json:"action"` // the operation's kind, "cancel", "hold", "retry" …
	Forge      string    `json:"forge"`
	Repository string    `json:"repository"`
	Ref        string    `json:"ref,omitempty"`
	Commit     string    `json:"commit,omitempty"`
	Operation  int64     `json:"operation,omitempty"`
	Delivery   int64     `json:"delivery,omitempty"`
	Outcome    string    `json:"outcome"`
	Detail     string    `json:"detail,omitempty"`
}
