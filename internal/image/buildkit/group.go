package buildkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/buildx/builder"
	remoteutil "github.com/docker/buildx/driver/remote/util"
	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"

	"github.com/slipway-dev/slipway/internal/release"
)

// store opens the store of this run alone. Its lock must be given back before
// anything else is opened.
func (b *Builder) store() (*store.Txn, func(), error) {
	s, err := store.New(b.config)
	if err != nil {
		return nil, nil, err
	}
	return s.Txn()
}

// identify gives the store an identity that is the same for all runs of this
// user on this machine: BuildKit keeps what it was sent of a folder under it.
func (b *Builder) identify() error {
	host, _ := os.Hostname()
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s\x00%d", host, os.Getuid())))
	return os.WriteFile(filepath.Join(b.dir, ".buildNodeID"), []byte(hex.EncodeToString(sum[:8])), 0o600)
}

// choose puts the builder that was asked for into the store of this run.
func (b *Builder) choose(ctx context.Context, asked release.Builder) error {
	isAddress := strings.Contains(asked.Name, "://")
	if asked.Driver == "" && len(asked.Nodes) == 0 && !isAddress {
		if len(asked.Options) > 0 {
			return release.Invalidf("say the driver that the options are for", "%s: options without a driver", b.info.From)
		}
		return b.named(ctx, asked.Name)
	}
	group, nodes := adHoc(asked, isAddress)
	switch group.Driver {
	case "docker":
		return b.saveDocker(group, nodes)
	case "remote":
		return b.saveRemote(group, nodes)
	}
	return b.create(ctx, group, nodes)
}

// adHoc is the node group that a config describes. Without a name of its own
// it has one that stays the same for the same settings, so that a container
// that was started for it is found again, with its cache.
func adHoc(asked release.Builder, isAddress bool) (*store.NodeGroup, []release.BuilderNode) {
	g := &store.NodeGroup{Name: asked.Name, Driver: asked.Driver}
	if g.Driver == "" {
		g.Driver = "remote"
	}
	nodes := slices.Clone(asked.Nodes)
	if len(nodes) == 0 {
		nodes = []release.BuilderNode{{}}
		if isAddress {
			nodes[0].Endpoint = asked.Name
		}
	}
	for i := range nodes {
		all := maps.Clone(asked.Options)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, nodes[i].Options)
		nodes[i].Options = all
	}
	if isAddress || asked.Name == "" {
		text, _ := json.Marshal(asked) // of strings alone: always possible
		sum := sha256.Sum256(text)
		g.Name = "slipway-" + hex.EncodeToString(sum[:4])
	}
	return g, nodes
}

func (b *Builder) saveRemote(g *store.NodeGroup, nodes []release.BuilderNode) error {
	for i, n := range nodes {
		if n.Endpoint == "" {
			return release.Invalidf("write the node's address, such as unix:///run/buildkit/buildkitd.sock", "%s: the driver remote needs an endpoint", b.info.From)
		}
		if err := remoteutil.IsValidEndpoint(n.Endpoint); err != nil {
			return release.Invalidf("write unix://, tcp://, ssh://, docker-container:// or kube-pod://", "%s: %q is no address of a BuildKit", b.info.From, n.Endpoint)
		}
		b.slow = b.slow || !strings.HasPrefix(n.Endpoint, "unix:") && !strings.HasPrefix(n.Endpoint, "tcp:")
		options := n.Options
		if len(options) == 0 {
			options = nil
		}
		if err := g.Update("", n.Endpoint, n.Platforms, true, i > 0, nil, "", options); err != nil {
			return b.invalid(err)
		}
	}
	return b.save(g)
}

// saveDocker keeps the driver open: buildx takes docker's for an engine that
// has BuildKit.
func (b *Builder) saveDocker(g *store.NodeGroup, nodes []release.BuilderNode) error {
	if len(nodes) > 1 || len(nodes[0].Options) > 0 {
		return release.Invalidf("use docker-container for several nodes", "%s: the driver docker has one node and no options", b.info.From)
	}
	endpoint := nodes[0].Endpoint
	if endpoint == "" {
		endpoint = b.cli.current
		if _, err := b.cli.contexts.GetMetadata(g.Name); err == nil {
			endpoint = g.Name
		}
	}
	g.Driver = ""
	if err := g.Update("", endpoint, nodes[0].Platforms, true, false, nil, "", nil); err != nil {
		return b.invalid(err)
	}
	return b.save(g)
}

