package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// fault is a try that did not bring the answer asked for.
type fault struct {
	err *forge.Error
	// passing faults may be gone at the next try.
	passing bool
	// idle faults had no effect on the server, so that even a POST may be
	// sent again.
	idle bool
	// limit faults come from a rate limit: the wait is the forge's wish.
	limit bool
	// after is the wait that the server asks for, 0 when it asks for none.
	after time.Duration
}

// RoundTrip sends a request, again if need be. Unlike other transports it
// gives an answer that is neither 2xx nor a redirect as a *forge.Error, so
// that no library between here and the adapter has a view of its own on it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s := sending{t: t, call: callOf(req), req: req, tries: 1, backoff: t.Backoff}
	for {
		if err := s.hold(); err != nil {
			s.closeBody()
			return nil, err
		}
		if err := s.authorize(""); err != nil {
			s.closeBody()
			return nil, err
		}
		resp, f := s.try()
		if f == nil {
			return resp, nil
		}
		if again, err := s.renew(f); err != nil {
			return nil, err
		} else if again {
			continue
		}
		wait, err := s.next(f)
		if err != nil {
			return nil, err
		}
		if err := s.sleep(wait, f); err != nil {
			return nil, err
		}
		if err := s.rewind(f); err != nil {
			return nil, err
		}
	}
}

// sending is one request on its way, over all its tries.
type sending struct {
	t         *transport
	call      *Call
	req       *http.Request
	tries     int
	backoff   time.Duration
	asked     time.Duration // waited for limits so far
	waits     int           // how often
	maybeDone bool          // an earlier try may have taken effect

	authorization string // of the last try, and of the next one once renewed
	renewed       bool
}

// maxWaits bounds how often one request waits for a limit, however short.
const maxWaits = 20

func writes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// authorize asks for the header's value, of which refused was not accepted.
func (s *sending) authorize(refused string) error {
	switch {
	case !s.t.trusts(s.req.URL):
		s.authorization = ""
	case s.t.Authorize == nil:
		s.authorization = s.t.Authorization
	default:
		value, err := s.t.Authorize(s.req.Context(), refused)
		if stop := s.req.Context().Err(); stop != nil {
			return s.stopped(stop)
		}
		var e *forge.Error
		if s.maybeDone && errors.As(err, &e) { // by an earlier try
			uncertain := *e
			uncertain.MaybeDone = true
			return &uncertain
		}
		if err != nil {
			return err
		}
		s.authorization = value
	}
	return nil
}

// renew gets another token in place of one that is not accepted, once: a token
// may end or be revoked before its time. A 401 says that nothing was done, so
// that any request may be sent again.
func (s *sending) renew(f *fault) (again bool, err error) {
	if f.err.Status != http.StatusUnauthorized || s.renewed || s.t.Authorize == nil || s.authorization == "" {
		return false, nil
	}
	s.renewed = true
	refused := s.authorization
	if err := s.authorize(refused); err != nil || s.authorization == refused {
		return false, err
	}
	return true, s.rewind(f)
}

// next says how long to wait before the next try, or gives the final error.
func (s *sending) next(f *fault) (time.Duration, error) {
	s.maybeDone = s.maybeDone || f.err.MaybeDone
	f.err.MaybeDone = s.maybeDone
	if !f.passing || (s.req.Method == http.MethodPost && !f.idle && !s.call.repeat) {
		return 0, s.final(f)
	}
	wait := f.after
	if f.limit && wait > 0 {
		s.asked += wait
		s.waits++
		if s.asked > s.t.MaxWait || s.waits > maxWaits {
			return 0, s.tooLong(f)
		}
		return wait + rand.N(500*time.Millisecond), nil
	}
	if s.tries >= s.t.Tries {
		return 0, s.final(f)
	}
	if wait > s.t.MaxWait {
		return 0, s.tooLong(f)
	}
	s.tries++
	wait = max(wait, time.Duration(float64(s.backoff)*(0.8+0.4*rand.Float64())))
	s.backoff = s.backoff * 5 / 2
	return wait, nil
}

func (s *sending) final(f *fault) error {
	if s.tries > 1 && f.passing {
		note := fmt.Sprintf("after %d tries", s.tries)
		if f.err.Message != "" {
			note = f.err.Message + ", " + note
		}
		f.err.Message = note
	}
	return f.err
}

func (s *sending) tooLong(f *fault) error {
	until := time.Now().Add(f.after).UTC().Format("15:04:05 MST on 2006-01-02")
	f.err.Message = fmt.Sprintf("%s; it asks to wait until %s, which is longer than the %s that Slipway waits",
		orElse(f.err.Message, "the forge's limit is used up"), until, s.t.MaxWait)
	return f.err
}

