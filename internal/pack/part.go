package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// partHeader is the first entry of a part; the binaries follow as bin/<id>.
const partHeader = "part.json"

// partHeaderLimit bounds it, in bytes.
const partHeaderLimit = 1 << 20

// WritePart packs the binaries of one platform into the output folder, for
// another job to make the release of. The same binaries give the same bytes.
func WritePart(ctx context.Context, out string, p release.Plan, platform release.Platform, binaries []release.Binary) (release.Artifact, error) {
	part := release.Part{Schema: release.PartSchema, Commit: p.Commit, PlanHash: p.Hash(), Platform: platform}
	entries := []entry{{}}
	for _, b := range binaries {
		if b.Platform != platform {
			continue
		}
		part.Binaries = append(part.Binaries, b)
		entries = append(entries, entry{Name: "bin/" + b.ID, Mode: 0o755, Size: b.Size, Digest: b.Digest, open: func() (*os.File, error) { return os.Open(b.Path) }})
	}
	header, err := json.Marshal(part)
	if err != nil {
		return release.Artifact{}, err
	}
	folder, err := dist.Open(out, "parts")
	if err != nil {
		return release.Artifact{}, err
	}
	if entries[0], err = headerEntry(folder, header); err != nil {
		return release.Artifact{}, err
	}
	f, err := folder.Create()
	if err != nil {
		return release.Artifact{}, err
	}
	defer f.Abort()
	if err := writeCompressed(ctx, f, entries, p.Time.UTC(), func(int64) {}, newGzip); err != nil {
		return release.Artifact{}, err
	}
	name := release.PartName(platform)
	record, err := f.Commit(name, name, part.PlanHash, 0o644)
	return release.Artifact{Name: name, Kind: release.KindPart, Platform: &platform, Size: record.Size, Digest: record.Digest, Path: folder.Path(name)}, err
}

// headerEntry is the part's document as an entry: entries are read from files.
func headerEntry(folder *dist.Folder, header []byte) (entry, error) {
	f, err := folder.Create()
	if err != nil {
		return entry{}, err
	}
	defer f.Abort()
	if _, err := f.Write(header); err != nil {
		return entry{}, err
	}
	const key = "header"
	record, err := f.Commit(key, dist.Private+"/parts/"+partHeader, key, 0o644)
	return entry{Name: partHeader, Mode: 0o644, Size: record.Size, Digest: record.Digest,
		open: func() (*os.File, error) { return os.Open(folder.Private(partHeader)) }}, err
}

// ErrOtherPlan says that a part was built for another release, or for this one
// before its plan changed.
var ErrOtherPlan = errors.New("it was built by another plan")

// ReadPart unpacks a part's binaries into a folder, one file a build, and gives
// where each lies. Nothing but what the plan names is written, and bytes that
// are not those of the part's document are an error.
func ReadPart(from io.Reader, to string, p release.Plan, platform release.Platform) (map[string]string, error) {
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, fmt.Errorf("read the part of %s: %w", platform, err)
	}
	t := tar.NewReader(z)
	part, err := readHeader(t)
	if err != nil {
		return nil, fmt.Errorf("read the part of %s: %w", platform, err)
	}
	if part.PlanHash != p.Hash() || part.Platform != platform {
		return nil, ErrOtherPlan
	}
	paths := map[string]string{}
	for _, b := range p.Builds {
		if b.Platform != platform {
			continue
		}
		i := slices.IndexFunc(part.Binaries, func(x release.Binary) bool { return x.ID == b.ID })
		if i < 0 {
			return nil, fmt.Errorf("the part of %s has no binary of build %s", platform, b.ID)
		}
		paths[b.ID] = filepath.Join(to, b.ID)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, dist.Readable(err)
	}
	for range part.Binaries {
		if err := readBinary(t, part, paths); err != nil {
			return nil, fmt.Errorf("read the part of %s: %w", platform, err)
		}
	}
	return paths, nil
}

func readHeader(t *tar.Reader) (part release.Part, err error) {
	h, err := t.Next()
	if err != nil {
		return part, err
	}
	if h.Name != partHeader {
		return part, fmt.Errorf("it begins with %q, not with %s", h.Name, partHeader)
	}
	data, err := io.ReadAll(io.LimitReader(t, partHeaderLimit))
	if err != nil {
		return part, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&part); err != nil {
		return part, fmt.Errorf("%s: %w", partHeader, err)
	}
	if part.Schema != release.PartSchema {
		return part, fmt.Errorf("%s has schema %q; this slipway reads %q", partHeader, part.Schema, release.PartSchema)
	}
	return part, nil
}

// readBinary unpacks the next entry, if the plan wants it.
func readBinary(t *tar.Reader, part release.Part, paths map[string]string) error {
	h, err := t.Next()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(part.Binaries, func(b release.Binary) bool { return "bin/"+b.ID == h.Name })
	if i < 0 || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("it has an entry %q, which its document does not name", h.Name)
	}
	b := part.Binaries[i]
	to, wanted := paths[b.ID]
	if !wanted {
		return nil
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return dist.Readable(err)
	}
	// One byte more than it may have shows one that is too long.
	_, err = io.Copy(f, io.LimitReader(t, b.Size+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return dist.Readable(err)
	}
	size, digest, err := dist.HashFile(to)
	if err == nil && (size != b.Size || digest != b.Digest) {
		err = fmt.Errorf("the binary of build %s has other bytes than its document says", b.ID)
	}
	return err
}

// PartOnDisk opens a platform's part that lies in the output folder; fs.ErrNotExist
// when there is none.
func PartOnDisk(out string, platform release.Platform) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(out, release.PartName(platform)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	return f, err
}

// KeepPart writes a part that came from elsewhere into the output folder.
func KeepPart(out string, platform release.Platform, from io.Reader) error {
	folder, err := dist.Open(out, "parts")
	if err != nil {
		return err
	}
	f, err := folder.Create()
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	name := release.PartName(platform)
	_, err = f.Commit(name, name, "", 0o644)
	return err
}
