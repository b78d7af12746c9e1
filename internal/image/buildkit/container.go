package buildkit

import (
	"context"
	"errors"
	"io"
	"maps"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/slipway-dev/slipway/internal/release"
)

// ContainerDir is where a container has the folder that it was made with.
const ContainerDir = "/src"

// ContainerOptions say what a container is made of.
type ContainerOptions struct {
	Name  string // what it is for, at the beginning of errors
	Image string // a reference; the image needs sh and cat
	// Setting is what names the image, for hints: "rollout.image in bot.yaml".
	Setting string
	// Folder is uploaded to ContainerDir whole, with what a build would leave out
	// of it. It is never written to. Empty: none.
	Folder string
}

// Process is a program to run in a container. It is an alias, so that packages
// that know nothing of each other can mean the same.
type Process = struct {
	Args           []string
	Env            []string // KEY=value: all that it sees, but for PATH, HOME and PWD where they are missing
	Dir            string   // absolute, there
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Container is a container that a builder keeps until it is closed: what one
// program writes is there for the next, and nothing of it stays with the builder
// in the end. Programs run as root, on the builder's own platform, with the
// network that builds have. It may be used from several goroutines.
type Container struct {
	options  ContainerOptions
	platform release.Platform
	env      map[string]string
	shell    string // sh, and cat, as the image has them
	cat      string

	runs  chan *run
	close context.CancelFunc
	ended chan struct{} // the builder has let go of it
	err   error         // why it ended, if nobody asked for that; after ended
}

// letGo bounds how long a builder may take to end a container.
const letGo = 10 * time.Second

// Container makes a container of an image. It lives until Close, or until ctx
// ends. An image that is missing, that is not for the builder's platform, or that
// has no shell is release.Invalid; one that may not be read is release.Refused.
func (b *Builder) Container(ctx context.Context, o ContainerOptions) (*Container, error) {
	asked, end := context.WithCancel(ctx)
	c := &Container{options: o, runs: make(chan *run), close: end, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(c.ended)
		err := c.live(asked, b, ready)
		if asked.Err() == nil {
			c.err = err
		}
		end()
	}()
	select {
	case <-ready:
		return c, nil
	case <-c.ended:
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, c.err
}

// Image is the image that the container was made of.
func (c *Container) Image() string { return c.options.Image }

// Platform is the image's.
func (c *Container) Platform() release.Platform { return c.platform }

// Env is the environment that the image brings, PATH always among it. Programs
// get only what a Process says.
func (c *Container) Env() map[string]string { return maps.Clone(c.env) }

// Close kills what runs in the container and returns when it is gone.
func (c *Container) Close() error {
	c.close()
	<-c.ended
	return c.err
}

// live keeps the container until asked ends. ready is closed once programs can
// be run.
func (c *Container) live(asked context.Context, b *Builder, ready chan<- struct{}) error {
	// The connection outlasts what is asked, for it is needed to let go.
	life, kill := context.WithCancel(context.WithoutCancel(asked))
	defer kill()
	hasty := context.AfterFunc(asked, kill)
	nodes, done, err := b.boot(life, nil)
	if err != nil {
		return err
	}
	defer done()
	builder, err := nodes[0].Driver.Client(life)
	if err != nil {
		return b.unreached(nodes[0].Endpoint, err)
	}
	if !hasty() {
		return context.Cause(asked)
	}
	defer context.AfterFunc(asked, func() { time.AfterFunc(2*letGo, kill) })()
	up, err := newUpload(c.options.Folder)
	if err != nil {
		return err
	}
	defer up.remove(context.WithoutCancel(asked), builder)
	var failed error
	id := identity.NewID()
	_, err = builder.Build(life, client.SolveOpt{Ref: id, LocalMounts: up.mounts, Session: []session.Attachable{b.login()}, Internal: true}, "",
		func(gone context.Context, gw gateway.Client) (*gateway.Result, error) {
			failed = c.serve(gone, asked, gw, up, watch(gone, builder, id), ready)
			return gateway.NewResult(), failed
		}, nil)
	if failed != nil {
		return failed
	}
	return c.broken(err)
}

// watch gives the error with which the connection of a build breaks off: BuildKit's
// client itself would wait on.
func watch(ctx context.Context, builder *client.Client, id string) <-chan error {
	lost := make(chan error, 1)
	go func() {
		status, err := builder.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: id})
		for err == nil {
			_, err = status.Recv()
		}
		lost <- err
	}()
	return lost
}

// serve makes the container and runs programs in it, until asked ends or the
// connection is lost.
func (c *Container) serve(gone, asked context.Context, gw gateway.Client, up upload, lost <-chan error, ready chan<- struct{}) error {
	making, cancel := context.WithCancel(gone)
	defer cancel()
	defer context.AfterFunc(asked, cancel)()
	ctr, err := c.make(making, gw, up)
	if err != nil {
		return err
	}
	defer func() {
		within, cancel := context.WithTimeout(context.WithoutCancel(gone), letGo)
		defer cancel()
		_ = ctr.Release(within) // its error is that of the programs that it killed
	}()
	held, err := c.begin(making, gone, ctr, lost)
	if err != nil {
		return err
	}
	close(ready)
	for {
		select {
		case r := <-c.runs:
			go r.serve(gone, c, ctr)
		case <-asked.Done():
			return nil
		case err := <-lost:
			return c.broken(err)
		case <-held:
			return release.Failf("a program may have ended what holds the container, or the machine had no memory left", "%s: the container of %s ended", c.options.Name, c.options.Image)
		}
	}
}

// broken is what became of a container whose connection ended by itself.
func (c *Container) broken(err error) error {
	if err == nil {
		return nil
	}
	text := c.explainer().clean(err.Error())
	switch grpcerrors.Code(err) {
	case codes.Unavailable, codes.Canceled:
		return release.Failf("run it again when the builder answers", "%s: the connection to the builder broke off: %s", c.options.Name, text)
	}
	return release.Failf("", "%s: the container of %s: %s", c.options.Name, c.options.Image, firstLine(text))
}

func (c *Container) explainer() explainer {
	return explainer{request: Request{Name: c.options.Name, Command: c.options.Image}, mask: masker(nil)}
}

// gone is the error of a container that has ended.
func (c *Container) gone() error {
	if c.err != nil {
		return c.err
	}
	return release.Failf("", "%s: the container of %s is closed", c.options.Name, c.options.Image)
}

// named adds what names the image to an error's hint.
func (c *Container) named(err error) error {
	var e *release.Error
	if c.options.Setting == "" || !errors.As(err, &e) {
		return err
	}
	own := *e
	if own.Hint != "" {
		own.Hint += "; "
	}
	own.Hint += "the image is that of " + c.options.Setting
	return &own
}
