package branch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// retryError is an error that may be gone the next time.
type retryError struct{ error }

func (e *retryError) Unwrap() error { return e.error }

// commit brings a batch to the branch, again and again while others are faster.
func (s *Store) commit(ctx context.Context, message string, b *batch) error {
	if len(b.written) == 0 {
		return context.Cause(ctx)
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond, Multiplier: 1.5, RandomizationFactor: 0.5, MaxInterval: 3 * time.Second}
	pause.Reset()
	a := &attempt{store: s, batch: b, message: oneLine(message)}
	for start := time.Now(); ; {
		unlock, err := s.alone(ctx)
		if err != nil {
			return err
		}
		err = a.run(ctx)
		unlock()
		var again *retryError
		if !errors.As(err, &again) {
			return err
		}
		if time.Since(start) > s.patience {
			return again.error
		}
		if err := sleep(ctx, pause.NextBackOff()); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// alone has one process of this machine at a time work on the branch. Others
// elsewhere are found out by what git says.
func (s *Store) alone(ctx context.Context) (unlock func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	lock := flock.New(s.lock)
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		<-s.turn
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("lock %s: %w", s, err)
	}
	return func() {
		_ = lock.Close() // which unlocks
		<-s.turn
	}, nil
}

// attempt is a batch's way to a commit.
type attempt struct {
	store   *Store
	batch   *batch
	message string
	pushed  string // the last commit that may have got to the remote, or not
	lost    int    // pushes that nobody knows what became of
}

func (a *attempt) run(ctx context.Context) error {
	s := a.store
	tip, err := s.tip(ctx)
	if err != nil {
		return err
	}
	if a.pushed != "" {
		// A push may have been answered with an error and yet be there.
		there, err := s.contains(ctx, tip, a.pushed)
		if err != nil || there {
			return err
		}
	}
	now := tree{store: s, commit: tip}
	if tip != a.batch.tree.commit {
		if err := a.check(ctx, now); err != nil {
			return err
		}
	}
	if err := a.checkFolders(ctx, now); err != nil {
		return err
	}
	commit, err := a.write(ctx, tip)
	if err != nil || commit == "" {
		return err
	}
	if s.remote == nil {
		return s.update(ctx, tip, commit)
	}
	return a.push(ctx, tip, commit)
}

// check holds the batch's conditions against a tree that others have changed.
func (a *attempt) check(ctx context.Context, now tree) error {
	for _, key := range slices.Sorted(maps.Keys(a.batch.expected)) {
		f, err := now.find(ctx, key)
		if err != nil && !errors.Is(err, publish.ErrNotFound) {
			return err
		}
		if !met(f.hash, a.batch.expected[key]) {
			return fmt.Errorf("put %s in %s: %w", key, a.store, publish.ErrConflict)
		}
	}
	return nil
}

// checkFolders refuses a path that would be a file and a folder at once: git would
// drop one of them.
func (a *attempt) checkFolders(ctx context.Context, now tree) error {
	files, err := (&batch{tree: now, written: a.batch.written}).files(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[f.key] = true
	}
	for _, f := range files {
		for dir := path.Dir(f.key); dir != "."; dir = path.Dir(dir) {
			if there[dir] {
				return release.Invalidf("give one of them another path", "%s can't have both %s and %s", a.store, dir, f.key)
			}
		}
	}
	return nil
}

// write makes a commit that no ref points to, by an index of its own; "" when
// nothing would change.
func (a *attempt) write(ctx context.Context, tip string) (string, error) {
	s := a.store
	dir, err := os.MkdirTemp("", "slipway-index-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover harms nobody
	g := s.git
	g.env = append(slices.Clip(g.env), "GIT_INDEX_FILE="+filepath.Join(dir, "index"),
		"GIT_AUTHOR_NAME="+s.author.Name, "GIT_AUTHOR_EMAIL="+s.author.Email,
		"GIT_COMMITTER_NAME="+s.author.Name, "GIT_COMMITTER_EMAIL="+s.author.Email)
	failed := func(err error) (string, error) {
		if context.Cause(ctx) != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("write a commit for %s: %w", s, err)
	}
	was := ""
	if tip != "" {
		if _, err := g.output(ctx, "read-tree", tip); err != nil {
			return failed(err)
		}
		if was, err = g.line(ctx, "rev-parse", tip+"^{tree}"); err != nil {
			return failed(err)
		}
	}
	update := g.command("update-index", "-z", "--index-info")
	update.Stdin = a.entries()
	if _, err := g.run(ctx, update); err != nil {
		return failed(err)
	}
	now, err := g.line(ctx, "write-tree")
	if err != nil {
		return failed(err)
	}
	if now == was || was == "" && a.empty() {
		return "", nil
	}
	args := []string{"commit-tree", "--no-gpg-sign", "-F", "-"}
	if tip != "" {
		args = append(args, "-p", tip)
	}
	commit := g.command(append(args, now)...)
	commit.Stdin = strings.NewReader(a.message + "\n")
	out, err := g.run(ctx, commit)
	if err != nil {
		return failed(err)
	}
	return strings.TrimSpace(string(out)), nil
}

// empty reports whether the batch only deletes.
func (a *attempt) empty() bool {
	for _, b := range a.batch.written {
		if b != nil {
			return false
		}
	}
	return true
}

// entries are the batch's files as update-index reads them. What goes is said
// first, to make room for a folder of that name.
func (a *attempt) entries() *bytes.Reader {
	var gone, there bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(a.batch.written)) {
		if b := a.batch.written[key]; b != nil {
			fmt.Fprintf(&there, "100644 %s\t%s\x00", b.hash, key)
		} else {
			fmt.Fprintf(&gone, "0 %040d\t%s\x00", 0, key)
		}
	}
	return bytes.NewReader(append(gone.Bytes(), there.Bytes()...))
}

// oneLine is a commit's message, whatever it was made of.
func oneLine(message string) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(message, "?"), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if r := []rune(line); len(r) > 500 {
		line = string(r[:500]) + "…"
	}
	if line == "" {
		line = "publish"
	}
	return line
}

// update moves the repository's own branch, if nobody else has.
func (s *Store) update(ctx context.Context, from, to string) error {
	if from == "" {
		from = strings.Repeat("0", len(to))
	}
	_, err := s.git.output(ctx, "update-ref", "-m", "slipway: publish", s.branch, to, from)
	var failed *proc.Error
	if errors.As(err, &failed) && strings.Contains(failed.Tail, "cannot lock ref") && !strings.Contains(failed.Tail, "Permission denied") {
		return &retryError{fmt.Errorf("move %s: %w: %w", s, publish.ErrUnavailable, err)}
	}
	if err != nil && context.Cause(ctx) == nil {
		return fmt.Errorf("move %s: %w", s, err)
	}
	return err
}
