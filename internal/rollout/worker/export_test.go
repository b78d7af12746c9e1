package worker

import (
	"context"
	"io"
)

// Answer serves a worker that is connected by these two, to the end of its
// output, and gives its outcome.
func Answer(ctx context.Context, from io.Reader, to io.Writer, req Request, h Hooks) (Outcome, error) {
	w := newRunning(from, to, h)
	err := w.serve(ctx, req)
	w.answering.Wait()
	switch {
	case w.outcome != nil:
		return *w.outcome, nil
	case w.fault != nil:
		return Outcome{}, w.fault.err()
	}
	return Outcome{}, err
}
