package lang

import (
	"errors"
	"testing"
	"time"

	"go.starlark.net/starlark"
)

// A step that does not end is left behind; one that ends in time is not.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	w := &watch{stopped: make(chan struct{}), patience: 10 * time.Millisecond}
	w.stop(&starlark.Thread{}, &fault{message: "it took too long"})
	if left, err := w.await(make(chan error)); !left || err != nil {
		t.Errorf("got %v %v", left, err)
	}
	ended := make(chan error, 1)
	ended <- errors.New("x")
	if left, err := w.await(ended); left || err == nil {
		t.Errorf("got %v %v", left, err)
	}
}

// A panic of a built-in is an error.
func TestPanic(t *testing.T) {
	t.Parallel()
	e := newEvaluation(Options{}, loading, &program{main: "a.star", files: map[string]*file{}})
	thread := &starlark.Thread{}
	predeclared := starlark.StringDict{"boom": starlark.NewBuiltin("boom", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return starlark.Tuple{}[len(t.Name()):], nil
	})}
	err := safely(e, func() error {
		_, err := starlark.ExecFileOptions(&fileOptions, thread, "a.star", "\nboom()", predeclared)
		return err
	})
	var f *fault
	if !errors.As(err, &f) || f.at != (Position{File: "a.star"}) {
		t.Errorf("got %+v", err)
	}
}
