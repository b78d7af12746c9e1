package branch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// checkKey also knows what git takes for its own.
func checkKey(key string) error {
	if err := publish.CheckKey(key); err != nil {
		return err
	}
	for segment := range strings.SplitSeq(key, "/") {
		if strings.EqualFold(segment, ".git") {
			return release.Invalidf("give another path", "%q can't be a file of a git branch", key)
		}
	}
	return nil
}

// tree is a branch at one commit.
type tree struct {
	store  *Store
	commit string // empty: there is no branch
	time   time.Time
}

// blob is a file of a tree.
type blob struct {
	hash string
	size int64
}

// at reads a commit's time.
func (s *Store) at(ctx context.Context, commit string) (tree, error) {
	t := tree{store: s, commit: commit}
	if commit == "" {
		return t, nil
	}
	text, err := s.git.line(ctx, "show", "--no-patch", "--format=%ct", commit, "--")
	if err != nil {
		return tree{}, fmt.Errorf("read %s: %w", s, err)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	t.time = time.Unix(seconds, 0).UTC()
	return t, err
}

// find gives the blob of a key; ErrNotFound.
func (t tree) find(ctx context.Context, key string) (blob, error) {
	if err := checkKey(key); err != nil {
		return blob{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return blob{}, err
	}
	if t.commit != "" {
		files, err := t.files(ctx, key)
		if err != nil {
			return blob{}, err
		}
		for _, f := range files {
			if f.key == key {
				return f.blob, nil
			}
		}
	}
	return blob{}, fmt.Errorf("%s in %s: %w", key, t.store, publish.ErrNotFound)
}

type file struct {
	key string
	blob
}

// files lists the files of a tree, or of one path of it, in the order of keys.
func (t tree) files(ctx context.Context, path string) ([]file, error) {
	if t.commit == "" {
		return nil, context.Cause(ctx)
	}
	args := []string{"ls-tree", "-r", "-l", "-z", "--full-tree", t.commit}
	if path != "" {
		args = []string{"ls-tree", "-l", "-z", "--full-tree", t.commit, "--", path}
	}
	out, err := t.store.git.output(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.store, err)
	}
	var files []file
	for line := range bytes.SplitSeq(out, []byte{0}) {
		// "<mode> <kind> <hash> <size>\t<path>"; links and submodules are no objects.
		about, key, _ := strings.Cut(string(line), "\t")
		part := strings.Fields(about)
		if len(part) != 4 || part[1] != "blob" || part[0] == "120000" || checkKey(key) != nil {
			continue
		}
		size, err := strconv.ParseInt(part[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("list %s: git answers %q", t.store, line)
		}
		files = append(files, file{key, blob{part[2], size}})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.key, b.key) })
	return files, nil
}

func (t tree) object(f file) publish.Object {
	return publish.Object{Key: f.key, Size: f.size, Version: f.hash, Modified: t.time}
}

// stat gives the object with its digest.
func (t tree) stat(ctx context.Context, f file) (publish.Object, error) {
	o := t.object(f)
	t.store.mu.Lock()
	o.Digest = t.store.digests[f.hash]
	t.store.mu.Unlock()
	if o.Digest != "" {
		return o, nil
	}
	h := sha256.New()
	err := t.store.read(ctx, f.hash, h)
	o.Digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	if err == nil {
		t.store.remember(f.hash, o.Digest)
	}
	return o, err
}

func (s *Store) remember(hash, digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digests[hash] = digest
}

// read gives what a blob holds.
func (s *Store) read(ctx context.Context, hash string, to io.Writer) error {
	c := s.git.command("cat-file", "blob", hash)
	c.Stdout = to
	if err := proc.Run(ctx, c); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("read %s: %w", s, s.git.readable(err))
	}
	return nil
}

// open gives the object of a file and its bytes, which are in memory.
func (t tree) open(ctx context.Context, f file) (io.ReadCloser, publish.Object, error) {
	var data bytes.Buffer
	if err := t.store.read(ctx, f.hash, &data); err != nil {
		return nil, publish.Object{}, err
	}
	t.store.remember(f.hash, publish.DigestOf(data.Bytes()))
	o, err := t.stat(ctx, f)
	return io.NopCloser(&data), o, err
}

// Stat implements publish.Store.
func (s *Store) Stat(ctx context.Context, key string) (o publish.Object, err error) {
	err = s.look(ctx, key, func(b *batch) error {
		o, err = b.Stat(ctx, key)
		return err
	})
	return o, err
}

// Open implements publish.Store.
func (s *Store) Open(ctx context.Context, key string) (r io.ReadCloser, o publish.Object, err error) {
	err = s.look(ctx, key, func(b *batch) error {
		r, o, err = b.Open(ctx, key)
		return err
	})
	return r, o, err
}

// look has do see the branch as it is.
func (s *Store) look(ctx context.Context, key string, do func(*batch) error) error {
	if err := checkKey(key); err != nil {
		return err
	}
	t, err := s.newest(ctx)
	if err != nil {
		return err
	}
	return do(&batch{tree: t})
}

// List implements publish.Store. All its objects are of one commit.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[publish.Object, error] {
	return func(yield func(publish.Object, error) bool) {
		t, err := s.newest(ctx)
		if err != nil {
			yield(publish.Object{}, err)
			return
		}
		(&batch{tree: t}).List(ctx, prefix)(yield)
	}
}

// Conditional implements publish.Store: no commit goes on top of one that its
// writer has not seen.
func (s *Store) Conditional(ctx context.Context) (bool, error) { return true, context.Cause(ctx) }

// newest is the branch as it is now.
func (s *Store) newest(ctx context.Context) (tree, error) {
	if err := context.Cause(ctx); err != nil {
		return tree{}, err
	}
	unlock, err := s.alone(ctx)
	if err != nil {
		return tree{}, err
	}
	defer unlock()
	tip, err := s.tip(ctx)
	if err != nil {
		return tree{}, err
	}
	return s.at(ctx, tip)
}
