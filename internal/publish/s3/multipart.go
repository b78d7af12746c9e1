package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/publish"
)

// partMark is how much bigger than PartSize a part may be. S3 does not tell of an
// unfinished upload what it is of; the size of its parts does. Two contents that
// begin with the same bytes are not taken for one another.
const partMark = 1 << 20

// partsOf is the size of the parts of a content, and how many there are.
func (s *Store) partsOf(key string, c publish.Content, o publish.PutOptions) (size int64, n int) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s", c.Digest, c.MediaType(key), o.Cache)
	base := max(s.partSize, (c.Size+mostParts-1)/mostParts)
	size = base + int64(binary.BigEndian.Uint64(h.Sum(nil))%partMark)
	return size, int((c.Size + size - 1) / size)
}

// upload is a content on its way in parts.
type upload struct {
	store *Store
	key   string
	c     publish.Content
	o     publish.PutOptions
	held  bool // the condition, by the server
	size  int64
	n     int
	meter *meter

	id   string
	have map[int]string // MD5 by number, of the parts that were there before

	mu    sync.Mutex
	parts []minio.CompletePart
}

// errGone is of an upload that another process has completed or dropped.
var errGone = errors.New("the upload is gone")

// putParts puts a big content. An upload that another process ends in between is
// begun anew, unless it was completed.
func (s *Store) putParts(ctx context.Context, key string, c publish.Content, o publish.PutOptions, held bool) (publish.Object, error) {
	for range 3 {
		u := &upload{store: s, key: key, c: c, o: o, held: held, meter: &meter{tell: c.Progress}}
		u.size, u.n = s.partsOf(key, c, o)
		u.parts = make([]minio.CompletePart, u.n)
		done, err := u.run(ctx)
		if !errors.Is(err, errGone) {
			return done, err
		}
		now, err := s.Stat(ctx, key)
		switch {
		case err == nil && now.Digest == c.Digest && now.Size == c.Size:
			return now, nil
		case err != nil && !errors.Is(err, publish.ErrNotFound):
			return publish.Object{}, err
		}
	}
	return publish.Object{}, fmt.Errorf("put %s in %s: others end its upload again and again: %w", key, s, publish.ErrUnavailable)
}

func (u *upload) run(ctx context.Context) (publish.Object, error) {
	if err := u.find(ctx); err != nil {
		return publish.Object{}, err
	}
	if u.id == "" {
		err := u.store.try(ctx, "put", u.key, func(ctx context.Context, _ attempt) (err error) {
			u.id, err = u.store.client.NewMultipartUpload(ctx, u.store.bucket, u.key, u.store.putOptions(u.key, u.c, u.o, false))
			return err
		})
		if err != nil {
			return publish.Object{}, err
		}
	}
	err := u.sendAll(ctx)
	if errors.Is(err, publish.ErrMismatch) {
		// What was sent is nothing that anybody wants.
		err = errors.Join(fmt.Errorf("put %s: %w", u.key, err), u.store.abort(context.WithoutCancel(ctx), u.key, u.id))
	}
	if err != nil {
		return publish.Object{}, err
	}
	return u.complete(ctx)
}

// sendAll reads the content through, and sends the parts that are not there.
func (u *upload) sendAll(ctx context.Context) error {
	r, err := u.c.Reader(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it is only read
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	readErr := func() error {
		for i := range u.n {
			data, err := u.store.memory.get(ctx, u.sizeOf(i+1))
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(r, data); err != nil {
				u.store.memory.put(data)
				return withoutEOF(err)
			}
			group.Go(func() error {
				defer u.store.memory.put(data)
				return u.send(ctx, i+1, data)
			})
		}
		return atEnd(r)
	}()
	if err := group.Wait(); err != nil {
		return err
	}
	return readErr
}

// sizeOf is the size of a part, which are numbered from 1.
func (u *upload) sizeOf(number int) int64 {
	return min(u.size, u.c.Size-int64(number-1)*u.size)
}

func (u *upload) send(ctx context.Context, number int, data []byte) error {
	if there, ok := u.have[number]; ok {
		if got := md5.Sum(data); hex.EncodeToString(got[:]) == there {
			u.meter.add(int64(len(data)))
			u.note(number, there)
			return nil
		}
	}
	sha := sum(data)
	return u.store.try(ctx, fmt.Sprintf("put part %d of", number), u.key, func(ctx context.Context, _ attempt) error {
		body := u.meter.reader(data)
		part, err := u.store.client.PutObjectPart(ctx, u.store.bucket, u.key, u.id, number, body, int64(len(data)),
			minio.PutObjectPartOptions{Sha256Hex: sha, DisableContentSha256: true})
		if err != nil {
			body.back()
			return gone(err)
		}
		u.note(number, part.ETag)
		return nil
	})
}

func (u *upload) note(number int, etag string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[number-1] = minio.CompletePart{PartNumber: number, ETag: etag}
}

func gone(err error) error {
	if e, ok := serverSaid(err); ok && e.Code == "NoSuchUpload" {
		return &finalError{errGone}
	}
	return err
}

// complete makes the object of the parts.
func (u *upload) complete(ctx context.Context) (publish.Object, error) {
	s := u.store
	options := minio.PutObjectOptions{}
	condition(&options, u.o, u.held)
	var done publish.Object
	err := s.try(ctx, "complete", u.key, func(ctx context.Context, a attempt) error {
		info, err := s.client.CompleteMultipartUpload(ctx, s.bucket, u.key, u.id, u.parts, options)
		if e, ok := serverSaid(err); ok && e.Code == "NoSuchUpload" {
			return &finalError{errGone}
		} else if ok && e.StatusCode == http.StatusConflict && u.held {
			// Amazon's way to say that another writer came between.
			return &finalError{fmt.Errorf("put %s in %s: %w", u.key, s, publish.ErrConflict)}
		}
		if err != nil {
			return s.settle(ctx, u.key, u.c, u.o, a, err, &done)
		}
		done = publish.Object{Key: u.key, Size: u.c.Size, Version: info.ETag, Digest: u.c.Digest, Modified: a.said.date.UTC()}
		return nil
	})
	if errors.Is(err, publish.ErrConflict) {
		err = errors.Join(err, s.abort(context.WithoutCancel(ctx), u.key, u.id))
	}
	return done, err
}

// abort drops an upload; one that is gone already is no error.
func (s *Store) abort(ctx context.Context, key, id string) error {
	return s.try(ctx, "drop an upload of", key, func(ctx context.Context, _ attempt) error {
		err := s.client.AbortMultipartUpload(ctx, s.bucket, key, id)
		if e, ok := serverSaid(err); ok && e.Code == "NoSuchUpload" {
			return nil
		}
		return err
	})
}
