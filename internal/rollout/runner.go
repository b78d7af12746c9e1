package rollout

import (
	"context"
	"io/fs"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// Runner does the work of release packages. It holds no state of its own: what
// is done is in the Store, and any Runner on the same Store goes on with it.
type Runner struct {
	Store    state.Store
	Source   Source
	Repo     string // name of the repository in references
	Owner    Owner
	By       string // who asks, for the record
	Progress progress.Reporter
	Limits   lang.Limits
	HTTP     *http.Client
	Parallel int // items at once; 0 for 8
	// Freezes are those of the repository, besides a package's own.
	Freezes []lang.Freeze
	// Declared are environments that repo.ocu.star registers: each new release does.
	Declared []lang.Environment
	// Deployments hears what is deployed; nil for nobody. What it fails with is
	// only noted.
	Deployments Deployments
	// Member says whether somebody is in a team ("org/team"); nil when no forge is
	// known.
	Member func(ctx context.Context, team, who string) bool
	// Shipped finds what the forge's release of a release's tag, or of its commit,
	// consists of, as ShippedDocument writes it. It is asked when a reference to
	// "./release" has nothing to refer to yet. An error says why there is nothing:
	// the reference waits then. Nil when no forge is known.
	Shipped func(ctx context.Context, pkg ref.Ref, doc Release) ([]byte, error)

	Now   func() time.Time // nil for the clock
	Lease time.Duration    // how long a claim counts without being renewed; 0 for a minute
	Poll  time.Duration    // how often is looked for what others have done; 0 for half a second

	masks     masks
	shipments shipments
}

// Source opens the repository at a commit.
type Source interface {
	// At gives the files of a commit, and a machine whose scripts run among them.
	// It may be called several times for one commit; Close of the Runner's work
	// ends none of it.
	At(ctx context.Context, commit string) (Checkout, error)
}

// Checkout is the repository at a commit.
type Checkout struct {
	Root fs.FS
	// Host is a machine for a package's scripts. dir is the folder of its file in
	// the repository, with slashes.
	Host func(dir string) lang.Host
}

// Deployments tells a forge what is deployed where.
type Deployments interface {
	// Deployment says how a deploy goes. state is in_progress, success, failure or
	// inactive.
	Deployment(ctx context.Context, d Deployment) error
}

// Deployment is a deploy as a forge shows it.
type Deployment struct {
	Package     ref.Ref // with its release
	Commit      string
	Environment string
	State       string
	Down        bool // it is taken down
	Description string
	URL         string // where it can be looked at: its output url, when it has one
}

func (r *Runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now().UTC()
}

func (r *Runner) lease() time.Duration {
	if r.Lease > 0 {
		return r.Lease
	}
	return time.Minute
}

func (r *Runner) poll() time.Duration {
	if r.Poll > 0 {
		return r.Poll
	}
	return 500 * time.Millisecond
}

func (r *Runner) parallel() int {
	if r.Parallel > 0 {
		return r.Parallel
	}
	return 8
}

func (r *Runner) note(line string) {
	if r.Progress != nil {
		r.Progress.Note(line)
	}
}