// sleep waits before the next try. A limit holds back every other request too.
func (s *sending) sleep(wait time.Duration, f *fault) error {
	until := time.Now().Add(wait)
	if f.limit {
		s.t.mu.Lock()
		s.t.until = until
		s.t.mu.Unlock()
	}
	reason := f.err.Message
	switch {
	case f.err.Status != 0:
		reason = fmt.Sprintf("HTTP %d", f.err.Status)
		if f.err.Message != "" {
			reason += ": " + f.err.Message
		}
	case reason == "" && f.err.Err != nil:
		reason = f.err.Err.Error()
	}
	s.notify(wait, reason)
	err := s.t.Sleep(s.req.Context(), wait)
	if f.limit {
		s.t.mu.Lock()
		if s.t.until.Equal(until) {
			s.t.until = time.Time{}
		}
		s.t.mu.Unlock()
	}
	if err != nil {
		return s.stopped(err)
	}
	return nil
}

// hold waits for a limit that another request ran into, and for the pace.
func (s *sending) hold() error {
	s.t.mu.Lock()
	wait := time.Until(s.t.until)
	s.t.mu.Unlock()
	reason := "another request ran into the forge's limit"
	if writes(s.req.Method) {
		for _, limiter := range s.t.Pace {
			reservation := limiter.Reserve()
			if d := reservation.Delay(); d > wait {
				wait, reason = d, "keeping below the forge's limit for changes"
			}
		}
	}
	if wait <= 0 {
		if err := s.req.Context().Err(); err != nil {
			return s.stopped(err)
		}
		return nil
	}
	if wait > time.Second {
		s.notify(wait, reason)
	}
	if err := s.t.Sleep(s.req.Context(), wait); err != nil {
		return s.stopped(err)
	}
	return nil
}

func (s *sending) notify(wait time.Duration, reason string) {
	if s.t.OnRetry != nil {
		s.t.OnRetry(s.call.op, wait, reason)
	}
}

func (s *sending) stopped(err error) error {
	return &forge.Error{Op: s.call.op, Err: err, MaybeDone: s.maybeDone}
}

// rewind gets the body anew for the next try.
func (s *sending) rewind(f *fault) error {
	if s.req.Body == nil || s.req.Body == http.NoBody {
		return nil
	}
	if s.req.GetBody == nil {
		return f.err
	}
	body, err := s.req.GetBody()
	if err != nil {
		return &forge.Error{Op: s.call.op, Err: err, MaybeDone: s.maybeDone}
	}
	again := s.req.WithContext(s.req.Context())
	again.Body = body
	s.req = again
	return nil
}

func (s *sending) closeBody() {
	if s.req.Body != nil {
		_ = s.req.Body.Close() // nothing was read of it
	}
}

// checkRedirect follows only what can't change a request's meaning. A file's
// bytes may come from another host (which never gets the token); everything
// else stays on the server that the person named.
func (t *transport) checkRedirect(req *http.Request, via []*http.Request) error {
	first, call := via[0], callOf(via[0])
	target := origin(req.URL)
	fail := func(message string) error {
		return &forge.Error{Op: call.op, Kind: forge.ErrNotForge, Message: message}
	}
	switch {
	case len(via) >= 8:
		return fail("the server redirects in a circle")
	case call.stream && first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fail("the server redirects to " + target + ", which is not encrypted")
	case call.stream:
		return nil
	case target != origin(first.URL):
		return fail("the server redirects to " + target + ": if that is the forge, give it as the server")
	case req.Method != first.Method:
		return fail(fmt.Sprintf("the server redirects a %s to %s: the repository may have moved, give its new name", first.Method, req.URL.Path))
	}
	return nil
}

func orElse(s, instead string) string {
	if s != "" {
		return s
	}
	return instead
}

// stillError is the cause of a try's end when nothing moved for so long.
type stillError time.Duration

func (e stillError) Error() string {
	return fmt.Sprintf("nothing moved on the connection for %s", time.Duration(e))
}

// watchdog cancels a try on whose connection nothing moves.
type watchdog struct {
	timer *time.Timer
	idle  time.Duration
	last  atomic.Int64 // the wait that is running, a time.Duration
	end   context.CancelCauseFunc
}

func newWatchdog(idle time.Duration, cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{idle: idle, end: cancel}
	w.last.Store(int64(idle))
	w.timer = time.AfterFunc(idle, func() { cancel(stillError(w.last.Load())) })
	return w
}

func (w *watchdog) touch() { w.allow(w.idle) }
func (w *watchdog) pause() { w.timer.Stop() }
func (w *watchdog) stop()  { w.timer.Stop(); w.end(nil) }

func (w *watchdog) allow(d time.Duration) {
	w.last.Store(int64(d))
	w.timer.Reset(d)
}
