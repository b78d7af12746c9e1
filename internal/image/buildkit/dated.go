package buildkit

import (
	"archive/tar"
	"errors"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dated gives an image in OCI's form in which nothing is younger than epoch.
func dated(img v1.Image, epoch time.Time) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = older(config.Created, epoch)
	for i := range config.History {
		config.History[i].Created = older(config.History[i].Created, epoch)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	out := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config.RootFS.DiffIDs = nil
	for _, l := range layers {
		// The reader is read more than once: it hashes, then it pushes.
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return datedTar(l, epoch) }, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, id)
		if out, err = mutate.Append(out, mutate.Addendum{Layer: l}); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(out, config)
}

func older(t v1.Time, epoch time.Time) v1.Time {
	if t.After(epoch) {
		return v1.Time{Time: epoch}
	}
	return t
}

// datedTar is a layer's tar with the files that are younger than epoch dated
// back.
func datedTar(l v1.Layer, epoch time.Time) (io.ReadCloser, error) {
	in, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	out, w := io.Pipe()
	go func() {
		defer func() { _ = in.Close() }()
		_ = w.CloseWithError(dateBack(w, in, epoch)) // it never fails
	}()
	return out, nil
}

func dateBack(w io.Writer, in io.Reader, epoch time.Time) error {
	from, to := tar.NewReader(in), tar.NewWriter(w)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, t := range []*time.Time{&h.ModTime, &h.AccessTime, &h.ChangeTime} {
			if t.After(epoch) {
				*t = epoch
			}
		}
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
	}
	if err := to.Close(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in) // to the end, where its digest is checked
	return err
}
