package realtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
)

// npmPackage is an npm package of data that tests read; none of its code runs.
type npmPackage struct {
	name      string
	integrity string   // of the packed file, as `npm view NAME dist.integrity` prints it
	keep      []string // files and folders to unpack; the rest is left out
}

func (n npmPackage) part(name, version string) Part {
	return Part{
		Name: name, Version: version,
		pins: func(string) ([]byte, error) {
			return []byte(strings.Join(append([]string{n.name, n.integrity}, n.keep...), "\x00")), nil
		},
		make: func(ctx context.Context, _, dir string, log io.Writer) error {
			return n.make(ctx, version, dir, log)
		},
	}
}

func (n npmPackage) make(ctx context.Context, version, dir string, log io.Writer) error {
	pack := filepath.Join(dir, ".pack")
	if err := os.Mkdir(pack, 0o755); err != nil {
		return err
	}
	err := proc.Run(ctx, proc.Cmd{
		Args:   []string{"npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", pack, n.name + "@" + version},
		Dir:    pack,
		Stderr: log,
	})
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(pack, "*.tgz"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("npm pack left %d files, want 1", len(files))
	}
	packed, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	sum := sha512.Sum512(packed)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != n.integrity {
		return fmt.Errorf("%s@%s has the digest %s, want %s", n.name, version, got, n.integrity)
	}
	if err := n.unpack(packed, dir); err != nil {
		return fmt.Errorf("unpack %s@%s: %w", n.name, version, err)
	}
	return os.RemoveAll(pack)
}

// unpack writes the kept files to dir, without the packed files' first folder.
func (n npmPackage) unpack(packed []byte, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || !n.kept(name) {
			continue
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := writeFrom(root, name, tr); err != nil {
			return err
		}
	}
}

func (n npmPackage) kept(name string) bool {
	for _, k := range n.keep {
		if name == k || strings.HasPrefix(name, k+"/") {
			return true
		}
	}
	return false
}

func writeFrom(root *os.Root, name string, r io.Reader) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
