package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// tries is how often a request, or an upload, is begun at most.
	tries = 5
	// longestBackoff bounds the waits between tries.
	longestBackoff = 15 * time.Second
	// longestAsked bounds the wait that a registry may ask for by Retry-After.
	longestAsked = 5 * time.Minute
)

// retrying sends requests again that met a passing fault. Requests without
// GetBody, and those of a once context, are sent once.
type retrying struct {
	inner   http.RoundTripper
	backoff time.Duration
	note    func(string)
}

func newRetrying(o Options, plain func(host string) bool) *retrying {
	t := &retrying{backoff: o.Backoff, note: o.Note}
	if t.backoff == 0 {
		t.backoff = time.Second
	}
	if t.note == nil {
		t.note = func(string) {}
	}
	g := &guard{base: o.Transport, plain: plain, idle: o.Idle}
	if g.base == nil {
		g.base = baseTransport()
	}
	if g.idle == 0 {
		g.idle = time.Minute
	}
	t.inner = g
	return t
}

func baseTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       128 << 10,
		ReadBufferSize:        64 << 10,
	}
}

type onceKey struct{}

// once marks requests that their sender repeats itself.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

func (t *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	hasBody := req.Body != nil && req.Body != http.NoBody
	if hasBody {
		defer req.Body.Close()
	}
	if hasBody && req.GetBody == nil {
		return t.inner.RoundTrip(req)
	}
	last := tries
	if ctx.Value(onceKey{}) != nil {
		last = 1
	}
	for try := 1; ; try++ {
		again := req
		if hasBody {
			// Always a new one: the layers above may hand the same request
			// on twice, once the login is renewed.
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			again = req.Clone(ctx)
			again.Body = body
		}
		resp, err := t.inner.RoundTrip(again)
		if try == last || !passing(ctx, resp, err) {
			return resp, err
		}
		var status int
		var header http.Header
		if resp != nil {
			status, header = resp.StatusCode, resp.Header
		}
		wait := t.wait(try, status, header)
		if wait > longestAsked {
			return resp, err
		}
		if resp != nil {
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
			_ = resp.Body.Close()
		}
		if err := t.pause(ctx, req.URL.Host, reasonOf(status, err), wait, try); err != nil {
			return nil, err
		}
	}
}

// passing says whether a fault may be over the next time.
func passing(ctx context.Context, resp *http.Response, err error) bool {
	if ctx.Err() == nil && resp != nil {
		return passingStatus(resp.StatusCode)
	}
	if err != nil {
		var plain tls.RecordHeaderError // no TLS at the other end
		var dns *net.DNSError
		var refused *refusedError
		if errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &refused) ||
			errors.As(err, &dns) && dns.IsNotFound {
			return false
		}
		var u *url.Error
		if !errors.As(err, &u) {
			u = &url.Error{Op: "send", Err: err}
		}
		err = u // the policy looks for bad certificates in nothing else
	}
	again, _ := retryablehttp.ErrorPropagatedRetryPolicy(ctx, resp, err)
	return again
}

func passingStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests ||
		status >= 500 && status != http.StatusNotImplemented
}

// wait is how long to wait after the given try: what Retry-After says, or
// twice as long each time. status is 0 without an answer.
func (t *retrying) wait(try, status int, header http.Header) time.Duration {
	return retryablehttp.DefaultBackoff(t.backoff, longestBackoff, try-1, &http.Response{StatusCode: status, Header: header})
}

func (t *retrying) pause(ctx context.Context, host, reason string, wait time.Duration, try int) error {
	t.note(fmt.Sprintf("%s: %s; trying again in %s (%d of %d)", canonicalHost(host), reason, wait.Round(time.Millisecond), try+1, tries))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func reasonOf(status int, err error) string {
	if status != 0 {
		return fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	return plainText(err)
}

// plainText is a fault of the network without the URL that net/http puts
// before it: that may carry an upload's secret state.
func plainText(err error) string {
	// Of a registry that may speak plain HTTP ggcr tries both ways, and gives
	// both errors; that it speaks no TLS is then no news.
	if _, second, ok := strings.Cut(err.Error(), "server gave HTTP response to HTTPS client; Get "); ok {
		_, second, _ = strings.Cut(second, "\": ")
		return oneLine(second)
	}
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return oneLine(err.Error())
}

// checkRedirect follows redirects as net/http does, but never from a public
// host to an address of a private network.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return &refusedError{"the registry redirects in a circle"}
	}
	return checkHop(via[0].URL, req.URL)
}

// checkHop refuses an address that a registry hands out and that could only be
// meant for what lies behind this machine.
func checkHop(from, to *url.URL) error {
	if to.Hostname() == from.Hostname() {
		return nil
	}
	ip := net.ParseIP(to.Hostname())
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsPrivate() || ip.IsUnspecified() {
		return &refusedError{fmt.Sprintf("the registry at %s sends on to the private address %s", from.Host, to.Host)}
	}
	return nil
}

// refusedError is a request that is not sent, for safety.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }
