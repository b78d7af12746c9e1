// Package lang is the language of release packages: Starlark files
// (*.ocu.star) that say which work a release consists of. It evaluates them
// and runs their functions, within limits.
package lang

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Package is what a package file declares. It may be used from several
// goroutines.
type Package struct {
	File         string        // path in the repository, with slashes
	Language     string        // "ocuroot" or "slipway"
	Version      string        // as the file names it, such as "0.3.0"; empty where it names none
	Phases       []Phase       // in order
	Environments []Environment // that register_environment was called with
	Freezes      []Freeze
	MaxParallel  int      // items at once, over all phases; 0 for the runner's own
	Sources      []Source // the file and what it loads, by path
	// Warnings are problems that do not stop the package.
	Warnings release.Problems

	program *program
}

// Phase is work that may run at once. The next phase begins when all of it is
// complete.
type Phase struct {
	Name        string // empty for work outside of a phase, which is a phase of one
	Items       []Item
	MaxParallel int // items at once; 0 for no limit of its own
	Position    Position
}

// Item is a call, a deploy, or a gate alone.
type Item struct {
	Kind       ref.Kind // ref.Call or ref.Deploy; a gate alone is a call without a function
	Name       string   // of a call: unique in the package. Of a deploy: its environment
	Fn         Function // what is run: the call's function, or a deploy's up
	Down       Function // of a deploy
	Verify     Function // of a deploy, run after up; the zero Function for none
	OnFailure  string   // of a deploy with Verify: "down", "restore" or "keep"
	Inputs     map[string]Input
	Annotation string
	Position   Position
}

// Input is where a function's input comes from: exactly one of Value, Ref, Gate,
// or a Default alone. A deploy has the input "environment" by itself.
type Input struct {
	Value   json.RawMessage `json:"value,omitempty"`   // given in the file
	Ref     *ref.Ref        `json:"ref,omitempty"`     // absolute, but for the release: see ref.Ref.Versioned
	Default json.RawMessage `json:"default,omitempty"` // when Ref has no value; nil when it must have one
	Gate    *Gate           `json:"gate,omitempty"`
	Doc     string          `json:"doc,omitempty"` // how a person gives it
}

// Gate is a condition of time or people that an input or a phase waits for.
type Gate struct {
	Name     string        // of an approval: its document is custom/<Name> of the release
	By       []string      // who may approve: users, "@org/team"; empty for everyone who may write the state
	Count    int           // how many of them must; at least 1
	Soak     time.Duration // since the phase before was complete; 0 for an approval
	Position Position
}

// Freeze is a time in which no deploy begins.
type Freeze struct {
	From, Until  time.Time // once; zero for a recurring one
	Cron         string    // begins at each of its times, and lasts Lasts
	Lasts        time.Duration
	Zone         string   // IANA name; "UTC" when none was given
	Environments []string // empty for all
	Reason       string
	Position     Position
}

// Environment is a place to deploy to.
type Environment struct {
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
}

// Function is a function at the top level of a package file. The zero value is
// none.
type Function struct {
	Name string `json:"name,omitempty"`
	File string `json:"file,omitempty"` // path in the repository
	Line int    `json:"line,omitempty"`
}

// Position is a place in a file, from 1.
type Position struct {
	File         string
	Line, Column int
}

// Source is a file that an evaluation read.
type Source struct{ Path, SHA256 string }

// Result is what a function returned: exactly one is set.
type Result struct {
	Done *Done
	Next *Next
}

// Done ends a chain of functions.
type Done struct {
	Output     map[string]json.RawMessage
	Annotation string
	Tags       []string // of the release: letters, digits, "-", "_", "."; not of the form r7
}

// Next goes on with another function.
type Next struct {
	Fn         Function
	Inputs     map[string]Input
	Annotation string
}

// Options are what an evaluation needs.
type Options struct {
	Root fs.FS   // of the repository
	Self ref.Ref // the package's repository, file and release
	// Environments are the registered ones, for environments().
	Environments []Environment
	Host         Host
	HTTP         *http.Client // for http.get and the like
	Log          Log          // what print says while the file is evaluated
	Limits       Limits
}

// Limits bound one evaluation or function. Zero values stand for the defaults.
type Limits struct {
	Steps  uint64        // Starlark's computation steps
	Memory uint64        // bytes by which the process's heap may grow
	Time   time.Duration // of the file's evaluation; functions have Run's context
	Output int           // bytes of one function's outputs as JSON
	Stream int           // bytes that a script may print to each of its streams
}

// Host is the machine that host.shell and the like run on.
//
// Paths are relative to the package file's folder. A host refuses what it does
// not allow with an error of kind release.Refused.
type Host interface {
	OS() string   // as Go names it
	Arch() string // as Go names it
	Env() map[string]string
	// Shell runs a script. A script that ran and failed is no error: its code is
	// in the answer. What it prints goes to the log as it comes, unless Mute.
	Shell(ctx context.Context, s Script, log Log) (Shell, error)
	ReadFile(ctx context.Context, path string) ([]byte, error)
	WriteFile(ctx context.Context, path string, content []byte) error
}

// Script is a shell script to run.
type Script struct {
	Text  string
	Shell string            // "sh" by default
	Dir   string            // the package file's folder, or below; may be absolute on the host
	Env   map[string]string // besides the host's
	Mute  bool
	Most  int // bytes that each captured stream may have; more is an error
}

// Shell is what a script printed and ended with.
type Shell struct {
	Stdout, Stderr, Combined string
	ExitCode                 int
}

// Log takes what a function says, line by line, and the secrets that are to be
// masked in it and everywhere. Methods may be called from several goroutines.
type Log interface {
	Print(line string)  // of print
	Stdout(line string) // of a script
	Stderr(line string)
	Secret(value string)
}
