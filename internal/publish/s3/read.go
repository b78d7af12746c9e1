package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
)

// digestKey is the object metadata that has the digest: x-amz-meta-slipway-sha256.
const digestKey = "slipway-sha256"

func object(key string, info minio.ObjectInfo) publish.Object {
	o := publish.Object{Key: key, Size: info.Size, Version: info.ETag, Modified: info.LastModified.UTC()}
	for name, value := range info.UserMetadata {
		if strings.EqualFold(name, digestKey) && len(value) == 64 {
			o.Digest = "sha256:" + value
		}
	}
	return o
}

// Stat implements publish.Store.
func (s *Store) Stat(ctx context.Context, key string) (publish.Object, error) {
	info, err := s.stat(ctx, key)
	if err != nil {
		return publish.Object{}, err
	}
	return object(key, info), nil
}

func (s *Store) stat(ctx context.Context, key string) (info minio.ObjectInfo, err error) {
	if err := publish.CheckKey(key); err != nil {
		return info, err
	}
	err = s.try(ctx, "look up", key, func(ctx context.Context, _ attempt) (err error) {
		info, err = s.client.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
		return err
	})
	return info, err
}

// Open implements publish.Store.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, publish.Object, error) {
	if err := publish.CheckKey(key); err != nil {
		return nil, publish.Object{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r := &reader{end: cancel}
	r.open = func() (body io.ReadCloser, info minio.ObjectInfo, err error) {
		err = s.try(ctx, "read", key, func(ctx context.Context, _ attempt) (err error) {
			o := minio.GetObjectOptions{}
			if r.at > 0 {
				// The rest of the same object.
				if err := errors.Join(o.SetRange(r.at, 0), o.SetMatchETag(r.version)); err != nil {
					return &finalError{err}
				}
			}
			var header http.Header
			body, info, header, err = s.client.GetObject(ctx, s.bucket, key, o)
			if err == nil && r.at > 0 && !strings.HasPrefix(header.Get("Content-Range"), fmt.Sprintf("bytes %d-", r.at)) {
				_ = body.Close() // it is not what was asked for
				return &finalError{fmt.Errorf("read %s in %s: the connection was cut, and the server gives no rest of an object: %w", key, s, publish.ErrUnavailable)}
			}
			return err
		})
		return body, info, err
	}
	body, info, err := r.open()
	if err != nil {
		cancel(nil)
		return nil, publish.Object{}, err
	}
	r.body, r.size, r.version = body, info.Size, info.ETag
	r.explain = func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return s.explain("read", key, err, nil, tries)
	}
	return r, object(key, info), nil
}

// reader reads an object, and goes on where a connection was cut.
type reader struct {
	body     io.ReadCloser
	at, size int64
	version  string
	cuts     int
	open     func() (io.ReadCloser, minio.ObjectInfo, error)
	explain  func(error) error
	end      context.CancelCauseFunc
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.at += int64(n)
		if r.at == r.size && err != nil {
			return n, io.EOF
		}
		if err == nil || n > 0 {
			return n, nil // what is wrong shows the next time, too
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if r.cuts++; r.cuts == tries {
			return 0, r.explain(err)
		}
		_ = r.body.Close() // it is broken
		body, _, err := r.open()
		if err != nil {
			r.body = io.NopCloser(strings.NewReader(""))
			r.cuts = tries - 1
			return 0, err
		}
		r.body = body
	}
}

func (r *reader) Close() error {
	err := r.body.Close()
	r.end(nil)
	return err
}

// List implements publish.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[publish.Object, error] {
	return func(yield func(publish.Object, error) bool) {
		last, stopped := "", false
		err := s.try(ctx, "list", prefix, func(ctx context.Context, _ attempt) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel() // minio-go may have begun with the next page
			for info := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{
				Prefix: prefix, Recursive: true, StartAfter: last, MaxKeys: s.pageSize,
			}) {
				if info.Err != nil {
					return info.Err
				}
				if info.Key <= last || strings.HasSuffix(info.Key, "/") { // the latter are folders that some programs make
					continue
				}
				last = info.Key
				if !yield(object(info.Key, info), nil) {
					stopped = true
					return nil
				}
			}
			return context.Cause(ctx)
		})
		if err != nil && !stopped {
			yield(publish.Object{}, err)
		}
	}
}
