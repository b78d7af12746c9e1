package gitstate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/state"
)

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, ref string) (state.Document, error) {
	path, err := s.path(ref)
	if err != nil {
		return state.Document{}, err
	}
	tip, err := s.look(ctx)
	if err != nil {
		return state.Document{}, fmt.Errorf("read state %s: %w", ref, err)
	}
	if tip != "" {
		found, err := s.objects.contents(tip + ":" + path)
		if err != nil {
			return state.Document{}, fmt.Errorf("read state %s: %w", ref, err)
		}
		if found[0].kind == "blob" {
			return state.Document{Value: found[0].value, Version: found[0].hash}, nil
		}
	}
	return state.Document{}, fmt.Errorf("state %s: %w", ref, state.ErrNotFound)
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	files, err := s.files(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	refs := make([]string, len(files))
	for i, f := range files {
		refs[i] = f.ref
	}
	return refs, nil
}

// Scan implements state.Store. All its documents are of one commit.
func (s *Store) Scan(ctx context.Context, prefix string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		files, err := s.files(ctx, prefix)
		for some := range slices.Chunk(files, aFew) {
			hashes := make([]string, len(some))
			for i, f := range some {
				hashes[i] = f.hash
			}
			var found []object
			if found, err = s.objects.contents(hashes...); err != nil {
				break
			}
			for i, o := range found {
				if err = ctx.Err(); err == nil && o.hash == "" {
					err = fmt.Errorf("%s is missing in the repository", hashes[i])
				}
				if err != nil {
					break
				}
				if !yield(state.Entry{Ref: some[i].ref, Document: state.Document{Value: o.value, Version: o.hash}}, nil) {
					return
				}
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			yield(state.Entry{}, fmt.Errorf("read the state below %q: %w", prefix, err))
		}
	}
}

type file struct{ ref, hash string }

// files lists the documents below a prefix, in order of refs.
func (s *Store) files(ctx context.Context, prefix string) ([]file, error) {
	args := []string{"ls-tree", "-r", "-z", "--full-tree"}
	if prefix != "" && !state.IsRef(prefix) {
		return nil, nil // and no ref begins so
	}
	tip, err := s.look(ctx)
	if err != nil || tip == "" {
		return nil, err
	}
	args = append(args, tip, "--")
	if prefix != "" {
		own, err := s.path(prefix)
		if err != nil {
			return nil, err
		}
		below, err := s.path(prefix + "/x")
		if err != nil {
			return nil, err
		}
		args = append(args, own, strings.TrimSuffix(below, "x.json"))
	} else if s.prefix != "" {
		args = append(args, s.prefix)
	}
	var files []file
	err = proc.Stream(ctx, s.git.command(args...), func(r io.Reader) error {
		files, err = s.readFiles(r)
		return err
	})
	if err != nil {
		return nil, s.git.readable(err)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.ref, b.ref) })
	return files, nil
}

// readFiles reads "<mode> <kind> <hash>\t<path>" and a NUL for each file. What
// else is on the branch is no document.
func (s *Store) readFiles(r io.Reader) ([]file, error) {
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var files []file
	for line := range bytes.SplitSeq(all, []byte{0}) {
		about, path, _ := bytes.Cut(line, []byte{'\t'})
		part := bytes.Split(about, []byte{' '})
		below, inside := bytes.CutPrefix(path, []byte(s.prefix))
		if len(part) != 3 || string(part[1]) != "blob" || !inside {
			continue
		}
		if ref, ours := state.FileRef(string(below)); ours {
			files = append(files, file{ref, string(part[2])})
		}
	}
	return files, nil
}

func (s *Store) path(ref string) (string, error) {
	path, err := state.FilePath(ref)
	return s.prefix + path, err
}

// look gives the branch's newest commit, or "" when there is no branch. Of a
// remote branch it may be as old as MaxAge.
func (s *Store) look(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if s.remote == nil {
		return s.resolve(s.branch)
	}
	if tip, fresh := s.cached(); fresh {
		return tip, nil
	}
	unlock, err := s.alone(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if tip, fresh := s.cached(); fresh { // by whoever was waited for
		return tip, nil
	}
	return s.known(ctx, true)
}

// cached is what is known of a remote branch, and whether that is young enough.
func (s *Store) cached() (tip string, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tip, !s.fetched.IsZero() && time.Since(s.fetched) < s.maxAge
}

// asked reports whether anything is known of a remote branch.
func (s *Store) asked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.fetched.IsZero()
}

// learned keeps what a remote branch was at a time.
func (s *Store) learned(tip string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tip, s.fetched = tip, at
}

// known gives the branch's newest commit, of a remote branch the last that is
// known unless the remote is to be asked. The caller is alone.
func (s *Store) known(ctx context.Context, ask bool) (string, error) {
	if s.remote == nil {
		return s.resolve(s.branch)
	}
	if !ask {
		tip, _ := s.cached()
		return tip, nil
	}
	at := time.Now()
	tip, err := s.fetch(ctx)
	if err == nil {
		s.learned(tip, at)
	}
	return tip, err
}

// resolve gives the commit that a ref of the repository points to, or "".
func (s *Store) resolve(ref string) (string, error) {
	found, err := s.objects.info(ref + "^{commit}")
	if err != nil {
		return "", err
	}
	return found[0].hash, nil
}
