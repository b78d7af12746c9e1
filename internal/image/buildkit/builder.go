package buildkit

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/util/confutil"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-dev/slipway/internal/release"
)

// Builder is a BuildKit that was found. Its methods may be called from several
// goroutines.
type Builder struct {
	options Options
	cli     *dockerCLI
	config  *confutil.Config
	dir     string // the store of this run
	name    string // in the store, or of a docker context
	slow    bool   // another program makes the connection
	info    Info
}

// Info is what a person, and a decision, needs to know of a builder.
type Info struct {
	Name     string
	Driver   string // docker, docker-container, remote or kubernetes
	Endpoint string // of the first node
	From     string // the setting that named it
	Nodes    []Node
	// MultiPlatform: it builds several platforms at once. Docker's own engine
	// does so with the containerd image store only.
	MultiPlatform bool
	// Push: it pushes by digest. Docker's own engine does not.
	Push bool
	// OCI: it exports an OCI layout.
	OCI bool
}

// Node is one machine of a builder.
type Node struct {
	Name     string
	Endpoint string
	// Platforms are those that the config gives the node, then those that it
	// says it has. A node that isn't started yet says none.
	Platforms []release.Platform
	Running   bool
}

// String is the builder as a person reads it: "ci (remote, 2 nodes)".
func (i Info) String() string {
	if len(i.Nodes) > 1 {
		return fmt.Sprintf("%s (%s, %d nodes)", i.Name, i.Driver, len(i.Nodes))
	}
	if i.Endpoint != "" && i.Endpoint != i.Name {
		return fmt.Sprintf("%s (%s, %s)", i.Name, i.Driver, i.Endpoint)
	}
	return fmt.Sprintf("%s (%s)", i.Name, i.Driver)
}

// Info says what the builder was when it was found.
func (b *Builder) Info() Info {
	i := b.info
	i.Nodes = slices.Clone(i.Nodes)
	return i
}

// Close takes the store of this run away. What a driver has started stays.
func (b *Builder) Close() { _ = os.RemoveAll(b.dir) }

// read takes down what the nodes said.
func (i *Info) read(ctx context.Context, bx *builder.Builder) {
	i.Name, i.Driver, i.Nodes = bx.Name, bx.Driver, nil
	for n, node := range bx.Nodes() {
		i.Nodes = append(i.Nodes, Node{
			Name: node.Name, Endpoint: node.Endpoint,
			Platforms: ours(node.Platforms),
			Running:   node.DriverInfo != nil && node.DriverInfo.Status == driver.Running,
		})
		if n > 0 {
			continue
		}
		features := node.Driver.Features(ctx)
		i.Endpoint = node.Endpoint
		i.MultiPlatform = features[driver.MultiPlatform]
		i.OCI = features[driver.OCIExporter]
		i.Push = !node.Driver.IsMobyDriver()
	}
}

