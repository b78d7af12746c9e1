// Package wire is the HTTP under the forge adapters: it repeats what may be
// repeated, waits where a forge asks for it, keeps below a forge's limits,
// bounds answers, and turns every fault into a forge.Error.
package wire

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options tune the transport; the zero value is right for people's use.
type Options struct {
	// Tries is how often a request is sent at most when it meets passing
	// faults; 0 means 5. Waits that a forge asks for are not counted.
	Tries int
	// Backoff is the wait before the second try, growing 2.5-fold with each
	// further one; 0 means one second (25 seconds in all with five tries).
	Backoff time.Duration
	// MaxWait bounds the waiting that a forge's rate limits may ask of one
	// request in all; 0 means 15 minutes. A longer wait is an error at once.
	MaxWait time.Duration
	// Idle is how long nothing may move in either direction; 0 means a minute.
	Idle time.Duration
	// UploadAnswer is how long a forge may take to answer an upload whose
	// last byte is sent; 0 means five minutes.
	UploadAnswer time.Duration
	// MaxAnswer bounds a JSON answer in bytes; 0 means 32 MB.
	MaxAnswer int64
	// OnRetry hears of each wait before it begins, from any goroutine.
	OnRetry func(op string, wait time.Duration, reason string)
	// OnAnswer hears the status of each answer, and 0 of a request that got none,
	// from any goroutine.
	OnAnswer func(status int)
	// Sleep waits; nil means a timer that ends early with the context.
	Sleep func(ctx context.Context, d time.Duration) error
	// Transport sends the requests; nil means one with keep-alive and
	// time-outs that suit several uploads at once.
	Transport http.RoundTripper
}

// Dialect is what the transport must know of one forge.
type Dialect struct {
	// Hosts ("https://api.github.com") are the only ones to get the token.
	Hosts []string
	// Authorization is the header's value, empty without a token.
	Authorization string
	// Authorize gives the header's value for tokens that end, in place of
	// Authorization. It is asked before each try, from any goroutine, and once
	// more with the value that the forge answered with 401: the next one is
	// then another, or the refusal is final. What it gives is kept out of
	// messages. Its errors are the request's.
	Authorize func(ctx context.Context, refused string) (string, error)
	// Secret is kept out of every message.
	Secret string
	// UserAgent is sent with each request.
	UserAgent string
	// Explain finds the kind of an answer that is not 2xx, and the words for
	// it. A kind other than forge.ErrUnavailable is final.
	Explain func(Answer) (kind error, message string)
	// Pace holds back requests that write.
	Pace []*rate.Limiter
	// Heard gets the headers of each answer of the Hosts, from any goroutine.
	Heard func(http.Header)
}

// NewClient makes a client for one repository's calls. Every error it returns
// goes through Call.Err.
func NewClient(o Options, d Dialect) *http.Client {
	if o.Tries == 0 {
		o.Tries = 5
	}
	if o.Backoff == 0 {
		o.Backoff = time.Second
	}
	if o.MaxWait == 0 {
		o.MaxWait = 15 * time.Minute
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.UploadAnswer == 0 {
		o.UploadAnswer = 5 * time.Minute
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 32 << 20
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Transport == nil {
		o.Transport = baseTransport()
	}
	t := &transport{Options: o, Dialect: d}
	return &http.Client{Transport: t, CheckRedirect: t.checkRedirect}
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
		WriteBufferSize:       64 << 10,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type transport struct {
	Options
	Dialect

	mu    sync.Mutex
	until time.Time // a limit holds all requests back until then
}

// origin is scheme and host, without a default port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// Origin gives the form in which Dialect.Hosts names a server.
func Origin(u *url.URL) string { return origin(u) }

func (t *transport) trusts(u *url.URL) bool { return slices.Contains(t.Hosts, origin(u)) }

// scrub takes the tokens out of a text that a server or a library wrote.
func (s *sending) scrub(text string) string {
	_, token, _ := strings.Cut(s.authorization, " ")
	for _, secret := range []string{s.t.Secret, token} {
		if len(secret) >= 8 { // replacing "x" would garble the text
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
