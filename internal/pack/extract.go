package pack

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// OpenBinary reads a binary out of the asset at path: the file of that name at
// an archive's root, or the asset itself when it is no archive. fs.ErrNotExist
// when the archive has no such file.
func OpenBinary(path, name string) (io.ReadCloser, error) {
	if strings.HasSuffix(path, ".zip") {
		return openZipped(path, name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var plain io.Reader
	closers := []io.Closer{f}
	switch {
	case strings.HasSuffix(path, ".tar.gz"):
		plain, err = gzip.NewReader(f)
	case strings.HasSuffix(path, ".tar.zst"):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1)); err == nil {
			plain, closers = z, append(closers, z.IOReadCloser())
		}
	default:
		return f, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read archive: %w", err), f.Close())
	}
	t := tar.NewReader(plain)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			err = fs.ErrNotExist
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("find %s in the archive: %w", name, err), closeAll(closers))
		}
		if h.Typeflag == tar.TypeReg && h.Name == name {
			return &inside{Reader: t, closers: closers}, nil
		}
	}
}

func openZipped(path, name string) (io.ReadCloser, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	f, err := z.Open(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find %s in the archive: %w", name, err), z.Close())
	}
	return &inside{Reader: f, closers: []io.Closer{z, f}}, nil
}

// inside is a file in an archive, with all that has to be closed for it.
type inside struct {
	io.Reader
	closers []io.Closer // the last is closed first
}

func (i *inside) Close() error { return closeAll(i.closers) }

func closeAll(closers []io.Closer) error {
	var errs []error
	for j := len(closers) - 1; j >= 0; j-- {
		errs = append(errs, closers[j].Close())
	}
	return errors.Join(errs...)
}