// Platforms are those that the builder has, of all nodes, without repetition.
func (b *Builder) Platforms() []release.Platform {
	var out []release.Platform
	for _, n := range b.info.Nodes {
		for _, p := range n.Platforms {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Can finds whether the builder can build for the platforms: release.Invalid
// names the first that it can't, and those that it can. A node that does not
// run yet is started.
func (b *Builder) Can(ctx context.Context, wanted []release.Platform) error {
	nodes, done, err := b.boot(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	if len(wanted) > 1 && !b.info.MultiPlatform {
		return release.Invalidf("turn docker's containerd image store on, or use a builder with the driver docker-container",
			"the builder %s builds one platform at a time, not %s", b.info, joinPlatforms(wanted))
	}
	_, err = assign(nodes, wanted, b.info)
	return err
}

// bootedNode is a node that answers.
type bootedNode struct {
	builder.Node                     // its Platforms are only those that the config gives it
	has          []ocispecs.Platform // what its workers say
}

// boot opens all nodes, starts those that don't run, and asks for their
// platforms. done closes the connections.
func (b *Builder) boot(ctx context.Context, view *steps) (nodes []bootedNode, done func(), err error) {
	bx, err := b.open(ctx)
	if err != nil {
		return nil, nil, b.unreached(b.name, err)
	}
	done = func() { closeNodes(ctx, bx.Nodes()) }
	defer func() {
		if err != nil {
			done()
		}
	}()
	for _, n := range bx.Nodes() {
		if n.Err != nil {
			return nil, nil, b.unreached(n.Endpoint, n.Err)
		}
		c, err := driver.Boot(ctx, ctx, n.Driver, view.writer())
		if err == nil {
			node := bootedNode{Node: n}
			workers, werr := c.ListWorkers(ctx)
			for _, w := range workers {
				node.has = append(node.has, w.Platforms...)
			}
			nodes, err = append(nodes, node), werr
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			return nil, nil, b.unreached(n.Endpoint, err)
		}
	}
	return nodes, done, nil
}

func closeNodes(ctx context.Context, nodes []builder.Node) {
	for _, n := range nodes {
		if n.Driver == nil || n.Driver.RequiresUncachedClient() {
			continue
		}
		if info := n.DriverInfo; info != nil && info.Status != driver.Running {
			continue // it has no connection, and would make one to close it
		}
		if c, err := n.Driver.Client(ctx); err == nil {
			_ = c.Close()
		}
	}
}

// share is what one node builds.
type share struct {
	node      bootedNode
	platforms []ocispecs.Platform
}

// assign gives every platform to the node that is best for it: the one that
// the config names, else one whose own processor runs it, else one that
// emulates it.
func assign(nodes []bootedNode, wanted []release.Platform, info Info) ([]share, error) {
	byNode := make([]share, len(nodes))
	for _, w := range wanted {
		p := theirs(w)
		best, rank := -1, 0
		for i, n := range nodes {
			if r := n.rank(p); r > rank {
				best, rank = i, r
			}
		}
		if best < 0 {
			return nil, release.Invalidf("leave the platform out, or use a builder that has it: qemu's binfmt registration gives a builder the others",
				"the builder %s can't build for %s: it has %s", info, w, joinPlatforms(had(nodes)))
		}
		byNode[best].node = nodes[best]
		byNode[best].platforms = append(byNode[best].platforms, p)
	}
	return slices.DeleteFunc(byNode, func(s share) bool { return len(s.platforms) == 0 }), nil
}

// withAll gives the first node the platforms that no node has.
func withAll(nodes []bootedNode, wanted []release.Platform) []bootedNode {
	nodes = slices.Clone(nodes)
	first := &nodes[0]
	for _, w := range wanted {
		p := theirs(w)
		if !slices.ContainsFunc(nodes, func(n bootedNode) bool { return n.rank(p) > 0 }) {
			first.has = append(slices.Clone(first.has), p)
		}
	}
	return nodes
}

// rank is how good a node is for a platform; 0 when it can't build for it.
func (n bootedNode) rank(p ocispecs.Platform) int {
	is := func(have ocispecs.Platform) bool { return platforms.OnlyStrict(have).Match(p) }
	runs := func(have ocispecs.Platform) bool { return platforms.Only(have).Match(p) }
	switch {
	case slices.ContainsFunc(n.Platforms, is):
		return 4
	case len(n.has) > 0 && native(n.has[0], p) && slices.ContainsFunc(n.has, runs):
		return 3
	case slices.ContainsFunc(n.has, is):
		return 2
	case slices.ContainsFunc(append(slices.Clone(n.Platforms), n.has...), runs):
		return 1
	}
	return 0
}

// native says whether a machine's own processor runs a platform. Workers name
// their own platform first.
func native(own, p ocispecs.Platform) bool {
	if own.OS != p.OS {
		return false
	}
	return own.Architecture == p.Architecture ||
		own.Architecture == "amd64" && p.Architecture == "386" ||
		own.Architecture == "arm64" && p.Architecture == "arm"
}

func had(nodes []bootedNode) []release.Platform {
	var all []ocispecs.Platform
	for _, n := range nodes {
		all = append(append(all, n.Platforms...), n.has...)
	}
	return ours(all)
}

func theirs(p release.Platform) ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant})
}

// ours writes platforms as Slipway does, each once.
func ours(ps []ocispecs.Platform) []release.Platform {
	var out []release.Platform
	for _, p := range ps {
		p = platforms.Normalize(p)
		o := release.Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

func joinPlatforms(ps []release.Platform) string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}
