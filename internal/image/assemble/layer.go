package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"

	"github.com/slipway-dev/slipway/internal/progress"
)

const (
	// compressionLevel makes layers of Go binaries 5 % larger than BuildKit's, in
	// a quarter of its processor time. (2: 11 % and a sixth; 6: 2 % and a third.)
	compressionLevel = 4
	// blockSize is what one processor compresses at a time. The bytes depend on
	// it, so it is the same on every machine.
	blockSize = 256 << 10
)

// layer is a layer whose blob lies in the cache.
type layer struct {
	record
	cache cache
	what  string
	write writer

	mu    sync.Mutex
	whole bool // the blob was made, or looked at from end to end
}

// writer writes a blob and says what it wrote; at hears how far it is, in bytes
// of what it reads.
type writer func(ctx context.Context, w io.Writer, at func(int64)) (record, error)

// makeLayer makes a layer, or finds it in the cache; then no file of it is
// opened.
func makeLayer(ctx context.Context, c cache, p part, at time.Time, stage progress.Stage) (*layer, error) {
	at = at.UTC().Truncate(time.Second)
	key, err := layerKey(p.entries, at)
	if err != nil {
		return nil, err
	}
	l := &layer{cache: c, what: p.what, write: packing(p.entries, at)}
	return l, l.get(ctx, key, stage.Task(p.name, total(p.entries)))
}

// get finds the blob, or makes it.
func (l *layer) get(ctx context.Context, key string, task progress.Task) (err error) {
	summary := ""
	defer func() { task.Done(summary, err) }()
	find := func() (record, bool) { return l.cache.find(key) }
	r, ok := find()
	if !ok {
		write := func(ctx context.Context, w io.Writer) (record, error) { return l.write(ctx, w, task.At) }
		if r, l.whole, err = l.cache.make(ctx, key, find, write); err != nil {
			return err
		}
	}
	l.record = r
	if summary = progress.Bytes(r.Size); !l.whole {
		summary += ", unchanged"
	}
	return nil
}

// packing compresses a layer, and hashes what it writes on the way.
func packing(entries []entry, date time.Time) writer {
	return func(ctx context.Context, w io.Writer, at func(int64)) (record, error) {
		blob := &summed{w: w, sum: sha256.New()}
		z, err := pgzip.NewWriterLevel(blob, compressionLevel)
		if err != nil {
			return record{}, err
		}
		if err := z.SetConcurrency(blockSize, min(runtime.GOMAXPROCS(0), mostConcurrent)); err != nil {
			return record{}, err
		}
		tar := &summed{w: z, sum: sha256.New()}
		// Closed in any case: it ends what runs beside it.
		if err := errors.Join(writeTar(ctx, tar, entries, date, at), z.Close()); err != nil {
			if ctx.Err() != nil {
				return record{}, ctx.Err()
			}
			return record{}, err
		}
		return record{Digest: blob.hash(), DiffID: tar.hash(), Size: blob.n}, nil
	}
}

// summed hashes what is written through it.
type summed struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *summed) hash() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(s.sum.Sum(nil))}
}

// The methods of v1.Layer.

func (l *layer) Digest() (v1.Hash, error)            { return l.record.Digest, nil }
func (l *layer) DiffID() (v1.Hash, error)            { return l.record.DiffID, nil }
func (l *layer) Size() (int64, error)                { return l.record.Size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed opens the blob. Before the first time a blob of an earlier run is
// read whole, so that a damaged one is made again instead of being sent.
func (l *layer) Compressed() (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.whole && !l.cache.intact(l.record) {
		if err := l.again(); err != nil {
			return nil, err
		}
	}
	l.whole = true
	f, err := os.Open(l.cache.blob(l.Key))
	if errors.Is(err, os.ErrNotExist) { // pruned meanwhile
		if err := l.again(); err != nil {
			return nil, err
		}
		f, err = os.Open(l.cache.blob(l.Key))
	}
	return f, err
}

// link puts the blob at a path, as a link to the cache where the file system has
// such, which holds it when the cache is pruned.
func (l *layer) link(to string) (err error) {
	in, err := l.Compressed()
	if err != nil {
		return err
	}
	defer in.Close()
	if os.Link(l.cache.blob(l.Key), to) == nil {
		return nil
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// again makes the blob anew.
func (l *layer) again() error {
	find := func() (record, bool) {
		r, ok := l.cache.find(l.Key)
		return r, ok && l.cache.intact(r)
	}
	write := func(ctx context.Context, w io.Writer) (record, error) { return l.write(ctx, w, func(int64) {}) }
	r, _, err := l.cache.make(context.Background(), l.Key, find, write)
	if err == nil && r != l.record {
		err = fmt.Errorf("the layer of %s came out different the second time", l.what)
	}
	return err
}

func (l *layer) Uncompressed() (io.ReadCloser, error) {
	f, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &unpacked{z, f}, nil
}

// unpacked closes both a reader and what it reads from.
type unpacked struct {
	*gzip.Reader
	from io.Closer
}

func (u *unpacked) Close() error { return errors.Join(u.Reader.Close(), u.from.Close()) }
