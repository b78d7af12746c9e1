package onforge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/rollout"
)

// Deployments tells a forge what is deployed where, beside the work itself:
// nothing of it waits for the forge.
type Deployments struct {
	open   func(context.Context) (forge.Forge, error)
	logURL string
	note   func(string)
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	queue  []rollout.Deployment
	closed bool
	wake   chan struct{}

	// What follows is the teller's own.
	to     forge.Deployments
	made   map[string]string // deployments by package, release and environment
	faults int
	mute   bool
}

// mostFaults is after how many failures in a row nothing more is told.
const mostFaults = 3

// farewell is how long Close waits for what is left to be told.
const farewell = 20 * time.Second

// NewDeployments begins to tell. open is asked once, for the first deployment; a
// forge without deployments is told nothing. logURL is where the work can be
// followed, or empty; note hears why something was not told.
func NewDeployments(ctx context.Context, open func(context.Context) (forge.Forge, error), logURL string, note func(string)) *Deployments {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &Deployments{open: open, logURL: logURL, note: note, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1), made: map[string]string{}}
	go d.work(ctx)
	return d
}

// Deployment implements rollout.Deployments; it does not wait for the forge.
func (d *Deployments) Deployment(_ context.Context, x rollout.Deployment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.queue = append(d.queue, x)
		d.awake()
	}
	return nil
}

func (d *Deployments) awake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close returns when all is told, or when that takes too long.
func (d *Deployments) Close() error {
	d.mu.Lock()
	d.closed = true
	d.awake()
	d.mu.Unlock()
	select {
	case <-d.ended:
	case <-time.After(farewell):
		d.note("the forge was not told of all deploys in time")
	}
	d.cancel()
	<-d.ended
	return nil
}

func (d *Deployments) work(ctx context.Context) {
	defer close(d.ended)
	for range d.wake {
		for {
			d.mu.Lock()
			if len(d.queue) == 0 {
				closed := d.closed
				d.mu.Unlock()
				if closed {
					return
				}
				break
			}
			next := d.queue[0]
			d.queue = d.queue[1:]
			d.mu.Unlock()
			d.one(ctx, next)
		}
	}
}

// one tells of one deploy. After several faults in a row, or one that stays,
// nothing more is tried.
func (d *Deployments) one(ctx context.Context, x rollout.Deployment) {
	if d.mute || ctx.Err() != nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	err := d.connected(limited)
	if err == nil && d.to != nil {
		err = d.tell(limited, x)
	}
	if err == nil {
		d.faults = 0
		return
	}
	if ctx.Err() != nil {
		return
	}
	stays := errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrUnauthorized) || errors.Is(err, forge.ErrNotFound)
	if d.faults++; stays || d.faults == mostFaults || d.to == nil {
		d.mute = true
		hint := ""
		if stays {
			hint = " (a token needs `deployments: write`)"
		}
		d.note("the forge is not told of deploys: " + err.Error() + hint)
		return
	}
	d.note("the forge was not told of the deploy to " + x.Environment + ": " + err.Error())
}

func (d *Deployments) connected(ctx context.Context) error {
	if d.to != nil {
		return nil
	}
	f, err := d.open(ctx)
	if err != nil {
		return err
	}
	var ok bool
	if d.to, ok = f.(forge.Deployments); !ok {
		d.mute = true // it has none, and that is no fault
	}
	return nil
}

func (d *Deployments) tell(ctx context.Context, x rollout.Deployment) error {
	key := x.Package.String() + " " + x.Environment
	if x.Down {
		if x.State != "inactive" {
			return nil // what is there stays there until it is down
		}
		return d.retire(ctx, x, "")
	}
	id := d.made[key]
	if id == "" {
		var err error
		id, err = d.to.CreateDeployment(ctx, forge.Deployment{Ref: x.Commit, Environment: x.Environment, Description: description(x)})
		if err != nil {
			return err
		}
		d.made[key] = id
	}
	s := forge.DeploymentStatus{State: x.State, LogURL: d.logURL, SiteURL: x.URL, Description: firstLine(x.Description)}
	if x.State != "in_progress" {
		delete(d.made, key)
	}
	if err := d.to.SetDeploymentStatus(ctx, id, s); err != nil || x.State != "success" {
		return err
	}
	return d.retire(ctx, x, id)
}

// retire marks the package's earlier deployments to an environment as no longer
// there: the last ones, of which all but one failed or are marked already.
func (d *Deployments) retire(ctx context.Context, x rollout.Deployment, besides string) error {
	all, err := d.to.DeploymentsTo(ctx, x.Environment, 30)
	if err != nil {
		return err
	}
	left := 3
	for _, was := range all {
		if was.ID == besides || !strings.HasSuffix(was.Description, ofPackage(x)) || left == 0 {
			continue
		}
		left--
		if err := d.to.SetDeploymentStatus(ctx, was.ID, forge.DeploymentStatus{State: "inactive"}); err != nil {
			return err
		}
	}
	return nil
}

// description names the release; a package's deployments are found again by it.
func description(x rollout.Deployment) string { return x.Package.Release + ofPackage(x) }

func ofPackage(x rollout.Deployment) string {
	path := x.Package.Path
	if most := 100; len(path) > most { // it must not be cut
		path = strings.ToValidUTF8(path[len(path)-most:], "")
	}
	return " of " + path
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// LogURL is the page of the workflow's run that this process is in, or empty.
func LogURL(getenv func(string) string) string {
	server, repository, run := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID")
	if server == "" || repository == "" || run == "" {
		return ""
	}
	return strings.TrimSuffix(server, "/") + "/" + repository + "/actions/runs/" + run
}

var _ rollout.Deployments = (*Deployments)(nil)
