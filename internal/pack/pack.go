// Package pack turns binaries and files of the repository into a release's
// assets: archives, further files, checksums and the manifest.
package pack

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options say what to pack, from what, into what.
type Options struct {
	Source   string // a clean checkout of the plan's commit; it is only read
	Dist     string // the output folder; the assets will lie directly in it
	Plan     release.Plan
	Binaries []release.Binary // of all builds that the plan's archives name
	Texts    []Text           // further assets that the caller has written
	Images   []release.MadeImage
	Parallel int // assets packed at a time; 0: one a processor, but no more than 4
	Stage    progress.Stage
}

// mostParallel keeps the compressors together below 60 MB on a large machine.
const mostParallel = 4

// Text is an asset made of text, such as the full notes.
type Text struct {
	Name    string
	Kind    release.ArtifactKind
	Content []byte
}

// Artifacts makes every asset of the release and gives them in this order:
// archives as planned, further files by name, texts as given, checksums,
// manifest. The bytes depend on the plan, the binaries and the files' content
// and executable bit alone. An asset of an earlier run that would come out the
// same, and still has its bytes, is kept; one that is not planned any more is
// removed. Files in the folder that Slipway did not make are left alone.
func Artifacts(ctx context.Context, o Options) ([]release.Artifact, error) {
	folder, err := dist.Open(o.Dist, "pack")
	if err != nil {
		return nil, err
	}
	source, err := openSource(o.Source, o.Dist)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if o.Parallel <= 0 {
		o.Parallel = min(runtime.GOMAXPROCS(0), mostParallel)
	}
	p := &packer{Options: o, folder: folder, source: source}
	assets, err := p.assets()
	if err != nil {
		return nil, err
	}
	artifacts, err := p.all(ctx, assets)
	if err != nil {
		return nil, err
	}
	if artifacts, err = p.lists(ctx, artifacts); err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, a := range artifacts {
		keep[a.Name] = true
	}
	return artifacts, folder.RemoveExcept(keep)
}

// packer is one call of Artifacts.
type packer struct {
	Options
	folder *dist.Folder
	source *source
}

// asset is an artifact to be made.
type asset struct {
	name     string
	kind     release.ArtifactKind
	platform *release.Platform
	from     string // what it is made from, for errors about names
	mode     fs.FileMode
	size     int64 // bytes that will be read
	inputs   any   // names everything that the bytes depend on
	write    func(ctx context.Context, w io.Writer, read func(int64)) error
}

// assets lists everything but checksums and manifest, and looks at the names.
func (p *packer) assets() ([]asset, error) {
	var out []asset
	for _, a := range p.Plan.Archives {
		made, err := p.archive(a)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	for _, sys := range p.Plan.Packages {
		made, err := p.systemPackage(sys)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	files, err := p.files()
	if err != nil {
		return nil, err
	}
	out = append(out, files...)
	for _, t := range p.Texts {
		out = append(out, textAsset(t))
	}
	return out, checkAssetNames(out, p.Plan.Installer)
}

func checkAssetNames(assets []asset, script *release.PlanInstaller) error {
	from := map[string]string{release.ChecksumsName: "the checksums", release.ManifestName: "the manifest"}
	if script != nil {
		from[script.Asset] = "the script that installs the release"
	}
	for _, a := range assets {
		if err := release.CheckAssetName(a.name); err != nil {
			return release.Invalidf("rename it, or take it out of `assets`", "%s: %v", a.from, err)
		}
		if other, ok := from[a.name]; ok {
			return release.Invalidf("an asset has no folder, so two files need two names: rename one, or take it out", "two assets would be named %s: %s and %s", a.name, other, a.from)
		}
		from[a.name] = a.from
	}
	return nil
}

// files are the repository's own files that become assets.
func (p *packer) files() ([]asset, error) {
	found, err := p.source.find(p.Plan.Files, "assets", false)
	if err != nil {
		return nil, err
	}
	var out []asset
	for _, e := range found {
		out = append(out, p.fileAsset(e))
	}
	slices.SortStableFunc(out, func(a, b asset) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func textAsset(t Text) asset {
	return asset{name: t.Name, kind: t.Kind, from: "the text " + t.Name, mode: 0o644, size: int64(len(t.Content)),
		inputs: contentIdentity(t.Content),
		write: func(_ context.Context, w io.Writer, _ func(int64)) error {
			_, err := w.Write(t.Content)
			return err
		}}
}

// all makes assets in parallel and gives them in order.
func (p *packer) all(ctx context.Context, assets []asset) ([]release.Artifact, error) {
	out := make([]release.Artifact, len(assets))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.Parallel)
	for i, a := range assets {
		group.Go(func() (err error) {
			out[i], err = p.make(ctx, a)
			return err
		})
	}
	return out, group.Wait()
}

// make makes one asset, or finds it made.
func (p *packer) make(ctx context.Context, a asset) (made release.Artifact, err error) {
	if ctx.Err() != nil {
		return release.Artifact{}, ctx.Err()
	}
	task := p.Stage.Task(a.name, a.size)
	summary := ""
	defer func() { task.Done(summary, err) }()

	identity, err := dist.Identity(struct{ Schema, Inputs any }{"slipway.pack/v1", a.inputs})
	if err != nil {
		return release.Artifact{}, err
	}
	record, fresh := p.folder.Fresh(a.name, a.name, identity)
	if !fresh {
		if record, err = p.writeAsset(ctx, a, identity, task); err != nil {
			return release.Artifact{}, err
		}
	}
	if summary = progress.Bytes(record.Size); fresh {
		summary += ", unchanged"
	}
	return release.Artifact{Name: a.name, Kind: a.kind, Platform: a.platform, Size: record.Size, Digest: record.Digest, Path: p.folder.Path(a.name)}, nil
}

func (p *packer) writeAsset(ctx context.Context, a asset, identity string, task progress.Task) (dist.Record, error) {
	f, err := p.folder.Create()
	if err != nil {
		return dist.Record{}, err
	}
	defer f.Abort()
	if err := a.write(ctx, f, task.At); err != nil {
		if ctx.Err() != nil {
			return dist.Record{}, ctx.Err()
		}
		if a.kind == release.KindPackage {
			return dist.Record{}, err // it names itself
		}
		return dist.Record{}, fmt.Errorf("pack %s: %w", a.name, err)
	}
	return f.Commit(a.name, a.name, identity, a.mode)
}

// copyInto copies a file's content, telling the bytes read so far.
func copyInto(ctx context.Context, w io.Writer, e entry, read func(int64)) error {
	from, err := e.open()
	if err != nil {
		return dist.Readable(err)
	}
	defer from.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, &input{ended: ctx.Err, r: from, read: read}, make([]byte, 64<<10))
	if err == nil && n != e.Size {
		err = fmt.Errorf("%s changed while it was packed: %d bytes instead of %d", e.Name, n, e.Size)
	}
	return err
}

// input is a file that is read until the context ends.
type input struct {
	ended func() error // the context's error
	r     *os.File
	n     int64
	read  func(int64)
}

func (i *input) Read(p []byte) (int, error) {
	if err := i.ended(); err != nil {
		return 0, err
	}
	n, err := i.r.Read(p)
	i.n += int64(n)
	i.read(i.n)
	return n, err
}
