package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/release"
)

// combine makes one result of what the nodes built. buildx would join the
// indexes of several nodes, but under a tag; here nothing is tagged.
func (j *job) combine(ctx context.Context, parts []part) (Result, error) {
	if len(j.r.PushTo) == 0 {
		if len(parts) > 1 { // into a folder: there is no digest
			return Result{}, nil
		}
		return Result{Digest: parts[0].Digest, MediaType: parts[0].MediaType, Size: parts[0].Size}, nil
	}
	var all ocispecs.Index
	var text []byte
	for i, p := range parts {
		var idx ocispecs.Index
		data, err := j.document(ctx, p.Digest, &idx)
		if err != nil {
			return Result{}, fmt.Errorf("read the pushed index of %s: %w", j.r.Name, err)
		}
		if i == 0 {
			all, text = idx, data
			continue
		}
		all.Manifests = append(all.Manifests, idx.Manifests...)
	}
	if len(parts) > 1 {
		var err error
		if text, err = j.join(ctx, &all); err != nil {
			return Result{}, fmt.Errorf("push the index of %s: %w", j.r.Name, err)
		}
	}
	manifests, err := j.manifests(ctx, all)
	if err != nil {
		return Result{}, fmt.Errorf("read the pushed manifests of %s: %w", j.r.Name, err)
	}
	return Result{
		Digest: digest.FromBytes(text).String(), MediaType: all.MediaType, Size: int64(len(text)), Manifests: manifests,
	}, nil
}

// join orders the manifests as one node would have, writes the index as
// BuildKit does, and pushes it to every repository.
func (j *job) join(ctx context.Context, all *ocispecs.Index) ([]byte, error) {
	place := func(d ocispecs.Descriptor) int {
		for i, p := range j.r.Platforms {
			if isFor(d, p) {
				return i
			}
		}
		return len(j.r.Platforms) // an attestation
	}
	slices.SortStableFunc(all.Manifests, func(a, b ocispecs.Descriptor) int { return place(a) - place(b) })
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	group, within := errgroup.WithContext(ctx)
	for _, repository := range j.r.PushTo {
		group.Go(func() error {
			ref, err := j.b.digestRef(repository, digest.FromBytes(text).String())
			if err != nil {
				return err
			}
			return j.b.remoteErr(repository, remote.Put(ref, rawIndex{text, all.MediaType}, j.b.remote(within)...))
		})
	}
	return text, group.Wait()
}

func isFor(d ocispecs.Descriptor, p release.Platform) bool {
	if d.Platform == nil {
		return false
	}
	return slices.Equal(ours([]ocispecs.Platform{*d.Platform}), ours([]ocispecs.Platform{theirs(p)}))
}

// manifests lists the platforms' manifests, with the sizes of what they hold.
func (j *job) manifests(ctx context.Context, idx ocispecs.Index) ([]release.ImageManifest, error) {
	var out []release.ImageManifest
	for _, d := range idx.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" { // an attestation
			continue
		}
		m := release.ImageManifest{Digest: d.Digest.String(), Platform: ours([]ocispecs.Platform{*d.Platform})[0]}
		for _, p := range j.r.Platforms {
			if isFor(d, p) {
				m.Platform = p // as it was asked for
			}
		}
		out = append(out, m)
	}
	group, within := errgroup.WithContext(ctx)
	for i := range out {
		group.Go(func() error {
			var m ocispecs.Manifest
			if _, err := j.document(within, out[i].Digest, &m); err != nil {
				return err
			}
			out[i].Size = m.Config.Size
			for _, l := range m.Layers {
				out[i].Size += l.Size
			}
			return nil
		})
	}
	return out, group.Wait()
}

// document reads a manifest or an index back from the first repository.
func (j *job) document(ctx context.Context, digest string, into any) ([]byte, error) {
	repository := j.r.PushTo[0]
	ref, err := j.b.digestRef(repository, digest)
	if err != nil {
		return nil, err
	}
	got, err := remote.Get(ref, j.b.remote(ctx)...)
	if err != nil {
		return nil, j.b.remoteErr(repository, err)
	}
	return got.Manifest, json.Unmarshal(got.Manifest, into)
}

func (b *Builder) digestRef(repository, digest string) (name.Digest, error) {
	var options []name.Option
	if b.insecure(repository) {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(repository, options...)
	if err != nil {
		return name.Digest{}, err
	}
	return repo.Digest(digest), nil
}

// rawIndex is a finished document, as go-containerregistry pushes it.
type rawIndex struct {
	text []byte
	kind string
}

func (r rawIndex) RawManifest() ([]byte, error)        { return r.text, nil }
func (r rawIndex) MediaType() (types.MediaType, error) { return types.MediaType(r.kind), nil }

// decodeDescriptor reads the descriptor of an export; old engines only give a
// digest.
func decodeDescriptor(encoded, dgst string) ocispecs.Descriptor {
	var d ocispecs.Descriptor
	if text, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(text) > 0 && json.Unmarshal(text, &d) == nil {
		return d
	}
	return ocispecs.Descriptor{Digest: digest.Digest(dgst)}
}

// writeTo writes an export to a file, which is there only when it is whole.
func writeTo(path string) func(map[string]string) (io.WriteCloser, error) {
	return func(map[string]string) (io.WriteCloser, error) { return os.Create(path) }
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
