package gitstate

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
	"github.com/gofrs/flock"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/state"
)

// Apply implements state.Store. One commit has what all callers want that wait
// at the same time, with their messages as its lines.
func (s *Store) Apply(ctx context.Context, message string, changes ...state.Change) ([]string, error) {
	for _, c := range changes {
		if _, err := s.path(c.Ref); err != nil {
			return nil, err
		}
	}
	return s.group.Apply(ctx, message, changes, s.lead)
}

// lead commits for a group, again and again while others are faster.
func (s *Store) lead(ctx context.Context, take func() (context.Context, []*state.Batch)) error {
	// Callers gather while another process is waited for.
	unlock, err := s.alone(ctx)
	if err != nil {
		return err
	}
	ctx, group := take()
	a := &attempt{store: s, group: group}
	pause := &backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond, Multiplier: 1.5, RandomizationFactor: 0.5, MaxInterval: 3 * time.Second}
	pause.Reset()
	for start := time.Now(); ; {
		err := a.run(ctx)
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
		if unlock, err = s.alone(ctx); err != nil {
			return err
		}
	}
}

// retryError is an error that may be gone the next time.
type retryError struct{ error }

func (e *retryError) Unwrap() error { return e.error }

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
	lock := flock.New(s.lock)
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("lock the state's branch: %w", err)
	}
	return func() { _ = lock.Close() }, nil
}

// attempt is a group's way to a commit.
type attempt struct {
	store  *Store
	group  []*state.Batch
	pushed string // the last commit that may have got to the remote, or not
	lost   int    // pushes that nobody knows what became of
}

// run makes one commit. It begins with what was known of a remote branch last:
// a push that finds it there proves that it was the newest.
func (a *attempt) run(ctx context.Context) error {
	s := a.store
	fresh := s.remote == nil || !s.asked() || a.pushed != ""
	tip, err := s.known(ctx, fresh)
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
	changes, messages, conflict, err := a.check(tip)
	if err == nil && !fresh && (conflict || len(changes) == 0) {
		// By what the remote has now, this may look otherwise.
		if tip, err = s.known(ctx, true); err == nil {
			changes, messages, _, err = a.check(tip)
		}
	}
	if err != nil || len(changes) == 0 {
		return err
	}
	commit, err := s.commit(ctx, tip, changes, messages)
	if err != nil {
		return err
	}
	if s.remote == nil {
		return s.update(ctx, tip, commit)
	}
	return a.push(ctx, tip, commit)
}

// check compares the versions that a group's batches expect with those of a
// commit. It gives what is to be changed, in order, by those that have no
// conflict.
func (a *attempt) check(tip string) (changes []state.Change, messages []string, conflict bool, err error) {
	now, err := a.versions(tip)
	if err != nil {
		return nil, nil, false, err
	}
	for _, b := range a.group {
		b.Versions, b.Err = make([]string, len(b.Changes)), nil
		var own []state.Change
		for i, c := range b.Changes {
			gone := c.Value == nil && now[c.Ref] == ""
			if now[c.Ref] != c.Version && !gone {
				b.Err = &state.ConflictError{Ref: c.Ref}
				break
			}
			if c.Value != nil {
				b.Versions[i] = a.store.hashOf(c.Value)
			}
			if now[c.Ref] != b.Versions[i] {
				own = append(own, c)
			}
		}
		if b.Err != nil {
			conflict = true
			continue
		}
		for i, c := range b.Changes {
			now[c.Ref] = b.Versions[i]
		}
		if len(own) > 0 {
			changes, messages = append(changes, own...), append(messages, oneLine(b.Message, own))
		}
	}
	return changes, messages, conflict, nil
}

// versions gives the versions, in a commit, of all documents that a group is
// about.
func (a *attempt) versions(tip string) (map[string]string, error) {
	versions := map[string]string{}
	if tip == "" {
		return versions, nil
	}
	var refs, names []string
	for _, b := range a.group {
		for _, c := range b.Changes {
			path, err := a.store.path(c.Ref)
			if err != nil {
				return nil, err
			}
			refs, names = append(refs, c.Ref), append(names, tip+":"+path)
		}
	}
	found, err := a.store.objects.info(names...)
	if err != nil {
		return nil, err
	}
	for i, o := range found {
		if o.kind == "blob" {
			versions[refs[i]] = o.hash
		}
	}
	return versions, nil
}

// hashOf is the hash of a document's blob, as git names it.
func (s *Store) hashOf(value []byte) string {
	h := sha1.New()
	if s.format == "sha256" {
		h = sha256.New()
	}
	fmt.Fprintf(h, "blob %d\x00", len(value))
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil))
}

const longestLine = 500

// oneLine is a batch's line in the history.
func oneLine(message string, changes []state.Change) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(message, "?"), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if line == "" {
		line = "change " + changes[0].Ref
		if len(changes) > 1 {
			line += fmt.Sprintf(" and %d more", len(changes)-1)
		}
	}
	if r := []rune(line); len(r) > longestLine {
		line = string(r[:longestLine]) + "…"
	}
	return line
}

// commit makes a commit on top of another, or a first one, that no ref points
// to. Of the tree, git touches the folders alone that something changes in.
func (s *Store) commit(ctx context.Context, tip string, changes []state.Change, messages []string) (string, error) {
	message := messages[0] + "\n"
	if len(messages) > 1 {
		message += "\n" + strings.Join(messages[1:], "\n") + "\n"
	}
	const unborn = "refs/slipway/unborn" // it is dropped before it is written
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit %s\nmark :1\ncommitter %s <%s> %d +0000\ndata %d\n%s\n",
		unborn, s.author.Name, s.author.Email, time.Now().Unix(), len(message), message)
	if tip != "" {
		fmt.Fprintf(&in, "from %s\n", tip)
	}
	for _, c := range changes {
		path, err := s.path(c.Ref)
		if err != nil {
			return "", err
		}
		if c.Value == nil {
			fmt.Fprintf(&in, "D %s\n", path)
			continue
		}
		fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n", path, len(c.Value))
		in.Write(c.Value)
		in.WriteByte('\n')
	}
	fmt.Fprintf(&in, "get-mark :1\nreset %s\nfrom %s\ndone\n", unborn, strings.Repeat("0", len(s.hashOf(nil))))
	c := s.git.command("fast-import", "--quiet", "--done")
	c.Stdin = &in
	out, err := proc.Output(ctx, c)
	if err != nil {
		return "", fmt.Errorf("write a commit of the state in %s: %w", s.git.dir, s.git.readable(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// update moves the repository's own branch, if nobody else has.
func (s *Store) update(ctx context.Context, from, to string) error {
	if from == "" {
		from = strings.Repeat("0", len(to))
	}
	_, err := s.git.output(ctx, "update-ref", "-m", "slipway: state", s.branch, to, from)
	var failed *proc.Error
	if errors.As(err, &failed) && strings.Contains(failed.Tail, "cannot lock ref") && !strings.Contains(failed.Tail, "Permission denied") {
		return &retryError{fmt.Errorf("move the branch of the state in %s: %w", s.git.dir, err)}
	}
	if err != nil {
		return fmt.Errorf("move the branch of the state in %s: %w", s.git.dir, err)
	}
	return nil
}
