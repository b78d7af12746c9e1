package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Open reads a file from a forge. A connection that is cut on the way is taken
// up again where it ended. The caller closes the reader.
func Open(ctx context.Context, client *http.Client, op string, newRequest func() (*http.Request, error)) (io.ReadCloser, error) {
	ctx, call := beginStream(ctx, op)
	f := &remoteFile{call: call, ended: ctx.Err, reopenings: 4, send: func(prepare func(http.Header)) (*http.Response, error) {
		req, err := newRequest()
		if err != nil {
			return nil, err
		}
		prepare(req.Header)
		return client.Do(req.WithContext(ctx))
	}}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

type remoteFile struct {
	call       *Call
	ended      func() error // the context's error
	send       func(prepare func(http.Header)) (*http.Response, error)
	body       io.ReadCloser
	offset     int64
	etag       string
	reopenings int
}

func (f *remoteFile) open() error {
	resp, err := f.send(func(h http.Header) { //nolint:bodyclose // it becomes f.body, which Close closes
		// The file's own bytes: a transport that unpacks would change the digest.
		h.Set("Accept-Encoding", "identity")
		if f.offset == 0 {
			return
		}
		h.Set("Range", fmt.Sprintf("bytes=%d-", f.offset))
		if f.etag != "" {
			h.Set("If-Range", f.etag)
		}
	})
	if err != nil {
		return f.call.Err(err)
	}
	f.body, f.etag = resp.Body, resp.Header.Get("ETag")
	if f.offset > 0 && resp.StatusCode != http.StatusPartialContent {
		if _, err := io.CopyN(io.Discard, f.body, f.offset); err != nil {
			return errors.Join(f.call.Err(err), f.body.Close())
		}
	}
	return nil
}

func (f *remoteFile) Read(p []byte) (int, error) {
	n, err := f.body.Read(p)
	f.offset += int64(n)
	if err == nil || err == io.EOF {
		return n, err
	}
	_ = f.body.Close() // it has failed already
	if stop := f.ended(); stop != nil {
		return n, f.call.Err(stop)
	}
	if f.reopenings == 0 {
		return n, &forge.Error{Op: f.call.op, Kind: forge.ErrUnavailable, Err: err}
	}
	f.reopenings--
	if err := f.open(); err != nil {
		f.body = io.NopCloser(failed{err})
		return n, err
	}
	return n, nil
}

func (f *remoteFile) Close() error { return f.body.Close() }

// failed is what remains to be read of a file that can't be opened again.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