// create lets buildx make the nodes, which knows what each driver needs. It
// starts nothing.
func (b *Builder) create(ctx context.Context, g *store.NodeGroup, nodes []release.BuilderNode) error {
	txn, done, err := b.store()
	if err != nil {
		return err
	}
	defer done()
	b.slow = true
	for i, n := range nodes {
		options, err := fields(n.Options)
		if err != nil {
			return b.invalid(err)
		}
		_, err = builder.Create(ctx, txn, b.cli, builder.CreateOpts{
			Name: g.Name, Driver: g.Driver, Platforms: n.Platforms, DriverOpts: options,
			Endpoint: n.Endpoint, Append: i > 0, Timeout: slow,
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return b.invalid(err)
		}
	}
	b.name = g.Name
	return nil
}

// fields writes options as buildx reads them: one record of CSV each.
func fields(options map[string]string) ([]string, error) {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(options)) {
		var line bytes.Buffer
		w := csv.NewWriter(&line)
		if err := w.Write([]string{k + "=" + options[k]}); err != nil {
			return nil, err
		}
		w.Flush()
		out = append(out, strings.TrimSuffix(line.String(), "\n"))
	}
	return out, nil
}

func (b *Builder) save(g *store.NodeGroup) error {
	txn, done, err := b.store()
	if err != nil {
		return err
	}
	defer done()
	if err := txn.Save(g); err != nil {
		return b.invalid(err)
	}
	b.name = g.Name
	return nil
}

func (b *Builder) invalid(err error) error {
	return &release.Error{Kind: release.Invalid, Message: b.info.From, Err: err}
}

// named takes a builder that buildx knows, or the engine of a docker context.
func (b *Builder) named(ctx context.Context, name string) error {
	g, err := b.known(ctx, name)
	if err != nil {
		return err
	}
	if g != nil {
		for _, n := range g.Nodes {
			b.slow = b.slow || !strings.HasPrefix(n.Endpoint, "unix:") && !strings.HasPrefix(n.Endpoint, "tcp:")
		}
		return b.save(g)
	}
	if _, err := b.cli.contexts.GetMetadata(name); err != nil {
		return release.Invalidf("docker buildx ls shows the builders that there are; an address such as unix:///run/buildkit/buildkitd.sock is one, too",
			"%s names %q, which is neither a builder of buildx nor a docker context", b.info.From, name)
	}
	b.name = name
	return nil
}

// known reads the user's store of buildx; nil when it has no such builder.
// Nothing is changed there.
func (b *Builder) known(ctx context.Context, name string) (*store.NodeGroup, error) {
	dir := b.options.Getenv("BUILDX_CONFIG")
	if dir == "" {
		dir = filepath.Join(filepath.Dir(b.cli.config.Filename), "buildx")
	}
	valid, err := store.ValidateName(name)
	if err != nil {
		return nil, nil //nolint:nilerr // no builder is called so, but a context may be
	}
	if _, err := os.Stat(filepath.Join(dir, "instances", valid)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("read buildx's store: %w", err)
	}
	type answer struct {
		group *store.NodeGroup
		err   error
	}
	answers := make(chan answer, 1)
	// buildx waits for its lock without an end; we don't.
	go func() {
		g, err := readGroup(confutil.NewConfig(b.cli, confutil.WithDir(dir)), name)
		answers <- answer{g, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("read buildx's store: %w", a.err)
		}
		return a.group, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(reach):
		return nil, release.Failf("wait until the other buildx is done", "%s: another buildx holds the lock of %s", b.info.From, dir)
	}
}

func readGroup(config *confutil.Config, name string) (*store.NodeGroup, error) {
	s, err := store.New(config)
	if err != nil {
		return nil, err
	}
	txn, done, err := s.Txn()
	if err != nil {
		return nil, err
	}
	defer done()
	return txn.NodeGroupByName(name)
}
