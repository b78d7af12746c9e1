package pack

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promotion says which assets of another release to bring here.
type Promotion struct {
	Dist   string
	Plan   release.Plan // with its Promoted
	Texts  []Text       // the new release's own
	Images []release.MadeImage
	// Binaries are those inside of the assets.
	Binaries []release.ManifestBinary
	// Open reads one of the source's assets.
	Open  func(context.Context, release.Artifact) (io.ReadCloser, error)
	Stage progress.Stage
}

// promotedAtOnce is how many assets are brought at a time.
const promotedAtOnce = 4

// Promoted brings the promoted assets into the output folder, byte for byte, and
// adds what is the new release's own: its texts and its manifest. What lies there
// and is equal is not read again; bytes that are not those of the source's
// manifest are refused, and leave no file.
func Promoted(ctx context.Context, o Promotion) ([]release.Artifact, error) {
	folder, err := dist.Open(o.Dist, "pack")
	if err != nil {
		return nil, err
	}
	out := make([]release.Artifact, len(o.Plan.Promoted.Assets))
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(promotedAtOnce)
	for i, a := range o.Plan.Promoted.Assets {
		out[i] = a
		out[i].Path = folder.Path(a.Name)
		group.Go(func() error { return bring(inGroup, folder, o, a) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	p := &packer{Options: Options{Dist: o.Dist, Plan: o.Plan, Images: o.Images, Stage: o.Stage}, folder: folder}
	for _, t := range o.Texts {
		made, err := p.make(ctx, textAsset(t))
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	if in := o.Plan.Installer; in != nil {
		script, err := installScript(o.Plan, out, o.Binaries)
		if err != nil {
			return nil, err
		}
		made, err := p.make(ctx, textAsset(Text{Name: in.Asset, Kind: release.KindInstaller, Content: script}))
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	manifest, err := release.NewManifest(o.Plan, slices.Clone(out), o.Images, o.Binaries).Encode()
	if err != nil {
		return nil, err
	}
	made, err := p.make(ctx, textAsset(Text{Name: release.ManifestName, Kind: release.KindManifest, Content: manifest}))
	if err != nil {
		return nil, err
	}
	out = append(out, made)
	keep := map[string]bool{}
	for _, a := range out {
		keep[a.Name] = true
	}
	return out, folder.RemoveExcept(keep)
}

// Fetch brings one asset of a public release into the output folder, as Promoted
// does; one that lies there and is equal is not read.
func Fetch(ctx context.Context, out string, a release.Artifact, open func(context.Context) (io.ReadCloser, error)) error {
	folder, err := dist.Open(out, "pack")
	if err != nil {
		return err
	}
	return bring(ctx, folder, Promotion{Plan: release.Plan{Promoted: &release.PlanPromotion{From: "the release"}}, Stage: progress.Discard.Stage("fetch"),
		Open: func(ctx context.Context, _ release.Artifact) (io.ReadCloser, error) { return open(ctx) }}, a)
}

// bring makes one asset lie in the folder.
func bring(ctx context.Context, folder *dist.Folder, o Promotion, a release.Artifact) (err error) {
	task := o.Stage.Task(a.Name, a.Size)
	summary := progress.Bytes(a.Size)
	defer func() { task.Done(summary, err) }()
	identity, err := dist.Identity(struct{ Schema, Digest string }{"slipway.promoted/v1", a.Digest})
	if err != nil {
		return err
	}
	there, err := folder.Keep(a.Name, a.Name, identity, a.Size, a.Digest)
	if err != nil || there {
		summary += ", unchanged"
		return err
	}
	from, err := o.Open(ctx, a)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := folder.Create()
	if err != nil {
		return err
	}
	defer f.Abort()
	// One byte more than it may have shows one that is too long.
	if _, err := io.Copy(f, &counted{r: io.LimitReader(from, a.Size+1), read: task.At}); err != nil {
		return err
	}
	if size, digest := f.Sum(); size != a.Size || digest != a.Digest {
		return release.Refuse("find out who changed it; "+release.RebuildHint,
			"asset %s of %s is not the one that its manifest names: it has %d bytes, %s, and should have %d, %s", a.Name, o.Plan.Promoted.From, size, digest, a.Size, a.Digest)
	}
	mode := fs.FileMode(0o644)
	if a.Kind == release.KindBinary {
		mode = 0o755
	}
	if _, err = f.Commit(a.Name, a.Name, identity, mode); err != nil {
		return fmt.Errorf("keep %s: %w", a.Name, err)
	}
	return nil
}

// counted tells how much was read.
type counted struct {
	r    io.Reader
	n    int64
	read func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.read(c.n)
	return n, err
}
