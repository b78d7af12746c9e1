package s3

import (
	"context"
	"errors"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
)

// batch is how many keys one request may delete.
const batch = 1000

// Delete implements publish.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := publish.CheckKey(key); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(keys, batch) {
		if err := s.deleteSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteSome(ctx context.Context, keys []string) error {
	oneByOne := len(keys) == 1
	for !oneByOne {
		left := keys
		err := s.try(ctx, "delete", keys[0]+" and others", func(ctx context.Context, _ attempt) (err error) {
			left, err = s.deleteBatch(ctx, left)
			return err
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, errNoBatch) {
			return err
		}
		oneByOne = true
	}
	for _, key := range keys {
		err := s.try(ctx, "delete", key, func(ctx context.Context, _ attempt) error {
			err := s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
			if e, ok := serverSaid(err); ok && e.Code == "NoSuchKey" {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// errNoBatch is of a server that deletes one by one.
var errNoBatch = errors.New("the server does not delete in batches")

// deleteBatch gives the keys that are left, with the error of one of them.
func (s *Store) deleteBatch(ctx context.Context, keys []string) (left []string, err error) {
	results, err := s.client.RemoveObjectsWithIter(ctx, s.bucket, func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: key}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return keys, err
	}
	for r := range results {
		e, ok := serverSaid(r.Err)
		switch {
		case r.Err == nil || ok && e.Code == "NoSuchKey":
		case ok && (e.Code == "NotImplemented" || e.Code == "MethodNotAllowed"):
			return keys, &finalError{errNoBatch}
		case r.ObjectName == "":
			return keys, r.Err
		default:
			left, err = append(left, r.ObjectName), r.Err
		}
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return left, err
}
