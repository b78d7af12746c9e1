package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
)

// Put implements publish.Store. The bytes are in memory before the first is sent,
// of big content a few parts at a time, so that the digest of what goes out is
// known and signed: a server refuses what arrives broken.
func (s *Store) Put(ctx context.Context, key string, c publish.Content, o publish.PutOptions) (publish.Object, error) {
	if err := errors.Join(publish.CheckKey(key), c.Check()); err != nil {
		return publish.Object{}, err
	}
	held, err := s.hold(ctx, key, c, &o)
	if err != nil {
		return publish.Object{}, err
	}
	if c.Size > s.partSize {
		return s.putParts(ctx, key, c, o, held)
	}
	data, err := s.memory.get(ctx, c.Size)
	if err != nil {
		return publish.Object{}, err
	}
	defer s.memory.put(data)
	if err := fill(ctx, c, data); err != nil {
		return publish.Object{}, fmt.Errorf("put %s: %w", key, err)
	}
	meter := &meter{tell: c.Progress}
	var done publish.Object
	err = s.try(ctx, "put", key, func(ctx context.Context, a attempt) error {
		body := meter.reader(data)
		info, err := s.client.PutObject(ctx, s.bucket, key, body, c.Size, "", strings.TrimPrefix(c.Digest, "sha256:"), s.putOptions(key, c, o, held))
		if err != nil {
			body.back()
			return s.settle(ctx, key, c, o, a, err, &done)
		}
		done = publish.Object{Key: key, Size: c.Size, Version: info.ETag, Digest: c.Digest, Modified: a.said.date.UTC()}
		return nil
	})
	return done, err
}

// hold says whether the server holds the condition of a Put. Where it does not,
// what lies there is looked at, and the Put goes without.
func (s *Store) hold(ctx context.Context, key string, c publish.Content, o *publish.PutOptions) (held bool, err error) {
	if o.If == publish.IfAny {
		return false, nil
	}
	if held, err = s.Conditional(ctx); err != nil {
		return false, err
	}
	if held && c.Size <= s.partSize {
		return true, nil
	}
	// Nor are many bytes to be sent for nothing.
	now, err := s.Stat(ctx, key)
	gone := errors.Is(err, publish.ErrNotFound)
	if err != nil && !gone {
		return false, err
	}
	if gone != (o.If == publish.IfAbsent) || !gone && now.Version != o.If {
		return false, fmt.Errorf("put %s in %s: %w", key, s, publish.ErrConflict)
	}
	return held, nil
}

// settle judges an error of a Put: when an earlier try may have been carried out,
// "the condition is not met" may only mean that it was.
func (s *Store) settle(ctx context.Context, key string, c publish.Content, o publish.PutOptions, a attempt, err error, done *publish.Object) error {
	e, ok := serverSaid(err)
	if !ok || o.If == publish.IfAny {
		return err
	}
	// Amazon says NoSuchKey to If-Match on what is gone.
	unmet := e.StatusCode == http.StatusPreconditionFailed || e.Code == "PreconditionFailed" || e.Code == "NoSuchKey"
	if !unmet {
		return err
	}
	if a.unsure {
		if now, err := s.Stat(ctx, key); err == nil && now.Digest == c.Digest && now.Size == c.Size {
			*done = now
			return nil
		}
	}
	return &finalError{fmt.Errorf("put %s in %s: %w", key, s, publish.ErrConflict)}
}

func (s *Store) putOptions(key string, c publish.Content, o publish.PutOptions, held bool) minio.PutObjectOptions {
	options := minio.PutObjectOptions{
		UserMetadata: map[string]string{digestKey: strings.TrimPrefix(c.Digest, "sha256:")},
		ContentType:  c.MediaType(key), CacheControl: o.Cache,
		DisableContentSha256: true, // of a stream; what is signed is the sum that is given
	}
	condition(&options, o, held)
	return options
}

func condition(options *minio.PutObjectOptions, o publish.PutOptions, held bool) {
	switch {
	case !held:
	case o.If == publish.IfAbsent:
		options.SetMatchETagExcept("*")
	default:
		options.SetMatchETag(o.If)
	}
}

// fill reads a content whole.
func fill(ctx context.Context, c publish.Content, data []byte) error {
	r, err := c.Reader(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it is only read
	if _, err := io.ReadFull(r, data); err != nil {
		return withoutEOF(err)
	}
	return atEnd(r)
}

// atEnd is nil when a content has no more bytes and was what it should be.
func atEnd(r io.Reader) error {
	var more [1]byte
	if _, err := io.ReadFull(r, more[:]); !errors.Is(err, io.EOF) {
		return withoutEOF(err)
	}
	return nil
}

func withoutEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return publish.ErrMismatch
	}
	return err
}

// meter tells how many bytes of a content have been sent.
type meter struct {
	mu   sync.Mutex
	tell func(int64)
	sent int64
}

func (m *meter) add(n int64) {
	if m.tell == nil || n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += n
	m.tell(m.sent)
}

func (m *meter) reader(data []byte) *metered { return &metered{data: bytes.NewReader(data), meter: m} }

// metered is what is being sent; back takes back what was counted.
type metered struct {
	data  *bytes.Reader
	meter *meter
	n     int64
}

func (r *metered) Read(p []byte) (int, error) {
	n, err := r.data.Read(p)
	r.n += int64(n)
	r.meter.add(int64(n))
	return n, err
}

func (r *metered) back() { r.meter.add(-r.n) }

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
