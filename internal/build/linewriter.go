package build

import (
	"bytes"
	"io"
	"sync"
)

// lineWriter lets several commands write to one writer, whole lines at a time,
// each line behind the name of the command.
type lineWriter struct {
	mu *sync.Mutex
	w  io.Writer
	// of a named one:
	prefix string
	part   []byte
}

func newLineWriter(w io.Writer) *lineWriter {
	if w == nil {
		w = io.Discard
	}
	return &lineWriter{mu: &sync.Mutex{}, w: w}
}

func (l *lineWriter) named(name string) *lineWriter {
	return &lineWriter{mu: l.mu, w: l.w, prefix: name + ": "}
}

// maxLine bounds what is kept of a line that does not end.
const maxLine = 64 << 10

// Write passes the lines that are complete. It never errs: a reader that went
// away must not stop a build.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			break
		}
		l.line(l.part[:i])
		l.part = l.part[i+1:]
	}
	if len(l.part) > maxLine {
		l.flush()
	}
	return len(p), nil
}

func (l *lineWriter) line(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, l.prefix+string(b)+"\n")
}

// flush passes a last line that has no end.
func (l *lineWriter) flush() {
	if len(l.part) > 0 {
		l.line(l.part)
		l.part = nil
	}
}
