package assemble

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// entry is a file or folder in a layer. The exported fields, and the
// layer's time, are all that the layer's bytes depend on.
type entry struct {
	Path   string // in the image, without the leading slash
	Mode   int64  // permission bits as tar has them, 01777 for /tmp
	Folder bool   `json:",omitempty"`
	Size   int64
	Digest string `json:",omitempty"` // of a file, sha256:<64 hex digits>
	UID    int    `json:",omitempty"`
	GID    int    `json:",omitempty"`
	open   func() (io.ReadCloser, error)
}

// binaryEntry is an executable at its path in the image.
func binaryEntry(img release.PlanImage, b release.Binary) entry {
	return entry{
		Path: imagePath(recipe.BinaryPath(img, b.Name)), Mode: 0o755, Size: b.Size, Digest: b.Digest,
		open: func() (io.ReadCloser, error) { return os.Open(b.Path) },
	}
}

// rootEntries are the base file system of an image from scratch.
func rootEntries() []entry {
	var out []entry
	for _, f := range recipe.RootFS() {
		e := entry{Path: imagePath(f.Path), Mode: f.Mode, Folder: f.Dir, UID: f.UID, GID: f.GID}
		if !f.Dir {
			sum := sha256.Sum256(f.Content)
			e.Size, e.Digest = int64(len(f.Content)), "sha256:"+hex.EncodeToString(sum[:])
			e.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Content)), nil }
		}
		out = append(out, e)
	}
	sortEntries(out)
	return out
}

// imagePath is a path below / as a tar has it.
func imagePath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
}

// checkPaths refuses files that would lie one upon the other. root is what lies
// below them; a file may take the place of a file there, but not of a folder.
func checkPaths(entries, root []entry, who string) error {
	files := map[string]bool{}
	for _, e := range entries {
		if files[e.Path] && !e.Folder {
			return release.Invalidf("give the builds different `binary` names, or take the file out", "%s: two files would lie at /%s", who, e.Path)
		}
		files[e.Path] = files[e.Path] || !e.Folder
	}
	taken := map[string]bool{} // by folders
	for _, e := range slices.Concat(root, entries) {
		if e.Folder {
			taken[e.Path] = true
		}
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			taken[dir] = true
		}
	}
	for _, e := range root {
		files[e.Path] = files[e.Path] || !e.Folder
	}
	for _, e := range entries {
		for p := e.Path; p != "."; p = path.Dir(p) {
			if files[p] && taken[p] {
				return release.Invalidf("rename one of them", "%s: /%s would be a file and a folder", who, p)
			}
		}
	}
	return nil
}

// folders are the working directory and what entries lie in, as far as root
// does not have them.
func folders(workdir string, entries, root []entry) []entry {
	known := map[string]bool{}
	for _, e := range root {
		known[e.Path] = true
	}
	var out []entry
	add := func(dir string) {
		for ; dir != "." && dir != "" && !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			out = append(out, entry{Path: dir, Mode: 0o755, Folder: true})
		}
	}
	add(imagePath(workdir))
	for _, e := range entries {
		add(path.Dir(e.Path))
	}
	return out
}

// total is the bytes of all files together.
func total(entries []entry) (n int64) {
	for _, e := range entries {
		n += e.Size
	}
	return n
}

// writeTar writes entries, sorted by path, with numbers for owners, no names,
// and one time. read hears how many bytes of files are done.
func writeTar(ctx context.Context, w io.Writer, entries []entry, at time.Time, read func(int64)) error {
	t := tar.NewWriter(w)
	buffer := make([]byte, 256<<10)
	in := &input{ended: ctx.Err, read: read, sum: sha256.New()}
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Path, Mode: e.Mode, Size: e.Size, Uid: e.UID, Gid: e.GID, ModTime: at}
		if e.Folder {
			h.Typeflag, h.Name = tar.TypeDir, e.Path+"/"
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("/%s: %w", e.Path, err)
		}
		if e.Folder {
			continue
		}
		if err := in.copyTo(t, e, buffer); err != nil {
			return err
		}
	}
	return t.Close()
}

// input reads files one after another.
type input struct {
	ended func() error // the context's error
	from  io.ReadCloser
	sum   hash.Hash
	n     int64
	read  func(int64)
}

// copyTo copies a file's content. The cache knows a layer by the digests of its
// files, so a file that has other bytes by now must not come into it.
func (i *input) copyTo(w io.Writer, e entry, buffer []byte) (err error) {
	if i.from, err = e.open(); err != nil {
		return release.Failf("make it again", "/%s of the image can't be read: %v", e.Path, err)
	}
	defer i.from.Close()
	i.sum.Reset()
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, i, buffer)
	if err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(i.sum.Sum(nil)); n != e.Size || got != e.Digest {
		return release.Failf("let nothing write to it, and run it again", "/%s changed while the image was put together", e.Path)
	}
	return nil
}

func (i *input) Read(p []byte) (int, error) {
	if err := i.ended(); err != nil {
		return 0, err
	}
	n, err := i.from.Read(p)
	i.sum.Write(p[:n])
	i.n += int64(n)
	i.read(i.n)
	return n, err
}
