package buildkit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sync/errgroup"
)

// PruneOptions say what to take out of a builder's cache. By default that is
// what Slipway's own cache mounts hold.
type PruneOptions struct {
	All       bool          // everything in the builder's cache, of whomever
	OlderThan time.Duration // only what was not used for so long
	KeepBytes int64         // with All: stop when no more than this is left
}

// CacheMountPrefix begins the id of every cache mount that Slipway makes.
const CacheMountPrefix = "slipway-"

// Prune takes caches away on all nodes of the builder, but for those in use,
// and returns how many bytes and records that were.
func (b *Builder) Prune(ctx context.Context, o PruneOptions) (freed int64, items int, err error) {
	nodes, done, err := b.boot(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	for _, n := range nodes {
		c, err := n.Driver.Client(ctx)
		if err != nil {
			return freed, items, b.unreached(n.Endpoint, err)
		}
		bytes, count, err := pruneNode(ctx, c, o)
		freed, items = freed+bytes, items+count
		if err != nil {
			return freed, items, fmt.Errorf("prune the cache of %s: %w", n.Endpoint, err)
		}
	}
	return freed, items, nil
}

func pruneNode(ctx context.Context, c *client.Client, o PruneOptions) (freed int64, items int, err error) {
	options := []client.PruneOption{client.PruneAll, client.WithKeepOpt(o.OlderThan, 0, o.KeepBytes, 0)}
	if !o.All {
		ids, err := ownMounts(ctx, c)
		if err != nil || len(ids) == 0 {
			return 0, 0, err
		}
		options = []client.PruneOption{client.WithKeepOpt(o.OlderThan, 0, 0, 0), filter(ids)}
	}
	records := make(chan client.UsageInfo)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(records)
		return c.Prune(ctx, records, options...)
	})
	for r := range records {
		freed += r.Size
		items++
	}
	return freed, items, group.Wait()
}

// ownMounts are the records of cache mounts whose id is Slipway's. A filter on
// the description itself would also match what a RUN instruction says.
func ownMounts(ctx context.Context, c *client.Client) ([]string, error) {
	records, err := c.DiskUsage(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range records {
		if r.RecordType == client.UsageRecordTypeCacheMount && isOwn(r.Description) {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// isOwn reads the id at the end of BuildKit's description of a cache mount:
//
//	cached mount /root/.cache from exec /bin/sh -c … with id "/slipway-hello-go"
//
// What stands before the slash is the namespace of the Dockerfile's caches.
func isOwn(description string) bool {
	const mark = " with id "
	i := strings.LastIndex(description, mark+`"`) // a quote within an id is escaped
	if i < 0 {
		return false
	}
	id, err := strconv.Unquote(description[i+len(mark):])
	if err != nil {
		return false
	}
	_, id, _ = strings.Cut(id, "/")
	return strings.HasPrefix(id, CacheMountPrefix)
}

// filter lets only the records given through.
type filter []string

// SetPruneOption is BuildKit's.
func (f filter) SetPruneOption(info *client.PruneInfo) {
	for _, id := range f {
		info.Filter = append(info.Filter, "id=="+id)
	}
}
