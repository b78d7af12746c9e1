package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// parallel is how many requests of one push run at once.
const parallel = 4

// pushable is an image or an index.
type pushable interface {
	MediaType() (types.MediaType, error)
	Digest() (v1.Hash, error)
	RawManifest() ([]byte, error)
}

// Push sends an index with all that belongs to it, by digest and without a
// tag: first the blobs, then the manifests, last the index. What is there
// already is not sent, and its layers are not even read; what the same
// registry has elsewhere is mounted. A cut upload is resumed where the
// registry can, and begun again where it can't. stage may be nil.
func (c *Client) Push(ctx context.Context, repository string, idx v1.ImageIndex, stage progress.Stage) error {
	repo, err := c.repository(repository)
	if err != nil {
		return err
	}
	if stage == nil {
		stage = progress.Discard.Stage("")
	}
	return c.push(ctx, repo, idx, stage)
}

// Copy sends what lies under a digest in one repository to others, as it is.
// Within a registry nothing but manifests is sent.
func (c *Client) Copy(ctx context.Context, fromRepository, digest string, toRepositories ...string) error {
	from, err := c.repositoryAt(fromRepository, digest)
	if err == nil {
		err = checkDigest(digest)
	}
	if err != nil {
		return err
	}
	op := fmt.Sprintf("read %s@%s", display(from), digest)
	c.keys.willPush(hostOf(from)) // it was pushed there
	desc, err := c.get(ctx, from.Digest(digest))
	if err != nil {
		return c.fault(ctx, op, from, err)
	}
	var doc pushable
	if desc.MediaType.IsIndex() {
		doc, err = desc.ImageIndex()
	} else {
		doc, err = desc.Image()
	}
	if err != nil {
		return c.fault(ctx, op, from, err)
	}
	for _, to := range toRepositories {
		repo, err := c.repository(to)
		if err != nil {
			return err
		}
		if err := c.push(ctx, repo, doc, progress.Discard.Stage("")); err != nil {
			return err
		}
	}
	return nil
}

// get reads a manifest or an index; its layers are read when they are needed.
func (c *Client) get(ctx context.Context, ref name.Reference) (*remote.Descriptor, error) {
	s, err := c.session(ctx, ref.Context(), pull)
	if err != nil {
		return nil, err
	}
	return remote.Get(ref, remote.WithContext(ctx), remote.WithTransport(s.rt))
}

func (c *Client) push(ctx context.Context, repo name.Repository, root pushable, stage progress.Stage) error {
	op := "push " + display(repo)
	s, err := c.session(ctx, repo, push)
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	p := &pushing{c: c, s: s, seen: map[v1.Hash]bool{}}
	if err := p.list(root); err != nil {
		return c.fault(ctx, op, repo, err)
	}
	for _, step := range []func(context.Context, progress.Stage) error{p.look, p.sendBlobs, p.sendManifests} {
		if err := step(ctx, stage); err != nil {
			return c.fault(ctx, op, repo, err)
		}
	}
	return nil
}

// pushing is one push: every document once, children before their index.
type pushing struct {
	c    *Client
	s    *session
	docs []*pushDoc
	seen map[v1.Hash]bool
	// loose are children of an index that are no manifests.
	loose []v1.Layer
}

type pushDoc struct {
	pushable
	hash  v1.Hash
	depth int // 0 is an image, an index is above its children
	there bool
}

// list takes the documents down, and no layer.
func (p *pushing) list(root pushable) error {
	_, err := p.add(root)
	return err
}

func (p *pushing) add(doc pushable) (depth int, err error) {
	hash, err := doc.Digest()
	if err != nil {
		return 0, err
	}
	if idx, ok := doc.(v1.ImageIndex); ok {
		children, err := partial.Manifests(idx)
		if err != nil {
			return 0, err
		}
		for _, child := range children {
			d, err := p.addChild(child)
			if err != nil {
				return 0, err
			}
			depth = max(depth, d+1)
		}
	}
	if !p.seen[hash] {
		p.seen[hash] = true
		p.docs = append(p.docs, &pushDoc{pushable: doc, hash: hash, depth: depth})
	}
	return depth, nil
}

func (p *pushing) addChild(child partial.Describable) (int, error) {
	switch child := child.(type) {
	case v1.ImageIndex:
		return p.add(child)
	case v1.Image:
		return p.add(child)
	case v1.Layer:
		p.loose = append(p.loose, child)
		return 0, nil
	}
	return 0, fmt.Errorf("the index lists something that is neither an image nor an index")
}

