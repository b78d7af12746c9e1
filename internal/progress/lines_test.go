package progress_test

import (
	"bytes"
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/progress"
)

// Logs get plain lines, one for each thing that ends, without colours.
func TestLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := progress.Lines(&out)
	s := r.Stage("build")
	task := s.Task("hello linux/amd64", 10)
	task.At(5)
	task.Done("1.2 MB", nil)
	task.Output("not shown")
	s.Task("hello linux/386", 0).Done("", errors.New("no"))
	r.Note("mind this")
	s.Done("1 binary", nil)
	r.Stage("pack").Done("", errors.New("no"))
	got := regexp.MustCompile(`[0-9.]+(ms|s|µs)\n`).ReplaceAllString(out.String(), "T\n")
	want := "  · hello linux/amd64  1.2 MB  T\n  ✗ hello linux/386  T\n! mind this\n✓ build     1 binary  T\n✗ pack      T\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 561_530: "561.5 kB", 4_600_000: "4.6 MB"} {
		if got := progress.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

// A verbose log has what the work writes, under the name of what wrote it.
func TestVerboseLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := progress.Lines(&out, progress.Verbose(true)).Stage("image")
	one, two := s.Task("one", 0), s.Task("two", 0)
	one.Output("a")
	one.Output("b")
	two.Output("c")
	one.Output("d")
	want := "  > one\n    a\n    b\n  > two\n    c\n  > one\n    d\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A margin stands before everything but headings, and before each line.
func TestIndent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := progress.Lines(&out, progress.Indent("  "), progress.Verbose(true))
	r.Head("First")
	r.Say("one\ntwo")
	r.Note("mind this")
	task := r.Stage("build").Task("hello", 0)
	task.Output("compiling")
	task.Done("", nil)
	got := regexp.MustCompile(`[0-9.]+(ms|s|µs)\n`).ReplaceAllString(out.String(), "T\n")
	want := "First\n  one\n  two\n  ! mind this\n    > hello\n      compiling\n    · hello  T\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
