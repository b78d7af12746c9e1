package simforge

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Rates are GitHub's rate limits for one token; 0 is no limit.
type Rates struct {
	PerHour          int // requests, the primary limit
	Concurrent       int // requests at once
	PointsPerMinute  int // a read is 1 point, a write 5
	CreatesPerMinute int // requests that make content
	CreatesPerHour   int
}

// Documented are the limits that GitHub documents.
var Documented = Rates{PerHour: 5000, Concurrent: 100, PointsPerMinute: 900, CreatesPerMinute: 80, CreatesPerHour: 500}

// Unlimited is for tests that ask for much in a short time.
var Unlimited = Rates{}

// limiter counts what each token asks for.
type limiter struct {
	rates Rates
	clock func() time.Time

	mu    sync.Mutex
	users map[string]*usage
}

type usage struct {
	start    time.Time // of the primary limit's hour
	used     int
	inFlight int
	minute   window // points
	creates  window // content of the last hour
}

// window is what happened lately, oldest first.
type window []struct {
	at time.Time
	n  int
}

func (w *window) add(at time.Time, n int) {
	*w = append(*w, struct {
		at time.Time
		n  int
	}{at, n})
}

// within sums what is younger than d, and says when the oldest of it leaves.
func (w *window) within(now time.Time, d time.Duration) (sum int, frees time.Duration) {
	for _, e := range *w {
		if age := now.Sub(e.at); age < d {
			if sum == 0 {
				frees = d - age
			}
			sum += e.n
		}
	}
	return sum, frees
}

func (w *window) forget(now time.Time, d time.Duration) {
	for len(*w) > 0 && now.Sub((*w)[0].at) >= d {
		*w = (*w)[1:]
	}
}

// verdict is what the limiter says of one request.
type verdict struct {
	limit, remaining, used int
	reset                  time.Time
	primary, secondary     bool // over that limit
	retryAfter             int  // seconds
}

// admit counts a request; done must be called when it has ended.
func (l *limiter) admit(token string, op Op) (v verdict, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	u := l.users[token]
	if u == nil {
		u = &usage{start: now}
		l.users[token] = u
	}
	if now.Sub(u.start) >= time.Hour {
		u.start, u.used = now, 0
	}
	u.minute.forget(now, time.Minute)
	u.creates.forget(now, time.Hour)
	v = l.judge(u, op, now)
	if !v.primary && !v.secondary {
		u.count(op, now)
		v.used = u.used
		v.remaining = max(0, v.limit-u.used)
	}
	u.inFlight++
	return v, func() {
		l.mu.Lock()
		u.inFlight--
		l.mu.Unlock()
	}
}

func (u *usage) count(op Op, now time.Time) {
	u.used++
	u.minute.add(now, points(op))
	if makes(op) {
		u.creates.add(now, 1)
	}
}

// makes says whether a request makes content, which GitHub limits most.
func makes(op Op) bool { return op == OpCreate || op == OpUpload || op == OpComment }

func points(op Op) int {
	switch op {
	case OpCreate, OpUpload, OpComment, OpUpdate, OpPublish, OpDelete, OpOther:
		return 5
	}
	return 1
}

func (l *limiter) judge(u *usage, op Op, now time.Time) verdict {
	r := l.rates
	v := verdict{limit: r.PerHour, used: u.used, reset: u.start.Add(time.Hour)}
	if v.limit == 0 {
		v.limit = Documented.PerHour
	}
	v.remaining = max(0, v.limit-u.used)
	over := func(sum int, frees time.Duration, limit int) {
		if limit > 0 && sum >= limit {
			v.secondary = true
			v.retryAfter = max(v.retryAfter, int((frees+time.Second-1)/time.Second), 1)
		}
	}
	if r.PerHour > 0 && u.used >= r.PerHour {
		v.primary = true
	}
	if r.Concurrent > 0 && u.inFlight >= r.Concurrent {
		v.secondary, v.retryAfter = true, 60
	}
	sum, frees := u.minute.within(now, time.Minute)
	over(sum+points(op)-1, frees, r.PointsPerMinute)
	if makes(op) {
		sum, frees = u.creates.within(now, time.Minute)
		over(sum, frees, r.CreatesPerMinute)
		sum, frees = u.creates.within(now, time.Hour)
		over(sum, frees, r.CreatesPerHour)
	}
	return v
}

// headers are what GitHub says of the primary limit on each answer of its API.
func (v verdict) headers(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(v.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(v.remaining))
	h.Set("X-RateLimit-Used", strconv.Itoa(v.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(v.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
}

// peek tells a token's primary limit without counting.
func (l *limiter) peek(token string) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[token]
	if u == nil {
		u = &usage{start: l.clock()}
	}
	return l.judge(u, OpRead, l.clock())
}
