package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
)

// Conditional implements publish.Store. It asks once, by writing an object of its
// own that it then writes again under conditions which are not met: a server that
// holds them refuses both. The object is gone afterwards; what a killed process
// leaves of it is the next one's. Two that ask at once may both hear that conditions
// are not held: then they look after their writes, which is never wrong.
func (s *Store) Conditional(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conditional != nil {
		return *s.conditional, nil
	}
	key := s.probe
	defer func() { // also when ctx has ended
		_ = s.Delete(context.WithoutCancel(ctx), key)
	}()
	first := publish.Bytes([]byte("Slipway looks what this server does. This can be deleted.\n"))
	if _, err := s.Put(ctx, key, first, publish.PutOptions{}); err != nil {
		return false, err
	}
	held := true
	for _, o := range []publish.PutOptions{{If: publish.IfAbsent}, {If: strings.Repeat("0", 32)}} {
		refused, err := s.refuses(ctx, key, o)
		if err != nil {
			return false, err
		}
		held = held && refused
	}
	s.conditional = &held
	return held, nil
}

// refuses reports whether the server refuses a Put for its condition, which is not
// met.
func (s *Store) refuses(ctx context.Context, key string, o publish.PutOptions) (refused bool, err error) {
	second := []byte("Slipway looks what this server does, again. This can be deleted.\n")
	c := publish.Bytes(second)
	err = s.try(ctx, "try a condition with", key, func(ctx context.Context, _ attempt) error {
		_, err := s.client.PutObject(ctx, s.bucket, key, (&meter{}).reader(second), c.Size, "", sum(second), s.putOptions(key, c, o, true))
		e, ok := serverSaid(err)
		switch {
		case ok && (e.StatusCode == http.StatusPreconditionFailed || e.Code == minio.NoSuchKey):
			refused = true
			return nil
		case ok && (e.StatusCode == http.StatusNotImplemented || e.StatusCode == http.StatusBadRequest):
			return nil // it does not know what this is
		}
		return err
	})
	return refused, err
}

// CheckWrite implements publish.Store. It begins an upload in parts, for which the
// same is needed as for an object, and drops it: no reader sees anything.
func (s *Store) CheckWrite(ctx context.Context) error {
	key, id := s.probe, ""
	err := s.try(ctx, "write", key, func(ctx context.Context, _ attempt) (err error) {
		id, err = s.client.NewMultipartUpload(ctx, s.bucket, key, minio.PutObjectOptions{})
		return err
	})
	if err != nil {
		return err
	}
	err = s.abort(context.WithoutCancel(ctx), key, id)
	if errors.Is(err, publish.ErrForbidden) {
		return nil // an upload without parts costs nobody anything
	}
	return err
}
