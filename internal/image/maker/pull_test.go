package maker_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/release"
)

// pullIndex reads an index by its digest.
func pullIndex(t testing.TB, repository, digest string) v1.ImageIndex {
	t.Helper()
	idx, err := remote.Index(reference(t, repository+"@"+digest), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func reference(t testing.TB, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(text, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func indexManifest(t testing.TB, idx v1.ImageIndex) *v1.IndexManifest {
	t.Helper()
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// part is the image of one platform of an index.
func part(t testing.TB, idx v1.ImageIndex, p release.Platform) v1.Image {
	t.Helper()
	for _, d := range indexManifest(t, idx).Manifests {
		if d.Platform != nil && d.Platform.OS == p.OS && d.Platform.Architecture == p.Arch && d.Platform.Variant == p.Variant {
			img, err := idx.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return img
		}
	}
	t.Fatalf("the index has nothing for %s", p)
	return nil
}

func config(t testing.TB, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func layers(t testing.TB, img v1.Image) []v1.Layer {
	t.Helper()
	all, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func layerDigests(t testing.TB, all []v1.Layer) (out []string) {
	t.Helper()
	for _, l := range all {
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d.String())
	}
	return out
}

// file is a file or folder as a layer has it.
type file struct {
	tar.Header
	data []byte
}

// filesOf reads layers, one upon the other, by path.
func filesOf(t testing.TB, all []v1.Layer) map[string]file {
	t.Helper()
	out := map[string]file{}
	for _, l := range all {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			out[path.Clean(h.Name)] = file{*h, data}
		}
		_ = r.Close()
	}
	return out
}

// unpacked lays an image's file system into a folder, with its owners and
// modes; that takes root.
func unpacked(t testing.TB, img v1.Image) (root string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(img)
	defer files.Close()
	cmd := exec.CommandContext(t.Context(), "tar", "--extract", "--same-permissions", "--numeric-owner", "--directory="+root)
	cmd.Stdin = files
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v: %s", err, out)
	}
	return root
}

// runs starts a program of an unpacked image as nonroot, with nothing but that
// file system to see, and gives what it prints. The kernel hands programs of
// another processor to qemu.
func runs(t testing.TB, root string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
