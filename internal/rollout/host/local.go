// Package host is the machine that release packages run their scripts on: this
// one, or an image of a builder that reaches nothing of this one.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// DefaultMost is how many bytes a script may print to each stream when
// lang.Script.Most is 0. A file that is read may have as many.
const DefaultMost = 16 << 20

// LocalOptions are what scripts on this machine see of it.
type LocalOptions struct {
	Dir string            // the package file's folder, absolute
	Env map[string]string // the environment of scripts, all of it
}

// Local runs scripts on this machine, as a person would in a terminal. It may be
// used from several goroutines.
func Local(o LocalOptions) lang.Host { return local{dir: o.Dir, env: maps.Clone(o.Env)} }

// Environ makes LocalOptions.Env of what os.Environ gives.
func Environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, kv := range list {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env[k] = v
		}
	}
	return env
}

type local struct {
	dir string
	env map[string]string
}

func (local) OS() string               { return runtime.GOOS }
func (local) Arch() string             { return runtime.GOARCH }
func (h local) Env() map[string]string { return maps.Clone(h.env) }

// Shell runs a script as "sh -c" would. A background program that the script
// leaves behind goes on.
func (h local) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	if err := check(s); err != nil {
		return lang.Shell{}, err
	}
	dir := h.path(s.Dir)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return lang.Shell{}, release.Invalidf("`dir` is relative to the package file's folder, "+h.dir, "host.shell: there is no folder %s", dir)
	}
	within, kill := context.WithCancel(ctx)
	defer kill()
	c := newCapture(s, log, kill)
	shell := shellOf(s)
	err := proc.Run(within, proc.Cmd{
		Args: []string{shell, "-c", s.Text}, Dir: dir, Env: environ(h.env, s.Env), Unset: h.unset(),
		Stdout: c.stdout, Stderr: c.stderr,
	})
	answer := c.end()
	switch {
	case ctx.Err() != nil:
		return answer, context.Cause(ctx)
	case c.over() != nil:
		return answer, c.over()
	case errors.Is(err, proc.ErrLeftBehind):
		log.Print("host.shell: the script left a program behind that holds its output open; its further output is not seen")
		return answer, nil
	case errors.Is(err, proc.ErrNotFound):
		return answer, release.Invalidf("install it, or name another with `shell`", "host.shell: there is no program %q on the PATH", shell)
	}
	var exit *proc.Error
	if err != nil && !errors.As(err, &exit) {
		return answer, fmt.Errorf("host.shell: %w", err)
	}
	if exit != nil {
		code, ok := exitCode(exit)
		if !ok {
			return answer, fmt.Errorf("host.shell: start %s: %w", shell, exit.Err)
		}
		answer.ExitCode = code
	}
	return answer, nil
}

// check refuses what the operating system could not be told.
func check(s lang.Script) error {
	for _, text := range []string{s.Text, s.Dir, s.Shell} {
		if strings.Contains(text, "\x00") {
			return release.Invalidf("take it out", "host.shell: the script has a NUL character")
		}
	}
	for k, v := range s.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(v, "\x00") {
			return release.Invalidf(`write env={"NAME": "value"}`, "host.shell: %q is no name and value of an environment variable", k)
		}
	}
	return nil
}

func shellOf(s lang.Script) string {
	if s.Shell == "" {
		return "sh"
	}
	return s.Shell
}

// exitCode is what a shell would say of how its child ended: 128 and the signal's
// number for one that was killed. It is false for one that did not start.
func exitCode(e *proc.Error) (int, bool) {
	if e.Code >= 0 {
		return e.Code, true
	}
	var ended interface{ Sys() any }
	if errors.As(e.Err, &ended) {
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), true
		}
	}
	return 0, false
}

// unset takes all of this process's environment away: scripts see what they were
// given.
func (h local) unset() []string { return slices.Sorted(maps.Keys(Environ(os.Environ()))) }

func (h local) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(h.dir, name)
}

// ReadFile reads a regular file of at most DefaultMost bytes.
func (h local) ReadFile(_ context.Context, name string) ([]byte, error) {
	at := h.path(name)
	st, err := os.Stat(at)
	if err != nil {
		return nil, fileError("host.read_file", name, at, err)
	}
	if !st.Mode().IsRegular() {
		return nil, release.Invalidf("give a file", "host.read_file: %s is no regular file", at)
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, fileError("host.read_file", name, at, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, DefaultMost+1))
	if err != nil {
		return nil, fmt.Errorf("host.read_file: %w", err)
	}
	if len(b) > DefaultMost {
		return nil, tooLarge("host.read_file: "+at, DefaultMost)
	}
	return b, nil
}

// WriteFile writes a file whole, or not at all. A link is followed; a pipe or a
// device is written to as it is.
func (h local) WriteFile(_ context.Context, name string, content []byte) error {
	at := h.path(name)
	if to, err := filepath.EvalSymlinks(at); err == nil {
		at = to
	}
	st, err := os.Stat(at)
	switch {
	case err == nil && st.IsDir():
		return release.Invalidf("give a file's name", "host.write_file: %s is a folder", at)
	case err == nil && !st.Mode().IsRegular():
		f, err := os.OpenFile(at, os.O_WRONLY, 0)
		if err != nil {
			return fileError("host.write_file", name, at, err)
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	}
	if err := renameio.WriteFile(at, content, 0o644, renameio.WithExistingPermissions()); err != nil {
		return fileError("host.write_file", name, at, err)
	}
	return nil
}

func fileError(what, name, at string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := "paths are relative to the package file's folder"
		if _, err := os.Stat(filepath.Dir(at)); err != nil {
			hint = "there is no folder " + filepath.Dir(at) + " either; make it first"
		}
		return release.Invalidf(hint, "%s: there is no %s", what, at)
	case errors.Is(err, fs.ErrPermission):
		return release.Invalidf("change its owner or its mode", "%s: %s may not be read or written by this user", what, at)
	}
	return fmt.Errorf("%s %s: %w", what, name, err)
}

func tooLarge(what string, most int) error {
	return release.Failf("write it to a file, and give its path instead", "%s is larger than %d bytes", what, most)
}
