package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// SetUpload makes a file the body of a request, streamed and opened anew for
// each try, between the bytes that an encoding puts before and after it. The
// Content-Length is exact.
func SetUpload(req *http.Request, u forge.Upload, before, after []byte) error {
	open := func() (io.ReadCloser, error) {
		file, err := u.Open()
		if err != nil {
			return nil, err
		}
		counted := &countedFile{file: file, size: u.Size, progress: u.Progress}
		whole := io.MultiReader(bytes.NewReader(before), counted, bytes.NewReader(after))
		return uploadBody{whole, file}, nil
	}
	req.ContentLength = int64(len(before)) + u.Size + int64(len(after))
	if req.ContentLength == 0 {
		req.Body, req.GetBody = http.NoBody, nil
		return nil
	}
	body, err := open()
	if err != nil {
		return err
	}
	req.Body, req.GetBody = body, open
	return nil
}

// uploadBody marks a body whose answer may take long: the forge stores it.
type uploadBody struct {
	io.Reader
	io.Closer
}

// countedFile reads exactly the size that was promised to the forge.
type countedFile struct {
	file     io.Reader
	size     int64
	sent     int64
	progress func(int64)
}

func (f *countedFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.file.Read(p)
	f.sent += int64(n)
	switch {
	case f.sent > f.size:
		return 0, fmt.Errorf("the file is longer than the %d bytes it had: it was changed meanwhile", f.size)
	case err == io.EOF && f.sent < f.size:
		return n, fmt.Errorf("the file is only %d bytes long, not the %d it had: it was changed meanwhile", f.sent, f.size)
	}
	if n > 0 && f.progress != nil {
		f.progress(f.sent)
	}
	return n, err
}

// sentBody feeds the watchdog while a body is sent, and remembers a fault of
// the reader so that it is not taken for one of the network.
type sentBody struct {
	io.ReadCloser
	once   sync.Once
	dog    *watchdog
	left   int64
	answer time.Duration
	failed atomic.Pointer[error]
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed.Store(&err)
	}
	b.left -= int64(n)
	if b.left <= 0 {
		b.dog.allow(b.answer)
	} else {
		b.dog.touch()
	}
	return n, err
}

// Close may be called while a Read waits, and ends it: net/http waits for its
// reader before it gives a cancelled request up.
func (b *sentBody) Close() error {
	var err error
	b.once.Do(func() { err = b.ReadCloser.Close() })
	return err
}

// receivedBody guards each read of an answer; between the reads the reader may
// take its time.
type receivedBody struct {
	io.ReadCloser
	dog *watchdog
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.dog.touch()
	n, err := b.ReadCloser.Read(p)
	b.dog.pause()
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.dog.stop()
	return err
}
