package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// Container is a container of a builder that lives on between programs: what one
// writes is there for the next. Nothing of this machine is in it but what it was
// made with. buildkit.Container is one.
type Container interface {
	// Exec runs a program to its end, with just the environment that it is
	// given. A program that ran and failed is no error: its code is the answer.
	// When the context ends, it and what it started are killed, the container
	// may be gone with them, and the context's cause is returned.
	//
	// Of its errors, proc.ErrNotFound says that there is no such program,
	// fs.ErrNotExist that there is no such folder, and proc.ErrLeftBehind, beside
	// a code, that the program left another behind that holds its output open.
	Exec(ctx context.Context, p Process) (code int, err error)
}

// Process is a program to run in a container. It is an alias, so that packages
// that know nothing of each other can mean the same.
type Process = struct {
	Args           []string
	Env            []string // KEY=value
	Dir            string   // absolute, there
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// InsideOptions say what a container looks like to scripts.
type InsideOptions struct {
	Container Container
	Image     string // for errors
	OS, Arch  string // of the image, as Go names them
	Dir       string // of the package file in the container, absolute
	Env       map[string]string
}

// Inside runs scripts in a container, with nothing of this machine in reach. It
// may be used from several goroutines. The image needs sh, cat and mv.
func Inside(o InsideOptions) lang.Host {
	o.Env = maps.Clone(o.Env)
	return inside{o}
}

type inside struct{ o InsideOptions }

func (h inside) OS() string             { return h.o.OS }
func (h inside) Arch() string           { return h.o.Arch }
func (h inside) Env() map[string]string { return maps.Clone(h.o.Env) }

func (h inside) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	if err := check(s); err != nil {
		return lang.Shell{}, err
	}
	dir := h.path(s.Dir)
	within, kill := context.WithCancel(ctx)
	defer kill()
	c := newCapture(s, log, kill)
	code, err := h.exec(within, Process{
		Args: []string{shellOf(s), "-c", s.Text}, Dir: dir, Env: environ(h.o.Env, s.Env), Stdout: c.stdout, Stderr: c.stderr,
	})
	answer := c.end()
	answer.ExitCode = code
	switch {
	case ctx.Err() != nil:
		return answer, context.Cause(ctx)
	case c.over() != nil:
		return answer, c.over()
	case errors.Is(err, proc.ErrLeftBehind):
		log.Print("host.shell: the script left a program behind that holds its output open; its further output is not seen")
		return answer, nil
	case errors.Is(err, fs.ErrNotExist):
		return answer, release.Invalidf("`dir` is relative to the package file's folder, "+h.o.Dir, "host.shell: there is no folder %s in the container", dir)
	}
	return answer, err
}

func (h inside) exec(ctx context.Context, p Process) (int, error) {
	if p.Dir == "" {
		p.Dir = "/"
	}
	if p.Env == nil {
		p.Env = environ(h.o.Env, nil)
	}
	for _, w := range []*io.Writer{&p.Stdout, &p.Stderr} {
		if *w == nil {
			*w = io.Discard
		}
	}
	code, err := h.o.Container.Exec(ctx, p)
	switch {
	case errors.Is(err, proc.ErrNotFound):
		return code, release.Invalidf("take an image that has it", "the image %s has no program %q", h.o.Image, p.Args[0])
	case err != nil && ctx.Err() == nil:
		return code, fmt.Errorf("run %s in %s: %w", p.Args[0], h.o.Image, err)
	}
	return code, err
}

func (h inside) path(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(h.o.Dir, name)
}

// ReadFile reads a file of at most DefaultMost bytes.
func (h inside) ReadFile(ctx context.Context, name string) ([]byte, error) {
	if err := check(lang.Script{Dir: name}); err != nil {
		return nil, err
	}
	within, stop := context.WithCancel(ctx)
	defer stop()
	at := h.path(name)
	content := &bounded{most: DefaultMost, stop: stop}
	why := &bounded{most: longestLine, stop: func() {}}
	code, err := h.exec(within, Process{Args: []string{"sh", "-c", `test -f "$1" && exec cat -- "$1"`, "sh", at}, Stdout: content, Stderr: why})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case content.over:
		return nil, tooLarge("host.read_file: "+at, DefaultMost)
	case err != nil:
		return nil, err
	case code != 0:
		return nil, release.Invalidf("paths are relative to the package file's folder", "host.read_file: there is no file %s in the container%s", at, because(why))
	}
	return content.all.Bytes(), nil
}

// WriteFile writes a file whole, or not at all.
func (h inside) WriteFile(ctx context.Context, name string, content []byte) error {
	if err := check(lang.Script{Dir: name}); err != nil {
		return err
	}
	at := h.path(name)
	why := &bounded{most: longestLine, stop: func() {}}
	// What is no regular file, a device, is written to as it is.
	const script = `if test -d "$1"; then echo "it is a folder" >&2; exit 1; fi
if test -e "$1" && ! test -f "$1"; then exec cat >"$1"; fi
new=$1.slipway-$$
cat >"$new" && mv -f -- "$new" "$1" || { rm -f -- "$new"; exit 1; }`
	code, err := h.exec(ctx, Process{Args: []string{"sh", "-c", script, "sh", at}, Stdin: bytes.NewReader(content), Stderr: why})
	if err == nil && code != 0 {
		err = release.Invalidf("paths are relative to the package file's folder; make the folder first", "host.write_file: %s can't be written in the container%s", at, because(why))
	}
	return err
}

func because(why *bounded) string {
	if text := bytes.TrimSpace(why.all.Bytes()); len(text) > 0 {
		return ": " + string(text)
	}
	return ""
}

// bounded keeps what is written to it, up to a number of bytes.
type bounded struct {
	most int
	stop func() // when there is more
	all  bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	n := len(p)
	if room := b.most - b.all.Len(); n > room {
		b.over = true
		b.stop()
		p = p[:room]
	}
	b.all.Write(p)
	return n, nil
}

// environ lists an environment, and what is added to it.
func environ(env, more map[string]string) []string {
	all := map[string]string{}
	maps.Copy(all, env)
	maps.Copy(all, more)
	list := make([]string, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, k+"="+all[k])
	}
	return list
}
