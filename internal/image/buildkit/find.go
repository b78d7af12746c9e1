package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/util/confutil"
	dockerclient "github.com/moby/moby/client"
	"github.com/sirupsen/logrus"

	// The drivers that a builder may have.
	_ "github.com/docker/buildx/driver/docker"
	_ "github.com/docker/buildx/driver/docker-container"
	_ "github.com/docker/buildx/driver/kubernetes"
	_ "github.com/docker/buildx/driver/remote"

	"github.com/slipway-dev/slipway/internal/release"
)

// Options say which builder is meant, and what it may use.
type Options struct {
	Flag   string          // --builder: a name or an address
	Config release.Builder // builder of the config
	Getenv func(string) string
	// Credentials gives the login of a registry (docker.io, ghcr.io:443). Where
	// it gives none, docker's config is asked. nil: only docker's config.
	Credentials func(ctx context.Context, host string) (Login, error)
	// Note hears a line that should stay, such as that a push is tried again.
	Note func(line string)
}

// Where a builder's name came from, as errors and Info say it.
const (
	fromFlag   = "--builder"
	fromConfig = "builder in the config"
	fromEnv    = "BUILDX_BUILDER"
)

// reach bounds how long a builder may take to answer for the first time; slow
// is for addresses that other programs reach.
const (
	reach = 4 * time.Second
	slow  = 20 * time.Second
)

// quiet keeps what buildx and its connections log off stderr, where the live
// view is: all of logrus, and of the standard logger what HTTP/2 says when the
// other side of a build's session hangs up first.
var quiet = sync.OnceFunc(func() {
	logrus.SetOutput(io.Discard)
	log.SetOutput(withoutHTTP2{log.Writer()}) //nolint:forbidigo // it takes lines away, and writes none
})

type withoutHTTP2 struct{ io.Writer }

func (w withoutHTTP2) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("http2: server connection error")) {
		return len(line), nil
	}
	return w.Writer.Write(line)
}

// Find finds the builder: --builder, then the config's, then BUILDX_BUILDER,
// then the docker engine of docker's current context. A builder that somebody
// asked for and that is unknown is release.Invalid, one that does not answer
// release.Failed. When nobody asked for one and no engine answers, the builder
// is nil and reason says why. Close it after use.
func Find(ctx context.Context, o Options) (found *Builder, reason string, err error) {
	quiet()
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	cli, err := newDockerCLI(o.Getenv)
	if err != nil {
		return nil, "", release.Invalidf("mend docker's config.json", "read docker's settings: %v", err)
	}
	dir, err := os.MkdirTemp("", "slipway-buildx-")
	if err != nil {
		return nil, "", fmt.Errorf("make a store for the builder: %w", err)
	}
	b := &Builder{options: o, cli: cli, dir: dir, config: confutil.NewConfig(cli, confutil.WithDir(dir))}
	defer func() {
		if found == nil {
			b.Close()
		}
	}()
	if err := b.identify(); err != nil {
		return nil, "", fmt.Errorf("make a store for the builder: %w", err)
	}
	asked, from := o.asked()
	if from == "" {
		if reason, err = b.engine(ctx); reason != "" || err != nil {
			return nil, reason, err
		}
		return b, "", nil
	}
	b.info.From = from
	if err := b.choose(ctx, asked); err != nil {
		return nil, "", err
	}
	if err := b.look(ctx); err != nil {
		return nil, "", err
	}
	if strings.Contains(asked.Name, "://") {
		b.info.Name = asked.Name // the store's is made up
	}
	return b, "", nil
}

// asked is the builder that somebody asked for, and where; from is empty when
// nobody did.
func (o Options) asked() (asked release.Builder, from string) {
	c := o.Config
	switch {
	case o.Flag != "":
		return release.Builder{Name: o.Flag}, fromFlag
	case c.Name != "" || c.Driver != "" || len(c.Nodes) > 0 || len(c.Options) > 0:
		return c, fromConfig
	case o.Getenv(fromEnv) != "":
		return release.Builder{Name: o.Getenv(fromEnv)}, fromEnv
	}
	return release.Builder{}, ""
}

// engine takes the docker engine of the current context, when it answers.
func (b *Builder) engine(ctx context.Context) (reason string, err error) {
	name := b.cli.current
	ep, err := b.cli.endpoint(name)
	if err != nil {
		return fmt.Sprintf("docker knows no context %s, which %s names", name, b.cli.from), nil //nolint:nilerr // then there is no engine
	}
	b.info.From = b.cli.from
	b.name = name
	if reason := b.ping(ctx, ep.Host); reason != "" {
		return reason, ctx.Err()
	}
	if err := b.look(ctx); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return err.Error(), nil
	}
	if b.info.Driver != "docker" {
		return fmt.Sprintf("the docker engine at %s has no BuildKit", ep.Host), nil
	}
	b.info.Endpoint = ep.Host
	return "", nil
}

// ping is empty when the current context's engine answers, else why not.
func (b *Builder) ping(ctx context.Context, host string) (reason string) {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	if _, err := b.cli.Client().Ping(ctx, dockerclient.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return fmt.Sprintf("no docker engine answers at %s (%s)", host, b.cli.from)
	}
	return ""
}

// open makes buildx's builder anew, with nodes and connections of its own.
func (b *Builder) open(ctx context.Context, o ...builder.LoadNodesOption) (*builder.Builder, error) {
	txn, release, err := b.store()
	if err != nil {
		return nil, err
	}
	bx, err := builder.New(b.cli, builder.WithName(b.name), builder.WithStore(txn), builder.WithSkippedValidation())
	release()
	if err != nil {
		return nil, err
	}
	_, err = bx.LoadNodes(ctx, o...)
	return bx, err
}

// look asks every node what it is, within bounds.
func (b *Builder) look(ctx context.Context) error {
	limit := reach
	if b.slow {
		limit = slow
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	bx, err := b.open(within, builder.WithData())
	if bx != nil {
		defer closeNodes(within, bx.Nodes())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return b.unreached(b.name, err)
	}
	for _, n := range bx.Nodes() {
		if err := b.answers(ctx, n, limit); err != nil {
			return err
		}
	}
	b.info.read(within, bx)
	return nil
}

// answers is nil for a node that runs or that can be started.
func (b *Builder) answers(ctx context.Context, n builder.Node, limit time.Duration) error {
	if n.Driver == nil {
		return b.invalid(n.Err) // it was not even tried
	}
	if n.Err != nil {
		return b.unreached(n.Endpoint, n.Err)
	}
	running := n.DriverInfo != nil && n.DriverInfo.Status == driver.Running
	if running || n.Driver.Factory().Name() != "remote" {
		return nil // the other drivers start what does not run
	}
	// buildx only says that it is not running; the connection itself says why.
	ctx, cancel := context.WithTimeout(ctx, limit/2)
	defer cancel()
	conn, err := n.Driver.Dial(ctx)
	if err == nil {
		_ = conn.Close()
		err = errors.New("what answers there is no BuildKit")
	}
	return b.unreached(n.Endpoint, err)
}

func (b *Builder) unreached(endpoint string, err error) error {
	return &release.Error{
		Kind:    release.Failed,
		Message: fmt.Sprintf("the builder at %s (%s) can't be reached: %s", endpoint, b.info.From, lastCause(err)),
		Hint:    "start BuildKit there, or name another builder with --builder",
	}
}

// lastCause is an error on one line.
func lastCause(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
