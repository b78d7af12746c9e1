package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// answer is what a request's answer said besides what minio-go gives.
type answer struct {
	retryAfter time.Duration // zero when it did not say
	date       time.Time     // the server's clock; zero when it did not say
}

type answerKey struct{}

// stallAfter is how long nothing may move before a request is given up.
const stallAfter = 2 * time.Minute

var errStalled = errors.New("nothing moves any more")

// wire carries requests. It notes what answers say, and gives those up that hang.
type wire struct {
	next  http.RoundTripper
	stall time.Duration // how long nothing may move
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := &watchdog{after: w.stall, stop: func() { cancel(errStalled) }}
	out := req.WithContext(ctx)
	if req.Body != nil {
		watch.moved()
		out.Body = &watched{ReadCloser: req.Body, dog: watch}
	}
	resp, err := w.next.RoundTrip(out)
	watch.rest()
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		cancel(nil)
		return nil, err
	}
	if a, ok := req.Context().Value(answerKey{}).(*answer); ok {
		*a = answer{}
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
			a.retryAfter = time.Duration(seconds) * time.Second
		}
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			a.date = date
		}
	}
	resp.Body = &watched{ReadCloser: resp.Body, dog: watch, answer: true, close: func() { cancel(nil) }}
	return resp, nil
}

// watchdog calls stop when it has not heard of anything for a time.
type watchdog struct {
	after time.Duration
	stop  func()
	timer atomic.Pointer[time.Timer]
}

func (d *watchdog) moved() {
	if t := d.timer.Load(); t != nil {
		t.Reset(d.after)
		return
	}
	t := time.AfterFunc(d.after, d.stop)
	if !d.timer.CompareAndSwap(nil, t) {
		t.Stop()
	}
}

func (d *watchdog) rest() {
	if t := d.timer.Load(); t != nil {
		t.Stop()
	}
}

// watched tells the watchdog of what is read: of a request's body while there is
// more to send, of an answer's while somebody waits for it.
type watched struct {
	io.ReadCloser
	dog    *watchdog
	answer bool
	close  func()
}

func (b *watched) Read(p []byte) (int, error) {
	b.dog.moved()
	n, err := b.ReadCloser.Read(p)
	if b.answer || err != nil {
		b.dog.rest() // whoever reads slowly is not to be hurried; an answer's first byte has a limit of its own
	}
	return n, err
}

func (b *watched) Close() error {
	b.dog.rest()
	err := b.ReadCloser.Close()
	if b.close != nil {
		b.close()
	}
	return err
}
