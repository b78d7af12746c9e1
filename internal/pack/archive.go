package pack

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/slipway-dev/slipway/internal/release"
)

// archive prepares one archive of the plan, or a bare binary.
func (p *packer) archive(a release.PlanArchive) (asset, error) {
	who := "archive " + a.Name
	out := asset{name: a.Name, kind: release.KindArchive, platform: &a.Platform, from: who, mode: 0o644}
	entries, err := p.entries(a, who)
	if err != nil {
		return asset{}, err
	}
	for _, e := range entries {
		out.size += e.Size
	}
	out.inputs = struct {
		Format, Compressor string
		Time               int64
		Entries            []entry
	}{a.Format, compressor(), p.Plan.Time.Unix(), entries}
	at := p.Plan.Time.UTC().Truncate(time.Second)
	switch a.Format {
	case "tar.gz":
		out.write = func(ctx context.Context, w io.Writer, read func(int64)) error {
			return writeCompressed(ctx, w, entries, at, read, newGzip)
		}
	case "tar.zst":
		out.write = func(ctx context.Context, w io.Writer, read func(int64)) error {
			return writeCompressed(ctx, w, entries, at, read, newZstd)
		}
	case "zip":
		out.write = func(ctx context.Context, w io.Writer, read func(int64)) error {
			return writeZip(ctx, w, entries, at, read)
		}
	case "binary":
		if len(entries) != 1 {
			return asset{}, release.Invalidf("give each binary an archive entry of its own", "%s: format binary is one bare file, but there are %d", who, len(entries))
		}
		bare := p.fileAsset(entries[0])
		out.kind, out.mode, out.inputs, out.write = release.KindBinary, bare.mode, bare.inputs, bare.write
	default:
		return asset{}, release.Invalidf("write tar.gz, tar.zst, zip or binary", "%s has format %q, which there is not", who, a.Format)
	}
	return out, nil
}

// fileAsset is a file that becomes an asset as it is.
func (p *packer) fileAsset(e entry) asset {
	return asset{name: path.Base(e.Name), kind: release.KindFile, from: e.Name, mode: e.Mode, size: e.Size,
		inputs: e.Digest,
		write: func(ctx context.Context, w io.Writer, read func(int64)) error {
			return copyInto(ctx, w, e, read)
		}}
}

// entries are an archive's files: the binaries at its root, the others under
// their path in the repository, sorted.
func (p *packer) entries(a release.PlanArchive, who string) ([]entry, error) {
	out, err := p.source.find(a.Files, who, true)
	if err != nil {
		return nil, err
	}
	for _, id := range a.Builds {
		i := slices.IndexFunc(p.Binaries, func(b release.Binary) bool { return b.ID == id && b.Platform == a.Platform })
		if i < 0 {
			return nil, fmt.Errorf("%s: there is no binary of build %q for %s", who, id, a.Platform)
		}
		b := p.Binaries[i]
		out = append(out, entry{Name: b.Name, Mode: 0o755, Size: b.Size, Digest: b.Digest, open: func() (*os.File, error) { return os.Open(b.Path) }})
	}
	slices.SortStableFunc(out, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	return out, checkEntryNames(out, who)
}

// checkEntryNames refuses an archive that could not be unpacked whole.
func checkEntryNames(entries []entry, who string) error {
	names := map[string]bool{}
	for _, e := range entries {
		if names[e.Name] {
			return release.Invalidf("give the builds different `binary` names, or take the file out", "%s: two files in it would be named %s", who, e.Name)
		}
		names[e.Name] = true
	}
	for _, e := range entries {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if names[dir] {
				return release.Invalidf("rename one of them", "%s: %s would be a file and a folder in it", who, dir)
			}
		}
	}
	return nil
}

// compressor names the code that made an archive: another version of it may
// write other bytes.
func compressor() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/klauspost/compress" {
			return info.GoVersion + " " + d.Version
		}
	}
	return info.GoVersion
}

// newGzip is a gzip writer whose header has no name and no time.
func newGzip(w io.Writer) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, compressionLevel)
}

// compressionLevel of gzip and zip: within about 2 % of the size that gzip -6
// gives to a Go binary, in a third of its time.
const compressionLevel = 7

// newZstd is a zstd writer that works alone, so that its blocks do not depend
// on the machine. A larger window takes more memory and makes a Go binary
// hardly smaller.
func newZstd(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(2<<20),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
}

func writeCompressed(ctx context.Context, w io.Writer, entries []entry, at time.Time, read func(int64), open func(io.Writer) (io.WriteCloser, error)) error {
	buffer := bufio.NewWriterSize(w, 64<<10)
	z, err := open(buffer)
	if err != nil {
		return err
	}
	if err := writeTar(ctx, z, entries, at, read); err != nil {
		_ = z.Close() // frees what it holds; the file is dropped
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return buffer.Flush()
}

// writeTar writes entries with owner 0:0, no names of users, and one time.
func writeTar(ctx context.Context, w io.Writer, entries []entry, at time.Time, read func(int64)) error {
	t := tar.NewWriter(w)
	done := int64(0)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Name, Mode: int64(e.Mode.Perm()), Size: e.Size, ModTime: at}
		if e.Link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if e.Link != "" {
			continue
		}
		if err := copyInto(ctx, t, e, func(n int64) { read(done + n) }); err != nil {
			return err
		}
		done += e.Size
	}
	return t.Close()
}

// oldestZip is the first date that a zip file can tell.
var oldestZip = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func writeZip(ctx context.Context, w io.Writer, entries []entry, at time.Time, read func(int64)) error {
	if at.Before(oldestZip) {
		at = oldestZip
	}
	z := zip.NewWriter(w) // it buffers by itself
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, compressionLevel) })
	done := int64(0)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate, Modified: at}
		h.SetMode(e.Mode)
		if e.Mode&fs.ModeSymlink != 0 {
			h.Method = zip.Store
		}
		to, err := z.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if e.Link != "" {
			if _, err := io.WriteString(to, e.Link); err != nil {
				return err
			}
			continue
		}
		if err := copyInto(ctx, to, e, func(n int64) { read(done + n) }); err != nil {
			return err
		}
		done += e.Size
	}
	return z.Close()
}
