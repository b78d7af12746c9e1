package buildkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// holder is what holds a container: it names the shell's programs, and waits for
// an end of its input that never comes.
const holder = `command -v sh && command -v cat && exec cat`

// wrapper runs a program so that its exit code is told at the end of its stderr,
// as BuildKit ends the container of a program that fails. A program that leaves
// input unread would break BuildKit's stream, and so that is read to its end.
//
//	sh -c wrapper MARK DIR CAT PATH PROGRAM ARGUMENT…
//
// The shell itself has the image's PATH, is silent of signals, and has no variables
// of its own: they might be among those that the program is given.
const wrapper = `exec 3>&2 2>/dev/null
if ! cd "$1"; then c=dir
elif ! (PATH=$3; command -v "$4") >/dev/null; then c=program
else (PATH=$3; unset OLDPWD; shift 3; exec "$@" 2>&3 3>&-); c=$?; fi
printf '%s%s\n' "$0" "$c" >&3
if test -n "$2"; then "$2" >/dev/null 3>&-; fi
exit 0`

// longest is the bound of Linux for an argument or a variable, with its end.
const longest = 128 << 10

// leftBehind is how long a program's output may stay open after its end.
const leftBehind = 2 * time.Second

// begin starts what holds the container. The channel is closed when that ends.
func (c *Container) begin(ctx, gone context.Context, ctr gateway.Container, lost <-chan error) (<-chan struct{}, error) {
	stdin, hold := io.Pipe()
	whole := make(chan struct{})
	said, complaint := &lines{want: 2, whole: whole}, &lines{}
	held, err := ctr.Start(gone, gateway.StartRequest{Args: []string{"sh", "-c", holder}, Env: []string{"PATH=" + c.env["PATH"]}, Cwd: "/",
		Stdin: stdin, Stdout: said, Stderr: complaint})
	if err != nil {
		_ = hold.Close()
		return nil, c.broken(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = held.Wait()
		_ = hold.Close()
	}()
	select {
	case <-whole:
		text := strings.Split(said.String(), "\n")
		c.shell, c.cat = text[0], text[1]
		return ended, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case err := <-lost:
		return nil, c.broken(err)
	case <-ended:
	}
	return nil, c.notBegun(complaint.String(), err)
}

// notBegun explains a container that ended before anything ran in it.
func (c *Container) notBegun(said string, err error) error {
	who, image := c.options.Name, c.options.Image
	said = strings.TrimSpace(said)
	var exit *gatewaypb.ExitError
	switch {
	case strings.Contains(said, "exec format error"):
		return c.named(release.Invalidf("use another image, or a builder of another platform", "%s: the image %s is not made for %s", who, image, c.platform))
	case strings.Contains(said, "executable file not found"), strings.Contains(said, "no such file or directory"):
		return c.named(release.Invalidf("use an image that has sh, such as alpine or debian", "%s: the image %s has no shell", who, image))
	case said == "" && errors.As(err, &exit):
		return c.named(release.Invalidf("use an image that has sh and cat, such as alpine or debian", "%s: the image %s runs no sh and cat", who, image))
	case said == "" && err != nil:
		said = c.explainer().clean(err.Error())
	}
	return release.Failf("", "%s: a container of %s can't be started: %s", who, image, firstLine(said))
}

// Exec runs a program to its end and gives its exit code: 128 and the signal's
// number for one that was killed. When ctx ends, the container is closed, and
// with it all that runs there; the answer is ctx's cause. proc.ErrNotFound when
// there is no such program, fs.ErrNotExist when there is no such folder, and
// proc.ErrLeftBehind beside the code when it left another program behind that
// holds its output open.
func (c *Container) Exec(ctx context.Context, p Process) (code int, err error) {
	if len(p.Args) == 0 || !path.IsAbs(p.Dir) {
		return 0, fmt.Errorf("run %q in %q of a container: a program and an absolute folder are needed", p.Args, p.Dir)
	}
	for _, s := range slices.Concat(p.Args, p.Env) {
		if len(s) >= longest {
			return 0, release.Invalidf("write it to a file, and give its path instead", "%s: a script, an argument or a variable of %s is longer than %d bytes", c.options.Name, p.Args[0], longest-1)
		}
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	r := newRun(p)
	defer r.out.cut()
	defer r.errs.cut()
	select {
	case c.runs <- r:
	case <-c.ended:
		return 0, c.gone()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case a := <-r.answer:
		return a.code, a.err
	case <-ctx.Done():
		_ = c.Close()
		return 0, context.Cause(ctx)
	case <-c.ended:
	}
	select {
	case a := <-r.answer:
		return a.code, a.err
	default:
		return 0, c.gone()
	}
}

// run is a program on its way.
type run struct {
	process Process
	mark    string
	out     *gate
	errs    *trailed
	answer  chan answer
}

type answer struct {
	code int
	err  error
}

func newRun(p Process) *run {
	mark := "\x1e" + rand.Text()
	return &run{process: p, mark: mark, out: &gate{to: p.Stdout}, errs: &trailed{gate: gate{to: p.Stderr}, mark: mark, whole: make(chan struct{})},
		answer: make(chan answer, 1)}
}

// serve runs the program in the container.
func (r *run) serve(gone context.Context, c *Container, ctr gateway.Container) {
	code, err := r.run(gone, c, ctr)
	if gone.Err() == nil || err == nil { // else the container's own error says why
		r.answer <- answer{code, err}
	}
}

func (r *run) run(gone context.Context, c *Container, ctr gateway.Container) (int, error) {
	start := gateway.StartRequest{Env: []string{"PATH=" + c.env["PATH"]}, Cwd: "/", Stdout: r.out, Stderr: r.errs}
	cat, search := "", c.env["PATH"]
	for _, kv := range r.process.Env {
		if own, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = own
		} else {
			start.Env = append(start.Env, kv)
		}
	}
	if r.process.Stdin != nil {
		start.Stdin, cat = io.NopCloser(r.process.Stdin), c.cat
	}
	start.Args = append([]string{c.shell, "-c", wrapper, r.mark, r.process.Dir, cat, search}, r.process.Args...)
	running, err := ctr.Start(gone, start)
	if err != nil {
		return 0, c.broken(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- running.Wait() }()
	select {
	case err = <-waited:
	case <-r.errs.whole:
		t := time.NewTimer(leftBehind)
		defer t.Stop()
		select {
		case err = <-waited:
		case <-t.C:
			err = proc.ErrLeftBehind
		}
	}
	return r.result(c, err)
}

// result reads what the wrapper told.
func (r *run) result(c *Container, err error) (int, error) {
	told, ok := r.errs.trailer()
	if !ok {
		if err == nil {
			err = errors.New("it ended without a word")
		}
		return 0, fmt.Errorf("%s: a program in the container of %s was ended: %w", c.options.Name, c.options.Image, err)
	}
	switch told {
	case "dir":
		return 0, fmt.Errorf("%s: the folder %s in the container of %s: %w", c.options.Name, r.process.Dir, c.options.Image, fs.ErrNotExist)
	case "program":
		return 0, fmt.Errorf("%s: the image %s: %s: %w", c.options.Name, c.options.Image, r.process.Args[0], proc.ErrNotFound)
	}
	code, bad := strconv.Atoi(told)
	if bad != nil {
		return 0, fmt.Errorf("read the exit code of %s: %w", r.process.Args[0], bad)
	}
	if errors.Is(err, proc.ErrLeftBehind) {
		return code, err
	}
	return code, nil
}

// gate hands on what is written until it is cut.
type gate struct {
	mu  sync.Mutex
	to  io.Writer // nil: nobody
	off bool
}

// Write never fails: a program whose output nobody takes is not to hang.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass(p)
	return len(p), nil
}

func (g *gate) pass(p []byte) {
	if g.off || g.to == nil || len(p) == 0 {
		return
	}
	if _, err := g.to.Write(p); err != nil {
		g.off = true
	}
}

// Close leaves the writer behind it open.
func (*gate) Close() error { return nil }

func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.off = true
}

