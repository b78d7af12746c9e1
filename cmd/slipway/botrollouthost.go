package main

import (
	"cmp"
	"context"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/host"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
)

// machines are what the scripts of release packages run on: the bot's machine
// where its config allows that, else containers of its image.
type machines struct {
	worker.Host
	unlimited string // what scripts may have of this machine's memory, where this process has less
	getenv    func(string) string
	note      func(string)

	mu    sync.Mutex
	maker *maker.Maker
	rooms map[string]*room // by the folder of a checkout
}

// room is a container with a checkout in it, which all scripts of its commit have
// together.
type room struct {
	mu        sync.Mutex
	container *buildkit.Container
}

func (m *machines) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rooms {
		if r.container != nil {
			_ = r.container.Close() // the work is done
		}
	}
	if m.maker != nil {
		m.maker.Close()
	}
}

// at is the machine for a package file's folder in a checkout.
func (m *machines) at(root, dir string) lang.Host {
	env := host.Environ(m.env())
	switch {
	case m.Local:
		return unbound{host.Local(host.LocalOptions{Dir: filepath.Join(root, filepath.FromSlash(dir)), Env: env}), m.unlimited}
	case m.Image != "":
		return m.inside(root, dir, env)
	}
	return nowhere{host.Local(host.LocalOptions{Env: env})}
}

// env is what scripts see: what the bot's config gives them, and the least that
// programs need.
func (m *machines) env() []string {
	var env []string
	if m.Local {
		for _, name := range []string{"PATH", "HOME", "LANG", "TMPDIR", "TZ"} {
			if v, ok := syscall.Getenv(name); ok {
				env = append(env, name+"="+v)
			}
		}
	}
	for k, v := range m.Env {
		env = append(env, k+"="+v)
	}
	return env
}

// unbound has scripts run without the bound of this process's memory.
type unbound struct {
	lang.Host
	unlimited string
}

func (u unbound) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	switch filepath.Base(s.Shell) {
	case ".", "sh", "bash", "dash", "ash", "ksh", "zsh":
		if u.unlimited != "" { // on the first line, so that errors name theirs
			s.Text = "ulimit -S -d " + u.unlimited + " 2>/dev/null; " + s.Text
		}
	}
	return u.Host.Shell(ctx, s, log)
}

// nowhere refuses scripts: there is no machine for them.
type nowhere struct{ lang.Host }

func (nowhere) Shell(context.Context, lang.Script, lang.Log) (lang.Shell, error) {
	return lang.Shell{}, errNowhere()
}
func (nowhere) ReadFile(context.Context, string) ([]byte, error) { return nil, errNowhere() }
func (nowhere) WriteFile(context.Context, string, []byte) error  { return errNowhere() }

func errNowhere() error {
	return release.Refuse("name an image for them with rollout-image: in the bot's config, or allow the machine itself with host-builds: allow",
		"scripts of release packages may not run plain on the bot's machine")
}

// inside is a folder of a container that is made for its first script.
func (m *machines) inside(root, dir string, env map[string]string) lang.Host {
	return &insideLate{machines: m, root: root, dir: path.Join(buildkit.ContainerDir, dir), env: env}
}

// insideLate is a machine in a container that is made when it is needed.
type insideLate struct {
	machines  *machines
	root, dir string
	env       map[string]string
}

func (*insideLate) OS() string               { return "linux" }
func (*insideLate) Arch() string             { return runtime.GOARCH }
func (h *insideLate) Env() map[string]string { return maps.Clone(h.env) }

func (h *insideLate) open(ctx context.Context) (lang.Host, error) {
	c, err := h.machines.container(ctx, h.root)
	if err != nil {
		return nil, err
	}
	env := c.Env()
	maps.Copy(env, h.env)
	p := c.Platform()
	return host.Inside(host.InsideOptions{Container: c, Image: c.Image(), OS: cmp.Or(p.OS, "linux"), Arch: p.Arch, Dir: h.dir, Env: env}), nil
}

// container is that of a checkout; it outlives the script that it is made for.
func (m *machines) container(ctx context.Context, root string) (*buildkit.Container, error) {
	m.mu.Lock()
	if m.maker == nil {
		m.maker = maker.New(maker.Options{Builder: m.Builder, Getenv: m.getenv, Note: m.note})
	}
	if m.rooms[root] == nil {
		m.rooms[root] = &room{}
	}
	r := m.rooms[root]
	m.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.container != nil {
		return r.container, nil
	}
	c, err := m.maker.Container(context.WithoutCancel(ctx), buildkit.ContainerOptions{Name: "rollout", Image: m.Image, Setting: "rollout-image in the bot's config", Folder: root})
	if err != nil {
		return nil, err
	}
	r.container = c
	return c, nil
}

func (h *insideLate) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	in, err := h.open(ctx)
	if err != nil {
		return lang.Shell{}, err
	}
	return in.Shell(ctx, s, log)
}

func (h *insideLate) ReadFile(ctx context.Context, name string) ([]byte, error) {
	in, err := h.open(ctx)
	if err != nil {
		return nil, err
	}
	return in.ReadFile(ctx, name)
}

func (h *insideLate) WriteFile(ctx context.Context, name string, content []byte) error {
	in, err := h.open(ctx)
	if err != nil {
		return err
	}
	return in.WriteFile(ctx, name, content)
}
