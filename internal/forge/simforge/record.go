package simforge

import (
	"fmt"
	"io"
	"slices"
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

	seq int
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
// requests are under way; a request is seen once it has ended.
type Recorder struct {
	mu   sync.Mutex
	seq  int
	n    int
	done []Request
}

func (rec *Recorder) begin(counted bool) (seq, n int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.seq++
	if counted {
		rec.n++
		n = rec.n
	}
	return rec.seq, n
}

func (rec *Recorder) end(r Request) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.done = append(rec.done, r)
}

// Requests are all that have ended, in the order of their arrival.
func (rec *Recorder) Requests() []Request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	out := slices.Clone(rec.done)
	slices.SortFunc(out, func(a, b Request) int { return a.seq - b.seq })
	return out
}

// Count is the number of API requests with a token so far.
func (rec *Recorder) Count() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.n
}

// AssetBytes is how many bytes of assets have arrived, the wasted ones too.
func (rec *Recorder) AssetBytes() int64 {
	var n int64
	for _, r := range rec.Requests() {
		if r.Op == OpUpload {
			n += r.Received
		}
	}
	return n
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
	n *int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	*c.n += int64(n)
	return n, err
}
