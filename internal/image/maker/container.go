package maker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/build"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

var _ build.Containers = (*Maker)(nil)

// Run carries out one command in a builder image.
func (m *Maker) Run(ctx context.Context, c build.ContainerRun) error {
	b, err := m.need(ctx, c.Name)
	if err != nil {
		return err
	}
	r, err := recipe.Command(recipe.CommandSpec{
		Project: c.Project, Image: c.Image, Platform: c.Platform, Dir: path.Join(build.SourceDir, filepath.ToSlash(c.Dir)), Source: build.SourceDir,
		Args: c.Args, Env: c.Env, Caches: c.Caches, Output: c.Output, Files: sortedKeys(c.Files),
	}, os.DirFS(c.Source))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "slipway-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files := filepath.Join(dir, "files")
	for i, at := range sortedKeys(c.Files) {
		to := filepath.Join(files, fmt.Sprint(i))
		if err := os.MkdirAll(files, 0o755); err != nil {
			return err
		}
		if err := link(c.Files[at], to); err != nil {
			return err
		}
	}
	request := buildkit.Request{Name: c.Name, Command: c.Text, Dockerfile: r.Dockerfile, Ignore: r.Ignore, Context: c.Source, NoCache: c.Fresh,
		NamedContexts: map[string]string{}}
	if len(c.Files) > 0 {
		request.NamedContexts[recipe.ContextFiles] = files
	}
	if c.Platform != nil {
		request.Platforms = []release.Platform{*c.Platform}
	}
	if c.Output != "" {
		request.Local = filepath.Join(dir, "out")
	}
	if _, err := b.Build(ctx, request); err != nil {
		return err
	}
	if c.Output == "" {
		return nil
	}
	return take(filepath.Join(request.Local, path.Base(c.Output)), c)
}

// Container makes a container of an image that programs can be run in, one after
// another. Close it after use, before the Maker.
func (m *Maker) Container(ctx context.Context, o buildkit.ContainerOptions) (*buildkit.Container, error) {
	b, err := m.need(ctx, o.Name)
	if err != nil {
		return nil, err
	}
	return b.Container(ctx, o)
}

// take brings what a command made to its place.
func take(from string, c build.ContainerRun) error {
	st, err := os.Lstat(from)
	if err != nil || !st.Mode().IsRegular() {
		return release.Failf("write the file to {output}, or say with the build's `output` where the command leaves it",
			"%s: %s ended well but left no file at %s", c.Name, c.Text, c.Output)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(c.To)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// CanRun tells whether the builder runs programs of a platform.
func (m *Maker) CanRun(ctx context.Context, p release.Platform) (bool, string) {
	b, err := m.need(ctx, "a check in an image")
	if err != nil {
		return false, err.Error()
	}
	if err := b.Can(ctx, []release.Platform{p}); err != nil {
		return false, err.Error()
	}
	return true, ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