// trailed is a gate that keeps back what the wrapper adds at the end.
type trailed struct {
	gate
	mark  string
	kept  []byte // what may be the mark's beginning, or the mark and what follows
	found bool
	told  string
	whole chan struct{} // closed when the trailer is there
}

func (t *trailed) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if t.told != "" {
		return n, nil // of what was left behind
	}
	t.kept = append(t.kept, p...)
	if !t.found {
		at := bytes.Index(t.kept, []byte(t.mark))
		if t.found = at >= 0; !t.found {
			at = len(t.kept) - begun(t.kept, t.mark)
		}
		t.pass(t.kept[:at])
		t.kept = append(t.kept[:0], t.kept[at:]...)
	}
	if end := bytes.IndexByte(t.kept, '\n'); t.found && end >= 0 {
		t.told, t.kept = string(t.kept[len(t.mark):end]), nil
		close(t.whole)
	}
	return n, nil
}

// begun is how many bytes at the end of a text may begin the mark.
func begun(text []byte, mark string) int {
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(mark[:n])) {
			return n
		}
	}
	return 0
}

func (t *trailed) trailer() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told, t.told != ""
}

// lines keeps the first bytes that are written, and tells when lines are whole.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	want  int           // of lines
	whole chan struct{} // closed when they are there; nil: nobody waits
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p[:min(len(p), 4096-l.text.Len())])
	if l.whole != nil && bytes.Count(l.text.Bytes(), []byte("\n")) >= l.want {
		close(l.whole)
		l.whole = nil
	}
	return len(p), nil
}

// Close leaves it as it is.
func (*lines) Close() error { return nil }

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
