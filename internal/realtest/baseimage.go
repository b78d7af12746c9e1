package realtest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// baseLinks are the programs that the base image's busybox is called by.
const baseLinks = `[ awk base64 basename cat chgrp chmod chown cp cut date dd df dirname du echo env expr
false find grep gunzip gzip head hostname httpd id install kill ln ls md5sum mkdir mktemp mv nc nproc od
printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail tar tee test time
timeout touch tr true tty uname uniq unzip wc wget which whoami xargs yes zcat`

// BaseImage pushes a small base image to a registry without login and returns
// its reference, HOST:PORT/busybox@sha256:…: busybox with a shell, for
// linux/amd64, linux/386, linux/arm64 and linux/arm/v6. Its digest is the same
// each time; its tag is latest.
func BaseImage(t testing.TB, registry string) string {
	t.Helper()
	return push(t, need(t, baseImagePart()), registry, "busybox")
}

// basePlatform is a platform of the base image, and Debian's name of it.
type basePlatform struct {
	v1.Platform
	debian string
}

func basePlatforms() []basePlatform {
	return []basePlatform{
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "amd64"},
		{v1.Platform{OS: "linux", Architecture: "386"}, "i386"},
		{v1.Platform{OS: "linux", Architecture: "arm64"}, "arm64"},
		{v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, "armel"},
	}
}

// baseImagePart is the base image as an OCI image layout.
func baseImagePart() Part {
	return Part{
		Name: "base-image", Version: baseImageVersion,
		pins: func(string) ([]byte, error) { return fmt.Append(nil, debianSuite, basePlatforms(), baseLinks), nil },
		make: makeBaseImage,
	}
}

func makeBaseImage(ctx context.Context, _, dir string, log io.Writer) error {
	work := filepath.Join(dir, ".apt")
	var archs []string
	for _, p := range basePlatforms() {
		archs = append(archs, p.debian)
	}
	apt, err := newForeignApt(ctx, work, log, archs)
	if err != nil {
		return err
	}
	var images []mutate.IndexAddendum
	for _, p := range basePlatforms() {
		files, err := apt.download(ctx, "busybox-static:"+p.debian)
		if err != nil {
			return err
		}
		img, err := baseImage(p.Platform, files)
		if err != nil {
			return fmt.Errorf("base image for %s: %w", p.debian, err)
		}
		images = append(images, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p.Platform}})
	}
	if err := writeImages(dir, images...); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// baseImage returns the image of a platform, from the files of its package.
func baseImage(p v1.Platform, files io.Reader) (v1.Image, error) {
	busybox, err := fileOf(files, "bin/busybox")
	if err != nil {
		return nil, err
	}
	root, err := baseRoot(busybox)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(root)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	return image(p, v1.Config{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}}, layer)
}

// fileOf returns one file of a tar stream.
func fileOf(r io.Reader, name string) ([]byte, error) {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the package has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg && path.Clean(h.Name) == name {
			return io.ReadAll(tr)
		}
	}
}

// baseRoot returns the base image's file system as a tar archive.
func baseRoot(busybox []byte) ([]byte, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) error {
		h.Size = int64(len(data))
		if err := tw.WriteHeader(&h); err != nil {
			return err
		}
		_, err := tw.Write(data)
		return err
	}
	for _, dir := range []tar.Header{
		{Name: "bin/", Mode: 0o755}, {Name: "etc/", Mode: 0o755}, {Name: "root/", Mode: 0o700}, {Name: "tmp/", Mode: 0o1777},
	} {
		dir.Typeflag = tar.TypeDir
		if err := add(dir, nil); err != nil {
			return nil, err
		}
	}
	for _, file := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"bin/busybox", 0o755, busybox},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		{"etc/group", 0o644, []byte("root:x:0:\nnogroup:x:65534:\n")},
	} {
		if err := add(tar.Header{Typeflag: tar.TypeReg, Name: file.name, Mode: file.mode}, file.data); err != nil {
			return nil, err
		}
	}
	for _, link := range strings.Fields(baseLinks) {
		if err := add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + link, Linkname: "busybox", Mode: 0o777}, nil); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), tw.Close()
}
