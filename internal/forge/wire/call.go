package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Call is one operation on a forge. It travels in the context of its requests.
type Call struct {
	op     string
	stream bool
	repeat bool
	// sentWrite is set once a request that writes may have reached the server.
	sentWrite atomic.Bool
}

type callKey struct{}

// Begin names the operation that the requests made with the context belong
// to: "upload hello.tar.gz".
func Begin(ctx context.Context, op string) (context.Context, *Call) {
	c := &Call{op: op}
	return context.WithValue(ctx, callKey{}, c), c
}

// beginStream is Begin for a request whose answer is a file, handed on as it
// comes instead of being read and checked as JSON.
func beginStream(ctx context.Context, op string) (context.Context, *Call) {
	c := &Call{op: op, stream: true}
	return context.WithValue(ctx, callKey{}, c), c
}

// Repeatable lets the call's POSTs be sent again after passing faults, as
// other methods are: done twice they are as good as done once. It is said
// before the first request.
func (c *Call) Repeatable() { c.repeat = true }

func callOf(r *http.Request) *Call {
	if c, ok := r.Context().Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{op: r.Method + " " + r.URL.Path}
}

// Err gives the error of a call as a forge.Error, whatever a library wrapped
// it in, and nil for nil.
func (c *Call) Err(err error) error {
	if err == nil {
		return nil
	}
	var e *forge.Error
	if errors.As(err, &e) {
		return e
	}
	for _, stop := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, stop) {
			return &forge.Error{Op: c.op, Err: stop, MaybeDone: c.sentWrite.Load()}
		}
	}
	var wrongType *json.UnmarshalTypeError
	var badSyntax *json.SyntaxError
	if errors.As(err, &wrongType) || errors.As(err, &badSyntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return c.NotForge("the answer is not of the form that this forge gives: " + oneLine(err.Error()))
	}
	return &forge.Error{Op: c.op, Err: err, MaybeDone: c.sentWrite.Load()}
}

// NotForge is the error for a successful answer that lacks what it must have.
func (c *Call) NotForge(message string) error {
	return &forge.Error{Op: c.op, Kind: forge.ErrNotForge, Message: message, MaybeDone: c.sentWrite.Load()}
}

// Fail is an error of the call that needed no answer: kind and what is wrong.
func (c *Call) Fail(kind error, message string) error {
	return &forge.Error{Op: c.op, Kind: kind, Message: message}
}
