package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// expectFrom is the body size in bytes from which the server is asked first
// whether it wants the body, as curl does: a refusal then costs nothing.
const expectFrom = 1 << 20

// try sends the request once. It returns a 2xx answer or a redirect, or a fault.
func (s *sending) try() (*http.Response, *fault) {
	ctx, cancel := context.WithCancelCause(s.req.Context())
	dog := newWatchdog(s.t.Idle, cancel)
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		sent.Store(true)
		if writes(s.req.Method) {
			s.call.sentWrite.Store(true)
		}
	}})
	req := s.req.Clone(ctx)
	s.address(req)
	var body *sentBody
	if req.Body != nil && req.Body != http.NoBody {
		body = &sentBody{ReadCloser: req.Body, dog: dog, left: req.ContentLength, answer: s.t.Idle}
		if _, ok := req.Body.(uploadBody); ok {
			body.answer = max(s.t.UploadAnswer, s.t.Idle)
		}
		req.Body = body
		context.AfterFunc(ctx, func() { _ = body.Close() })
	}
	resp, err := s.t.Transport.RoundTrip(req)
	if s.t.OnAnswer != nil {
		status := 0
		if err == nil {
			status = resp.StatusCode
		}
		s.t.OnAnswer(status)
	}
	if err != nil {
		defer dog.stop()
		return nil, s.networkFault(ctx, err, body, sent.Load())
	}
	dog.touch()
	if s.t.Heard != nil && s.t.trusts(req.URL) {
		s.t.Heard(resp.Header)
	}
	return s.receive(ctx, resp, dog)
}

// address adds who asks. The token goes to the forge's own hosts only.
func (s *sending) address(req *http.Request) {
	if s.t.UserAgent != "" {
		req.Header.Set("User-Agent", s.t.UserAgent)
	}
	req.Header.Del("Authorization")
	if s.authorization != "" {
		req.Header.Set("Authorization", s.authorization)
	}
	if req.ContentLength >= expectFrom {
		req.Header.Set("Expect", "100-continue")
	}
}

func (s *sending) receive(ctx context.Context, resp *http.Response, dog *watchdog) (*http.Response, *fault) {
	watched := &receivedBody{ReadCloser: resp.Body, dog: dog}
	switch ok := resp.StatusCode/100 == 2; {
	case redirects(resp), ok && s.call.stream:
		resp.Body = watched
		dog.pause()
		return resp, nil
	case ok:
		defer watched.Close()
		return s.readJSON(ctx, resp, watched)
	}
	defer watched.Close()
	// What can't be read of a refusal is no loss: its status says enough.
	text, _ := io.ReadAll(io.LimitReader(watched, 64<<10))
	return nil, s.refusal(resp, text)
}

// redirects says whether net/http can follow. An address that it can't read it
// would print, signatures and all.
func redirects(resp *http.Response) bool {
	location := resp.Header.Get("Location")
	if resp.StatusCode/100 != 3 || location == "" {
		return false
	}
	_, err := url.Parse(location)
	return err == nil
}

