package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// ErrMismatch is in the error of a Put whose content was not what it was said to
// be. Then nothing is written.
var ErrMismatch = errors.New("the content is not what it was said to be")

// Bytes is a small content that is in memory. Its media type is told from the key.
func Bytes(data []byte) Content {
	return Content{
		Size: int64(len(data)), Digest: DigestOf(data),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// DigestOf is sha256:<64 hex digits> of data.
func DigestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Check says what is wrong with a content before it is opened.
func (c Content) Check() error {
	sum, ok := strings.CutPrefix(c.Digest, "sha256:")
	if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || sum != strings.ToLower(sum) {
		return fmt.Errorf("%w: %q is no digest", ErrMismatch, c.Digest)
	}
	if c.Size < 0 || c.Open == nil {
		return fmt.Errorf("%w: a content needs a size and a way to open it", ErrMismatch)
	}
	return nil
}

// MediaType is the content's type, told from the key when it has none.
func (c Content) MediaType(key string) string {
	if c.Type != "" {
		return c.Type
	}
	return MediaType(key)
}

// Reader opens the content. In place of io.EOF it gives ErrMismatch when the
// bytes were not as many as they should be, or not those of the digest. A content
// that is too long is found out before a byte too many is given.
func (c Content) Reader(ctx context.Context) (io.ReadCloser, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r, err := c.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the content: %w", err)
	}
	return &checked{in: r, left: c.Size, digest: c.Digest, hash: sha256.New()}, nil
}

// checked is a content that is read through.
type checked struct {
	in     io.ReadCloser
	left   int64
	digest string
	hash   hash.Hash
	end    error
}

func (r *checked) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.in.Read(p)
	r.hash.Write(p[:n])
	r.left -= int64(n)
	switch {
	case r.left < 0:
		r.end = fmt.Errorf("%w: it is longer", ErrMismatch)
		return 0, r.end
	case errors.Is(err, io.EOF):
		if r.end = r.judge(); n == 0 {
			return 0, r.end
		}
		return n, nil
	case err != nil:
		r.end = fmt.Errorf("read the content: %w", err)
		return n, r.end
	}
	return n, nil
}

func (r *checked) judge() error {
	if r.left > 0 {
		return fmt.Errorf("%w: it is %d bytes shorter", ErrMismatch, r.left)
	}
	if got := "sha256:" + hex.EncodeToString(r.hash.Sum(nil)); got != r.digest {
		return fmt.Errorf("%w: it is %s, not %s", ErrMismatch, got, r.digest)
	}
	return io.EOF
}

func (r *checked) Close() error { return r.in.Close() }
