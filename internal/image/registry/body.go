package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/slipway-dev/slipway/internal/progress"
)

// blobBody is a blob from an offset on, opened at the first read.
type blobBody struct {
	b      blob
	offset int64
	task   progress.Task
	fault  *atomic.Pointer[sourceError] // where a fault of the blob's reader goes

	failed atomic.Pointer[sourceError] // of the bodies made from this one

	mu     sync.Mutex // net/http may close it while it is read
	r      io.ReadCloser
	closed bool
	sent   int64
}

// sourceError is a fault in reading what is to be sent.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (b *blobBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	b.sent += int64(n)
	if n > 0 {
		b.task.At(b.offset + b.sent)
	}
	if errors.Is(err, io.EOF) && b.offset+b.sent != b.b.size {
		err = fmt.Errorf("%s has %d bytes instead of %d", shortDigest(b.b.digest), b.offset+b.sent, b.b.size)
	}
	if err != nil && !errors.Is(err, io.EOF) && b.fault != nil {
		b.fault.CompareAndSwap(nil, &sourceError{fmt.Errorf("read %s: %w", b.b.what, err)})
	}
	return n, err
}

func (b *blobBody) read(p []byte) (int, error) {
	if b.r == nil {
		r, err := b.b.open()
		if err != nil {
			return 0, err
		}
		b.r = r
		if err := skip(r, b.offset); err != nil {
			return 0, err
		}
	}
	return b.r.Read(p)
}

func skip(r io.Reader, n int64) error {
	if n == 0 {
		return nil
	}
	if s, ok := r.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

func (b *blobBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.r == nil {
		return nil
	}
	return b.r.Close()
}
