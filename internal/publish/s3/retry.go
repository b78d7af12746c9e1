package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// How often something is tried, and how long it waits in between: 0.2 s, then
// twice as long each time, at most 8 s or as long as the server asks for, at most 30 s;
// 20 s in all when the server does not ask.
const (
	tries     = 8
	firstWait = 200 * time.Millisecond
	longWait  = 8 * time.Second
	mostWait  = 30 * time.Second
)

// attempt is what is known of one try.
type attempt struct {
	n      int  // counted from 1
	unsure bool // an earlier try may have been carried out though no answer came
	said   *answer
}

// try calls f until it succeeds, fails for good, or has been called often enough,
// and explains its error. op is a verb, key what it is about.
func (s *Store) try(ctx context.Context, op, key string, f func(ctx context.Context, a attempt) error) error {
	said := &answer{}
	inner := context.WithValue(ctx, answerKey{}, said)
	wait, unsure := firstWait, false
	for n := 1; ; n++ {
		err := f(inner, attempt{n: n, unsure: unsure, said: said})
		if err == nil {
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		again, maybe := s.retryable(err)
		unsure = unsure || maybe
		if !again || n == tries {
			return s.explain(op, key, err, said, n)
		}
		d := wait/2 + rand.N(wait/2+1)
		if said.retryAfter > 0 {
			d = min(said.retryAfter, mostWait)
		}
		wait = min(2*wait, longWait)
		if s.onRetry != nil {
			s.onRetry(strings.TrimSpace(op+" "+key), d, s.reason(err))
		}
		if err := s.pause(ctx, d); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passing are the codes of what may be over the next time.
var passing = []string{
	"SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout",
	"Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "Busy",
	"OperationAborted", "ConditionalRequestConflict", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
}

var passingStatus = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, 499, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout, 520, 522, 524,
}

// retryable says whether trying again may help, and whether the server may have
// done what it was asked for all the same.
func (s *Store) retryable(err error) (again, unsure bool) {
	var final *finalError
	if errors.As(err, &final) {
		return false, false
	}
	if e, ok := serverSaid(err); ok {
		if s.region == "" && e.Region != "" && slices.Contains([]string{"AuthorizationHeaderMalformed", "InvalidRegion"}, e.Code) {
			return true, false // minio-go has noted the region
		}
		return slices.Contains(passing, e.Code) || slices.Contains(passingStatus, e.StatusCode), e.StatusCode >= 500 || e.StatusCode == 0
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid):
		return false, false
	case errors.As(err, &dns):
		return !dns.IsNotFound, false
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"), strings.Contains(err.Error(), "unsupported protocol scheme"):
		return false, false
	}
	return true, true
}

// finalError is an error that is as it should be shown, and is not tried again.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// serverSaid is the server's own words, if the error is an answer.
func serverSaid(err error) (minio.ErrorResponse, bool) {
	var e minio.ErrorResponse
	ok := errors.As(err, &e)
	return e, ok
}
