package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/release"
)

// cache keeps compressed layers: <dir>/<key>.tar.gz with a record beside it.
// A blob's time of modification is its last use. Several processes may use it
// at once, and anything in it may be deleted at any time.
type cache struct {
	dir   string
	locks string
}

// folder names of the cache within Options.CacheDir.
const (
	layersFolder = "layers"
	locksFolder  = "locks"
)

func openCache(dir string) (cache, error) {
	c := cache{dir: filepath.Join(dir, layersFolder)}
	c.locks = filepath.Join(c.dir, locksFolder)
	return c, roomFor(os.MkdirAll(c.locks, 0o755))
}

// record says what a cached blob is.
type record struct {
	Key    string  `json:"key"`
	Digest v1.Hash `json:"digest"` // of the blob
	DiffID v1.Hash `json:"diffID"` // of the tar in it
	Size   int64   `json:"size"`   // of the blob, bytes
}

// layerFormat names how layers are written. It changes with anything that would
// give other bytes for the same entries.
const layerFormat = "slipway.layer/v1"

// layerKey names everything that a layer's bytes depend on.
func layerKey(entries []entry, at time.Time) (string, error) {
	b, err := json.Marshal(struct {
		Format, Compression string
		Time                int64
		Entries             []entry
	}{layerFormat, compression(), at.Unix(), entries})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// compression names the code that compresses: another version of it may write
// other bytes.
func compression() string {
	name := fmt.Sprintf("gzip level %d, blocks of %d", compressionLevel, blockSize)
	if info, ok := debug.ReadBuildInfo(); ok {
		name += ", " + info.GoVersion
		for _, d := range info.Deps {
			if d.Path == "github.com/klauspost/compress" || d.Path == "github.com/klauspost/pgzip" {
				name += ", " + d.Path + " " + d.Version
			}
		}
	}
	return name
}

func (c cache) blob(key string) string   { return filepath.Join(c.dir, key+blobSuffix) }
func (c cache) record(key string) string { return filepath.Join(c.dir, key+recordSuffix) }

const (
	blobSuffix   = ".tar.gz"
	recordSuffix = ".json"
	unfinished   = "unfinished-"
)

// find gives the record of a blob that is there, as far as its size tells, and
// notes the use.
func (c cache) find(key string) (record, bool) {
	var r record
	b, err := os.ReadFile(c.record(key))
	if err != nil || json.Unmarshal(b, &r) != nil || r.Key != key {
		return record{}, false
	}
	st, err := os.Lstat(c.blob(key))
	if err != nil || !st.Mode().IsRegular() || st.Size() != r.Size {
		return record{}, false
	}
	now := time.Now()
	// Best effort: at worst the layer is pruned early and made again.
	_ = os.Chtimes(c.blob(key), now, now)
	return r, true
}

// intact reads the whole blob and compares it with its record.
func (c cache) intact(r record) bool {
	f, err := os.Open(c.blob(r.Key))
	if err != nil {
		return false
	}
	defer f.Close()
	digest, size, err := v1.SHA256(f)
	return err == nil && digest == r.Digest && size == r.Size
}

// make writes a blob and its record, and lets others that would write the same
// wait, so that they find it made. The blob comes first: a record is worth
// nothing without its blob, and find sees that.
func (c cache) make(ctx context.Context, key string, find func() (record, bool), write func(context.Context, io.Writer) (record, error)) (r record, made bool, err error) {
	// Few locks for all keys, because a lock file can't be removed without a race.
	lock := flock.New(filepath.Join(c.locks, key[:2]))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return record{}, false, roomFor(err)
	}
	defer lock.Close()
	if r, ok := find(); ok {
		return r, false, nil
	}
	err = c.place(c.blob(key), func(f *os.File) (err error) {
		r, err = write(ctx, f)
		return err
	})
	if err != nil {
		return record{}, false, err
	}
	r.Key = key
	return r, true, c.place(c.record(key), func(f *os.File) error { return json.NewEncoder(f).Encode(r) })
}

// place writes a file that is whole or not there. It does not wait for the
// disk, which would take longer than the compression: what a power cut leaves
// behind does not match its record, and is made again.
func (c cache) place(path string, write func(*os.File) error) error {
	tmp, err := os.CreateTemp(c.dir, unfinished+"*")
	if err != nil {
		return roomFor(err)
	}
	defer os.Remove(tmp.Name()) // it is gone when all went well
	if err := errors.Join(write(tmp), tmp.Close()); err != nil {
		return roomFor(err)
	}
	return roomFor(os.Rename(tmp.Name(), path))
}

// roomFor tells what to do when the cache can't be written.
func roomFor(err error) error {
	var known *release.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &release.Error{Kind: release.Failed, Message: "write the layer cache", Hint: "free some space there, or run `slipway cache prune`", Err: err}
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return &release.Error{Kind: release.Failed, Message: "write the layer cache", Hint: "let this user write there, or choose another folder", Err: err}
	}
	return err
}
