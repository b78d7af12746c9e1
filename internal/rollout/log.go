package rollout

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// What is kept of a run's lines: the first ones and the last ones.
const (
	mostFirst = 500
	mostLast  = 1500
	mostLine  = 4 << 10
)

// log takes what a run says: to be kept, and to be shown as it comes. It hides
// secrets.
type log struct {
	now  func() time.Time
	show progress.Task

	mu      sync.Mutex
	first   []Line
	last    []Line // a ring once it is full
	next    int
	dropped int
	mask    *masks
}

// masks are the secrets that are known so far, of all runs of a process.
type masks struct {
	mu      sync.RWMutex
	secrets []string
}

func newLog(now func() time.Time, show progress.Task, m *masks) *log {
	return &log{now: now, show: show, mask: m}
}

// add takes a secret; shorter ones than three bytes would hide everything.
func (m *masks) add(value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range append(strings.Split(value, "\n"), value) {
		if s = strings.TrimSpace(s); len(s) >= 3 && !slices.Contains(m.secrets, s) {
			m.secrets = append(m.secrets, s)
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
}

func (m *masks) hide(text string) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range m.secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}

// in hides secrets in an error.
func (m *masks) in(err error) error {
	if text := err.Error(); m.hide(text) != text {
		return &release.Error{Kind: release.KindOf(err), Message: m.hide(text), Hint: m.hide(release.HintOf(err))}
	}
	return err
}

// shows says whether a value holds a secret.
func (m *masks) shows(value json.RawMessage) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.ContainsFunc(m.secrets, func(s string) bool {
		quoted, err := json.Marshal(s)
		return err == nil && strings.Contains(string(value), string(quoted[1:len(quoted)-1]))
	})
}

func (l *log) Print(line string)   { l.take("print", line) }
func (l *log) Stdout(line string)  { l.take("stdout", line) }
func (l *log) Stderr(line string)  { l.take("stderr", line) }
func (l *log) Secret(value string) { l.mask.add(value) }

func (l *log) take(stream, text string) {
	text = clipped(l.mask.hide(text))
	l.show.Output(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	line := Line{Time: l.now(), Stream: stream, Text: text}
	switch {
	case len(l.first) < mostFirst:
		l.first = append(l.first, line)
	case len(l.last) < mostLast:
		l.last = append(l.last, line)
	default:
		l.last[l.next] = line
		l.next = (l.next + 1) % mostLast
		l.dropped++
	}
}

// lines are those that are kept, without secrets that became known later.
func (l *log) lines() Logs {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Concat(l.first, l.last[l.next:], l.last[:l.next])
	for i := range all {
		all[i].Text = l.mask.hide(all[i].Text)
	}
	return Logs{Lines: all, Dropped: l.dropped}
}

// clipped bounds a line.
func clipped(line string) string {
	if len(line) <= mostLine {
		return line
	}
	return strings.ToValidUTF8(line[:mostLine], "") + "…"
}
