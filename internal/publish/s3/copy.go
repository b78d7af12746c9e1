package s3

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/publish"
)

// Copy implements publish.Store.
func (s *Store) Copy(ctx context.Context, from, to string) (publish.Object, error) {
	if err := publish.CheckKey(to); err != nil {
		return publish.Object{}, err
	}
	source, err := s.stat(ctx, from)
	if err != nil {
		return publish.Object{}, err
	}
	if from == to {
		return object(to, source), nil // S3 would refuse it
	}
	if source.Size > s.copyLimit {
		return s.copyParts(ctx, source, from, to)
	}
	copied := object(to, source)
	err = s.try(ctx, "copy "+from+" to", to, func(ctx context.Context, _ attempt) error {
		info, err := s.client.CopyObject(ctx, s.bucket, from, s.bucket, to, nil, minio.CopySrcOptions{}, minio.PutObjectOptions{})
		if err == nil {
			copied.Version, copied.Modified = strings.Trim(info.ETag, `"`), info.LastModified.UTC()
		}
		return err
	})
	if err != nil {
		return publish.Object{}, err
	}
	return copied, nil
}

// copyParts copies what is too big for one request.
func (s *Store) copyParts(ctx context.Context, source minio.ObjectInfo, from, to string) (publish.Object, error) {
	options := minio.PutObjectOptions{
		UserMetadata: source.UserMetadata, ContentType: source.ContentType, CacheControl: source.Metadata.Get("Cache-Control"),
	}
	size := max(s.copyPart, (source.Size+mostParts-1)/mostParts)
	parts := make([]minio.CompletePart, (source.Size+size-1)/size)
	id := ""
	err := s.try(ctx, "copy "+from+" to", to, func(ctx context.Context, _ attempt) (err error) {
		id, err = s.client.NewMultipartUpload(ctx, s.bucket, to, options)
		return err
	})
	if err != nil {
		return publish.Object{}, err
	}
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range parts {
		group.Go(func() error {
			at := int64(i) * size
			return s.try(inner, fmt.Sprintf("copy part %d of %s to", i+1, from), to, func(ctx context.Context, _ attempt) error {
				part, err := s.client.CopyObjectPart(ctx, s.bucket, from, s.bucket, to, id, i+1, at, min(size, source.Size-at),
					map[string]string{"x-amz-copy-source-if-match": `"` + source.ETag + `"`})
				part.ETag = strings.Trim(part.ETag, `"`)
				mu.Lock()
				defer mu.Unlock()
				parts[i] = part
				return err
			})
		})
	}
	copied := object(to, source)
	if err = group.Wait(); err == nil {
		err = s.try(ctx, "complete", to, func(ctx context.Context, a attempt) error {
			info, err := s.client.CompleteMultipartUpload(ctx, s.bucket, to, id, parts, minio.PutObjectOptions{})
			if e, ok := serverSaid(err); ok && e.Code == "NoSuchUpload" && a.unsure {
				copied, err = s.Stat(ctx, to)
				return err
			}
			copied.Version, copied.Modified = info.ETag, a.said.date.UTC()
			return err
		})
	}
	if err != nil {
		_ = s.abort(context.WithoutCancel(ctx), to, id) // the first error says more
		return publish.Object{}, err
	}
	return copied, nil
}
