package simforge

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Op is what a request is about, as faults name it.
type Op string

const (
	OpRead     Op = "read"
	OpCreate   Op = "create"
	OpUpload   Op = "upload"
	OpUpdate   Op = "update"
	OpPublish  Op = "publish"
	OpDelete   Op = "delete"
	OpDownload Op = "download"
	OpComment  Op = "comment"
	OpGit      Op = "git"
	OpOther    Op = "other"
)

// Request is one request that a server has seen.
type Request struct {
	// N counts the API requests that carry a token, from 1: what kill-after and
	// kill-before count. 0 for readers without a token and for git.
	N      int
	Method string
	Path   string
	Query  string
	Op     Op
	Access string // what the token may do
	// Status is what was answered, 0 when the connection was cut.
	Status int
	// Fault names the fault that it met, empty for none.
	Fault string
	// Received are the bytes of its body that arrived.
	Received int64
	// Asset is the name of the asset that it uploads, and Stored whether that
	// arrived whole and was kept.
	Asset  string
	Stored bool
}

func (r Request) String() string {
	s := fmt.Sprintf("%3d %-6s %s", r.N, r.Method, r.Path)
	if r.Query != "" {
		s += "?" + r.Query
	}
	s += fmt.Sprintf(" %d", r.Status)
	if r.Received > 0 {
		s += fmt.Sprintf(" (%d bytes)", r.Received)
	}
	if r.Fault != "" {
		s += " [" + r.Fault + "]"
	}
	return s
}

// Recorder keeps what a server was asked. Its methods may be called while
// requests are under way: such a request has status 0, and one whose answer
// the client has read is complete.
type Recorder struct {
	mu      sync.Mutex
	n       int
	all     []*Request
	resting bool // nothing is counted yet
}

// begin notes a request that has arrived.
func (rec *Recorder) begin(r *Request, counted bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if counted && !rec.resting {
		rec.n++
		r.N = rec.n
	}
	rec.all = append(rec.all, r)
}

// note changes what is known of a request.
func (rec *Recorder) note(change func()) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	change()
}

// Requests are all so far, in the order of their arrival.
func (rec *Recorder) Requests() []Request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	out := make([]Request, len(rec.all))
	for i, r := range rec.all {
		out[i] = *r
	}
	return out
}

// Count is the number of API requests with a token so far.
func (rec *Recorder) Count() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.n
}

// Stored counts, by name, how often an asset arrived whole and was kept.
func (rec *Recorder) Stored() map[string]int {
	out := map[string]int{}
	for _, r := range rec.Requests() {
		if r.Stored {
			out[r.Asset]++
		}
	}
	return out
}

// String has a line for each request.
func (rec *Recorder) String() string {
	var b strings.Builder
	for _, r := range rec.Requests() {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// counted counts the bytes of a request's body.
type counted struct {
	io.ReadCloser
	c *call
}

func (b counted) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.s.rec.note(func() { b.c.log.Received += int64(n) })
	return n, err
}
