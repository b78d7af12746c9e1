package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// answerTime is how long a registry may take to answer a request that writes,
// once all of it is sent: it may move gigabytes to its store first.
const answerTime = 5 * time.Minute

// guard sends a request, ends it when nothing moves on its connection, and
// keeps plain HTTP to where it is allowed.
type guard struct {
	base  http.RoundTripper
	plain func(host string) bool
	idle  time.Duration
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !g.plain(req.URL.Host) {
		if req.Body != nil {
			_ = req.Body.Close() // nothing was read of it
		}
		return nil, &refusedError{fmt.Sprintf("plain HTTP to %s is not allowed", req.URL.Host)}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	answer := g.idle
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		answer = max(answer, answerTime)
	}
	dog := &watchdog{end: cancel}
	dog.timer = time.AfterFunc(answer, dog.bite)
	dog.allow(answer)
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		dog.allow(g.idle)
		req.Body = &watchedUpload{ReadCloser: req.Body, dog: dog, idle: g.idle, answer: answer, left: req.ContentLength}
	}
	resp, err := g.base.RoundTrip(req)
	if err != nil {
		dog.stop()
		var still stillError
		if errors.As(context.Cause(ctx), &still) {
			err = still
		}
		return nil, err
	}
	dog.pause()
	resp.Body = &watchedDownload{ReadCloser: resp.Body, ctx: ctx, dog: dog, idle: g.idle}
	return resp, nil
}

// stillError is the end of a request on whose connection nothing moved.
type stillError time.Duration

func (e stillError) Error() string {
	return fmt.Sprintf("nothing moved on the connection for %s", time.Duration(e))
}

type watchdog struct {
	timer *time.Timer
	now   atomic.Int64 // the wait that is running, a time.Duration
	end   context.CancelCauseFunc
}

func (w *watchdog) bite()  { w.end(stillError(w.now.Load())) }
func (w *watchdog) pause() { w.timer.Stop() }
func (w *watchdog) stop()  { w.timer.Stop(); w.end(nil) }

func (w *watchdog) allow(d time.Duration) {
	w.now.Store(int64(d))
	w.timer.Reset(d)
}

type watchedUpload struct {
	io.ReadCloser
	dog          *watchdog
	idle, answer time.Duration
	left         int64
}

func (b *watchedUpload) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left <= 0 || err != nil {
		b.dog.allow(b.answer)
	} else {
		b.dog.allow(b.idle)
	}
	return n, err
}

// watchedDownload guards each read; between the reads the reader may take its
// time.
type watchedDownload struct {
	io.ReadCloser
	ctx  context.Context //nolint:containedctx // of this one request, for the cause of its end
	dog  *watchdog
	idle time.Duration
}

func (b *watchedDownload) Read(p []byte) (int, error) {
	b.dog.allow(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.dog.pause()
	var still stillError
	if err != nil && err != io.EOF && errors.As(context.Cause(b.ctx), &still) {
		err = still
	}
	return n, err
}

func (b *watchedDownload) Close() error {
	err := b.ReadCloser.Close()
	b.dog.stop()
	return err
}
