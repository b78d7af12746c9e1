package wire

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Open reads a file from a forge. A connection that is cut on the way is taken
// up again where it ended. The caller closes the reader.
func Open(ctx context.Context, client *http.Client, op string, newRequest func() (*http.Request, error)) (io.ReadCloser, error) {
	ctx, call := beginStream(ctx, op)
	f := &remoteFile{ctx: ctx, call: call, client: client, newRequest: newRequest, reopenings: 4}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

type remoteFile struct {
	ctx        context.Context
	call       *Call
	client     *http.Client
	newRequest func() (*http.Request, error)
	body       io.ReadCloser
	offset     int64
	etag       string
	reopenings int
}

func (f *remoteFile) open() error {
	req, err := f.newRequest()
	if err != nil {
		return f.call.Err(err)
	}
	// The file's own bytes: a transport that unpacks would change the digest.
	req.Header.Set("Accept-Encoding", "identity")
	if f.offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", f.offset))
		if f.etag != "" {
			req.Header.Set("If-Range", f.etag)
		}
	}
	resp, err := f.client.Do(req.WithContext(f.ctx))
	if err != nil {
		return f.call.Err(err)
	}
	f.body, f.etag = resp.Body, resp.Header.Get("ETag")
	if f.offset > 0 && resp.StatusCode != http.StatusPartialContent {
		if _, err := io.CopyN(io.Discard, f.body, f.offset); err != nil {
			f.body.Close()
			return f.call.Err(err)
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
	f.body.Close()
	if stop := f.ctx.Err(); stop != nil {
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
