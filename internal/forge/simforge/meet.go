package simforge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// meet lets a request run into its fault.
func (c *call) meet(f *armed, segs []string) {
	switch f.kind {
	case kindStatus:
		c.meetStatus(f, segs)
	case kindCutBefore:
		c.cut()
	case kindCutBody:
		_, _ = io.CopyN(io.Discard, c.r.Body, max(1, c.r.ContentLength/2))
		c.leaveStarter(segs)
		c.cut()
	case kindCutAfter:
		c.captured(segs)
		c.cut()
	case kindCutAnswer:
		got := c.captured(segs)
		got.send(c.w, got.body.Len()/2)
		_ = http.NewResponseController(c.w).Flush()
		c.cut()
	case kindHTML:
		c.drain()
		c.plain(http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html>\n<html><body><h1>Please sign in to the guest network</h1></body></html>\n")
	case kindGarbage:
		c.drain()
		c.plain(http.StatusOK, "application/json; charset=utf-8", `{"id": "not a number", "tag_name": [`)
	case kindSlow:
		got := c.captured(segs)
		got.trickle(c.r.Context(), c.w, f.wait)
	case kindSecondary, kindRate, kindTooMany:
		c.drain()
		c.limited(f.kind, f.number)
	case kindDown:
		c.drain()
		c.broken(http.StatusServiceUnavailable)
	case kindTagMoves:
		c.serve(segs)
		c.moveTags()
	case kindKillPre:
		c.s.faults.onKill()
		c.cut()
	case kindKillAfter:
		c.serve(segs)
		_ = http.NewResponseController(c.w).Flush()
		c.s.faults.onKill()
	}
}

func (c *call) meetStatus(f *armed, segs []string) {
	switch {
	case f.after:
		c.captured(segs)
	case c.log.Op == OpUpload && f.status == http.StatusBadGateway:
		c.drain()
		c.leaveStarter(segs)
	default:
		c.drain()
	}
	switch f.status {
	case http.StatusUnprocessableEntity:
		c.wireRefuse(&memory.Refusal{Status: f.status, Message: "Validation Failed",
			Details: []memory.Detail{{Resource: "Release", Code: "custom", Message: "the fault " + f.text}}})
	case http.StatusRequestEntityTooLarge:
		c.wireRefuse(&memory.Refusal{Status: f.status, Message: "attachment exceeds limit 0"})
	default:
		c.broken(f.status)
	}
}

// cut breaks the connection.
func (c *call) cut() { panic(http.ErrAbortHandler) }

// cutIfGone breaks a connection whose client is no longer there to answer: the
// body of its upload broke off.
func (c *call) cutIfGone(err error) {
	if c.r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		c.cut()
	}
}

// drain reads a body that nobody wants, as a proxy does before it answers.
func (c *call) drain() { _, _ = io.Copy(io.Discard, c.r.Body) }

// broken is a failing server's answer: its own for 500, a proxy's page else.
func (c *call) broken(status int) {
	if status == http.StatusInternalServerError {
		c.wireRefuse(&memory.Refusal{Status: status, Message: "Server Error"})
		return
	}
	text := http.StatusText(status)
	c.plain(status, "text/html", fmt.Sprintf("<html>\n<head><title>%d %s</title></head>\n<body><center><h1>%d %s</h1></center></body>\n</html>\n", status, text, status, text))
}

func (c *call) plain(status int, contentType, body string) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, body)
}

// leaveStarter leaves what a broken upload leaves on GitHub.
func (c *call) leaveStarter(segs []string) {
	if len(segs) != 6 {
		return
	}
	h, ok := c.s.repo(segs[1], segs[2])
	id, err := strconv.ParseInt(segs[4], 10, 64)
	if !ok || err != nil {
		return
	}
	h.repo.AddStarter(c.access, id, memory.Upload{Name: c.r.URL.Query().Get("name"), Size: max(1, c.r.ContentLength)})
}

// moveTags points each tag of a draft at another commit, as somebody's forced
// push would.
func (c *call) moveTags() {
	ctx := context.WithoutCancel(c.r.Context())
	c.s.each(func(h hosted) {
		list, err := h.repo.Releases(memory.Writer)
		if err != nil {
			return
		}
		for _, rel := range list {
			at, ok, err := h.repo.Refs().Peel(ctx, "refs/tags/"+rel.Tag)
			if err != nil || !ok || !rel.Draft {
				continue
			}
			if other, err := h.repo.Refs().Fork(ctx, at.Hash); err == nil {
				_ = h.repo.Refs().SetTag(ctx, rel.Tag, other) // the tag was there a moment ago
			}
		}
	})
}

// captured runs a call and keeps its answer back.
func (c *call) captured(segs []string) *capture {
	got := &capture{header: http.Header{}}
	out := c.w
	c.w = got
	c.serve(segs)
	c.w = out
	if got.status == 0 {
		got.status = http.StatusOK
	}
	return got
}

// capture is an answer that has not been sent.
type capture struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *capture) Header() http.Header { return w.header }
func (w *capture) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *capture) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// send sends the head, which promises the whole body, and n bytes of it.
func (w *capture) send(out http.ResponseWriter, n int) {
	w.head(out)
	_, _ = out.Write(w.body.Bytes()[:n])
}

func (w *capture) head(out http.ResponseWriter) {
	for k, v := range w.header {
		out.Header()[k] = v
	}
	if w.body.Len() > 0 {
		out.Header().Set("Content-Length", strconv.Itoa(w.body.Len()))
	}
	out.WriteHeader(w.status)
}

// trickle sends the answer in sixteen pieces over the given time.
func (w *capture) trickle(ctx context.Context, out http.ResponseWriter, over time.Duration) {
	const pieces = 16
	w.head(out)
	data := w.body.Bytes()
	step := len(data)/pieces + 1
	for len(data) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(over / pieces):
		}
		n := min(step, len(data))
		if _, err := out.Write(data[:n]); err != nil {
			return
		}
		_ = http.NewResponseController(out).Flush()
		data = data[n:]
	}
}