// look finds what the repository has. An index that is there does not say that
// its children still are: registries clean up what has no tag.
func (p *pushing) look(ctx context.Context, _ progress.Stage) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, doc := range p.docs {
		g.Go(func() error {
			at, err := p.s.digestAt(ctx, doc.hash.String())
			doc.there = err == nil && at == doc.hash.String()
			if status := statusOf(err); status == http.StatusNotFound || status == http.StatusForbidden {
				return nil // as with blobs, 403 may hide what is not there
			}
			return err
		})
	}
	return g.Wait()
}

func (p *pushing) sendBlobs(ctx context.Context, stage progress.Stage) error {
	blobs, mounts, err := p.blobs()
	if err != nil || len(blobs) == 0 {
		return err
	}
	s := p.s
	if len(mounts) > 0 {
		if s, err = p.c.session(ctx, p.s.repo, push, mounts...); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, b := range blobs {
		g.Go(func() error {
			task := stage.Task(display(s.repo)+" "+b.what+" "+shortDigest(b.digest), b.size)
			u := &upload{c: p.c, s: s, b: b, task: task}
			done, err := u.run(ctx)
			task.Done(done, err)
			return err
		})
	}
	return g.Wait()
}

// blobs are those of the images that are not there, each once, and the
// repositories of the same registry to mount them from.
func (p *pushing) blobs() (blobs []blob, mounts []name.Repository, err error) {
	seen := map[string]bool{}
	add := func(l v1.Layer, what string) error {
		b, err := p.blob(l, what)
		if err != nil || b.open == nil || seen[b.digest] {
			return err
		}
		seen[b.digest] = true
		blobs = append(blobs, b)
		if b.from != nil && !slices.Contains(mounts, *b.from) {
			mounts = append(mounts, *b.from)
		}
		return nil
	}
	for _, doc := range p.docs {
		img, ok := doc.pushable.(v1.Image)
		if !ok || doc.there {
			continue
		}
		layers, err := img.Layers()
		if err != nil {
			return nil, nil, err
		}
		config, err := partial.ConfigLayer(img)
		if err != nil {
			return nil, nil, err
		}
		for _, l := range layers {
			if err := add(l, "layer"); err != nil {
				return nil, nil, err
			}
		}
		if err := add(config, "config"); err != nil {
			return nil, nil, err
		}
	}
	for _, l := range p.loose {
		if err := add(l, "blob"); err != nil {
			return nil, nil, err
		}
	}
	return blobs, mounts, nil
}

// blob describes a layer; its open is nil for one that may not be distributed.
func (p *pushing) blob(l v1.Layer, what string) (blob, error) {
	mt, err := l.MediaType()
	if err != nil || !mt.IsDistributable() {
		return blob{}, err
	}
	hash, err := l.Digest()
	if err != nil {
		return blob{}, err
	}
	size, err := l.Size()
	if err != nil {
		return blob{}, err
	}
	b := blob{digest: hash.String(), size: size, open: l.Compressed, what: what}
	if ml, ok := l.(*remote.MountableLayer); ok {
		from := ml.Reference.Context()
		if from.RegistryStr() == p.s.repo.RegistryStr() && from.RepositoryStr() != p.s.repo.RepositoryStr() {
			b.from = &from
		}
	}
	return b, nil
}

// sendManifests sends images before the indexes that list them.
func (p *pushing) sendManifests(ctx context.Context, _ progress.Stage) error {
	for depth := 0; ; depth++ {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		deeper := false
		for _, doc := range p.docs {
			deeper = deeper || doc.depth > depth
			if doc.depth == depth && !doc.there {
				g.Go(func() error { return p.sendManifest(ctx, doc) })
			}
		}
		if err := g.Wait(); err != nil || !deeper {
			return err
		}
	}
}

func (p *pushing) sendManifest(ctx context.Context, doc *pushDoc) error {
	raw, err := doc.RawManifest()
	if err != nil {
		return err
	}
	mt, err := doc.MediaType()
	if err != nil {
		return err
	}
	if len(raw) > largestManifest {
		return release.Failf("", "the manifest %s is larger than %d MB", doc.hash, largestManifest>>20)
	}
	return p.s.putManifest(ctx, doc.hash.String(), document{digest: doc.hash.String(), mediaType: string(mt), raw: raw})
}
