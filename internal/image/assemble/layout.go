package assemble

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// layoutsFolder is where layouts lie, on the file system of the layers.
const layoutsFolder = "layouts"

// Layout gives an index of Index to what reads a folder: dir has all its blobs,
// as an OCI layout has them, until remove is called. The layers are links to
// those in the cache. A base's layers are fetched the first time, and kept there
// with the others.
func Layout(ctx context.Context, idx v1.ImageIndex, o Options) (dir string, remove func(), err error) {
	c, err := openCache(o.CacheDir)
	if err != nil {
		return "", nil, err
	}
	layouts := filepath.Join(o.CacheDir, layoutsFolder)
	if err := os.MkdirAll(layouts, 0o755); err != nil {
		return "", nil, roomFor(err)
	}
	if dir, err = os.MkdirTemp(layouts, ""); err != nil {
		return "", nil, roomFor(err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	l := layout{dir: filepath.Join(dir, "blobs", "sha256"), cache: c, options: o}
	if err := l.fill(ctx, idx); err != nil {
		remove()
		return "", nil, roomFor(err)
	}
	return dir, remove, nil
}

// layout is one that is being filled.
type layout struct {
	dir     string // of its blobs
	cache   cache
	options Options
}

func (l layout) fill(ctx context.Context, idx v1.ImageIndex) error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	layers := map[v1.Hash]v1.Layer{}
	text, err := idx.RawManifest()
	if err == nil {
		err = l.put(text)
	}
	if err != nil {
		return err
	}
	list, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range list.Manifests {
		img, err := idx.Image(d.Digest)
		if err == nil {
			err = l.image(img, layers)
		}
		if err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mostConcurrent)
	for _, one := range layers {
		group.Go(func() error { return l.layer(ctx, one) })
	}
	return group.Wait()
}

// image puts an image's documents, and takes its layers down, each once.
func (l layout) image(img v1.Image, layers map[v1.Hash]v1.Layer) error {
	for _, text := range []func() ([]byte, error){img.RawManifest, img.RawConfigFile} {
		t, err := text()
		if err == nil {
			err = l.put(t)
		}
		if err != nil {
			return err
		}
	}
	all, err := img.Layers()
	for _, one := range all {
		digest, err := one.Digest()
		if err != nil {
			return err
		}
		layers[digest] = one
	}
	return err
}

// put writes a document.
func (l layout) put(text []byte) error {
	return os.WriteFile(filepath.Join(l.dir, fmt.Sprintf("%x", sha256.Sum256(text))), text, 0o644)
}

func (l layout) layer(ctx context.Context, of v1.Layer) error {
	own, ok := of.(*layer)
	if !ok {
		var err error
		if own, err = l.fetched(ctx, of); err != nil {
			return err
		}
	}
	return own.link(filepath.Join(l.dir, own.record.Digest.Hex))
}

// fetched is a base's layer in the cache, where it lies under its digest.
func (l layout) fetched(ctx context.Context, of v1.Layer) (*layer, error) {
	digest, err := of.Digest()
	if err != nil {
		return nil, err
	}
	size, err := of.Size()
	if err != nil {
		return nil, err
	}
	out := &layer{cache: l.cache, what: "the base", write: fetching(of)}
	for try := 1; ; try++ {
		err := out.get(ctx, digest.Hex, l.options.Stage.Task("base "+digest.Hex[:12], size))
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if try == fetchTries {
			return nil, fmt.Errorf("read the base image's layer %s: %w", digest, err)
		}
	}
}

// fetchTries is how often a layer is read at most when it breaks off. What a
// registry answers was tried again by then.
const fetchTries = 3

// fetching reads a layer as it is.
func fetching(of v1.Layer) writer {
	return func(ctx context.Context, w io.Writer, at func(int64)) (r record, err error) {
		if r.DiffID, err = of.DiffID(); err != nil {
			return record{}, err
		}
		in, err := of.Compressed() // which holds against the digest what it gives
		if err != nil {
			return record{}, err
		}
		defer in.Close()
		from := &input{ended: ctx.Err, from: in, sum: sha256.New(), read: at}
		if r.Size, err = io.Copy(w, from); err != nil {
			return record{}, err
		}
		r.Digest, err = of.Digest()
		return r, err
	}
}
