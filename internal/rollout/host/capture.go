package host

import (
	"bytes"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// longestLine is how much of a line without end is given on at once.
const longestLine = 64 << 10

// capture keeps what a script prints, and gives it to the log line by line.
type capture struct {
	stdout, stderr *stream
	log            lang.Log // nil when mute
	most           int
	stop           func() // ends the script

	mu       sync.Mutex // both streams write; the log hears one at a time
	combined strings.Builder
	tooMuch  error
}

func newCapture(s lang.Script, log lang.Log, stop func()) *capture {
	c := &capture{most: s.Most, stop: stop}
	if c.most <= 0 {
		c.most = DefaultMost
	}
	if !s.Mute {
		c.log = log
	}
	c.stdout = &stream{c: c, name: "output", say: lang.Log.Stdout}
	c.stderr = &stream{c: c, name: "error output", say: lang.Log.Stderr}
	return c
}

// stream is one of the two. Both are in the order in which their lines ended.
type stream struct {
	c    *capture
	name string
	say  func(lang.Log, string)
	all  strings.Builder
	line []byte // begun, and not ended
}

// Write takes everything, also what is too much: a script that is being killed
// must not hang on a full pipe.
func (s *stream) Write(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.tooMuch != nil {
		return len(p), nil
	}
	n := len(p)
	if s.all.Len()+len(p) > s.c.most {
		p = p[:s.c.most-s.all.Len()]
		s.c.tooMuch = tooLarge("host.shell: the script's "+s.name, s.c.most)
		defer s.c.stop()
	}
	s.all.Write(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.line = append(s.line, p...)
			if len(s.line) >= longestLine {
				s.flush("")
			}
			break
		}
		s.line = append(s.line, p[:end]...)
		s.flush("\n")
		p = p[end+1:]
	}
	return n, nil
}

// flush gives on the line that was begun.
func (s *stream) flush(end string) {
	s.c.combined.Write(s.line)
	s.c.combined.WriteString(end)
	if s.c.log != nil {
		s.say(s.c.log, strings.TrimSuffix(string(s.line), "\r"))
	}
	s.line = s.line[:0]
}

// end gives what was captured, once the script is gone.
func (c *capture) end() lang.Shell {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range []*stream{c.stdout, c.stderr} {
		if len(s.line) > 0 {
			s.flush("")
		}
	}
	return lang.Shell{Stdout: c.stdout.all.String(), Stderr: c.stderr.all.String(), Combined: c.combined.String()}
}

// over is the error of a script that printed too much.
func (c *capture) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tooMuch
}
