// Package checkout gives rollouts a repository at a commit: its files as git
// has them, and a machine whose scripts run among them.
package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// Source opens a repository at commits. A commit is checked out only when a
// script runs at it. It implements rollout.Source.
type Source struct {
	// Repo is where the commits are.
	Repo *git.Repo
	// Head is the commit whose files are those of the folder Tree, with what is
	// not committed; empty when there is no such folder.
	Head, Tree string
	// Host makes the machine for scripts: root is the folder with the commit's
	// files, dir that of a package file in it, with slashes.
	Host func(root, dir string) lang.Host
	// Trees is the folder that checkouts are made in.
	Trees string

	mu    sync.Mutex
	trees map[string]string // by commit
}

// At implements rollout.Source.
func (s *Source) At(ctx context.Context, commit string) (rollout.Checkout, error) {
	if commit == s.Head && s.Tree != "" {
		root, err := os.OpenRoot(s.Tree)
		if err != nil {
			return rollout.Checkout{}, err
		}
		return rollout.Checkout{Root: root.FS(), Host: func(dir string) lang.Host { return s.Host(s.Tree, dir) }}, nil
	}
	if _, err := s.Repo.Commit(ctx, commit); err != nil {
		return rollout.Checkout{}, err
	}
	return rollout.Checkout{Root: files{func(name string) ([]byte, error) { return s.Repo.Show(ctx, commit, name) }},
		Host: func(dir string) lang.Host {
			return &late{Host: s.Host("", dir), open: func(ctx context.Context) (lang.Host, error) {
				root, err := s.tree(ctx, commit)
				if err != nil {
					return nil, err
				}
				return s.Host(root, dir), nil
			}}
		}}, nil
}

// tree checks a commit out, once.
func (s *Source) tree(ctx context.Context, commit string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir, ok := s.trees[commit]; ok {
		return dir, nil
	}
	if err := os.MkdirAll(s.Trees, 0o755); err != nil {
		return "", err
	}
	// A folder of this process alone: another one's scripts must not meet ours.
	dir, err := os.MkdirTemp(s.Trees, "rollout-")
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "tree")
	if err := s.Repo.Checkout(ctx, commit, dir); err != nil {
		return "", err
	}
	if s.trees == nil {
		s.trees = map[string]string{}
	}
	s.trees[commit] = dir
	return dir, nil
}

// Close removes the checkouts.
func (s *Source) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, dir := range s.trees {
		errs = append(errs, s.Repo.RemoveCheckout(ctx, dir), os.RemoveAll(filepath.Dir(dir)))
	}
	s.trees = nil
	return errors.Join(errs...)
}

// late is a machine for whose scripts the commit is checked out first.
type late struct {
	lang.Host // for what needs no files
	open      func(ctx context.Context) (lang.Host, error)
}

func (l *late) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	h, err := l.open(ctx)
	if err != nil {
		return lang.Shell{}, err
	}
	return h.Shell(ctx, s, log)
}

func (l *late) ReadFile(ctx context.Context, name string) ([]byte, error) {
	h, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	return h.ReadFile(ctx, name)
}

func (l *late) WriteFile(ctx context.Context, name string, content []byte) error {
	h, err := l.open(ctx)
	if err != nil {
		return err
	}
	return h.WriteFile(ctx, name, content)
}

// files are a commit's, read one by one.
type files struct {
	read func(name string) ([]byte, error)
}

// Open implements fs.FS for files; folders can't be listed.
func (f files) Open(name string) (fs.File, error) {
	content, err := f.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &file{Reader: bytes.NewReader(content), name: name}, nil
}

// ReadFile implements fs.ReadFileFS.
func (f files) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	content, err := f.read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, err
}

type file struct {
	*bytes.Reader
	name string
}

var _ io.Reader = (*file)(nil)

func (f *file) Stat() (fs.FileInfo, error) { return f, nil }
func (f *file) Close() error               { return nil }
func (f *file) Name() string               { return path.Base(f.name) }
func (f *file) Mode() fs.FileMode          { return 0o444 }
func (f *file) ModTime() time.Time         { return time.Time{} }
func (f *file) IsDir() bool                { return false }
func (f *file) Sys() any                   { return nil }