// readJSON reads a whole answer, so that a cut connection is met here, where
// the request can be repeated.
func (s *sending) readJSON(ctx context.Context, resp *http.Response, body io.Reader) (*http.Response, *fault) {
	data, err := io.ReadAll(io.LimitReader(body, s.t.MaxAnswer+1))
	bad := func(passing bool, message string) (*http.Response, *fault) {
		return nil, &fault{passing: passing, err: &forge.Error{
			Op: s.call.op, Status: resp.StatusCode, Kind: forge.ErrNotForge,
			Message: s.scrub(message), MaybeDone: writes(s.req.Method),
		}}
	}
	empty := len(bytes.TrimSpace(data)) == 0
	switch {
	case err != nil:
		return nil, s.networkFault(ctx, err, nil, true)
	case int64(len(data)) > s.t.MaxAnswer:
		return bad(false, fmt.Sprintf("the answer is longer than %d bytes", s.t.MaxAnswer))
	case empty && resp.StatusCode != http.StatusNoContent && s.req.Method != http.MethodDelete:
		return bad(false, "the server answers with nothing where JSON was expected")
	case !empty && !json.Valid(data):
		// Something that begins as JSON was cut on the way.
		if bytes.IndexAny(bytes.TrimSpace(data)[:1], "[{") == 0 {
			return bad(true, "the server's answer is broken JSON")
		}
		return bad(false, "the server answers with "+describeText(data)+" instead of JSON")
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	resp.ContentLength = int64(len(data))
	// go-github would refuse the next request by itself when it sees that
	// nothing is left; waiting for the reset is done here.
	resp.Header.Del("X-RateLimit-Remaining")
	resp.Header.Del("X-RateLimit-Reset")
	return resp, nil
}

// refusal makes a fault of an answer that is not 2xx.
func (s *sending) refusal(resp *http.Response, text []byte) *fault {
	a := newAnswer(s.call.op, s.req.Method, resp, text)
	kind, message := KindOf(a), a.Message
	if s.t.Explain != nil {
		kind, message = s.t.Explain(a)
	}
	if !a.JSON && message != "" && message == a.Message {
		message = "the server answers with " + message
	}
	if !s.t.trusts(resp.Request.URL) {
		message = orElse(message, "no answer") + " from " + origin(resp.Request.URL)
	}
	f := &fault{err: &forge.Error{
		Op: s.call.op, Status: a.Status, Kind: kind, Message: s.scrub(oneLine(message)),
	}}
	f.after = askedWait(resp.Header)
	if limit, wait := limitOf(a); limit {
		f.limit, f.idle, f.passing, f.after = true, true, true, wait
		f.err.Kind = forge.ErrUnavailable
		return f
	}
	if kind == forge.ErrUnavailable {
		f.passing = true
		f.err.MaybeDone = writes(s.req.Method)
	}
	return f
}

// limitOf recognises a rate limit: 429, GitHub's primary limit (nothing
// remaining until a reset) and its secondary one (403 with Retry-After or in
// words). The wait is 0 when neither header nor documentation gives one.
func limitOf(a Answer) (bool, time.Duration) {
	if a.Status != http.StatusForbidden && a.Status != http.StatusTooManyRequests {
		return false, 0
	}
	wait := askedWait(a.Header)
	said := strings.ToLower(a.Message + string(a.Body[:min(len(a.Body), 2048)]))
	secondary := strings.Contains(said, "secondary rate limit") || strings.Contains(said, "abuse detection") ||
		strings.Contains(said, "secondary-rate-limits")
	switch {
	case a.Header.Get("Retry-After") != "", a.Header.Get("X-RateLimit-Remaining") == "0":
		return true, wait
	case secondary:
		return true, time.Minute
	}
	return a.Status == http.StatusTooManyRequests, 0
}

// askedWait reads Retry-After (seconds or a date) or, when nothing remains,
// x-ratelimit-reset, against the server's own clock where it tells it.
func askedWait(h http.Header) time.Duration {
	now := time.Now()
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d
	}
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
			return time.Duration(min(seconds, 1<<20)) * time.Second
		}
		if at, err := http.ParseTime(after); err == nil {
			return max(0, at.Sub(now))
		}
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		if at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(0, time.Unix(at, 0).Sub(now)) + time.Second
		}
	}
	return 0
}

// unasked is what net/http says of a server that speaks before it is asked, as
// SSH's do, when that comes before the request is on its way.
const unasked = "readLoopPeekFailLocked: %!w(<nil>)"

// networkFault makes a fault of a request that brought no whole answer.
func (s *sending) networkFault(ctx context.Context, err error, body *sentBody, sent bool) *fault {
	f := &fault{idle: !sent, err: &forge.Error{Op: s.call.op, MaybeDone: sent && writes(s.req.Method)}}
	if stop := s.req.Context().Err(); stop != nil {
		f.err.Err = stop
		return f
	}
	var still stillError
	isStill := errors.As(context.Cause(ctx), &still)
	if body != nil && !isStill {
		if local := body.failed.Load(); local != nil {
			// The forge got part of a file and drops it.
			f.err.Err, f.err.MaybeDone = *local, false
			return f
		}
	}
	f.passing, f.err.Kind = true, forge.ErrUnavailable
	text := s.scrub(oneLine(err.Error()))
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case isStill:
		f.err.Message = fmt.Sprintf("nothing moved on the connection to %s for %s", s.req.URL.Host, time.Duration(still))
	case errors.As(err, &cert):
		f.passing, f.err.Message = false, text
	case errors.As(err, &dns) && dns.IsNotFound:
		f.passing, f.err.Message = false, "there is no server of the name "+s.req.URL.Hostname()
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		f.passing, f.err.Kind = false, forge.ErrNotForge
		f.err.Message = s.req.URL.Host + " does not speak TLS: use http:// if that is meant"
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, unasked):
		f.passing, f.err.Kind, f.err.Message = false, forge.ErrNotForge, s.req.URL.Host+" does not speak HTTP"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.err.Message = "the connection to " + s.req.URL.Host + " was cut"
	default:
		f.err.Message = text
	}
	return f
}
