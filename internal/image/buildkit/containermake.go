package buildkit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/system"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/release"
)

// make makes the container of the image and the folder; nothing runs in it yet.
func (c *Container) make(ctx context.Context, gw gateway.Client, up upload) (gateway.Container, error) {
	platform := platforms.Normalize(platforms.DefaultSpec())
	if ws := gw.BuildOpts().Workers; len(ws) > 0 && len(ws[0].Platforms) > 0 {
		platform = platforms.Normalize(ws[0].Platforms[0])
	}
	c.platform = ours([]ocispecs.Platform{platform})[0]
	image, err := c.resolve(ctx, gw, platform)
	if err != nil {
		return nil, err
	}
	states := []llb.State{image}
	mounts := []gateway.Mount{{Dest: "/", MountType: pb.MountType_BIND}}
	if up.name != "" {
		states = append(states, llb.Local(up.name, llb.WithCustomName("upload "+c.options.Name)))
		mounts = append(mounts, gateway.Mount{Dest: ContainerDir, MountType: pb.MountType_BIND})
	}
	group, within := errgroup.WithContext(ctx)
	for i, s := range states {
		group.Go(func() (err error) {
			mounts[i].Ref, err = solved(within, gw, s, platform)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, c.broken(err)
	}
	ctr, err := gw.NewContainer(ctx, gateway.NewContainerRequest{Mounts: mounts, Platform: pb.PlatformFromSpec(platform)})
	if err != nil {
		return nil, c.broken(err)
	}
	return ctr, nil
}

// resolve finds the image, and reads its environment.
func (c *Container) resolve(ctx context.Context, gw gateway.Client, platform ocispecs.Platform) (llb.State, error) {
	named, err := reference.ParseNormalizedNamed(c.options.Image)
	if err != nil {
		return llb.State{}, c.named(release.Invalidf("write a reference such as alpine:3.22", "%s: %q is no name of an image: %v", c.options.Name, c.options.Image, err))
	}
	name := reference.TagNameOnly(named).String()
	ref, digest, text, err := gw.ResolveImageConfig(ctx, name, sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{
		Platform: &platform, ResolveMode: llb.ResolveModeDefault.String()}})
	if err != nil {
		return llb.State{}, c.named(c.missing(err))
	}
	var config ocispecs.Image
	if err := json.Unmarshal(text, &config); err != nil {
		return llb.State{}, c.named(release.Failf("", "%s: the config of the image %s can't be read: %v", c.options.Name, c.options.Image, err))
	}
	c.env = map[string]string{"PATH": system.DefaultPathEnv(platform.OS)}
	for _, kv := range config.Config.Env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			c.env[k] = v
		}
	}
	if digest != "" && !strings.Contains(ref, "@") { // so that it is the one whose config this is
		ref += "@" + digest.String()
	}
	return llb.Image(ref, llb.ResolveModeDefault), nil
}

// missing explains an image that can't be had.
func (c *Container) missing(err error) error {
	x := c.explainer()
	text := x.clean(err.Error())
	if noPlatform.MatchString(text) {
		return release.Invalidf("use another image, or a builder of another platform", "%s: the image %s is not made for %s", c.options.Name, c.options.Image, c.platform)
	}
	return x.base(c.options.Image, text, err)
}

func solved(ctx context.Context, gw gateway.Client, s llb.State, on ocispecs.Platform) (gateway.Reference, error) {
	definition, err := s.Marshal(ctx, llb.Platform(on))
	if err != nil {
		return nil, err
	}
	result, err := gw.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB(), Evaluate: true})
	if err != nil {
		return nil, err
	}
	return result.SingleRef()
}

// upload is a folder on its way to a builder, under a name of its own: the
// builder would keep it for the next one of that name, and so it can be taken
// away again.
type upload struct {
	name   string // empty: there is none
	mounts map[string]fsutil.FS
}

func newUpload(folder string) (upload, error) {
	if folder == "" {
		return upload{}, nil
	}
	if st, err := os.Stat(folder); err != nil || !st.IsDir() {
		return upload{}, fmt.Errorf("upload %q: it is no folder", folder)
	}
	files, err := fsutil.NewFS(folder)
	if err != nil {
		return upload{}, fmt.Errorf("upload %s: %w", folder, err)
	}
	name := "slipway-" + rand.Text()
	return upload{name, map[string]fsutil.FS{name: files}}, nil
}

// remove takes the folder out of the builder's cache, once nothing uses it. What
// could not be taken away goes when the builder needs the room.
func (u upload) remove(ctx context.Context, builder *client.Client) {
	if u.name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, letGo)
	defer cancel()
	for range 20 {
		ids, err := u.records(ctx, builder)
		if err != nil || len(ids) == 0 {
			return
		}
		_ = builder.Prune(ctx, nil, client.PruneAll, filter(ids))
		if ids, err = u.records(ctx, builder); err != nil || len(ids) == 0 || !sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
}

func (u upload) records(ctx context.Context, builder *client.Client) ([]string, error) {
	all, err := builder.DiskUsage(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range slices.DeleteFunc(all, func(r *client.UsageInfo) bool { return !strings.HasSuffix(r.Description, " "+u.name) }) {
		ids = append(ids, r.ID)
	}
	return ids, nil
}
